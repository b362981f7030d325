//! Broadcast: what one node says reaches every node that a chain of sessions leads to, usually
//! once, sometimes never. Whoever needs certainty compares afterwards (anti-entropy).
//!
//! The strategy of nodes is [`plumtree`], a tree (Leitão, Pereira and Rodrigues, "Epidemic
//! Broadcast Trees", SRDS 2007). [`Flood`] stands beside it behind the same trait, [`Broadcast`],
//! to compare with: each node passes a payload that it sees for the first time on to all neighbours
//! but the one it came from. With *n* nodes and *m* links a payload crosses every link once or
//! twice: 2 *m* - *n* + 1 transmissions instead of the *n* - 1 of a tree.
//!
//! *Checked before passed on.* A payload is opaque here. It goes to the driver first
//! ([`OutEvent::Deliver`]) and on to others only when the driver says that it is valid
//! ([`Broadcast::handle_accepted`]). So junk stops at the first correct node, and whoever sends it
//! is to blame.
//!
//! *Bounds.* A payload, the hops it may make ([`Config::hops_max`]) and the number of hashes that
//! are remembered ([`Config::seen_max`]) are bounded. A peer that sends very many different valid
//! payloads makes a node forget old hashes; then a payload may go round again, until its hops are
//! used up. A peer can also pass a payload on with its hops almost used up, which ends one path;
//! others remain.
//!
//! Not here: who the neighbours are (the driver says), what payloads mean,
//! and repair.

pub mod acknowledgement;
pub mod acknowledging;
mod flood;
mod message;
pub mod plumtree;
pub mod rapid;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Hash, NodeId};

pub use flood::{Counts, Flood};
pub use message::{Message, MessageError};

/// A payload no configuration lets through, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024 + 64 * 1024;

/// The limits of broadcasting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest payload, in bytes; at most [`PAYLOAD_BYTES_MAX`], which is the default: one
    /// bundle of 4 MiB and what surrounds it. Everything is sent to everyone, so larger payloads
    /// cost *m* times as much.
    pub payload_bytes_max: usize,
    /// How many sessions a payload may cross; 1 to 255. Ends what would go round for ever when
    /// hashes are forgotten. Has to be above the longest shortest path between two nodes; in a
    /// full mesh that is 1. Default 32: a random graph of a million nodes needs less.
    pub hops_max: u8,
    /// How many hashes are surely remembered; up to twice as many are held, at about 50 bytes
    /// each. Larger: duplicates are recognised for longer. Default 16,384: half a minute of 500
    /// payloads a second, where duplicates come within a few round trips.
    pub seen_max: usize,
    /// How many payloads may wait for the driver in [`Broadcast::poll_event`]; more are dropped,
    /// counted, and not marked as seen. Default 1,024.
    pub events_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            hops_max: 32,
            seen_max: 16_384,
            events_max: 1_024,
        }
    }
}

/// A payload on its way through this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its hash.
    pub id: Hash,
    /// Who sent it here; not who said it first.
    pub from: NodeId,
    /// How many sessions it crossed to get here; at least 1.
    pub hops: u8,
    /// What was said.
    pub payload: Arc<[u8]>,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent<M = Message> {
    /// Send one message to several neighbours. It is the same for all, so it is encoded once. A
    /// neighbour whose queue is full is left out: anti-entropy repairs it.
    Send {
        /// To whom; never empty.
        to: Vec<NodeId>,
        /// What.
        message: M,
    },
    /// Look at a payload that was seen for the first time, and if it is valid hand the delivery
    /// back to [`Broadcast::handle_accepted`].
    Deliver(Delivery),
}

/// What goes wrong at the caller. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// The payload is empty or too large. The caller's misuse.
    #[error("a payload of {length} bytes; 1 to {max} can be broadcast")]
    PayloadLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
}

/// A strategy of broadcasting.
///
/// # Operating it
///
/// Tell it of neighbours ([`handle_neighbour_up`](Broadcast::handle_neighbour_up), `…_down`), of
/// payloads of this node ([`handle_broadcast`](Broadcast::handle_broadcast)), of messages of
/// neighbours ([`on_message`](Broadcast::on_message)), of valid deliveries
/// ([`handle_accepted`](Broadcast::handle_accepted)). After each input drain
/// [`poll_event`](Broadcast::poll_event) and arm a timer for
/// [`next_timeout`](Broadcast::next_timeout). `now` is monotonic.
pub trait Broadcast {
    /// What neighbours say to each other.
    type Message;

    /// Why a neighbour's message was not taken.
    type MessageError: std::error::Error;

    /// A session with `peer` is established.
    fn handle_neighbour_up(&mut self, now: Duration, peer: NodeId);

    /// The last session with `peer` is over.
    fn handle_neighbour_down(&mut self, now: Duration, peer: NodeId);

    /// Says something to everyone. The same payload again within memory of the first is not sent
    /// again: payloads have to be unique. Gives the payload's hash.
    ///
    /// # Errors
    /// [`BroadcastError`]: the caller's misuse, nothing changed.
    fn handle_broadcast(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
    ) -> Result<Hash, BroadcastError>;

    /// Takes a neighbour's message.
    ///
    /// # Errors
    /// [`Self::MessageError`]: the neighbour's fault, nothing changed.
    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Self::Message,
    ) -> Result<(), Self::MessageError>;

    /// Passes a delivery on that the driver found valid.
    fn handle_accepted(&mut self, now: Duration, delivery: Delivery);

    /// Does what is due.
    fn handle_timeout(&mut self, now: Duration);

    /// When [`handle_timeout`](Broadcast::handle_timeout) is due.
    fn next_timeout(&self) -> Option<Duration>;

    /// The next thing to do.
    fn poll_event(&mut self) -> Option<OutEvent<Self::Message>>;
}
