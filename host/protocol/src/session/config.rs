//! What a session is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::NodeIdentity;
use crate::ids::ClusterId;

/// The largest frame before the handshake ends, in bytes. A statement takes about 250.
pub const HANDSHAKE_BYTES_MAX: usize = 4 * 1024;

/// The largest message that any configuration may allow, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Each direction changes its key after so many frames: after 4 GiB at most. Both sides count, so
/// it is part of the protocol and cannot be configured.
pub const REKEY_FRAMES: u64 = 65_536;

/// The limits of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest message in either direction, in bytes; 1 to [`MESSAGE_BYTES_MAX`] (larger
    /// values are taken as that). A peer can make this node hold one unfinished message. The
    /// default is the maximum: one bundle of 4 MiB and what surrounds it, with room to spare.
    pub message_bytes_max: usize,
    /// How many encrypted bytes may wait for [`Session::poll_transmit`](super::Session); at least
    /// one message. Beyond it sending is refused. A slow peer holds this much memory. Default:
    /// 32 MiB, four of the largest messages.
    pub outgoing_bytes_max: usize,
    /// How long the whole handshake may take. Larger: slower networks succeed, half-open sessions
    /// live longer. Default 10 s: several round trips of a bad link.
    pub handshake_timeout: Duration,
    /// After how much silence of our own we send a sign of life. Must be well below the peer's
    /// `idle_timeout`. Default 10 s.
    pub keep_alive_interval: Duration,
    /// After how much silence of the peer the session is given up. Larger: dead connections stay
    /// longer. Default 30 s: three signs of life may be late. Failure detection is the task of
    /// membership and is faster.
    pub idle_timeout: Duration,
    /// How long a peer may still be silent once this node was told that it may be gone
    /// ([`Session::handle_doubt`](super::Session::handle_doubt)). Default 10 s.
    pub doubt_timeout: Duration,
    /// Which protocol versions this node speaks.
    pub versions: VersionRange,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            outgoing_bytes_max: 4 * MESSAGE_BYTES_MAX,
            handshake_timeout: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            doubt_timeout: Duration::from_secs(10),
            versions: VersionRange { min: 5, max: 5 },
        }
    }
}

/// Protocol versions from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub min: u16,
    /// The newest; not below `min`.
    pub max: u16,
}

impl VersionRange {
    /// The newest version in both ranges.
    pub(super) fn newest_common(self, other: Self) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// Whom the nodes of a cluster know. All of one cluster have to keep the same view: what they say
/// to each other depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Every node knows every other.
    #[default]
    Full,
    /// Every node knows some others.
    Partial,
}

impl std::fmt::Display for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "a full view of the cluster (swim)",
            Self::Partial => "a partial view of the cluster (hyparview)",
        })
    }
}

/// What this node says of itself in the handshake.
#[derive(Debug, Clone)]
pub struct Local {
    /// The key that proves who this node is.
    pub identity: Arc<NodeIdentity>,
    /// Its cluster. `None`: a new node that takes the cluster of the first peer it meets.
    pub cluster: Option<ClusterId>,
    /// Where others can reach it. A node that listens on all interfaces has to choose one: the
    /// unspecified address is refused by peers.
    pub address: SocketAddr,
    /// Whom it knows.
    pub view: View,
}
