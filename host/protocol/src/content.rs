//! Content: which modules exist, and how a node gets the bytes of one it lacks.
//!
//! Guarantees: after peers have compared, all know the same announcements and switches, and agree
//! on which module is active for a name and version and which version a type runs; bytes that a
//! fetch gives have the hash that was asked for.
//!
//! *Announcements* ([`Announcement`]) are signed by their publisher. A new one goes to everyone by
//! broadcast ([`OutEvent::Broadcast`]; the driver carries it), and peers compare what they have
//! when they meet and now and then after: first a hash over all ids, then, if that differs, the
//! ids in pages, then what is missing.
//!
//! *Two modules under one name and version* are a conflict, and reported ([`OutEvent::Conflict`]).
//! Until consensus decides such things, all nodes have to come to the same answer by themselves:
//! the announcement with the lowest (hybrid clock, publisher, id) is active. The alternative, to
//! stay with what each node heard first, was refused: it gives one name two meanings on different
//! nodes, which then diverge silently and for good, and this is the worst that can happen to
//! replicated data. The price of the rule: a publisher can date an announcement back and so
//! replace an active module. That is visible (both announcements are kept, signed, and the
//! conflict names both), it runs in the same sandbox, and whoever may publish could as well have
//! been first. Announcements that differ in nothing but publisher and time are one module, no
//! conflict.
//!
//! *Which version runs* ([`Switch`]): signed and spread like announcements; the latest by (hybrid
//! clock, issuer, id) counts. The eight latest of each type are kept: a history for people, and
//! the way back. `docs/versions.md` says what follows from it.
//!
//! *Fetching*: a component is cut into chunks of 64 KiB, which are subtrees of its BLAKE3 hash
//! tree. The list of their hashes ([`Manifest`]) is checked against the module's hash first, and
//! each chunk against the list when it arrives. So one lying peer costs one chunk, is known by
//! name, and a fetch goes on with others where it stopped. Source: O'Connor et al., "BLAKE3"
//! (2020), section 2.1; the idea is that of verified streaming (Bao), with chunk groups of 64.
//!
//! Not here: storage (the driver reads chunks: [`OutEvent::Serve`]), what a module does, whether it
//! loads, and who may publish (a later release).

mod announcement;
mod catalogue;
mod config;
mod fetch;
mod manifest;
mod message;
mod serving;
mod state;
mod statement;
mod switch;
mod switches;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::ids::{ModuleHash, NodeId, TypeName};

pub use announcement::{
    ANNOUNCEMENT_BYTES_MAX, Announcement, AnnouncementError, ModuleLimits, ModuleVersion,
    SignedAnnouncement, VERSION_BYTES_MAX,
};
pub use config::{CHUNK_BYTES, Config, MODULE_BYTES_MAX};
pub use manifest::Manifest;
pub use message::{MESSAGE_BYTES_MAX, Message, MessageError, Refusal};
pub use state::{ContentError, Counts, State};
pub use statement::Statement;
pub use switch::{SWITCH_SCHEMAS_MAX, SignedSwitch, Switch};

/// What a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The list of chunk hashes.
    Manifest,
    /// The chunk with this index, counted from 0: bytes from `index · CHUNK_BYTES`, at most
    /// [`CHUNK_BYTES`].
    Chunk(u32),
}

/// What a peer did that a correct one does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It sent a chunk or a manifest that does not have the hash.
    WrongContent,
}

/// What the driver has to do, or may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message in the session with `to`; drop it if there is none.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Broadcast these bytes to everyone; those who get them call
    /// [`State::on_broadcast`].
    Broadcast(Arc<[u8]>),
    /// A statement became known. Store it, so that [`State::restore`] gets it after a restart. If
    /// it is a switch, the latest of its type says what the type's objects run on.
    Learned(Statement),
    /// A statement is no longer kept, since others that come before it fill its place. The last of
    /// them came just before, in [`OutEvent::Learned`].
    Forgotten(Statement),
    /// This announcement is now the active one for its name and version. If the node lacks the
    /// module it calls [`State::handle_want`]. `replaced` was active before: objects of that type
    /// have to be rebuilt with the new module.
    Activated {
        /// The active one.
        announcement: Arc<SignedAnnouncement>,
        /// What it replaces, if that is another module or has other limits.
        replaced: Option<Arc<SignedAnnouncement>>,
    },
    /// Two different modules, or limits, are announced under one name and version. A person has to
    /// look at it. Comes once for each pair of active and other.
    Conflict {
        /// The one that stays active.
        active: Arc<SignedAnnouncement>,
        /// The other.
        other: Arc<SignedAnnouncement>,
    },
    /// Read a part of a module for a peer and hand it to [`State::handle_served_chunk`] or
    /// [`State::handle_served_manifest`], `None` if the module is not here. Until then it counts as
    /// under way.
    Serve {
        /// Who asks.
        to: NodeId,
        /// Which module.
        module: ModuleHash,
        /// Which part.
        part: Part,
    },
    /// A module is here, whole, and has the hash.
    Fetched {
        /// Which.
        module: ModuleHash,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Nobody who is connected has the module now. The fetch goes on by itself when somebody
    /// connects, and after a while in any case.
    FetchStalled {
        /// Which.
        module: ModuleHash,
    },
    /// Count it against the peer; its session may be closed.
    Misbehaved {
        /// Who.
        peer: NodeId,
        /// Over which module.
        module: ModuleHash,
        /// What.
        what: Misbehaviour,
    },
}

/// A name and version: what a user calls a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleName {
    /// The type's name.
    pub name: TypeName,
    /// Its version.
    pub version: ModuleVersion,
}

impl std::fmt::Display for ModuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
