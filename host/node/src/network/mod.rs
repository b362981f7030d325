//! The network driver: sockets, sessions and timers around the protocols.
//!
//! Guarantees: between any two nodes there is at most one session in use, with a peer that proved
//! its key; what one peer does or fails to do costs the others nothing but its bounded share; when
//! [`NetworkHandle::shutdown`] returns no task is left.
//!
//! ```text
//!            listener ─┐                      ┌─▶ NetworkEvents (the node)
//!              dials ──┴▶ one task a session ─┤
//!                          ▲ outbox            └─▶ driver: membership, trees, content
//!   NetworkHandle.send ────┴─────────────────────────┘
//! ```
//!
//! * *Sessions.* A task for each connection runs its handshake, then reads and writes side by
//!   side. Messages about topics go to the node straight from there; those of the protocols that
//!   have one state for the whole node go to the *driver*, one task that owns these states and
//!   their timers.
//! * *Sending* puts a message into the peer's outbox and never waits. A full outbox drops and
//!   counts; failure detection has a lane of its own that goes first.
//! * *Receiving* is bounded by not reading: a peer that sends too fast, or more than the driver
//!   takes, is left waiting by TCP.
//! * *Two strategies.* With a full view a node has a session with every member, and all hear of it.
//!   With partial views it has sessions with its neighbours, and a few more for a moment, of which
//!   only the view hears (`neighbours`).
//! * *Punishment.* Whoever sends what no correct node sends, or for long what correct ones send
//!   seldom, loses the session and is refused for a while.
//!
//! Start: [`BoundNetwork::bind`], then [`BoundNetwork::find_cluster`] if the node is new, then
//! [`BoundNetwork::start`]. Not here: what messages mean (`replicant_protocol`), storage, topics.

mod acknowledgements;
mod beacons;
mod bound;
mod budget;
mod circles;
mod config;
mod connection;
mod dial_plan;
mod dialer;
mod driver;
mod error;
mod events;
mod facts;
mod found;
mod half_open;
mod handing_in;
mod handle;
mod handshake;
mod inputs;
mod listener;
mod lookup;
mod loose;
mod neighbours;
mod outbox;
mod outputs;
mod overlays;
mod passing;
mod peers;
mod penalties;
mod pending;
mod rapidly;
mod rapids;
mod rate;
mod routing;
mod seed_name;
mod sessions;
mod shared;
mod socket;
mod statistics;
mod stop;
mod strangers;
mod talk;
mod trees;
mod unheard;
mod waiting;

#[cfg(test)]
mod tests;

pub use beacons::DISCOVERY_GROUP;
pub use bound::BoundNetwork;
pub use config::{NetworkConfig, NetworkLimits};
pub use error::NetworkError;
pub use events::{FactEvent, ModuleEvent, ModulePart, NetworkEvents, TopicMessage};
pub use handle::{Busy, NetworkHandle, PublishError};
pub use seed_name::{AddressError, SeedError, check_address, check_seed};
pub(crate) use shared::{Behaviour, Revoked};
pub use statistics::{Count, NetworkStatistics};
