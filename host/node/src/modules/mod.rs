//! Which module implements which type on this node, and how modules come here and spread.
//!
//! [`Registry`] answers at once from memory ([`Registry::active`]); [`Librarian`] is the thread
//! that compiles, stores, announces and wants, one after the other, since compiling is slow and
//! nobody who serves requests should wait for it. Its inputs are what the network tells
//! ([`ModuleEvent`](crate::network::ModuleEvent)) and what users load.
//!
//! *Which version runs.* For a name and version, all nodes agree on one module (the announcement
//! that `replicant_protocol::content` says is active); a type's objects run on the version that the
//! latest switch names, and without one on the version that was announced first (`versions`). If
//! that module is not here they wait for it. The types that ship with the release are announced
//! like all others, with the earliest timestamp: nodes that were built differently then see the
//! conflict, and settle on the same bytes. `docs/versions.md` has the reasons.
//!
//! Not here: what an instance does (`topics`), how announcements and bytes travel (`network`).

mod archive;
mod backlog;
mod desk;
mod fetched;
mod librarian;
mod limits;
mod registry;
mod switching;
mod versions;
mod wanted;

#[cfg(test)]
mod tests;

pub use archive::Archive;
pub use librarian::{Librarian, ModuleChanges, ModuleNetwork, Resources};
pub use registry::Registry;

use replicant_protocol::ids::ModuleHash;
use replicant_runtime::LoadError;

use crate::vocabulary::NodeError;

/// Tells whose fault it is that a component was not loaded.
fn not_loaded(bytes: &[u8], error: LoadError) -> NodeError {
    let reason = error.to_string();
    match error {
        LoadError::Stopped(_) => NodeError::CompilerStopped {
            component: ModuleHash::of(bytes).short(),
            reason,
        },
        LoadError::Compiler(_) => NodeError::Sandbox { reason },
        _ => NodeError::ModuleInvalid { reason },
    }
}
