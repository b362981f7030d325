//! The sandbox of commands that look at a component themselves: the one that nodes use.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use replicant_check::{CacheConfig, CompilerProcess, Runtime, RuntimeConfig};

/// The first argument that makes this program compile one component for its parent.
pub(crate) const COMPILE: &str = "--compile-component";

/// Starts it. What it compiles is kept for next time, since some languages take a quarter of a
/// minute; where nothing can be kept, it goes without.
pub(crate) fn start() -> Result<Runtime> {
    let config = |cache| RuntimeConfig {
        cache,
        compiler: compiler(),
        ..RuntimeConfig::default()
    };
    if let Some(folder) = compiled_modules() {
        let kept = Runtime::new(config(Some(CacheConfig::new(folder))));
        if let Ok(runtime) = kept {
            return Ok(runtime);
        }
    }
    Runtime::new(config(None)).context("the sandbox does not start")
}

/// This program as the process that compiles components; none where it does not know where it is.
pub(crate) fn compiler() -> Option<CompilerProcess> {
    CompilerProcess::this_program([COMPILE])
        .inspect_err(|error| {
            tracing::warn!(%error, "components are compiled without a process of their own");
        })
        .ok()
}

/// The folder of this user where compiled modules are kept, if there is a place for it.
pub(crate) fn compiled_modules() -> Option<PathBuf> {
    let set = |name| {
        let folder = env::var_os(name).map(PathBuf::from);
        folder.filter(|folder| folder.is_absolute())
    };
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(caches.join("replicant/compiled-modules"))
}
