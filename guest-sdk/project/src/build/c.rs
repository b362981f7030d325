//! C: a compiler for WebAssembly that is there (clang with wasm-ld, or zig), or zig from PyPI; the
//! interface's C code is made here.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::python;
use crate::error::at;
use crate::{BuildError, tool};

/// Newest first.
const CLANGS: [&str; 9] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16",
    "clang-15",
];
const VENV_PYTHON: &str = ".venv/bin/python";

pub(crate) fn build(
    folder: &Path,
    suffix: Option<&str>,
    tell: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let compiler = Compiler::find(folder, tell)?;
    let sdk = folder.join("sdk");
    let target = folder.join("target");
    let bindings = target.join("bindings");
    fs::create_dir_all(&bindings).map_err(at(&bindings))?;
    write_bindings(&sdk.join("wit"), &bindings)?;

    let module = target.join("module.wasm");
    let mut command = compiler.command();
    command.args(["-std=c17", "-O2", "-g0", "-Wall", "-Wextra"]);
    command.args([
        "-ffreestanding",
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,-z,stack-size=262144",
    ]);
    if let Some(suffix) = suffix {
        command.arg(format!("-DREP_BUILD={suffix:?}"));
    }
    for included in [folder, &sdk.join("include"), &bindings] {
        command.arg("-I").arg(included);
    }
    command
        .args(sources(folder)?)
        .args(sources(&sdk)?)
        .args(sources(&bindings)?);
    command.arg(bindings.join("op_type_component_type.o"));
    let said = tool::run(command.arg("-o").arg(&module))?;
    if !said.is_empty() {
        tell(&said);
    }
    let component = target.join("component.wasm");
    let bytes = fs::read(&module).map_err(at(&module))?;
    let bytes = replicant_guest_build::encode("this project", &bytes)?;
    fs::write(&component, bytes).map_err(at(&component))?;
    Ok(component)
}

/// The C files of a folder, in order.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let is_source = |path: &PathBuf| path.extension() == Some(OsStr::new("c"));
    let mut found: Vec<PathBuf> = paths.filter(is_source).collect();
    found.sort();
    Ok(found)
}

/// Writes the interface as C: a header, the code behind it, and the types for the encoder.
fn write_bindings(wit: &Path, bindings: &Path) -> Result<(), BuildError> {
    let failed = |reason: String| BuildError::Bindings {
        wit: wit.to_path_buf(),
        reason,
    };
    let mut resolve = Resolve::default();
    let mut files = Files::default();
    let (package, _) = resolve
        .push_dir(wit)
        .map_err(|error| failed(format!("{error:#}")))?;
    resolve
        .select_world(&[package], Some("op-type"))
        .and_then(|world| {
            let mut generator = wit_bindgen_c::Opts::default().build();
            generator.generate(&mut resolve, world, &mut files)
        })
        .map_err(|error| failed(format!("{error:#}")))?;
    for (name, bytes) in files.iter() {
        let path = bindings.join(name);
        fs::write(&path, bytes).map_err(at(&path))?;
    }
    Ok(())
}

/// What compiles C to WebAssembly on this machine.
enum Compiler {
    Clang(PathBuf),
    Zig(PathBuf),
    /// The interpreter of a virtual environment that has the package `ziglang`.
    ZigOfPython(PathBuf),
}

impl Compiler {
    fn find(folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<Self, BuildError> {
        let clangs = CLANGS.iter().filter_map(|name| tool::find(name));
        if let Some(clang) = clangs.into_iter().find(|clang| can_link(clang)) {
            return Ok(Self::Clang(clang));
        }
        if let Some(zig) = tool::find("zig") {
            return Ok(Self::Zig(zig));
        }
        if let Some(python) = zig_of_python(folder) {
            return Ok(Self::ZigOfPython(python));
        }
        tell("no clang with wasm-ld and no zig is there; zig comes from PyPI instead");
        let installed = python::install(folder, tell);
        match installed.map(|()| zig_of_python(folder)) {
            Ok(Some(python)) => Ok(Self::ZigOfPython(python)),
            Ok(None) => Err(missing("requirements.txt does not name ziglang".to_owned())),
            Err(error) => Err(missing(error.to_string())),
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::Clang(clang) => {
                let mut command = Command::new(clang);
                command.args(["--target=wasm32", "-mbulk-memory"]);
                // Overflowing the stack is a trap if it lies below everything else. Zig does that
                // without being told.
                command.arg("-Wl,--stack-first");
                command
            }
            Self::Zig(zig) => {
                let mut command = Command::new(zig);
                command.args(["cc", "--target=wasm32-freestanding"]);
                command
            }
            Self::ZigOfPython(python) => {
                let mut command = Command::new(python);
                command.args(["-m", "ziglang", "cc", "--target=wasm32-freestanding"]);
                command
            }
        }
    }
}

/// Whether this clang makes WebAssembly and finds a linker for it.
fn can_link(clang: &Path) -> bool {
    let targets = tool::ask(clang, &["--print-targets"]).unwrap_or_default();
    let linker = tool::ask(clang, &["--print-prog-name=wasm-ld"]).unwrap_or_default();
    targets.contains("wasm32") && (Path::new(&linker).is_file() || tool::find(&linker).is_some())
}

fn zig_of_python(folder: &Path) -> Option<PathBuf> {
    let python = tool::find_above(folder, VENV_PYTHON)?;
    tool::ask(&python, &["-c", "import ziglang"])?;
    Some(python)
}

fn missing(why: String) -> BuildError {
    BuildError::Missing {
        what: format!("a C compiler for WebAssembly (and zig could not be installed: {why})"),
        get: vec![
            "on Debian: apt-get install clang lld".to_owned(),
            "or zig, from your package manager".to_owned(),
            "or from PyPI: python3 -m venv .venv && .venv/bin/pip install ziglang".to_owned(),
        ],
    }
}
