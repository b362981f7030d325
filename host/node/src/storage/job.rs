//! What is written and read, in plain values.

use minicbor::{Decode, Encode};
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{Counter, Hash, ModuleHash, NodeId, ObjectKey, ReplicaId, TopicName};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode,
        )]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub $inner);

        impl $name {
            /// The next number.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

number! {
    /// A topic's number on this node, given when it is first stored. Not known elsewhere.
    TopicNumber, u32
}
number! {
    /// An object's number within its topic on this node; starts at 1.
    ObjectNumber, u64
}
number! {
    /// A bundle's place in this node's log of a topic; starts at 1. Delivery order.
    Sequence, u64
}

/// Everything that has to become durable together.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Writes to topics.
    pub topics: Vec<TopicWrite>,
    /// Everything else.
    pub general: Vec<General>,
}

impl Job {
    /// A job of one write that belongs to no topic.
    #[must_use]
    pub fn general(write: General) -> Self {
        Self {
            topics: Vec::new(),
            general: vec![write],
        }
    }

    /// About how many bytes this writes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let topics: usize = self.topics.iter().map(TopicWrite::size_bytes).sum();
        topics + self.general.iter().map(General::size_bytes).sum::<usize>()
    }
}

/// Writes to one topic.
#[derive(Debug, Clone)]
pub struct TopicWrite {
    /// The topic's number.
    pub topic: TopicNumber,
    /// The topic's name, if the topic is new.
    pub name: Option<TopicName>,
    /// The counters after this write.
    pub counters: TopicCounters,
    /// New bundles, in the log's order.
    pub bundles: Vec<BundleWrite>,
    /// Objects that are new.
    pub objects: Vec<(ObjectKey, ObjectNumber)>,
    /// Objects' states; each replaces the one before.
    pub checkpoints: Vec<(ObjectNumber, Checkpoint)>,
    /// The commands behind bundles of this node's own.
    pub commands: Vec<CommandsWrite>,
}

impl TopicWrite {
    /// A write that changes nothing yet.
    #[must_use]
    pub fn new(topic: TopicNumber, name: Option<TopicName>, counters: TopicCounters) -> Self {
        Self {
            topic,
            name,
            counters,
            bundles: Vec::new(),
            objects: Vec::new(),
            checkpoints: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Whether this write changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty() && self.objects.is_empty() && self.checkpoints.is_empty()
    }

    fn size_bytes(&self) -> usize {
        const ROW_BYTES: usize = 48;
        let bundles: usize = self
            .bundles
            .iter()
            .map(|b| b.bytes.len() + ROW_BYTES * (2 + b.touched.len()))
            .sum();
        let commands = self.commands.iter().flat_map(|write| &write.commands);
        bundles
            + commands
                .map(|command| command.command.len() + ROW_BYTES)
                .sum::<usize>()
            + self
                .checkpoints
                .iter()
                .map(|(_, c)| c.saved.len() + ROW_BYTES)
                .sum::<usize>()
            + self.objects.len() * 2 * ROW_BYTES
    }
}

/// How far a topic's numbering has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TopicCounters {
    /// The last place in the log.
    #[n(0)]
    pub last: Sequence,
    /// The last object's number; also how many objects there are.
    #[n(1)]
    pub objects: ObjectNumber,
    /// How many ops the log holds.
    #[n(2)]
    pub ops: u64,
}

/// A topic as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTopic {
    /// Its number.
    pub topic: TopicNumber,
    /// Its name.
    pub name: TopicName,
    /// Its counters.
    pub counters: TopicCounters,
}

/// One bundle and how it is found again.
#[derive(Debug, Clone)]
pub struct BundleWrite {
    /// Where it ends: replica, last counter, hash, time; and its place in the log.
    pub boundary: Boundary,
    /// The bundle as it was signed.
    pub bytes: Vec<u8>,
    /// The objects that it has ops for.
    pub touched: Vec<ObjectNumber>,
}

/// The end of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// Who made the bundle.
    pub replica: ReplicaId,
    /// The counter of its last op.
    pub last: Counter,
    /// Its place in this node's log.
    pub sequence: Sequence,
    /// Its timestamp.
    pub hlc: Hlc,
    /// Its hash.
    pub hash: Hash,
}

/// An object's saved state at a place of this node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every bundle up to this place is contained.
    pub sequence: Sequence,
    /// The module that saved it. To another one it means nothing, of the same version or not: what
    /// nodes have checkpoints of differs, and what they compute must not.
    pub module: ModuleHash,
    /// What the type saved.
    pub saved: Vec<u8>,
    /// Ops behind it that the type could not read; they have no effect.
    pub ops_unread: u64,
}

/// A checkpoint as it is read; one of an earlier release has no count.
#[derive(minicbor::Decode)]
#[cbor(array)]
pub(super) struct StoredCheckpoint {
    #[n(0)]
    sequence: Sequence,
    #[n(1)]
    module: ModuleHash,
    #[n(2)]
    saved: minicbor::bytes::ByteVec,
    #[n(3)]
    ops_unread: Option<u64>,
}

impl From<StoredCheckpoint> for Checkpoint {
    fn from(stored: StoredCheckpoint) -> Self {
        Self {
            sequence: stored.sequence,
            module: stored.module,
            saved: stored.saved.into(),
            ops_unread: stored.ops_unread.unwrap_or_default(),
        }
    }
}

/// The commands behind one bundle of this node's own.
#[derive(Debug, Clone)]
pub struct CommandsWrite {
    /// The node's replica id.
    pub replica: ReplicaId,
    /// The first counter of the bundle.
    pub first: Counter,
    /// One command for each op, in the ops' order.
    pub commands: Vec<CommandRecord>,
}

/// A command that made an op.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CommandRecord {
    /// The object, by its number.
    #[n(0)]
    pub object: ObjectNumber,
    /// The command, in CBOR.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub command: Vec<u8>,
}

/// Two signed bundles of one replica that contradict each other: proof that its owner signed two
/// histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The topic.
    pub topic: TopicName,
    /// The replica.
    pub replica: ReplicaId,
    /// One bundle, as it was signed.
    pub first: Vec<u8>,
    /// The other one.
    pub second: Vec<u8>,
}

/// A write that belongs to no topic.
#[derive(Debug, Clone)]
pub enum General {
    /// One of the node's own facts, under its name.
    Meta(&'static str, Vec<u8>),
    /// A component's bytes.
    Module(ModuleHash, Vec<u8>),
    /// An announcement of a module or a switch, under its own hash.
    Announcement(Hash, Vec<u8>),
    /// An announcement is no longer kept.
    ForgetAnnouncement(Hash),
    /// Two bundles that prove that a replica of a topic signed two histories.
    Proof(Proof),
    /// A fact, under its id, as its issuer signed it.
    Fact(Hash, Vec<u8>),
    /// A fact is no longer kept.
    ForgetFact(Hash),
    /// Where a member was last reached.
    Peer(NodeId, String),
    /// A member is not to be looked for any more.
    ForgetPeer(NodeId),
    /// A row of a topic that no topic needs, since it was made again under its name.
    ForgetTopicRow(String),
}

impl General {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Meta(_, bytes)
            | Self::Module(_, bytes)
            | Self::Announcement(_, bytes)
            | Self::Fact(_, bytes) => bytes.len(),
            Self::Proof(proof) => proof.first.len() + proof.second.len(),
            Self::Peer(_, address) => address.len(),
            Self::ForgetAnnouncement(_)
            | Self::ForgetFact(_)
            | Self::ForgetPeer(_)
            | Self::ForgetTopicRow(_) => 0,
        }
    }
}
