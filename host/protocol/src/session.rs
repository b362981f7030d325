//! Sessions: two nodes prove their keys to each other and exchange messages that nobody else can
//! read, change, repeat or leave out unnoticed.
//!
//! Source: Perrin, "The Noise Protocol Framework" (revision 34, 2018), pattern
//! `Noise_XX_25519_ChaChaPoly_BLAKE2s`, by way of the crate `snow`. What this module adds:
//!
//! * *Identity.* The Noise static key is made fresh for every session. The second and third
//!   handshake messages carry a statement {protocol versions, cluster, node id, listen address,
//!   kind of view} that is signed by the node's ed25519 key over the role, the handshake hash so
//!   far and the Noise static key. The handshake hash contains the other side's fresh ephemeral
//!   key, so a statement is good for one handshake only.
//! * *Framing.* The stream is a sequence of frames `{length: u16 little endian, Noise message}`.
//!   Inside, the first byte says what a frame is: the beginning of a message (with the length of
//!   the whole, u32 little endian), its continuation, a sign of life, or goodbye. Lengths inside
//!   are encrypted. Every part but the last of a message is full, so a message has one form.
//! * *Weak keys.* X25519 gives zeros for the twelve low-order points. `snow` lets that pass (the
//!   Noise specification leaves it open); here such a handshake fails.
//! * *Fresh keys.* Each direction changes its key every [`REKEY_FRAMES`] frames without a message
//!   about it (both sides count). The nonce of a direction counts to 2^64 - 2 and is never reset;
//!   at a million frames a second that lasts 580,000 years.
//! * *Determinism.* Static and ephemeral keys come from the generator that the caller passes in.
//!   A node passes one that the operating system seeded; a simulation passes its own.
//!
//! Before the handshake ends a peer can make this node hold 4 KiB and do four scalar
//! multiplications; after it, one frame and one partial message of [`Config::message_bytes_max`].
//!
//! Inputs, outputs and their order: see [`Session`]. Not here: sockets; which messages exist; who
//! may be a member; what to do with two sessions between the same two nodes but for the rule
//! [`kept_initiator`].

mod config;
mod error;
mod frame;
mod handshake;
mod resolver;
mod state;
mod statement;
mod transport;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::ids::{ClusterId, NodeId};

pub use config::{
    Config, HANDSHAKE_BYTES_MAX, Local, MESSAGE_BYTES_MAX, REKEY_FRAMES, VersionRange, View,
};
pub use error::{SendError, SessionError};
pub use frame::CloseReason;
pub use state::Session;

/// What the driver learns from a session, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// The handshake is done: the peer holds the key of [`Peer::node`] and is in the same cluster.
    /// Comes once and before any message.
    Established(Peer),
    /// The peer sent this whole message; 1 to [`Config::message_bytes_max`] bytes.
    Message(Vec<u8>),
    /// The peer said goodbye. Nothing comes after it.
    Closed(CloseReason),
}

/// Who is at the other end, as proven in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its identity; it holds the key.
    pub node: NodeId,
    /// Where it says that it listens. A claim: it may be wrong or somebody else's.
    pub address: SocketAddr,
    /// The protocol version that both sides speak from now on.
    pub version: u16,
    /// The cluster that both are in.
    pub cluster: ClusterId,
    /// Whether this node had no cluster and takes the peer's. The driver stores it before it uses
    /// the session. If it took another cluster in the meantime it closes this session.
    pub is_cluster_adopted: bool,
}

/// Which of two nodes is the initiator of the session that stays when both dialed each other: the
/// one with the lower id. The other session is closed with [`CloseReason::Duplicate`]. Both sides
/// come to the same answer without asking.
pub fn kept_initiator(a: NodeId, b: NodeId) -> NodeId {
    a.min(b)
}
