//! Compiles components: in this process, or in a child that the system holds to limits.
//!
//! The engine's authors do not count denial of service *while compiling* as a vulnerability, so a
//! host has to bound that itself. `shape` and `complexity` refuse what is known to be slow; a child
//! process bounds the rest: whatever a component makes the compiler do, the node goes on.

mod child;
mod process;
mod refused;
mod request;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

pub use child::compile_for_parent;
pub use process::CompilerProcess;

use crate::config::RuntimeConfig;
use crate::error::LoadError;
use crate::guest_log::printable;
use crate::lock::lock;
use crate::module::ModuleHash;
use refused::Refused;
use request::Request;

/// Bytes of the compiler's explanation why a component is not valid.
pub(crate) const REASON_BYTES_MAX: usize = 1024;

/// Turns components into machine code, one at a time, and remembers which it could not.
pub(crate) struct Compiler {
    process: Option<CompilerProcess>,
    request: Request,
    /// Held while a component is compiled.
    refused: Mutex<Refused>,
    is_stopped: AtomicBool,
}

impl Compiler {
    pub(crate) fn new(config: &RuntimeConfig) -> Self {
        Self {
            process: config.compiler.clone(),
            request: Request::of(config),
            refused: Mutex::new(Refused::default()),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Ends the child that compiles, if there is one, and compiles nothing from now on.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Compiles a component that was looked at; gives what `Component::serialize` would.
    ///
    /// # Errors
    ///
    /// [`LoadError::Invalid`] and [`LoadError::TooHard`] are of the component, and given again
    /// without another attempt; [`LoadError::Stopped`] and [`LoadError::Compiler`] are of this
    /// machine.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        bytes: &[u8],
        hash: &ModuleHash,
    ) -> Result<Vec<u8>, LoadError> {
        let mut refused = lock(&self.refused);
        if let Some(error) = refused.get(hash) {
            return Err(error);
        }
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let compiled = match &self.process {
            Some(process) => process.compile(&self.request, bytes, &self.is_stopped),
            None => in_this_process(engine, bytes),
        };
        if let Err(error) = &compiled {
            refused.remember(*hash, error);
        }
        compiled
    }
}

fn stopped() -> LoadError {
    LoadError::Compiler("it was stopped, since the runtime ends".to_owned())
}

/// A component that makes the compiler panic is refused like one that is not valid.
fn in_this_process(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let compile = AssertUnwindSafe(|| engine.precompile_component(bytes));
    let reason = match catch_unwind(compile) {
        Ok(Ok(code)) => return Ok(code),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the compiler failed on it".to_owned(),
    };
    Err(LoadError::Invalid(printable(&reason, REASON_BYTES_MAX)))
}
