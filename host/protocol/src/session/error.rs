//! Why a session ended, or did not send.

use crate::ids::{ClusterId, NodeId};

use super::{VersionRange, View};

/// Why a session failed. It is over: every later input gives [`SessionError::Over`]. What
/// [`poll_transmit`](super::Session::poll_transmit) still holds should be sent before the
/// connection is closed, so that the peer learns the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer announced a frame that is larger than allowed at this point, or too small to hold
    /// anything. Its fault.
    #[error("the peer sent a frame of {length} bytes; {min} to {max} are accepted here")]
    FrameLength {
        /// What the peer announced.
        length: usize,
        /// The smallest frame at this point.
        min: usize,
        /// The largest.
        max: usize,
    },
    /// A handshake message could not be read: not this protocol, damaged, or recorded elsewhere.
    /// The fault of whoever is at the other end, or of the network.
    #[error("the handshake could not be read: not this protocol, damaged, or replayed")]
    Handshake,
    /// The peer used a public key that makes the shared secret predictable. Its fault.
    #[error("the peer used a key of low order")]
    WeakKey,
    /// The peer's statement about itself is not well-formed. Its fault.
    #[error("the peer's handshake statement is malformed: {what}")]
    Statement {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The peer's statement is not signed by the key that it names, or for another handshake. Its
    /// fault.
    #[error("{node} did not sign this handshake")]
    Signature {
        /// Who the peer claims to be.
        node: NodeId,
    },
    /// No protocol version is spoken by both. Nobody's fault; one of them has to be upgraded.
    #[error(
        "no protocol version in common: {}..={} here, {}..={} there",
        ours.min, ours.max, theirs.min, theirs.max
    )]
    Version {
        /// What this node speaks.
        ours: VersionRange,
        /// What the peer speaks.
        theirs: VersionRange,
    },
    /// The peer is in another cluster. Somebody dialed the wrong address.
    #[error("the peer is in cluster {theirs}, this node in {ours}")]
    Cluster {
        /// This node's.
        ours: ClusterId,
        /// The peer's.
        theirs: ClusterId,
    },
    /// The two know the others of their cluster in different ways. Nobody's fault; whoever started
    /// one of them has to start it as the others were.
    #[error(
        "the peer keeps {theirs}, this node {ours}; all nodes of a cluster have to be started with \
         the same --membership"
    )]
    View {
        /// What this node keeps.
        ours: View,
        /// What the peer keeps.
        theirs: View,
    },
    /// Neither side is in a cluster yet, so neither can take the other's. Nobody's fault; try
    /// again when one of them has joined.
    #[error("neither node is in a cluster yet")]
    NoCluster,
    /// The other end is this node itself. Somebody dialed its own address.
    #[error("this node connected to itself")]
    Oneself,
    /// Another node than the dialed one answered. Its address may have passed to somebody else.
    #[error("dialed {expected}, but {found} answered")]
    UnexpectedNode {
        /// Whom the caller wanted.
        expected: NodeId,
        /// Who it is, with proof.
        found: NodeId,
    },
    /// A frame of an established session was changed, repeated, left out or forged on its way.
    /// The fault of the network or of the peer.
    #[error("a frame failed authentication")]
    Forged,
    /// A frame was authentic but broke the rules of framing. The peer's fault.
    #[error("the peer broke the framing: {what}")]
    Framing {
        /// Which rule.
        what: &'static str,
    },
    /// The peer began a message that is larger than allowed. Its fault; nothing was reserved.
    #[error("the peer began a message of {length} bytes; 1 to {max} are accepted")]
    MessageLength {
        /// What the peer announced.
        length: usize,
        /// The limit here.
        max: usize,
    },
    /// The handshake took too long.
    #[error("the handshake was not finished in time")]
    HandshakeTimeout,
    /// The peer was silent for too long.
    #[error("the peer was silent for too long")]
    IdleTimeout,
    /// The connection ended without a goodbye: the peer or the network failed.
    #[error("the connection ended without a goodbye")]
    Truncated,
    /// The session is over already. The caller's misuse; nothing changed.
    #[error("the session is over")]
    Over,
    /// The cryptography refused what must work. A bug of ours or of the library.
    #[error("internal: {what}")]
    Internal {
        /// What failed.
        what: &'static str,
    },
}

impl SessionError {
    /// Whether no correct node on a correct network would have caused this. A driver counts it
    /// against the address (before the handshake ended) or the node (after it).
    pub fn malicious(&self) -> bool {
        match self {
            Self::FrameLength { .. }
            | Self::Handshake
            | Self::WeakKey
            | Self::Statement { .. }
            | Self::Signature { .. }
            | Self::Forged
            | Self::Framing { .. }
            | Self::MessageLength { .. } => true,
            Self::Version { .. }
            | Self::Cluster { .. }
            | Self::View { .. }
            | Self::NoCluster
            | Self::Oneself
            | Self::UnexpectedNode { .. }
            | Self::HandshakeTimeout
            | Self::IdleTimeout
            | Self::Truncated
            | Self::Over
            | Self::Internal { .. } => false,
        }
    }
}

/// Why a message was not taken for sending. The session is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The handshake is not done, or the session is over. The caller's misuse.
    #[error("the session is not established")]
    NotEstablished,
    /// The message is empty or too large. The caller's misuse.
    #[error("a message of {length} bytes; 1 to {max} can be sent")]
    Length {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// Too much is waiting to be transmitted: the peer is slow. Try again after
    /// [`poll_transmit`](super::Session::poll_transmit), or drop the message.
    #[error("{waiting} bytes are waiting for a slow peer")]
    Backlog {
        /// How many bytes wait.
        waiting: usize,
    },
}
