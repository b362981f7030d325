//! Builds Rust crates that use `replicant-sdk` into components that a Replicant node can load.
//!
//! [`build`] runs Cargo for `wasm32-unknown-unknown` with a [`Toolchain`] that was found on this
//! machine, and wraps the modules that come out as components. It never installs anything:
//! `guest-sdk/build/toolchain.sh` does.
//!
//! All builds of one machine share a target folder ([`Options::target_folder`]), so that a
//! standard library that has to be compiled from source is compiled once. It is never the folder
//! of a Cargo that is running this code (a build script), which would wait for itself for ever.
//!
//! Paths of this machine are mapped away, so that the same workspace and toolchain give the same
//! bytes wherever they lie.

mod artifact;
mod command;
mod component;
mod error;
mod folder;
mod toolchain;
mod workspace;

use std::path::{Path, PathBuf};

pub use error::BuildError;
pub use toolchain::{StandardLibrary, Toolchain};
use workspace::Workspace;

/// The name of the environment variable that replaces the shared target folder.
pub const TARGET_FOLDER_VARIABLE: &str = "REPLICANT_GUEST_TARGET_DIR";

/// How to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// What compiles.
    pub toolchain: Toolchain,
    /// Where Cargo keeps what it builds, and where the components are put (`components` below
    /// it).
    pub target_folder: PathBuf,
    /// What the SDK adds to the version that a type gives itself; nothing as a rule.
    pub version_suffix: Option<String>,
}

impl Options {
    /// Finds a toolchain and the target folder: [`TARGET_FOLDER_VARIABLE`] if it is set, else
    /// `guests` in the target folder of the Cargo that runs this program, in the one that
    /// `CARGO_TARGET_DIR` names, in that of the Cargo that built this program, or in `target` of
    /// the present folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoToolchain`] if nothing on this machine can compile to WebAssembly.
    pub fn detect() -> Result<Self, BuildError> {
        Ok(Self {
            toolchain: Toolchain::detect()?,
            target_folder: folder::shared_target_folder(),
            version_suffix: None,
        })
    }

    /// The same for a project of its own, which keeps what is built in its own folder `target`,
    /// unless [`TARGET_FOLDER_VARIABLE`] or `CARGO_TARGET_DIR` is set.
    ///
    /// # Errors
    ///
    /// As [`Options::detect`].
    pub fn of_project(directory: &Path) -> Result<Self, BuildError> {
        Ok(Self {
            toolchain: Toolchain::detect()?,
            target_folder: folder::target_folder_of(directory),
            version_suffix: None,
        })
    }
}

/// A component that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The name of the Cargo package.
    pub package: String,
    /// Where the component lies.
    pub path: PathBuf,
}

/// Builds packages of the workspace (or the crate) in `directory`, or the only crate that is
/// there if `packages` is empty. What has not changed is not built again.
///
/// # Errors
///
/// [`BuildError`] says what went wrong; the compiler's own messages have gone to standard error.
pub fn build(
    directory: &Path,
    packages: &[&str],
    options: &Options,
) -> Result<Vec<Component>, BuildError> {
    // Built one after the other: a package that is asked for alone can be a `cdylib` and nothing
    // else, whatever its manifest says, and only then is it optimised as a whole.
    let packages: Vec<Option<&str>> = if packages.is_empty() {
        vec![None]
    } else {
        packages.iter().copied().map(Some).collect()
    };
    let _lock = workspace::lock(&options.target_folder)?;
    Workspace::of(directory, options)?.claim(directory, options)?;
    packages
        .into_iter()
        .map(|package| build_package(directory, package, options))
        .collect()
}

/// Wraps a core module, with the types of the interface in it, as a component.
///
/// # Errors
///
/// [`BuildError::NoType`] if the module exports none of the interface's functions, or
/// [`BuildError::Encode`]; both name `what`.
pub fn encode(what: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    component::encode(what, module)
}

fn build_package(
    directory: &Path,
    package: Option<&str>,
    options: &Options,
) -> Result<Component, BuildError> {
    let output = command::compile(directory, package, options)?;
    let built = artifact::find_module(&output, package, directory)?;
    let path = component::place(&built, directory, options);
    component::write(&built, &path)?;
    Ok(Component {
        package: built.package,
        path,
    })
}
