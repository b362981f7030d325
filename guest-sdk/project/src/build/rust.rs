//! Rust: Cargo for `wasm32-unknown-unknown`, with the toolchain that `replicant-guest-build` finds.

use std::path::{Path, PathBuf};

use replicant_guest_build::{Options, StandardLibrary};

use crate::BuildError;

/// Builds the crate in `folder`. Cargo's own messages go to standard error.
pub(crate) fn build(
    folder: &Path,
    suffix: Option<&str>,
    tell: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let mut options = Options::of_project(folder)?;
    options.version_suffix = suffix.map(str::to_owned);
    if options.toolchain.standard_library == StandardLibrary::Sources {
        tell("the first build also compiles Rust's standard library, which takes a minute");
    }
    let components = replicant_guest_build::build(folder, &[], &options)?;
    let component = components.into_iter().next();
    component
        .map(|component| component.path)
        .ok_or_else(|| BuildError::NoProject {
            folder: folder.to_path_buf(),
        })
}
