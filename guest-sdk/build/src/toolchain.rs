//! Finds what can compile to WebAssembly on this machine.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::BuildError;

/// The target that guests are compiled for: no system interface, so nothing to import.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The oldest minor version of Rust 1 that compiles guests.
const MINOR_VERSION_MIN: u32 = 95;

/// A Rust compiler that can make guests, with its Cargo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The Cargo that belongs to it.
    pub cargo: PathBuf,
    /// Where the standard library for the target comes from.
    pub standard_library: StandardLibrary,
    /// The linker, if it is not the compiler's own.
    pub linker: Option<PathBuf>,
}

/// Where the standard library for the target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardLibrary {
    /// It is installed.
    Installed,
    /// Its sources are installed; it is compiled with the first guest (about a minute).
    Sources,
}

impl Toolchain {
    /// Looks, in this order, at `REPLICANT_GUEST_RUSTC` with `REPLICANT_GUEST_CARGO` (and at
    /// nothing else if they are set), the active toolchain, and the system's in `/usr/bin`. Takes
    /// the first that has the target; else the first that has the sources of the standard library
    /// and a linker. Installs nothing.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoToolchain`] if there is none; it says what was looked at.
    pub fn detect() -> Result<Self, BuildError> {
        let looked_at: Vec<_> = candidates()
            .into_iter()
            .map(|candidate| candidate.inspect())
            .collect();
        let with = |library: StandardLibrary| {
            let fits = |found: &&Self| found.standard_library == library;
            looked_at
                .iter()
                .filter_map(|result| result.as_ref().ok())
                .find(fits)
                .cloned()
        };
        with(StandardLibrary::Installed)
            .or_else(|| with(StandardLibrary::Sources))
            .ok_or_else(|| {
                let lacking: Vec<String> = looked_at.into_iter().filter_map(Result::err).collect();
                BuildError::NoToolchain {
                    tried: lacking.join("; "),
                }
            })
    }
}

/// A compiler to look at.
struct Candidate {
    rustc: PathBuf,
    cargo: PathBuf,
}

fn candidates() -> Vec<Candidate> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let or = |path: Option<PathBuf>, name: &str| path.unwrap_or_else(|| name.into());
    if let Some(rustc) = set("REPLICANT_GUEST_RUSTC") {
        return vec![Candidate {
            rustc,
            cargo: or(set("REPLICANT_GUEST_CARGO"), "cargo"),
        }];
    }
    vec![
        Candidate {
            rustc: or(set("RUSTC"), "rustc"),
            cargo: or(set("CARGO"), "cargo"),
        },
        Candidate {
            rustc: "/usr/bin/rustc".into(),
            cargo: "/usr/bin/cargo".into(),
        },
    ]
}

impl Candidate {
    /// Says what this compiler can do, or why it is of no use.
    fn inspect(self) -> Result<Toolchain, String> {
        let lacks = |what: &str| format!("{} {what}", self.rustc.display());
        let version = ask(&self.rustc, &["--version"]).ok_or_else(|| lacks("is not there"))?;
        if minor_version(&version).is_none_or(|minor| minor < MINOR_VERSION_MIN) {
            return Err(lacks(&format!("is older than 1.{MINOR_VERSION_MIN}")));
        }
        let library = ask(
            &self.rustc,
            &["--print", "target-libdir", "--target", TARGET],
        );
        if library.is_some_and(|folder| has_standard_library(Path::new(&folder))) {
            return Ok(self.with(StandardLibrary::Installed));
        }
        let sysroot = ask(&self.rustc, &["--print", "sysroot"])
            .ok_or_else(|| lacks("does not say where its libraries are"))?;
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml");
        if !sources.is_file() {
            return Err(lacks(
                "has neither the target nor the sources of the standard library",
            ));
        }
        let toolchain = self.with(StandardLibrary::Sources);
        if toolchain.linker.is_none() && !has_own_linker(Path::new(&sysroot)) {
            let rustc = toolchain.rustc.display();
            return Err(format!(
                "{rustc} has the sources, but wasm-ld (package lld) is missing"
            ));
        }
        Ok(toolchain)
    }

    fn with(&self, standard_library: StandardLibrary) -> Toolchain {
        let sysroot = ask(&self.rustc, &["--print", "sysroot"]).unwrap_or_default();
        let linker = if has_own_linker(Path::new(&sysroot)) {
            None
        } else {
            find("wasm-ld")
        };
        Toolchain {
            rustc: self.rustc.clone(),
            cargo: self.cargo.clone(),
            standard_library,
            linker,
        }
    }
}

/// Runs a program and returns the line that it prints, if it succeeds.
fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The `y` of `rustc x.y.z …`, for x = 1.
fn minor_version(version: &str) -> Option<u32> {
    let mut numbers = version.split_whitespace().nth(1)?.split('.');
    if numbers.next()? == "1" {
        numbers.next()?.parse().ok()
    } else {
        None
    }
}

fn has_standard_library(folder: &Path) -> bool {
    let is_core = |name: OsString| name.to_string_lossy().starts_with("libcore-");
    std::fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| is_core(entry.file_name())))
}

/// Says whether the compiler ships the linker that it uses for the target.
fn has_own_linker(sysroot: &Path) -> bool {
    std::fs::read_dir(sysroot.join("lib/rustlib")).is_ok_and(|hosts| {
        hosts
            .flatten()
            .any(|host| host.path().join("bin/rust-lld").is_file())
    })
}

/// Finds a program on the search path.
fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_compiler_is_read_from_its_own_words() {
        assert_eq!(
            minor_version("rustc 1.96.0 (ac68faa20 2026-05-25)"),
            Some(96)
        );
        assert_eq!(minor_version("rustc 1.97.0-nightly"), Some(97));
        assert_eq!(minor_version("rustc 2.1.0"), None);
        assert_eq!(minor_version("nonsense"), None);
    }

    #[test]
    fn a_compiler_that_is_not_there_is_named() {
        let missing = Candidate {
            rustc: "/nowhere/rustc".into(),
            cargo: "cargo".into(),
        };
        assert_eq!(
            missing.inspect(),
            Err("/nowhere/rustc is not there".to_owned())
        );
    }

    #[test]
    fn the_error_names_the_three_ways() {
        let message = BuildError::NoToolchain {
            tried: "rustc is not there".into(),
        }
        .to_string();
        for way in [
            "rustup target add",
            "apt-get install",
            "REPLICANT_GUEST_RUSTC",
        ] {
            assert!(message.contains(way), "{way} is missing in: {message}");
        }
    }
}
