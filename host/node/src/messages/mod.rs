//! What is said in topics or to a node, for the programs that listen at this node.
//!
//! Messages pass by: they are neither stored nor sent again to who was away. What has to last is an
//! object. A node subscribes to what somebody listens to at it, and to nothing else: the
//! subscription begins with the first [`Listener`] of a path and ends with the last.
//!
//! *Bounds.* Each listener has a queue of its own ([`MESSAGES_MAX`], [`QUEUE_BYTES_MAX`]); one that
//! does not read loses the oldest messages, is told how many, and slows nobody else. There are at
//! most [`LISTENERS_MAX`] of them.
//!
//! Not here: how messages travel (`network`), who hears what (`replicant_protocol::topics`).

mod listeners;

#[cfg(test)]
mod tests;

pub(crate) use listeners::Listeners;
pub use listeners::{Listener, Scope};
pub use replicant_protocol::broadcast::acknowledgement::{
    Ask, AskError, DEADLINE_DEFAULT, DEADLINE_MAX, Wanted, WantedError,
};

pub use crate::vocabulary::Strategy;

/// Bytes of a message, in CBOR.
pub const MESSAGE_BYTES_MAX: usize = replicant_protocol::topics::PUBLISHED_BYTES_MAX;

/// How many messages wait for one listener.
pub const MESSAGES_MAX: usize = 1_024;

/// How many bytes wait for one listener. One message always fits.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

/// How many listeners a node has at a time.
pub const LISTENERS_MAX: usize = 1_024;
