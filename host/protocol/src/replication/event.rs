//! What the driver has to do, and why something was not accepted.

use super::{Message, RequestId, SyncRequest};
use crate::bundle::{BundleError, SignedBundle};
use crate::identity::NodeId;
use crate::ids::{Dot, ReplicaId};
use crate::version::VersionVector;

/// What the driver has to do next. Fetched with [`State::poll`](super::State::poll).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message to one peer. May be lost: a timer asks again.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        message: Message,
    },
    /// A bundle of this node is stored: tell everyone. May be lost: synchronising repairs it.
    Broadcast(SignedBundle),
    /// A bundle that came by broadcast is new here and its signature holds: pass it on. To the
    /// broadcast it is known by the hash of [`as_bytes`](SignedBundle::as_bytes).
    Forward {
        /// From whom it came; need not get it back.
        from: NodeId,
        /// The bundle.
        bundle: SignedBundle,
    },
    /// Read from the log what a peer lacks, then call
    /// [`State::handle_served`](super::State::handle_served), also if reading failed.
    Serve {
        /// Who asks.
        peer: NodeId,
        /// Which of its requests this is.
        request: RequestId,
        /// What it has; see [`ChunkBuilder`](super::ChunkBuilder).
        from: VersionVector,
        /// How many bytes of bundles to read at most, unless the first is larger.
        bytes_max: usize,
        /// How many bundles to read at most.
        count_max: usize,
    },
    /// Something that a peer sent was not accepted and is counted. Where `malicious` is set no
    /// honest node sends that: close the session.
    Reject {
        /// Who sent it.
        peer: NodeId,
        /// Why it was not accepted.
        reason: RejectReason,
        /// Whether the peer must be at fault, and not only the author of what it passed on.
        malicious: bool,
    },
    /// A replica signed two histories. Keep both bundles as proof. Reported once for each replica.
    Equivocation {
        /// The replica.
        replica: ReplicaId,
        /// One of the two bundles.
        held: Held,
        /// The other one, which contradicts it.
        second: SignedBundle,
    },
    /// A peer has ops of this node's own replica that are not in its log: the disk was restored
    /// from an older copy. No more ops are made until
    /// [`State::begin_generation`](super::State::begin_generation). Reported once a generation.
    HistoryAhead {
        /// Who had them.
        peer: NodeId,
        /// The last op of the bundle that shows it.
        end: Dot,
    },
}

/// Where the first bundle of a proof of equivocation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// In the log, or in the batch under way: the bundle that contains this op. Of all bundles of
    /// the replica that end there or later, it is the first.
    Stored(Dot),
    /// Here; it is not delivered.
    Waiting(SignedBundle),
}

/// Why something that a peer sent was not accepted. The state is as before, except for counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// Not a well-formed bundle. Honest nodes look before they pass on.
    #[error("undecodable: {0}")]
    Undecodable(BundleError),
    /// A bundle or message of another topic than it came for.
    #[error("it belongs to another topic")]
    Topic,
    /// A bundle of another history of the topic, or of another cluster.
    #[error("it belongs to another lineage")]
    Lineage,
    /// It refers to a snapshot that this node does not know.
    #[error("it refers to an unknown snapshot")]
    Reference,
    /// The author did not sign it.
    #[error("its signature does not hold")]
    Signature,
    /// Its replica id belongs to another author or generation: two hashes met.
    #[error("its replica id belongs to someone else")]
    Collision,
    /// It depends on a bundle that is not in the history delivered here. Its author or the author
    /// of the dependency equivocated; a peer that passes it on need not know.
    #[error("it depends on a bundle that is not in this history")]
    Dependency,
    /// Its timestamp is smaller than that of its predecessor, or not larger than that of a
    /// dependency: the author's fault.
    #[error("its timestamp contradicts causality")]
    ClockOrder,
    /// The topic has as many replicas as a version can name. Nobody's fault.
    #[error("the topic has too many replicas")]
    Replicas,
    /// The log could not be asked about a boundary. This node's environment; sync brings it again.
    #[error("this node's log cannot be read")]
    LogUnavailable,
    /// A chunk that is longer than what was asked for.
    #[error("more was sent than asked for")]
    Oversize,
}

impl RejectReason {
    /// A short name, as a label of a metric.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Topic => "topic",
            Self::Lineage => "lineage",
            Self::Reference => "reference",
            Self::Signature => "signature",
            Self::Collision => "collision",
            Self::Dependency => "dependency",
            Self::ClockOrder => "clock-order",
            Self::Replicas => "replicas",
            Self::LogUnavailable => "log-unavailable",
            Self::Oversize => "oversize",
        }
    }
}

impl From<SyncRequest> for Message {
    fn from(request: SyncRequest) -> Self {
        Self::SyncRequest(request)
    }
}
