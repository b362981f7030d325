//! The sandbox of commands that look at a component themselves: the one that nodes use.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use replicant_check::{CacheConfig, Runtime, RuntimeConfig};

/// Starts it. What it compiles is kept for next time, since some languages take a quarter of a
/// minute; where nothing can be kept, it goes without.
pub(crate) fn start() -> Result<Runtime> {
    let config = |cache| RuntimeConfig {
        cache,
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

/// The folder of this user where compiled modules are kept, if there is a place for it.
pub(crate) fn compiled_modules() -> Option<PathBuf> {
    let set = |name| {
        let folder = env::var_os(name).map(PathBuf::from);
        folder.filter(|folder| folder.is_absolute())
    };
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(caches.join("replicant/compiled-modules"))
}
