//! Runs CRDT components in a WebAssembly sandbox: takes the bytes of a component, gives typed
//! calls on replicated objects, and lets nothing else happen.
//!
//! ```text
//! Runtime ── load(bytes, limits) ──▶ Module ── instantiate() ──▶ Instance ── create(), restore()
//!  engine, pool, cache of code        one type, checked            one sandbox, many objects
//! ```
//!
//! An [`Instance`] holds many objects of one type, each behind a [`Handle`]. What it returns has
//! been checked against the promises of `wit/replicant-crdt-0.1.0`; whoever gets a [`Packed`] or an
//! [`Updated`] need not look again. A call that does not return gives a [`Fault`], which names the
//! module, the export and the limit.
//!
//! # What this guarantees
//!
//! - **No authority.** A guest can compute, and write to the log if it imports that. It has no
//!   clock, no randomness, no files, no network, and no view of other instances. Components whose
//!   language wants a system get a WASI without one, which answers always alike.
//! - **The same everywhere.** Fuel, results, and hitting a limit of [`Limits`] depend on the
//!   component's bytes and the calls alone, for one version of this crate on one architecture:
//!   NaNs are canonical, threads, relaxed SIMD and 64-bit memories are off, code is generated for
//!   the least machine of the architecture, and growing memory never fails in a way that a guest
//!   could see and go on from, but by the guest's own maximum.
//!   [`Fault::is_guests`] tells which faults have this property.
//! - **Bounded.** Each call has fresh fuel, in proportion to what it works on; loops, recursion,
//!   growth, output of any shape, and floods of log messages and handles end in a fault. What a
//!   guest returns is bounded before it is copied. A deadline stops what fuel does not.
//! - **Contained.** A fault ends one instance; its memory is given back at once. The module and
//!   all other instances go on.
//! - **No foreign machine code.** Compiled code is taken only from the cache on disk, and from
//!   there only with a keyed hash that this crate made.
//!
//! # What it does not
//!
//! - Compilation runs in this process unless [`RuntimeConfig::compiler`] names a child. Size,
//!   functions, nesting and what else is known to make the compiler slow are bounded before it
//!   starts, but a component can still make it take minutes and hundreds of megabytes.
//! - The depth at which recursion ends is the same only for one build on one architecture: some
//!   frames of the host count.
//! - Whether a type converges is not known here; nor is whether an op means what its author says.
//! - A guest can look at its own fuel only by ending; but it can look at how its own objects
//!   share one memory. That they share no state is a promise of the type, which the convergence
//!   checker tests.
//!
//! # Where things are
//!
//! `shape` and `complexity` look at a component before it is compiled, `compiler` compiles it, in
//! a child process if there is one, `cache` keeps compiled code, `engine` says which WebAssembly
//! guests get, `sandbox` makes one call safe, `limiter` bounds memory, `world` says which
//! interface a component implements, `guest` makes its calls the same for either, `check` holds
//! guests and callers to the interface, `guest_log` is all that guests can import. Only `worlds`
//! knows the generated types; nothing of wasmtime is in the public interface.

mod cache;
mod check;
mod compiler;
mod complexity;
mod config;
mod describe;
mod engine;
mod error;
mod fault;
mod guest;
mod guest_log;
mod handles;
mod instance;
mod limiter;
mod limits;
mod lock;
mod module;
mod packed;
mod runtime;
mod sandbox;
mod shape;
mod values;
mod wasi;
mod world;
mod worlds;

pub use compiler::{CompilerProcess, compile_for_parent};
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
pub use world::World;

/// The interface that a component exports whose type is op-based.
pub const OP_BASED_INTERFACE: &str = "replicant:crdt/op-based@0.1.0";

/// The interface that a component exports whose type is state-based, with deltas.
pub const DELTA_BASED_INTERFACE: &str = "replicant:crdt/delta-based@0.1.0";

/// The one interface with functions that a component may import.
pub const LOG_INTERFACE: &str = "replicant:crdt/log@0.1.0";

/// Bytes of a message of a guest to a person (a refusal, why saved bytes cannot be read); what is
/// longer is cut between two characters.
pub const MESSAGE_BYTES_MAX: usize = 4096;
