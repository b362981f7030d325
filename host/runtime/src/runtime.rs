//! The engine that all modules of a process share, and the compiled code that it keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use wasmtime::component::Component;

use crate::cache::{self, DiskCache};
use crate::compiler::{Compiler, REASON_BYTES_MAX};
use crate::config::RuntimeConfig;
use crate::engine::Engine;
use crate::error::{LoadError, RuntimeError};
use crate::guest_log::printable;
use crate::limits::Limits;
use crate::lock::lock;
use crate::module::{Compiled, Module, ModuleHash};
use crate::shape::{self, Shape};

/// The sandbox of a process: compiles components, keeps them, and bounds what all guests together
/// take. Clones share everything; when the last clone, the last module and the last instance are
/// gone, so is the thread that advances the deadline clock.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

struct Shared {
    config: RuntimeConfig,
    engine: Arc<Engine>,
    cache: Option<DiskCache>,
    compiler: Compiler,
    /// What is compiled at present. The lock of one entry is held while that component is
    /// compiled, so that nobody else compiles it; the lock of the map only for a look.
    compiled: Mutex<BTreeMap<ModuleHash, Slot>>,
}

type Slot = Arc<Mutex<Weak<Compiled>>>;

impl Runtime {
    /// Starts the engine, opens the cache of compiled modules, and starts the deadline clock.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] says which part failed; nothing is left behind but the cache folder.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        config.check()?;
        let cache = config.cache.as_ref().map(DiskCache::open).transpose()?;
        let engine = Arc::new(Engine::new(&config)?);
        Ok(Self {
            shared: Arc::new(Shared {
                compiler: Compiler::new(&config),
                config,
                engine,
                cache,
                compiled: Mutex::new(BTreeMap::new()),
            }),
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
        self.shared.config.check_limits(&limits)?;
        shape::check_size(bytes, self.shared.config.component_bytes_max)?;
        let hash = *blake3::hash(bytes).as_bytes();
        let compiled = {
            let slot = self.slot(hash);
            let mut slot = lock(&slot);
            match slot.upgrade() {
                Some(compiled) => compiled,
                None => {
                    let (component, shape) = self.component(bytes, &hash)?;
                    let size = bytes.len() as u64;
                    let engine = &self.shared.engine;
                    let compiled = Compiled::link(engine, &component, shape, hash, size)?;
                    let compiled = Arc::new(compiled);
                    *slot = Arc::downgrade(&compiled);
                    compiled
                }
            }
        };
        Module::describe(Arc::clone(&self.shared.engine), compiled, limits)
    }

    /// The place for a component's compiled code; also forgets the places that are of no use.
    fn slot(&self, hash: ModuleHash) -> Slot {
        let mut compiled = lock(&self.shared.compiled);
        compiled.retain(|_, slot| {
            // More than ours: someone is about to fill it.
            Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0
        });
        Arc::clone(compiled.entry(hash).or_default())
    }

    /// Compiles nothing any more: a component that is being compiled in a child process is given
    /// up, so that whoever waits for it can end. What is loaded goes on.
    pub fn stop_compiling(&self) {
        self.shared.compiler.stop();
    }

    /// Compiled code, and the names of what it imports and exports. What is in the cache was looked
    /// through before it was put there.
    fn component(&self, bytes: &[u8], hash: &ModuleHash) -> Result<(Component, Shape), LoadError> {
        let engine = self.shared.engine.wasmtime();
        let cache = self.shared.cache.as_ref();
        let memory_max = self.shared.config.memory_bytes_max;
        if let Some((component, shape)) = cache.and_then(|cache| cache.get(engine, hash)) {
            shape.check_memory(memory_max)?;
            return Ok((component, shape));
        }
        let shape = shape::examine(bytes)?;
        shape.check_memory(memory_max)?;
        let code = self.shared.compiler.compile(engine, bytes, hash)?;
        // What the pool has no place for is found out here.
        let component = cache::load_compiled(engine, &code).map_err(|error| {
            LoadError::Invalid(printable(&format!("{error:#}"), REASON_BYTES_MAX))
        })?;
        if let Some(cache) = cache {
            cache.put(engine, hash, &shape, &code);
        }
        Ok((component, shape))
    }
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
