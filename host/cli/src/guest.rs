//! Compiling a user's crate into a component.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use replicant_guest_build::Options;

/// An error that says how to get what compiles guests, if this machine has nothing that does.
pub(crate) fn check_toolchain() -> Result<()> {
    Options::detect()?;
    Ok(())
}

/// Builds the crate in `folder`; returns where its component lies.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    let options = Options::detect()?;
    let components = replicant_guest_build::build(folder, &[], &options)
        .with_context(|| format!("cannot build {}", folder.display()))?;
    let component = components
        .into_iter()
        .next()
        .context("the build made no component")?;
    Ok(component.path)
}
