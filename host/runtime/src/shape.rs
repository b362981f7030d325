//! Looks at a component without compiling it: what it is, what it imports and exports, and whether
//! it declares more than the compiler should be asked to handle.
//!
//! Types are not looked at here; the linker checks them after compilation.

use wasmparser::{
    ComponentExternalKind, Encoding, Parser, Payload, SectionLimited, TypeSectionReader,
};

use crate::LOG_INTERFACE;
use crate::complexity::{self, Complexity, PARAMETERS_MAX, RESULTS_MAX, check_count, invalid};
use crate::error::LoadError;
use crate::wasi;
use crate::world::World;
use crate::worlds;

/// Records that both sides share; an import of it brings no function.
const TYPES_INTERFACE: &str = "replicant:crdt/types@0.1.0";

/// What a component may declare, all nested modules together. Python components, the largest that
/// are useful, stay well below: they have 1,328 function types, 13,478 functions, 111 instances.
const DECLARED_MAX: [(&str, u64); 11] = [
    (TYPES, 5_000),
    (FUNCTIONS, 60_000),
    (MODULES, 100),
    (COMPONENTS, 100),
    (INSTANCES, 1_000),
    (MEMORIES, 64),
    (TABLES, 128),
    (GLOBALS, 100_000),
    (SEGMENTS, 200_000),
    (IMPORTS, 100),
    (EXPORTS, 100),
];
/// A page of memory has 64 KiB, unless its memory says otherwise.
const PAGE_LOG2: u32 = 16;

const TYPES: &str = "function types";
const FUNCTIONS: &str = "functions";
const MODULES: &str = "core modules";
const COMPONENTS: &str = "nested components";
const INSTANCES: &str = "instances";
const MEMORIES: &str = "memories";
const TABLES: &str = "tables";
const GLOBALS: &str = "globals";
const SEGMENTS: &str = "data and element segments";
const IMPORTS: &str = "imports";
const EXPORTS: &str = "exports";

/// What is found out about a component: names at its outside, in its order, and what it declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes that the largest of its memories has from the start.
    pub(crate) memory_bytes: u64,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl Shape {
    /// Whether its memories have room.
    ///
    /// # Errors
    ///
    /// [`LoadError::MemoryTooLarge`].
    pub(crate) fn check_memory(&self, limit: u64) -> Result<(), LoadError> {
        let size = self.memory_bytes;
        match size > limit {
            true => Err(LoadError::MemoryTooLarge { size, limit }),
            false => Ok(()),
        }
    }

    /// What the cache keeps: the bytes of memory in eight bytes, the number of imports, that of
    /// exports, then the names, each with its length in front; these numbers in four bytes. All
    /// little endian.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Counts and lengths come from a component, whose size is bounded far below.
        let number = |of: usize| u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = self.memory_bytes.to_le_bytes().to_vec();
        bytes.extend(number(self.imports.len()));
        bytes.extend(number(self.exports.len()));
        for name in self.imports.iter().chain(&self.exports) {
            bytes.extend(number(name.len()));
            bytes.extend(name.as_bytes());
        }
        bytes
    }

    /// Reads what the cache kept.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
            let (number, rest) = bytes.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*number).try_into().ok()?, rest))
        }
        let (memory_bytes, rest) = bytes.split_first_chunk::<8>()?;
        let (imports, rest) = number(rest)?;
        let (exports, mut rest) = number(rest)?;
        let mut shape = Self {
            memory_bytes: u64::from_le_bytes(*memory_bytes),
            ..Self::default()
        };
        for index in 0..imports.checked_add(exports)? {
            let (length, behind) = number(rest)?;
            let (name, behind) = behind.split_at_checked(length)?;
            let names = match index < imports {
                true => &mut shape.imports,
                false => &mut shape.exports,
            };
            names.push(String::from_utf8(name.to_vec()).ok()?);
            rest = behind;
        }
        rest.is_empty().then_some(shape)
    }
}

/// Everything that decides which components are found good, but for their size.
pub(crate) fn rules() -> impl std::hash::Hash {
    (env!("CARGO_PKG_VERSION"), DECLARED_MAX, complexity::LIMITS)
}

/// Whether a component is small enough to be looked at.
///
/// # Errors
///
/// [`LoadError::TooLarge`].
pub(crate) fn check_size(bytes: &[u8], bytes_max: u64) -> Result<(), LoadError> {
    let size = bytes.len() as u64;
    if size > bytes_max {
        return Err(LoadError::TooLarge {
            size,
            limit: bytes_max,
        });
    }
    Ok(())
}

/// Looks at `bytes`; cost is one pass.
///
/// # Errors
///
/// Says what is wrong with the component.
pub(crate) fn examine(bytes: &[u8]) -> Result<Shape, LoadError> {
    check_magic(bytes)?;
    let mut examiner = Examiner::default();
    for payload in Parser::new(0).parse_all(bytes) {
        examiner.see(payload.map_err(invalid)?)?;
    }
    let shape = examiner.shape;
    worlds::check(shape.exports.iter().chain(&shape.imports))?;
    check_imports(&shape.imports)?;
    World::of(&shape.exports)?;
    Ok(shape)
}

fn check_magic(bytes: &[u8]) -> Result<(), LoadError> {
    let not = |what: &str| Err(LoadError::NotWasm(what.to_owned()));
    if bytes.starts_with(b"\x7fELF") {
        return Err(LoadError::Precompiled);
    }
    if bytes.is_empty() {
        return not("it is empty");
    }
    if bytes.trim_ascii_start().starts_with(b"(") {
        return not("it looks like the text format; encode it first");
    }
    if !bytes.starts_with(b"\0asm") {
        return not("it does not begin with the magic number `\\0asm`");
    }
    match bytes.get(4..8) {
        Some([_, _, 0, 0]) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
        None => not("it ends within its header"),
    }
}

fn check_imports(imports: &[String]) -> Result<(), LoadError> {
    let (wasi, other): (Vec<_>, Vec<_>) = imports
        .iter()
        .filter(|name| *name != LOG_INTERFACE && *name != TYPES_INTERFACE)
        .filter(|name| !wasi::is_offered(name))
        .cloned()
        .partition(|name| name.starts_with("wasi:"));
    if !other.is_empty() {
        return Err(LoadError::ForbiddenImports { names: other });
    }
    if !wasi.is_empty() {
        return Err(LoadError::WasiImports { names: wasi });
    }
    Ok(())
}

#[derive(Default)]
struct Examiner {
    shape: Shape,
    /// How deep the nested modules and components are that we are in; 0 outside of all.
    depth: u64,
    declared: [u64; DECLARED_MAX.len()],
    complexity: Complexity,
}

impl Examiner {
    fn see(&mut self, payload: Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } => self.see_version(encoding)?,
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ModuleSection { .. } => self.declare(MODULES, 1)?,
            Payload::ComponentSection { .. } => self.declare(COMPONENTS, 1)?,
            Payload::InstanceSection(section) => self.declare_all(INSTANCES, &section)?,
            Payload::ComponentInstanceSection(section) => self.declare_all(INSTANCES, &section)?,
            Payload::MemorySection(section) => {
                self.declare_all(MEMORIES, &section)?;
                for memory in section {
                    let memory = memory.map_err(invalid)?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(PAGE_LOG2).min(PAGE_LOG2);
                    let bytes = memory.initial.saturating_mul(page);
                    self.shape.memory_bytes = self.shape.memory_bytes.max(bytes);
                }
            }
            Payload::TableSection(section) => self.declare_all(TABLES, &section)?,
            Payload::GlobalSection(section) => self.declare_all(GLOBALS, &section)?,
            Payload::DataSection(section) => self.declare_all(SEGMENTS, &section)?,
            Payload::ElementSection(section) => self.declare_all(SEGMENTS, &section)?,
            Payload::CodeSectionStart { count, .. } => self.declare(FUNCTIONS, u64::from(count))?,
            Payload::CodeSectionEntry(body) => self.complexity.add(&body)?,
            Payload::TypeSection(section) => {
                self.declare_all(TYPES, &section)?;
                check_types(section)?;
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                self.declare_all(IMPORTS, &section)?;
                for import in section {
                    let name = import.map_err(invalid)?.name.name;
                    self.shape.imports.push(name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                self.declare_all(EXPORTS, &section)?;
                for export in section {
                    let export = export.map_err(invalid)?;
                    if export.kind != ComponentExternalKind::Type {
                        self.shape.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn see_version(&mut self, encoding: Encoding) -> Result<(), LoadError> {
        if self.depth == 0 && encoding == Encoding::Module {
            return Err(LoadError::CoreModule);
        }
        self.depth += 1;
        Ok(())
    }

    fn declare_all<T>(
        &mut self,
        what: &'static str,
        section: &SectionLimited<'_, T>,
    ) -> Result<(), LoadError> {
        self.declare(what, u64::from(section.count()))
    }

    fn declare(&mut self, what: &'static str, more: u64) -> Result<(), LoadError> {
        for (index, (name, limit)) in DECLARED_MAX.into_iter().enumerate() {
            if name == what {
                self.declared[index] += more;
                return check_count(what, self.declared[index], limit);
            }
        }
        Ok(())
    }
}

fn check_types(section: TypeSectionReader<'_>) -> Result<(), LoadError> {
    for function in section.into_iter_err_on_gc_types() {
        let function = function.map_err(invalid)?;
        let (parameters, results) = (function.params().len(), function.results().len());
        check_count(
            "parameters of one function",
            parameters as u64,
            PARAMETERS_MAX,
        )?;
        check_count("results of one function", results as u64, RESULTS_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Grouped;

    fn examine_text(text: &str) -> Result<Shape, LoadError> {
        examine(&wat::parse_str(text).unwrap())
    }

    /// A component that declares `count` of something.
    fn declaring(what: &str, count: usize) -> String {
        let many = |text: &str| text.repeat(count);
        let core = |text: &str| format!("(component (core module {}))", many(text));
        match what {
            TYPES => core("(type (func))"),
            FUNCTIONS => core("(func)"),
            MODULES => format!("(component {})", many("(core module)")),
            COMPONENTS => format!("(component {})", many("(component)")),
            INSTANCES => format!("(component {})", many("(instance)")),
            MEMORIES => format!("(component {})", many("(core module (memory 1))")),
            TABLES => core("(table 1 funcref)"),
            GLOBALS => core("(global i32 (i32.const 0))"),
            SEGMENTS => core("(data \"\")"),
            IMPORTS => {
                let import = |index| format!("(import \"i{index}\" (func))");
                format!("(component {})", (0..count).map(import).collect::<String>())
            }
            _ => {
                let export = |index| format!("(export \"e{index}\" (instance 0))");
                let exports: String = (0..count).map(export).collect();
                format!("(component (instance) {exports})")
            }
        }
    }

    #[test]
    fn everything_that_is_counted_is_bounded() {
        for (what, limit) in DECLARED_MAX {
            let count = limit as usize;
            let error = examine_text(&declaring(what, count)).unwrap_err();
            let is_other = matches!(
                error,
                LoadError::NoWorld | LoadError::ForbiddenImports { .. }
            );
            assert!(is_other, "{what}: {error}");
            let error = examine_text(&declaring(what, count + 1)).unwrap_err();
            let text = format!(
                "the component declares {} {what} (limit",
                Grouped(limit + 1)
            );
            assert!(error.to_string().starts_with(&text), "{what}: {error}");
        }
    }

    /// Whoever reads why a component is refused finds the limit there.
    #[test]
    fn the_documents_have_the_limits() {
        let document = include_str!("../../../docs/cli.md");
        for (what, limit) in DECLARED_MAX.into_iter().chain(complexity::named_limits()) {
            let named = format!("`{what}`");
            let row = document.lines().find(|line| line.contains(&named));
            let row = row.unwrap_or_else(|| panic!("no row of {what}"));
            assert!(row.contains(&Grouped(limit).to_string()), "{row}");
        }
    }

    #[test]
    fn what_is_no_component_is_named() {
        let what = |bytes: &[u8]| examine(bytes).unwrap_err().to_string();
        assert!(what(b"").contains("empty"));
        assert!(what(b"  (component)").contains("text format"));
        assert!(what(b"#!/bin/sh").contains("magic number"));
        assert!(what(b"\0asm").contains("header"));
        assert!(what(b"\x7fELF\x02\x01").contains("precompiled"));
        assert!(what(&wat::parse_str("(module)").unwrap()).contains("core WebAssembly module"));
        let component = wat::parse_str("(component (core module))").unwrap();
        assert!(what(&component[..component.len() - 1]).contains("not valid"));
    }

    #[test]
    fn what_the_cache_keeps_is_read_back_and_nothing_that_is_cut_off() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let shape = Shape {
            memory_bytes: 3 << 40,
            imports: names(&["a:b/c", ""]),
            exports: names(&["ä"]),
        };
        let bytes = shape.to_bytes();
        assert_eq!(Shape::from_bytes(&bytes), Some(shape));
        for length in 0..bytes.len() {
            assert_eq!(Shape::from_bytes(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Shape::from_bytes(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(Shape::from_bytes(&[0xff; 64]), None);
    }

    #[test]
    fn one_byte_too_many_is_too_large() {
        let bytes = wat::parse_str("(component)").unwrap();
        let size = bytes.len() as u64;
        assert_eq!(check_size(&bytes, size), Ok(()));
        assert_eq!(
            check_size(&bytes, size - 1),
            Err(LoadError::TooLarge {
                size,
                limit: size - 1
            })
        );
    }

    #[test]
    fn imports_are_named_before_anything_is_compiled() {
        let error = examine_text(
            r#"(component
                (import "wasi:clocks/wall-clock@0.2.3" (instance))
                (import "wasi:http/outgoing-handler@0.2.3" (instance))
                (import "replicant:crdt/log@0.1.0" (instance)))"#,
        )
        .unwrap_err();
        assert_eq!(
            error,
            LoadError::WasiImports {
                names: vec!["wasi:http/outgoing-handler@0.2.3".to_owned()]
            }
        );
        let error = examine_text(r#"(component (import "x:y/z" (instance)))"#).unwrap_err();
        assert!(error.to_string().contains("imports `x:y/z`"), "{error}");
    }

    #[test]
    fn names_inside_of_nested_components_do_not_count() {
        let error = examine_text(
            r#"(component (component
                (instance)
                (export "replicant:crdt/op-based@0.1.0" (instance 0))))"#,
        )
        .unwrap_err();
        assert!(matches!(error, LoadError::NoWorld), "{error}");
    }

    #[test]
    fn more_than_the_compiler_should_see_is_refused() {
        for (what, limit) in [("parameters", PARAMETERS_MAX), ("results", RESULTS_MAX)] {
            let of_type = |count: u64| {
                let types = "i32 ".repeat(count as usize);
                let list = if what == "results" { "result" } else { "param" };
                let text = format!("(component (core module (type (func ({list} {types})))))");
                examine_text(&text).unwrap_err()
            };
            assert!(matches!(of_type(limit), LoadError::NoWorld));
            let text = format!(
                "declares {} {what} of one function (limit {limit})",
                limit + 1
            );
            assert!(of_type(limit + 1).to_string().contains(&text), "{text}");
        }
        let blocks = format!("{}{}", "block ".repeat(2_001), "end ".repeat(2_001));
        let error = examine_text(&format!("(component (core module (func {blocks})))"));
        assert!(matches!(
            error,
            Err(LoadError::TooMany { count: 2_001, .. })
        ));
    }
}
