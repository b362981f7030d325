//! What neighbours in a broadcast tree say to each other, and how it is encoded.

use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::broadcast::PAYLOAD_BYTES_MAX;
use crate::ids::{Hash, NodeId};

/// How many payloads one message announces at most.
pub const ANNOUNCED_MAX: usize = 512;

/// Bytes around a payload.
const ENVELOPE_BYTES_MAX: usize = 64;

/// A payload, or beacon, that the sender has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Announced {
    /// Its hash.
    #[n(0)]
    pub id: Hash,
    /// How many hops it would have made if the sender passed it on.
    #[n(1)]
    pub hops: u8,
}

/// A message between two neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A payload.
    Gossip {
        /// How many sessions it crosses with this one; at least 1.
        hops: u8,
        /// How many copies beside the tree the receiver may cause.
        spread: u16,
        /// What was said.
        payload: Arc<[u8]>,
    },
    /// A sign of the root that trims the tree. It carries nothing.
    Beacon {
        /// Who began it.
        root: NodeId,
        /// Numbers the root's beacons.
        sequence: u64,
        /// How many sessions it crosses with this one; at least 1.
        hops: u8,
    },
    /// What the sender has.
    IHave {
        /// Whether it is old: nobody is about to send it.
        is_old: bool,
        /// Which.
        items: Vec<Announced>,
    },
    /// Please send me this.
    Graft {
        /// Which payload or beacon; `None`: none, it is about the link.
        id: Option<Hash>,
        /// Whether the link is to be eager from now on.
        is_link: bool,
    },
    /// Please announce to me only: the link is lazy from now on.
    Prune,
}

/// Why a neighbour's message was not taken. Always its fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, or not its shortest form.
    #[error("a malformed message of a broadcast tree")]
    Malformed,
    /// The payload is empty or too large.
    #[error("a payload of {length} bytes; 1 to {max} are accepted")]
    PayloadLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// It crossed no session, or more than it may.
    #[error("a message that made {hops} hops; 1 to {max} are accepted")]
    Hops {
        /// How many it says.
        hops: u8,
        /// The limit.
        max: u8,
    },
    /// More announcements than one message may carry.
    #[error("{count} announcements; at most {ANNOUNCED_MAX} are accepted")]
    Announced {
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
enum WireMessage {
    #[n(0)]
    Gossip(#[n(0)] u8, #[n(1)] u16, #[n(2)] ByteVec),
    #[n(1)]
    Beacon(#[n(0)] NodeId, #[n(1)] u64, #[n(2)] u8),
    #[n(2)]
    IHave(
        #[n(0)] bool,
        #[cbor(n(1), decode_with = "announced")] Vec<Announced>,
    ),
    #[n(3)]
    Graft(#[n(0)] Option<Hash>, #[n(1)] bool),
    #[n(4)]
    Prune,
}

fn announced<C>(
    d: &mut minicbor::decode::Decoder<'_>,
    c: &mut C,
) -> Result<Vec<Announced>, minicbor::decode::Error> {
    bounded::vec::<C, Announced, ANNOUNCED_MAX>(d, c)
}

impl Message {
    /// Encodes the message; see `docs/overlay.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&match self {
            Self::Gossip {
                hops,
                spread,
                payload,
            } => WireMessage::Gossip(*hops, *spread, payload.to_vec().into()),
            Self::Beacon {
                root,
                sequence,
                hops,
            } => WireMessage::Beacon(*root, *sequence, *hops),
            Self::IHave { is_old, items } => WireMessage::IHave(*is_old, items.clone()),
            Self::Graft { id, is_link } => WireMessage::Graft(*id, *is_link),
            Self::Prune => WireMessage::Prune,
        })
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let (length, max) = (bytes.len(), PAYLOAD_BYTES_MAX);
        if length > max + ENVELOPE_BYTES_MAX {
            return Err(MessageError::PayloadLength { length, max });
        }
        let wire = bounded::from_bytes(bytes);
        let wire: WireMessage = wire.map_err(|_| MessageError::Malformed)?;
        Ok(match wire {
            WireMessage::Gossip(hops, spread, payload) => Self::Gossip {
                hops,
                spread,
                payload: Vec::from(payload).into(),
            },
            WireMessage::Beacon(root, sequence, hops) => Self::Beacon {
                root,
                sequence,
                hops,
            },
            WireMessage::IHave(is_old, items) => Self::IHave { is_old, items },
            WireMessage::Graft(id, is_link) => Self::Graft { id, is_link },
            WireMessage::Prune => Self::Prune,
        })
    }
}
