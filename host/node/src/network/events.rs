//! What the network tells the node, and asks of it.

use std::net::SocketAddr;
use std::sync::Arc;

use replicant_protocol::content::{Manifest, Part, SignedAnnouncement, Statement};
use replicant_protocol::facts::{End, SignedFact};
use replicant_protocol::ids::{Hash, ModuleHash, NodeId};
use replicant_protocol::replication;
use replicant_protocol::wire;

use crate::vocabulary::Heard;

/// A message about topics between two nodes. The network carries it and does not look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicMessage {
    /// Repairs one topic.
    Replication(replication::Message),
    /// Finds the topics that differ.
    AntiEntropy(replication::anti_entropy::Message),
}

impl From<TopicMessage> for wire::Message {
    fn from(message: TopicMessage) -> Self {
        match message {
            TopicMessage::Replication(message) => Self::Replication(message),
            TopicMessage::AntiEntropy(message) => Self::AntiEntropy(message),
        }
    }
}

/// Something about modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleEvent {
    /// An announcement or a switch became known: store it, and hand it in at the next start
    /// ([`NetworkConfig::announcements`](super::NetworkConfig::announcements)).
    Learned(Statement),
    /// An announcement or a switch is no longer kept.
    Forgotten(Statement),
    /// This is the active announcement for its name and version. If the module is not here, call
    /// [`NetworkHandle::want`](super::NetworkHandle::want).
    Activated {
        /// The active one.
        announcement: Arc<SignedAnnouncement>,
        /// What was active before, if that is another module or has other limits.
        replaced: Option<Arc<SignedAnnouncement>>,
    },
    /// Two modules are announced under one name and version.
    Conflict {
        /// The one that stays active.
        active: Arc<SignedAnnouncement>,
        /// The other.
        other: Arc<SignedAnnouncement>,
    },
    /// A wanted module is here: whole, and with the hash.
    Fetched {
        /// Which.
        module: ModuleHash,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Nobody who is connected has a wanted module. It goes on by itself.
    Stalled {
        /// Which.
        module: ModuleHash,
    },
}

/// Something about facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactEvent {
    /// A fact became known: store it, and hand it in at the next start
    /// ([`NetworkConfig::kept_facts`](super::NetworkConfig::kept_facts)).
    Learned(Arc<SignedFact>),
    /// A fact is no longer kept.
    Forgotten {
        /// Its id.
        id: Hash,
        /// Why.
        end: End,
    },
    /// A node is revoked. Its session is closed already.
    Revoked(NodeId),
}

/// A part of a module, for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModulePart {
    /// Answers [`Part::Manifest`].
    Manifest(Manifest),
    /// Answers [`Part::Chunk`].
    Chunk(Vec<u8>),
}

/// The node, as the network sees it.
///
/// All methods but [`read_module`](NetworkEvents::read_module) are called from the network's tasks
/// and must return without waiting for anything: hand on to a queue, and refuse when it is full.
/// They may call [`NetworkHandle`](super::NetworkHandle), whose methods do not call back.
///
/// Order: for one peer, `peer_up` comes first, then messages, then `peer_down`; a message that was
/// under way may still come after it.
pub trait NetworkEvents: Send + Sync + 'static {
    /// There is a session with `peer` now; what was sent in an earlier one may be lost.
    fn peer_up(&self, peer: NodeId);

    /// There is no session with `peer` any more.
    fn peer_down(&self, peer: NodeId);

    /// A member listens at this address: remember it, and hand it in at the next start
    /// ([`NetworkConfig::remembered`](super::NetworkConfig::remembered)). Comes again when the
    /// address changes, and when the member comes back.
    fn member_known(&self, node: NodeId, address: SocketAddr);

    /// A member is given up or said goodbye. It may come back: remember it if there is room.
    fn member_gone(&self, node: NodeId);

    /// `peer` sent this. False if it cannot be taken now: then it is lost, and counted.
    fn topic_message(&self, peer: NodeId, message: TopicMessage) -> bool;

    /// A bundle came by broadcast, for the first time, by way of `from`. Not verified. Once it
    /// turns out to hold, call [`NetworkHandle::forward`](super::NetworkHandle::forward). False if
    /// it cannot be taken now: then it is lost, and counted.
    fn bundle(&self, from: NodeId, bytes: Vec<u8>) -> bool;

    /// A program said something, in a topic that is listened to here or to this node. Whether a
    /// program listens.
    fn heard(&self, heard: &Heard) -> bool;

    /// Something about modules.
    fn module(&self, event: ModuleEvent);

    /// Something about facts.
    fn fact(&self, event: FactEvent);

    /// Reads a part of a module for a peer; `None` if it is not here. Called on a thread that may
    /// wait; at most [`NetworkLimits::chunk_reads_max`](super::NetworkLimits::chunk_reads_max)
    /// calls at a time.
    fn read_module(&self, module: ModuleHash, part: Part) -> Option<ModulePart>;
}
