//! What nodes say to each other, and how it is encoded.

use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::broadcast::PAYLOAD_BYTES_MAX;
use crate::broadcast::acknowledgement::{DEADLINE_MAX, NAMES_MAX, ShortId};
use crate::chunks::{CHUNK_BYTES, ChunkList};
use crate::ids::Hash;

/// How long a message may be: the largest is a payload of one chunk, or a list of chunks.
pub const MESSAGE_BYTES_MAX: usize = CHUNK_BYTES + 256;

const HASHES_MAX: usize = PAYLOAD_BYTES_MAX.div_ceil(CHUNK_BYTES);

/// Collectors are at most so many sessions away from the sender.
pub const LEVELS_MAX: u8 = 3;

/// Which way acknowledgements of a message take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Who said it, and counts.
    pub origin: ShortId,
    /// How many sessions from the origin its collectors are, at most; 0: there are none, and
    /// acknowledgements go back as the message came.
    pub levels: u8,
    /// The collector that the message came by; `None` up to there.
    pub collector: Option<ShortId>,
    /// How long it matters, from receipt on, in milliseconds.
    pub deadline_ms: u32,
}

/// What is in a message, where that itself is not sent along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents(pub(super) ChunkList);

impl Contents {
    /// What a payload contains. `None` if it is empty or larger than [`PAYLOAD_BYTES_MAX`].
    pub fn of(payload: &[u8]) -> Option<Self> {
        ChunkList::of(payload, PAYLOAD_BYTES_MAX).map(Self)
    }
}

/// What nodes say to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A payload of at most one chunk.
    Push {
        /// How many sessions it crosses with this one; at least 1.
        hops: u8,
        /// Which way acknowledgements take, if the sender asked for any.
        way: Option<Way>,
        /// What was said.
        payload: Arc<[u8]>,
    },
    /// There is a payload, and it can be fetched here.
    Announce {
        /// As in `Push`.
        hops: u8,
        /// As in `Push`.
        way: Option<Way>,
        /// Its hash.
        id: Hash,
        /// Its size and the hashes of its chunks.
        contents: Contents,
    },
    /// Asks for a chunk of a payload that was announced.
    Request {
        /// Which payload.
        id: Hash,
        /// Which chunk, from 0.
        index: u32,
    },
    /// A chunk that was asked for.
    Chunk {
        /// Which payload.
        id: Hash,
        /// Which chunk, from 0.
        index: u32,
        /// Its bytes.
        bytes: Arc<[u8]>,
    },
    /// These nodes have a message. To its origin, to a collector, or back the way.
    Acknowledge {
        /// Which message.
        id: Hash,
        /// Who has it.
        names: Vec<ShortId>,
    },
}

/// Why a peer's message was not taken. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, not its shortest form, or beyond a limit of the format.
    #[error("a malformed message of rapid broadcast")]
    Malformed,
    /// The payload is empty or too large.
    #[error("a payload of {length} bytes; 1 to {max} are accepted")]
    PayloadLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The payload crossed no session, or more than it may.
    #[error("a payload that made {hops} hops; 1 to {max} are accepted")]
    Hops {
        /// How many it says.
        hops: u8,
        /// The limit.
        max: u8,
    },
    /// The hashes of the chunks do not make up the payload's hash.
    #[error("chunks that are not those of the payload")]
    Contents,
    /// A chunk that is not the one that was asked for.
    #[error("a chunk that is not the one asked for")]
    Chunk,
}

impl MessageError {
    /// Whether no correct node would have sent it. All of these are.
    pub fn malicious(&self) -> bool {
        true
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireWay {
    #[n(0)]
    origin: ShortId,
    #[n(1)]
    levels: u8,
    #[n(2)]
    collector: Option<ShortId>,
    #[n(3)]
    deadline_ms: u32,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(1)]
    #[cbor(array)]
    Push(#[n(0)] u8, #[n(1)] Option<WireWay>, #[n(2)] ByteVec),
    #[n(2)]
    #[cbor(array)]
    Announce(
        #[n(0)] u8,
        #[n(1)] Option<WireWay>,
        #[n(2)] Hash,
        #[n(3)] u32,
        #[cbor(n(4), decode_with = "bounded::vec::<_, _, HASHES_MAX>")] Vec<Hash>,
    ),
    #[n(3)]
    #[cbor(array)]
    Request(#[n(0)] Hash, #[n(1)] u32),
    #[n(4)]
    #[cbor(array)]
    Chunk(#[n(0)] Hash, #[n(1)] u32, #[n(2)] ByteVec),
    #[n(5)]
    #[cbor(array)]
    Acknowledge(#[n(0)] Hash, #[n(1)] ByteVec),
}

impl From<Way> for WireWay {
    fn from(way: Way) -> Self {
        Self {
            origin: way.origin,
            levels: way.levels,
            collector: way.collector,
            deadline_ms: way.deadline_ms,
        }
    }
}

impl WireWay {
    fn within_limits(self) -> Result<Way, MessageError> {
        let is_short = u128::from(self.deadline_ms) <= DEADLINE_MAX.as_millis();
        if !is_short || self.levels > LEVELS_MAX {
            return Err(MessageError::Malformed);
        }
        Ok(Way {
            origin: self.origin,
            levels: self.levels,
            collector: self.collector,
            deadline_ms: self.deadline_ms,
        })
    }
}

impl Way {
    /// How long acknowledgements matter.
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.deadline_ms))
    }
}

impl Message {
    /// Encodes the message: `[1, [hops, way, payload]]` and so on; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |it: &Arc<[u8]>| ByteVec::from(it.to_vec());
        let wire = match self {
            Self::Push { hops, way, payload } => {
                WireMessage::Push(*hops, way.map(Into::into), bytes(payload))
            }
            Self::Announce {
                hops,
                way,
                id,
                contents: Contents(chunks),
            } => {
                let (size, hashes) = (chunks.size_bytes(), chunks.hashes().to_vec());
                WireMessage::Announce(*hops, way.map(Into::into), *id, size, hashes)
            }
            Self::Request { id, index } => WireMessage::Request(*id, *index),
            Self::Chunk {
                id,
                index,
                bytes: it,
            } => WireMessage::Chunk(*id, *index, bytes(it)),
            Self::Acknowledge { id, names } => {
                let names = names
                    .iter()
                    .flat_map(|name| *name.as_bytes())
                    .collect::<Vec<u8>>();
                WireMessage::Acknowledge(*id, names.into())
            }
        };
        bounded::to_bytes(&wire)
    }

    /// Decodes a message. Total over any bytes; holds little more than they are long.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::Malformed);
        }
        let wire = bounded::from_bytes(bytes);
        let wire: WireMessage = wire.map_err(|_| MessageError::Malformed)?;
        let way = |way: Option<WireWay>| way.map(WireWay::within_limits).transpose();
        let arc = |bytes: ByteVec| Arc::from(Vec::from(bytes));
        Ok(match wire {
            WireMessage::Push(hops, it, payload) => Self::Push {
                hops,
                way: way(it)?,
                payload: arc(payload),
            },
            WireMessage::Announce(hops, it, id, size, hashes) => {
                let chunks = ChunkList::from_parts(size, hashes, PAYLOAD_BYTES_MAX);
                Self::Announce {
                    hops,
                    way: way(it)?,
                    id,
                    contents: Contents(chunks.ok_or(MessageError::Malformed)?),
                }
            }
            WireMessage::Request(id, index) => Self::Request { id, index },
            WireMessage::Chunk(id, index, bytes) => Self::Chunk {
                id,
                index,
                bytes: arc(bytes),
            },
            WireMessage::Acknowledge(id, bytes) => {
                let (names, []) = bytes.as_chunks() else {
                    return Err(MessageError::Malformed);
                };
                if names.len() > NAMES_MAX {
                    return Err(MessageError::Malformed);
                }
                let names = names.iter().copied().map(ShortId::from_bytes).collect();
                Self::Acknowledge { id, names }
            }
        })
    }
}
