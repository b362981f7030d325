//! Why a runtime could not be made, or a module not be loaded.

use crate::fault::{Fault, Grouped};

/// Why the runtime could not be made. The environment's or the configuration's fault.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A value of the configuration is out of its range.
    #[error("configuration of the runtime: {0}")]
    Config(String),
    /// The engine refused to start; most often there is not enough address space for the pool.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The folder of the module cache cannot be used.
    #[error("the module cache at {path} cannot be used: {source}")]
    Cache {
        /// The folder or file.
        path: std::path::PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The thread that advances the deadline clock could not be started.
    #[error("the deadline thread does not start: {0}")]
    Thread(std::io::Error),
}

/// Why a module was not loaded. Unless said otherwise the module is at fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The limits contradict themselves or the runtime's configuration. The caller's fault.
    #[error("limits: {0}")]
    Limits(String),
    /// More bytes than a component may have.
    #[error("the module has {} bytes (limit {})", Grouped(*.size), Grouped(*.limit))]
    TooLarge {
        /// Bytes of the module.
        size: u64,
        /// Bytes that a module may have.
        limit: u64,
    },
    /// Not WebAssembly at all; says what it looks like instead.
    #[error("this is not a WebAssembly component: {0}")]
    NotWasm(String),
    /// A core module, not a component.
    #[error(
        "this is a core WebAssembly module, not a component; encode it with `wasm-tools component \
         new` or build it with the SDK"
    )]
    CoreModule,
    /// Machine code of an engine (`.cwasm`), which is never taken from outside.
    #[error("this is precompiled machine code; give the component that it was made from")]
    Precompiled,
    /// It does not parse, does not validate, or uses a feature of WebAssembly that is off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// Compiling it takes more than a component may take.
    #[error("compiling the component takes {what}; simplify or split its largest functions")]
    TooHard {
        /// Of what, and how much it may be.
        what: String,
    },
    /// The process that compiles it was ended from outside, or did not end. This machine's doing:
    /// the module may be fine.
    #[error("compiling it was stopped: {0}")]
    Stopped(String),
    /// The compiler itself failed. This machine's fault, not the module's.
    #[error("the compiler failed: {0}; try again, and see whether the machine has enough memory")]
    Compiler(String),
    /// More of something than a component may declare.
    #[error("the component declares {} {what} (limit {})", Grouped(*.count), Grouped(*.limit))]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A memory that is larger from the start than a memory may ever be.
    #[error(
        "the component declares a memory of {} bytes (limit {}); build it with a smaller initial \
         memory", Grouped(*.size), Grouped(*.limit)
    )]
    MemoryTooLarge {
        /// Bytes of the memory.
        size: u64,
        /// Bytes that the largest memory of this host may have.
        limit: u64,
    },
    /// It was made for a version of the interface that this host does not have.
    #[error(
        "the component was made for `{found}`; this host runs version {supported} of \
         `replicant:crdt`: build it with an SDK of that version"
    )]
    UnsupportedVersion {
        /// The first name of another version.
        found: String,
        /// The versions that there are.
        supported: String,
    },
    /// It imports what this host does not give.
    #[error(
        "the component imports {}; only `{}` may be imported", quoted(.names),
        crate::LOG_INTERFACE
    )]
    ForbiddenImports {
        /// The imports.
        names: Vec<String>,
    },
    /// It imports parts of the system interface that cannot be had without a system.
    #[error(
        "the component imports {} of WASI, which this host does not offer: it has no clock, \
         files, network or randomness to give, and only pretends what the runtimes of languages \
         ask for (docs/wasi.md); build without these (`--stub-wasi` in componentize-py and \
         componentize-qjs)", quoted(.names)
    )]
    WasiImports {
        /// The imports.
        names: Vec<String>,
    },
    /// It exports neither the interface of ops nor that of deltas: it is no type.
    #[error(
        "the component exports neither `{}` nor `{}`; a type exports the one that it implements",
        crate::OP_BASED_INTERFACE,
        crate::DELTA_BASED_INTERFACE
    )]
    NoWorld,
    /// It exports both interfaces, and which one is meant cannot be known.
    #[error(
        "the component exports both `{}` and `{}`; leave out the one that is not meant",
        crate::OP_BASED_INTERFACE,
        crate::DELTA_BASED_INTERFACE
    )]
    TwoWorlds,
    /// It lacks functions of the interface that it exports.
    #[error("the component does not export {}", quoted(.names))]
    MissingExports {
        /// What is missing.
        names: Vec<String>,
    },
    /// An import or export is there, but is not what the interface says.
    #[error("the component's `{name}` does not fit `replicant:crdt@0.1.0`: {reason}")]
    WrongType {
        /// The import or export.
        name: String,
        /// What differs.
        reason: String,
    },
    /// Making an instance or calling `describe` failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What `describe` says breaks a rule.
    #[error("the component describes itself wrongly: {field}: {reason}")]
    Description {
        /// The field, as `types.wit` names it.
        field: &'static str,
        /// Which rule.
        reason: String,
    },
}

fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
