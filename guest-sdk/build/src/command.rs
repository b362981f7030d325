//! The Cargo commands that compile guests.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::toolchain::TARGET;
use crate::{BuildError, Options, StandardLibrary, folder};

/// How guests are compiled, whatever their own Cargo.toml says: the fuel that a call takes and
/// the bytes of a component should not depend on where it is built.
const PROFILE: [&str; 8] = [
    "profile.guest.inherits='release'",
    "profile.guest.opt-level=3",
    "profile.guest.lto='fat'",
    "profile.guest.codegen-units=1",
    "profile.guest.panic='abort'",
    "profile.guest.strip=true",
    "profile.guest.debug=false",
    "profile.guest.incremental=false",
];

/// Where the SDK looks for what it adds to a type's version.
const VERSION_SUFFIX: &str = "REPLICANT_VERSION_SUFFIX";

/// What Cargo tells build scripts, and what would change how guests are compiled.
const CLEARED_PREFIXES: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_PROFILE_",
    "CARGO_BUILD_",
];

/// The same, by full name. `LD_LIBRARY_PATH` leads to the libraries of the outer compiler.
const CLEARED: [&str; 27] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_DIR",
    "CARGO_UNSTABLE_BUILD_STD",
    "DEBUG",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "HOST",
    "LD_LIBRARY_PATH",
    "MAKEFLAGS",
    "MFLAGS",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
];

/// Compiles one package and returns Cargo's messages, one JSON object a line.
pub(crate) fn compile(
    directory: &Path,
    package: Option<&str>,
    options: &Options,
) -> Result<Vec<u8>, BuildError> {
    let mut cargo = cargo(directory, options);
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if let Some(package) = package {
        cargo.args(["--package", package]);
    }
    add_settings(&mut cargo, options);
    run(cargo, || what(package, directory))
}

/// Asks Cargo what packages the workspace of a folder has; the answer is a JSON object.
pub(crate) fn ask_cargo(directory: &Path, options: &Options) -> Result<Vec<u8>, BuildError> {
    let mut cargo = cargo(directory, options);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    run(cargo, || what(None, directory))
}

/// Throws away what was built of some packages.
pub(crate) fn clean(
    directory: &Path,
    packages: &[&String],
    options: &Options,
) -> Result<(), BuildError> {
    let mut cargo = cargo(directory, options);
    cargo.args(["clean", "--quiet"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    add_settings(&mut cargo, options);
    run(cargo, || what(None, directory)).map(drop)
}

fn run(mut cargo: Command, what: impl FnOnce() -> String) -> Result<Vec<u8>, BuildError> {
    let program = cargo.get_program().into();
    let output = cargo
        .output()
        .map_err(|reason| BuildError::CannotRun { program, reason })?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(BuildError::Compile { what: what() })
    }
}

/// Names what is built.
pub(crate) fn what(package: Option<&str>, directory: &Path) -> String {
    package.map_or_else(|| directory.display().to_string(), str::to_owned)
}

fn cargo(directory: &Path, options: &Options) -> Command {
    let mut cargo = Command::new(&options.toolchain.cargo);
    clear_environment(&mut cargo);
    cargo
        .current_dir(directory)
        .env("RUSTC", &options.toolchain.rustc);
    cargo.stdin(Stdio::null()).stderr(Stdio::inherit());
    if options.toolchain.standard_library == StandardLibrary::Sources {
        // The flags are not stable; stable compilers take them when told so.
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    cargo
}

/// Everything that decides what Cargo builds, and where.
fn add_settings(cargo: &mut Command, options: &Options) {
    let toolchain = &options.toolchain;
    cargo.env("CARGO_ENCODED_RUSTFLAGS", mapped_paths(&toolchain.rustc));
    match &options.version_suffix {
        Some(suffix) => cargo.env(VERSION_SUFFIX, suffix),
        None => cargo.env_remove(VERSION_SUFFIX),
    };
    cargo.args(["--profile", "guest", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&options.target_folder);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    if let Some(linker) = &toolchain.linker {
        cargo
            .arg("--config")
            .arg(format!("target.{TARGET}.linker='{}'", linker.display()));
    }
    if toolchain.standard_library == StandardLibrary::Sources {
        cargo.args([
            "-Z",
            "build-std=std,panic_abort",
            "-Z",
            "build-std-features=",
        ]);
    }
}

/// A Cargo that runs a build script tells it much that would mislead another Cargo.
fn clear_environment(cargo: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let has_prefix = CLEARED_PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix));
        if has_prefix || CLEARED.contains(&text.as_ref()) {
            cargo.env_remove(&name);
        }
    }
}

/// Flags that keep this machine's paths out of what is compiled. They are the same for every
/// guest, or a standard library compiled for one could not be used for the next.
fn mapped_paths(rustc: &Path) -> OsString {
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut flags = OsString::new();
    let mut map = |from: &Path, to: &str| {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    if let Ok(sysroot) = sysroot.as_deref() {
        map(&Path::new(sysroot).join("lib/rustlib/src/rust"), "rust");
    }
    if let Some(home) = folder::cargo_home() {
        map(&home.join("registry/src"), "registry");
    }
    if let Some(sources) = folder::own_sources() {
        map(&sources, "replicant");
    }
    flags
}
