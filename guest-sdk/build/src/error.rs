//! What can go wrong while a component is built.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no component. Nothing but the target folder was changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The environment: nothing on this machine compiles to WebAssembly.
    #[error(
        "no Rust toolchain that compiles to wasm32-unknown-unknown was found ({tried}).\n\
         Any one of these three makes one:\n  \
         1. with rustup: rustup target add wasm32-unknown-unknown\n  \
         2. on Debian: apt-get install rustc-web cargo-web rust-web-src lld\n  \
         3. any other rustc (1.95 or newer) that has the target, or the sources of the standard \
         library and wasm-ld: name it in REPLICANT_GUEST_RUSTC, and its cargo in \
         REPLICANT_GUEST_CARGO"
    )]
    NoToolchain {
        /// What was looked at, and what it lacks.
        tried: String,
    },
    /// The environment: Cargo could not be started.
    #[error("cannot run {}: {reason}", program.display())]
    CannotRun {
        /// The program.
        program: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The crate's author, as a rule: Cargo ended with an error, and has said why.
    #[error("cargo could not build {what} for wasm32-unknown-unknown (see above)")]
    Compile {
        /// The package or folder.
        what: String,
    },
    /// The crate's author: no library came out.
    #[error("{what} has no library target, and a Replicant type is a library (src/lib.rs)")]
    NoModule {
        /// The package or folder.
        what: String,
    },
    /// The crate's author: the library implements no type.
    #[error(
        "{package} exports no Replicant type: in Rust, it needs \
         `replicant_sdk::export!(YourType);` in its lib.rs"
    )]
    NoType {
        /// The package.
        package: String,
    },
    /// Our own bug, or an SDK of another version: the module cannot be wrapped.
    #[error("{package} cannot be made a component: {reason}")]
    Encode {
        /// The package.
        package: String,
        /// The encoder's reason.
        reason: String,
    },
    /// The environment: a file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
}

/// Names the file in an error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
    let path = path.to_path_buf();
    move |reason| BuildError::File { path, reason }
}
