//! Guests in the text format: well-behaved ones that do nothing, of which a test replaces one
//! part by something that a well-behaved guest would not do.

use std::collections::BTreeMap;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The calls of the interface, as `Fault::export` names them.
pub(crate) const CALLS: [&str; 9] = [
    "describe", "new", "load", "update", "apply", "query", "save", "compact", "sample",
];

/// A core module that a component is made of.
#[derive(Clone)]
pub(crate) struct Guest {
    name: String,
    version: String,
    bodies: BTreeMap<&'static str, String>,
    memory: String,
    realloc: String,
    extra: String,
    imports: String,
    wit: Option<String>,
    left_out: Option<&'static str>,
    is_delta_based: bool,
}

impl Guest {
    /// A guest of which every call returns nothing.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            bodies: BTreeMap::new(),
            memory: "2".to_owned(),
            realloc: "(local $at i32)
                (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15))
                    (i32.const -16)))
                (global.set $top (i32.add (local.get $at) (local.get $size)))
                (block $fits
                    (br_if $fits (i32.le_u (global.get $top)
                        (i32.mul (memory.size) (i32.const 65536))))
                    (drop (memory.grow (i32.add (i32.const 1)
                        (i32.shr_u (local.get $size) (i32.const 16))))))
                (local.get $at)"
                .to_owned(),
            extra: String::new(),
            imports: String::new(),
            wit: None,
            left_out: None,
            is_delta_based: false,
        }
    }

    /// Replaces the body of a call. Parameters are named as in the WIT (`$context`, …); lists are
    /// `$name` and `$name_len`.
    pub(crate) fn body(mut self, call: &'static str, body: &str) -> Self {
        self.bodies.insert(call, body.to_owned());
        self
    }

    /// Replaces the body of the allocator: `$old $old_size $align $size` → address.
    pub(crate) fn realloc(mut self, body: &str) -> Self {
        self.realloc = body.to_owned();
        self
    }

    /// Adds to the core module: functions, tables, data.
    pub(crate) fn extra(mut self, text: &str) -> Self {
        self.extra.push_str(text);
        self
    }

    /// Adds imports to the core module.
    pub(crate) fn imports(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self
    }

    /// Replaces the memory's limits, in pages.
    pub(crate) fn memory(mut self, pages: &str) -> Self {
        self.memory = pages.to_owned();
        self
    }

    /// Replaces the version that it gives itself.
    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// Makes it a guest of the world of state-based types: `update` is `mutate`, `apply` `merge`.
    pub(crate) fn delta_based(mut self) -> Self {
        self.is_delta_based = true;
        self
    }

    /// Leaves a call out.
    pub(crate) fn without(mut self, call: &'static str) -> Self {
        self.left_out = Some(call);
        self
    }

    /// Replaces the interface, given as WIT text.
    pub(crate) fn wit(mut self, text: &str) -> Self {
        self.wit = Some(text.to_owned());
        self
    }

    /// Encodes the component.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap();
        let mut resolve = Resolve::default();
        let package = match &self.wit {
            Some(text) => resolve.push_str("changed.wit", text).unwrap(),
            None => {
                let wit =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/replicant-crdt-0.1.0");
                resolve.push_dir(wit).unwrap().0
            }
        };
        let name = match self.is_delta_based {
            false => "op-type",
            true => "delta-type",
        };
        let world = resolve.select_world(&[package], Some(name)).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .unwrap()
            .encode()
            .unwrap()
    }

    fn module(&self) -> String {
        let (interface, update, apply) = match self.is_delta_based {
            false => (
                "replicant:crdt/op-based@0.1.0",
                "#[method]object.update",
                "#[method]object.apply",
            ),
            true => (
                "replicant:crdt/delta-based@0.1.0",
                "#[method]object.mutate",
                "#[method]object.merge",
            ),
        };
        let functions: String = [
            ("describe", "#describe", "(result i32)"),
            ("new", "#[constructor]object", "(result i32)"),
            (
                "load",
                "#[static]object.load",
                "(param $saved i32) (param $saved_len i32) (param $from i32)
                 (param $from_len i32) (result i32)",
            ),
            (
                "update",
                update,
                "(param $self i32) (param $replica i64) (param $counter i64)
                 (param $timestamp i64) (param $schema i32) (param $commands i32)
                 (param $commands_len i32) (param $ends i32) (param $ends_len i32)
                 (param $events i32) (result i32)",
            ),
            (
                "apply",
                apply,
                match self.is_delta_based {
                    false => {
                        "(param $self i32) (param $replica i64) (param $timestamp i64)
                         (param $schema i32) (param $counters i32) (param $counters_len i32)
                         (param $ops i32) (param $ops_len i32) (param $ends i32)
                         (param $ends_len i32) (param $events i32) (result i32)"
                    }
                    true => {
                        "(param $self i32) (param $schema i32) (param $ops i32)
                         (param $ops_len i32) (param $ends i32) (param $ends_len i32)
                         (param $events i32) (result i32)"
                    }
                },
            ),
            (
                "query",
                "#[method]object.query",
                "(param $self i32) (param $some i32) (param $query i32) (param $query_len i32)
                 (result i32)",
            ),
            (
                "save",
                "#[method]object.save",
                "(param $self i32) (result i32)",
            ),
            (
                "compact",
                "#[method]object.compact",
                "(param $self i32) (param $stable i32) (param $stable_len i32)
                 (param $floor i64) (param $number i64) (result i32)",
            ),
            (
                "sample",
                "#[method]object.sample",
                "(param $self i32) (param $seed i64) (result i32)",
            ),
            ("release", "#[dtor]object", "(param $self i32)"),
        ]
        .into_iter()
        .filter(|(call, ..)| self.left_out != Some(*call))
        .map(|(call, name, signature)| {
            let body = self
                .bodies
                .get(call)
                .map_or_else(|| default_body(call), String::as_str);
            format!("(func (export \"{interface}{name}\") {signature} {body})\n")
        })
        .collect();
        format!(
            "(module
                (import \"[export]{interface}\" \"[resource-new]object\"
                    (func $new (param i32) (result i32)))
                (import \"[export]{interface}\" \"[resource-drop]object\"
                    (func $drop (param i32)))
                (import \"replicant:crdt/log@0.1.0\" \"write\"
                    (func $log (param i32 i32 i32)))
                {imports}
                (memory (export \"memory\") {memory})
                (global $top (mut i32) (i32.const 65536))
                (func (export \"cabi_realloc\")
                    (param $old i32) (param $old_size i32) (param $align i32)
                    (param $size i32) (result i32) {realloc})
                {description}
                {functions}
                {extra})",
            imports = self.imports,
            memory = self.memory,
            realloc = self.realloc,
            description = self.description(),
            extra = self.extra,
        )
    }

    /// The record that `describe` returns, at 1024, and its strings from 2048 on.
    fn description(&self) -> String {
        let strings = [&self.name, &self.version, "", "{}", "{}", "{}", "{}"];
        let mut text = String::new();
        let mut record = Vec::new();
        for string in strings {
            record.extend(le(2048 + text.len()));
            record.extend(le(string.len()));
            text.push_str(string);
        }
        record.extend(le(1));
        record.extend(le(1200));
        record.extend(le(1));
        format!(
            "(data (i32.const 1024) \"{}\") (data (i32.const 1200) \"\\01\\00\\00\\00\")
             (data (i32.const 2048) \"{}\")",
            escaped(&record),
            escaped(text.as_bytes()),
        )
    }
}

fn default_body(call: &str) -> &'static str {
    match call {
        "describe" => "(i32.const 1024)",
        "new" => "(call $new (i32.const 7))",
        "load" => {
            "(i32.store (i32.const 800) (i32.const 0))
             (i32.store (i32.const 804) (call $new (i32.const 7)))
             (i32.const 800)"
        }
        "compact" => "(i32.const 0)",
        "release" => "",
        // Zeros, which say "nothing" in every result.
        _ => "(i32.const 600)",
    }
}

fn le(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

/// Bytes as a string of the text format.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Little-endian words as a string of the text format.
pub(crate) fn words(words: &[u32]) -> String {
    words
        .iter()
        .map(|word| escaped(&word.to_le_bytes()))
        .collect()
}
