//! What nodes with partial views say to each other, and how it is encoded.

use std::net::SocketAddr;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::ids::NodeId;
use crate::membership::address;

/// How many nodes a message names at most.
pub const ENTRIES_MAX: usize = 64;

/// The largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// A node and where it is said to listen. A claim, until a session with that address proves the
/// id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Who.
    pub node: NodeId,
    /// Where.
    pub address: SocketAddr,
}

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// I am new: please be my neighbour, and find me more.
    Join {
        /// Where the sender listens.
        address: SocketAddr,
    },
    /// Somebody is new: a walk looks for places.
    ForwardJoin {
        /// Who.
        joiner: Entry,
        /// How many steps are left.
        steps: u8,
    },
    /// Please be my neighbour. Answered with `NeighbourReply`.
    Neighbour {
        /// Where the sender listens.
        address: SocketAddr,
        /// Whether the sender has hardly anybody else.
        is_urgent: bool,
    },
    /// The answer to `Join` and `Neighbour`.
    NeighbourReply {
        /// Whether the two are neighbours now.
        is_accepted: bool,
        /// Others to ask.
        entries: Vec<Entry>,
    },
    /// We are not neighbours any more.
    Disconnect {
        /// Whether the sender leaves altogether.
        is_leaving: bool,
    },
    /// A walk at whose end views are mixed.
    Shuffle {
        /// Who began it, and gets the answer.
        origin: Entry,
        /// How many steps are left.
        steps: u8,
        /// Whom the origin knows.
        entries: Vec<Entry>,
    },
    /// The answer to `Shuffle`.
    ShuffleReply {
        /// Whom the sender knows.
        entries: Vec<Entry>,
    },
}

/// Why a peer's message was not taken. Always its fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, not its shortest form, or a value that cannot be.
    #[error("a malformed overlay message: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// It names more nodes than a message may.
    #[error("an overlay message that names {count} nodes; at most {ENTRIES_MAX} are accepted")]
    Entries {
        /// How many.
        count: usize,
    },
}

impl MessageError {
    /// Whether no correct node would have sent it. All of these are.
    pub fn malicious(&self) -> bool {
        true
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireEntry {
    #[n(0)]
    node: NodeId,
    #[n(1)]
    address: String,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(0)]
    Join(#[n(0)] String),
    #[n(1)]
    ForwardJoin(#[n(0)] WireEntry, #[n(1)] u8),
    #[n(2)]
    Neighbour(#[n(0)] String, #[n(1)] bool),
    #[n(3)]
    NeighbourReply(
        #[n(0)] bool,
        #[cbor(n(1), decode_with = "entries")] Vec<WireEntry>,
    ),
    #[n(4)]
    Disconnect(#[n(0)] bool),
    #[n(5)]
    Shuffle(
        #[n(0)] WireEntry,
        #[n(1)] u8,
        #[cbor(n(2), decode_with = "entries")] Vec<WireEntry>,
    ),
    #[n(6)]
    ShuffleReply(#[cbor(n(0), decode_with = "entries")] Vec<WireEntry>),
}

fn entries<C>(
    d: &mut minicbor::decode::Decoder<'_>,
    c: &mut C,
) -> Result<Vec<WireEntry>, minicbor::decode::Error> {
    bounded::vec::<C, WireEntry, ENTRIES_MAX>(d, c)
}

impl Message {
    /// Encodes the message; see `docs/overlay.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&self.to_wire())
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed("longer than any message"));
        }
        let wire = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| malformed("not the expected CBOR in its one form"))?;
        Self::from_wire(wire)
    }

    /// Whom it names.
    pub(super) fn entries(&self) -> &[Entry] {
        match self {
            Self::NeighbourReply { entries, .. }
            | Self::Shuffle { entries, .. }
            | Self::ShuffleReply { entries } => entries,
            _ => &[],
        }
    }

    fn to_wire(&self) -> WireMessage {
        match self {
            Self::Join { address } => WireMessage::Join(address.to_string()),
            Self::ForwardJoin { joiner, steps } => WireMessage::ForwardJoin(joiner.into(), *steps),
            Self::Neighbour { address, is_urgent } => {
                WireMessage::Neighbour(address.to_string(), *is_urgent)
            }
            Self::NeighbourReply {
                is_accepted,
                entries,
            } => WireMessage::NeighbourReply(*is_accepted, to_wire(entries)),
            Self::Disconnect { is_leaving } => WireMessage::Disconnect(*is_leaving),
            Self::Shuffle {
                origin,
                steps,
                entries,
            } => WireMessage::Shuffle(origin.into(), *steps, to_wire(entries)),
            Self::ShuffleReply { entries } => WireMessage::ShuffleReply(to_wire(entries)),
        }
    }

    fn from_wire(wire: WireMessage) -> Result<Self, MessageError> {
        Ok(match wire {
            WireMessage::Join(address) => Self::Join {
                address: parse(&address)?,
            },
            WireMessage::ForwardJoin(joiner, steps) => Self::ForwardJoin {
                joiner: joiner.try_into()?,
                steps,
            },
            WireMessage::Neighbour(address, is_urgent) => Self::Neighbour {
                address: parse(&address)?,
                is_urgent,
            },
            WireMessage::NeighbourReply(is_accepted, entries) => Self::NeighbourReply {
                is_accepted,
                entries: from_wire(entries)?,
            },
            WireMessage::Disconnect(is_leaving) => Self::Disconnect { is_leaving },
            WireMessage::Shuffle(origin, steps, entries) => Self::Shuffle {
                origin: origin.try_into()?,
                steps,
                entries: from_wire(entries)?,
            },
            WireMessage::ShuffleReply(entries) => Self::ShuffleReply {
                entries: from_wire(entries)?,
            },
        })
    }
}

impl From<&Entry> for WireEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            node: entry.node,
            address: entry.address.to_string(),
        }
    }
}

impl TryFrom<WireEntry> for Entry {
    type Error = MessageError;

    fn try_from(wire: WireEntry) -> Result<Self, MessageError> {
        Ok(Self {
            node: wire.node,
            address: parse(&wire.address)?,
        })
    }
}

fn parse(text: &str) -> Result<SocketAddr, MessageError> {
    address::parse(text).map_err(|what| MessageError::Malformed { what })
}

fn to_wire(entries: &[Entry]) -> Vec<WireEntry> {
    entries.iter().map(WireEntry::from).collect()
}

fn from_wire(entries: Vec<WireEntry>) -> Result<Vec<Entry>, MessageError> {
    entries.into_iter().map(Entry::try_from).collect()
}
