//! Runs CRDT components in a WebAssembly sandbox.

mod bindings;
mod cache;
mod check;
mod config;
mod describe;
mod engine;
mod error;
mod fault;
mod guest_log;
mod handles;
mod instance;
mod limiter;
mod limits;
mod module;
mod packed;
mod runtime;
mod sandbox;
mod shape;
mod values;

pub use config::{CacheConfig, RuntimeConfig};
pub use error::{LoadError, RuntimeError};
pub use fault::{CallError, Fault, FaultKind};
pub use handles::Handle;
pub use instance::Instance;
pub use limits::Limits;
pub use module::{Module, ModuleHash};
pub use packed::{Packed, PackedError};
pub use runtime::Runtime;
pub use values::{Context, Description, Dot, Refusal, Run, Updated};

/// The interface that a component must export.
pub const OP_BASED_INTERFACE: &str = "replicant:crdt/op-based@0.1.0";

/// The one interface that a component may import.
pub const LOG_INTERFACE: &str = "replicant:crdt/log@0.1.0";

/// Bytes of a message of a guest to a person (a refusal, why saved bytes cannot be read); what is
/// longer is cut at a character boundary.
pub const MESSAGE_BYTES_MAX: usize = 4096;
