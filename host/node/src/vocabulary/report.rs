//! What a node tells about itself, its cluster and its modules.

use std::net::SocketAddr;
use std::time::Duration;

use replicant_protocol::ids::{ClusterId, Hash, ModuleHash, NodeId, TypeName};
use replicant_protocol::membership::{Reliability, StrategyKind};

/// How a node is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The node's id.
    pub id: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The release that it runs.
    pub version: &'static str,
    /// Where it listens for nodes.
    pub listen: SocketAddr,
    /// Where it tells other nodes to find it.
    pub advertised: String,
    /// Time since it was started.
    pub uptime: Duration,
    /// Whether the disk takes writes.
    pub storage: StorageInfo,
    /// Whether it takes part in the network.
    pub network: NetworkInfo,
    /// The fact that keeps it out, if it is revoked and knows of it.
    pub revoked: Option<RevocationInfo>,
    /// Counters since the start, and what there is now, ordered by name.
    pub counters: Vec<Counter>,
}

/// Something that is counted since the start, or that there is at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    /// Its name, fit for Prometheus. It ends in `_total` if it only grows.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it counts, in a sentence.
    pub about: &'static str,
}

/// Whether the disk takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageInfo {
    /// Whether it does.
    pub writable: bool,
    /// Why it does not.
    pub reason: Option<String>,
}

/// The fact that keeps a node out of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationInfo {
    /// The fact's id.
    pub fact: Hash,
    /// Who revoked the node.
    pub issuer: NodeId,
    /// Why, in the issuer's words.
    pub reason: String,
    /// Until when it counts, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// Whether the node takes part in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkInfo {
    /// False after [`Node::set_network`](crate::Node::set_network) took it off.
    pub enabled: bool,
    /// Open sessions with other nodes.
    pub sessions: u64,
    /// How nodes know of each other.
    pub membership: StrategyKind,
}

/// A member of the cluster, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// The member's id.
    pub id: NodeId,
    /// Where it says it can be reached.
    pub address: String,
    /// What failure detection says, or with partial views whether it is a neighbour.
    pub state: MemberState,
    /// The member's own count of refuted suspicions.
    pub incarnation: u64,
    /// Whether it is this node.
    pub is_self: bool,
    /// Whether a session with it is open.
    pub connected: bool,
    /// Whether a fact revokes it.
    pub revoked: bool,
    /// For how many seconds it did of late what correct nodes do seldom, as far as that is not
    /// forgiven; each is after four seconds without. At 30 its session ends, and it is kept out for
    /// a while.
    pub bad_seconds: u32,
    /// How reliable it was, as this node measured it. None for this node itself, and with partial
    /// views: there nobody measures.
    pub reliability: Option<Reliability>,
    /// What whoever runs it says of it ([`NodeConfig::metadata`](crate::NodeConfig::metadata));
    /// empty with partial views. Its own words.
    pub metadata: String,
}

/// What is known of a member: with a full view what failure detection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberState {
    /// It answers.
    Alive,
    /// It did not answer; it may still refute that.
    Suspect,
    /// It is given up. It may come back.
    Dead,
    /// It said goodbye.
    Left,
    /// With partial views: there is a session with it, and it is in this node's active view.
    Neighbour,
    /// With partial views: others named it, or it was a neighbour. Nobody judges whether it is
    /// there.
    Known,
    /// With partial views, to who follows members: it is not known any more.
    Forgotten,
}

impl MemberState {
    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
            Self::Neighbour => "neighbour",
            Self::Known => "known",
            Self::Forgotten => "forgotten",
        }
    }
}

/// A module that this node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleInfo {
    /// The type's name.
    pub name: TypeName,
    /// The type's version.
    pub version: String,
    /// Hash of the component's bytes.
    pub hash: ModuleHash,
    /// Size of the component.
    pub size_bytes: u64,
    /// What the type means, in one paragraph.
    pub summary: String,
    /// JSON Schema of a command.
    pub command_schema: String,
    /// JSON Schema of a query.
    pub query_schema: String,
    /// JSON Schema of the value.
    pub value_schema: String,
    /// JSON Schema of an event.
    pub event_schema: String,
    /// The version of the op encoding that it writes.
    pub writes: u32,
    /// The versions of the op encoding that it reads.
    pub reads: Vec<u32>,
    /// Limits that its instances run under, by name with the unit at the end.
    pub limits: Vec<(&'static str, u64)>,
    /// What the component imports.
    pub imports: Vec<String>,
    /// What the component exports.
    pub exports: Vec<String>,
    /// Whether it ships with this release.
    pub built_in: bool,
    /// Whether it is the version that objects of the type run on.
    pub active: bool,
    /// Whether it is loaded here; if not, what describes it is empty.
    pub loaded: bool,
    /// Why what is announced is not loaded here.
    pub waits: Option<String>,
    /// What it waits for, if it is not loaded here.
    pub waits_for: Option<WaitsFor>,
    /// Op encodings in which there may be ops of the type, and which it does not read: objects
    /// with such ops wait for a version that does.
    pub unread_encodings: Vec<u32>,
    /// Ops without effect, since it says it cannot read them, as often as they were applied since
    /// it was loaded here.
    pub ops_unread: u64,
    /// The node whose announcement counts.
    pub publisher: NodeId,
    /// What else is announced under the same name and version.
    pub others: Vec<OtherModule>,
    /// The latest switches of the type, the one that counts first.
    pub switches: Vec<SwitchInfo>,
}

/// What a module that is not loaded waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// No node has announced it here.
    Announcement,
    /// Its bytes: no connected node has given them yet.
    Bytes,
    /// This node, which is compiling its bytes.
    Compilation,
    /// Somebody: it cannot be loaded here as it is.
    Operator,
}

impl WaitsFor {
    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Bytes => "bytes",
            Self::Compilation => "compilation",
            Self::Operator => "operator",
        }
    }
}

/// A module that is announced under a name and version that another one has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherModule {
    /// Hash of its bytes; the same as the other's if only the limits differ.
    pub hash: ModuleHash,
    /// The node that announced it.
    pub publisher: NodeId,
}

/// A type was told to run on a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchInfo {
    /// The version.
    pub version: String,
    /// The node that was asked.
    pub issuer: NodeId,
    /// When, by that node's clock, in milliseconds since 1970.
    pub at_ms: u64,
}
