//! What members say to each other, and how it is encoded.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::Signature;
use crate::ids::{Generation, NodeId};

use super::metadata::WireMetadata;
use super::{ACCUSATIONS_MAX, Accusation, Record, Said, Status, address};

/// The largest message, in bytes: a page of 256 KiB with one rumour more and what surrounds it, or
/// gossip as the configuration has it.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// So many rumours fit no message of that size: each takes 150 bytes at least.
const RUMOURS_MAX: usize = 8_192;

/// Into how many parts a table is divided for comparison, by the first bits of the ids.
pub(super) const DIGESTS_COUNT: usize = 64;

/// One digest for each part of a table.
pub type Digests = [u64; DIGESTS_COUNT];

/// What is said of a member: its own words, and what others think of it.
#[derive(Debug, Clone)]
pub struct Rumour {
    /// Its own words. Not yet verified when it comes from a peer.
    pub record: Record,
    /// What others think of it: alive, suspect or dead. A record that says goodbye counts as left,
    /// whatever stands here.
    pub status: Status,
    /// Who says that it does not answer, in the order of ids: one to four if it is suspect or dead,
    /// nobody otherwise. Not yet verified when it comes from a peer.
    pub accusations: Vec<Accusation>,
}

impl Rumour {
    /// A member's own words, which nobody doubts.
    pub fn alive(record: Record) -> Self {
        Self {
            record,
            status: Status::Alive,
            accusations: Vec::new(),
        }
    }

    /// What is thought of the member: its goodbye comes before anything others say.
    pub fn status(&self) -> Status {
        if self.record.is_leaving {
            Status::Left
        } else {
            self.status
        }
    }
}

impl PartialEq for Rumour {
    fn eq(&self, other: &Self) -> bool {
        self.record.says_the_same(&other.record)
            && self.status() == other.status()
            && self.accusations == other.accusations
    }
}

impl Eq for Rumour {}

/// A message between two members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Are you there? Answered with `Ack` of the same number.
    Ping {
        /// Numbers the sender's probes.
        sequence: u32,
        /// What the sender passes on.
        gossip: Vec<Rumour>,
    },
    /// Please ping `target` for me, and pass on its `Ack`.
    IndirectPing {
        /// Number of the asker's probe.
        sequence: u32,
        /// Who does not answer the asker.
        target: NodeId,
        /// What the sender passes on.
        gossip: Vec<Rumour>,
    },
    /// The target of your probe is there.
    Ack {
        /// Number of the probe.
        sequence: u32,
        /// What the sender passes on.
        gossip: Vec<Rumour>,
    },
    /// Digests of the sender's table: please send what differs. Not answered if nothing does.
    Sync {
        /// Over the records of present members, a part each.
        digests: Box<Digests>,
    },
    /// The answer to `Sync`, and the answer to that.
    SyncReply {
        /// The parts that differ, one bit each: please send yours. 0 in the last answer.
        wanted: u64,
        /// The sender's members of the parts that differ.
        members: Vec<Rumour>,
    },
    /// The target of your probe has not answered me so far, or I do not know it; but I am there.
    Nack {
        /// Number of the probe.
        sequence: u32,
    },
    /// News, without a question.
    Gossip {
        /// What the sender passes on.
        gossip: Vec<Rumour>,
    },
}

/// Why a peer's message was not taken. Always its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, not its shortest form, or a value that cannot be.
    #[error("a malformed membership message: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Larger than a full table.
    #[error("a membership message of {length} bytes; at most {max} are accepted")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// It carries a record that the node named in it did not sign.
    #[error("a record of {node} that it did not sign")]
    Signature {
        /// Who is named.
        node: NodeId,
    },
}

impl MessageError {
    /// Whether no correct node would have sent it. All of these are: correct nodes check what they
    /// pass on.
    pub fn malicious(&self) -> bool {
        true
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireRumour {
    #[n(0)]
    status: u8,
    #[cbor(n(1), decode_with = "bounded::vec::<_, _, ACCUSATIONS_MAX>")]
    accusations: Vec<WireAccusation>,
    #[n(2)]
    node: NodeId,
    #[n(3)]
    incarnation: u64,
    #[n(4)]
    is_leaving: bool,
    #[n(5)]
    generation: Generation,
    #[n(6)]
    address: String,
    #[n(7)]
    metadata: WireMetadata,
    #[n(8)]
    signature: Signature,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireAccusation {
    #[n(0)]
    accuser: NodeId,
    #[n(1)]
    signature: Signature,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(0)]
    Ping(
        #[n(0)] u32,
        #[cbor(n(1), decode_with = "rumours")] Vec<WireRumour>,
    ),
    #[n(1)]
    IndirectPing(
        #[n(0)] u32,
        #[n(1)] NodeId,
        #[cbor(n(2), decode_with = "rumours")] Vec<WireRumour>,
    ),
    #[n(2)]
    Ack(
        #[n(0)] u32,
        #[cbor(n(1), decode_with = "rumours")] Vec<WireRumour>,
    ),
    #[n(3)]
    Sync(#[n(0)] Box<ByteArray<{ 8 * DIGESTS_COUNT }>>),
    #[n(4)]
    SyncReply(
        #[n(0)] u64,
        #[cbor(n(1), decode_with = "rumours")] Vec<WireRumour>,
    ),
    #[n(5)]
    Gossip(#[cbor(n(0), decode_with = "rumours")] Vec<WireRumour>),
    #[n(6)]
    Nack(#[n(0)] u32),
}

fn rumours<C>(
    d: &mut minicbor::decode::Decoder<'_>,
    c: &mut C,
) -> Result<Vec<WireRumour>, minicbor::decode::Error> {
    bounded::vec::<C, WireRumour, RUMOURS_MAX>(d, c)
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&self.to_wire())
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    /// Signatures are not checked here but when a record turns out to be news.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        let (length, max) = (bytes.len(), MESSAGE_BYTES_MAX);
        if length > max {
            return Err(MessageError::TooLong { length, max });
        }
        let wire = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| malformed("not the expected CBOR in its one form"))?;
        Self::from_wire(wire)
    }

    /// How many bytes it takes, give or take a few, without encoding it.
    pub fn bytes_count(&self) -> usize {
        let size = |rumours: &[Rumour]| rumours.iter().map(Rumour::wire_bytes).sum::<usize>();
        match self {
            Self::Ping { gossip, .. } | Self::Ack { gossip, .. } => 9 + size(gossip),
            Self::IndirectPing { gossip, .. } => 43 + size(gossip),
            Self::Sync { .. } => 6 + 8 * DIGESTS_COUNT,
            Self::SyncReply { members, .. } => 14 + size(members),
            Self::Nack { .. } => 8,
            Self::Gossip { gossip } => 4 + size(gossip),
        }
    }

    fn to_wire(&self) -> WireMessage {
        match self {
            Self::Ping { sequence, gossip } => WireMessage::Ping(*sequence, to_wire(gossip)),
            Self::IndirectPing {
                sequence,
                target,
                gossip,
            } => WireMessage::IndirectPing(*sequence, *target, to_wire(gossip)),
            Self::Ack { sequence, gossip } => WireMessage::Ack(*sequence, to_wire(gossip)),
            Self::Sync { digests } => WireMessage::Sync(Box::new(digest_bytes(digests))),
            Self::SyncReply { wanted, members } => {
                WireMessage::SyncReply(*wanted, to_wire(members))
            }
            Self::Nack { sequence } => WireMessage::Nack(*sequence),
            Self::Gossip { gossip } => WireMessage::Gossip(to_wire(gossip)),
        }
    }

    fn from_wire(wire: WireMessage) -> Result<Self, MessageError> {
        Ok(match wire {
            WireMessage::Ping(sequence, gossip) => Self::Ping {
                sequence,
                gossip: from_wire(gossip)?,
            },
            WireMessage::IndirectPing(sequence, target, gossip) => Self::IndirectPing {
                sequence,
                target,
                gossip: from_wire(gossip)?,
            },
            WireMessage::Ack(sequence, gossip) => Self::Ack {
                sequence,
                gossip: from_wire(gossip)?,
            },
            WireMessage::Sync(bytes) => Self::Sync {
                digests: Box::new(digests_of(&bytes)),
            },
            WireMessage::SyncReply(wanted, members) => Self::SyncReply {
                wanted,
                members: from_wire(members)?,
            },
            WireMessage::Nack(sequence) => Self::Nack { sequence },
            WireMessage::Gossip(gossip) => Self::Gossip {
                gossip: from_wire(gossip)?,
            },
        })
    }
}

impl Rumour {
    /// How many bytes it takes in a message, give or take two.
    pub(super) fn wire_bytes(&self) -> usize {
        /// An id and a signature, and what surrounds them.
        const ACCUSATION_BYTES: usize = 101;
        2 + self.record.wire_bytes() + self.accusations.len() * ACCUSATION_BYTES
    }
}

/// Digests as they stand on the wire: each little-endian, one after the other.
fn digest_bytes(digests: &Digests) -> ByteArray<{ 8 * DIGESTS_COUNT }> {
    let mut bytes = [0; 8 * DIGESTS_COUNT];
    for (part, digest) in bytes.chunks_exact_mut(8).zip(digests) {
        part.copy_from_slice(&digest.to_le_bytes());
    }
    bytes.into()
}

fn digests_of(bytes: &[u8; 8 * DIGESTS_COUNT]) -> Digests {
    let mut digests = [0; DIGESTS_COUNT];
    let (parts, _) = bytes.as_chunks::<8>();
    for (digest, part) in digests.iter_mut().zip(parts) {
        *digest = u64::from_le_bytes(*part);
    }
    digests
}

impl From<&Rumour> for WireRumour {
    fn from(rumour: &Rumour) -> Self {
        let Rumour {
            record,
            status,
            accusations,
        } = rumour;
        let accusations = accusations.iter().map(|of| WireAccusation {
            accuser: of.accuser(),
            signature: of.signature(),
        });
        Self {
            status: match status {
                Status::Alive | Status::Left => 0,
                Status::Suspect => 1,
                Status::Dead => 2,
            },
            accusations: accusations.collect(),
            node: record.node,
            incarnation: record.incarnation,
            is_leaving: record.is_leaving,
            generation: record.generation,
            address: record.address.to_string(),
            metadata: record.metadata.to_wire(),
            signature: record.signature(),
        }
    }
}

impl TryFrom<WireRumour> for Rumour {
    type Error = MessageError;

    fn try_from(wire: WireRumour) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        let address = address::parse(&wire.address).map_err(malformed)?;
        let status = match (wire.status, wire.is_leaving) {
            (0, true) => Status::Left,
            (0, false) => Status::Alive,
            (1, false) => Status::Suspect,
            (2, false) => Status::Dead,
            _ => return Err(malformed("unknown status")),
        };
        let accusations = accusations_of(wire.node, wire.accusations)?;
        if accusations.is_empty() != (wire.status == 0) {
            return Err(malformed("suspicion without accuser, or the reverse"));
        }
        let metadata = wire.metadata.into_metadata();
        let said = Said {
            node: wire.node,
            incarnation: wire.incarnation,
            is_leaving: wire.is_leaving,
            generation: wire.generation,
            address,
            metadata: metadata.ok_or_else(|| malformed("metadata too large or out of order"))?,
        };
        Ok(Self {
            record: Record::from_parts(said, wire.signature),
            status,
            accusations,
        })
    }
}

fn accusations_of(
    accused: NodeId,
    wire: Vec<WireAccusation>,
) -> Result<Vec<Accusation>, MessageError> {
    let malformed = |what| MessageError::Malformed { what };
    if !wire.is_sorted_by(|one, next| one.accuser < next.accuser) {
        return Err(malformed("accusers out of order"));
    }
    if wire.iter().any(|of| of.accuser == accused) {
        return Err(malformed("a member that accuses itself"));
    }
    let accusations = wire.into_iter();
    Ok(accusations
        .map(|of| Accusation::from_parts(of.accuser, of.signature))
        .collect())
}

fn to_wire(rumours: &[Rumour]) -> Vec<WireRumour> {
    rumours.iter().map(WireRumour::from).collect()
}

fn from_wire(rumours: Vec<WireRumour>) -> Result<Vec<Rumour>, MessageError> {
    rumours.into_iter().map(Rumour::try_from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Metadata;
    use super::*;

    #[test]
    fn bytes_are_as_the_format_document_has_them() {
        let gossip = Vec::new();
        let ping = Message::Ping {
            sequence: 5,
            gossip,
        };
        assert_eq!(ping.to_bytes(), [0x82, 0, 0x82, 5, 0x80]);
        let said = Said {
            node: NodeId::from_bytes([7; 32]),
            incarnation: 1,
            is_leaving: false,
            generation: Generation::new(2),
            address: ([10, 0, 0, 1], 7_000).into(),
            metadata: Metadata::new(["a/b".parse().unwrap()].into(), vec![6]).unwrap(),
        };
        let signature = Signature::from_bytes([9; 64]);
        let record = Record::from_parts(said, signature);
        let accuser = NodeId::from_bytes([8; 32]);
        let accusations = vec![Accusation::from_parts(accuser, signature)];
        let status = Status::Suspect;
        let gossip = vec![Rumour {
            record,
            status,
            accusations,
        }];
        let mut expected = vec![0x82, 5, 0x81, 0x81, 0x89, 1, 0x81, 0x82, 0x58, 32];
        expected.extend([8; 32]);
        expected.extend([0x58, 64]);
        expected.extend([9; 64]);
        expected.extend([0x58, 32]);
        expected.extend([7; 32]);
        expected.extend([1, 0xf4, 2, 0x6d]);
        expected.extend(b"10.0.0.1:7000");
        expected.extend([0x82, 0x81, 0x63]);
        expected.extend(b"a/b");
        expected.extend([0x41, 6]);
        expected.extend([0x58, 64]);
        expected.extend([9; 64]);
        assert_eq!(gossip[0].wire_bytes(), expected.len() - 4);
        assert_eq!(Message::Gossip { gossip }.to_bytes(), expected);
    }

    #[test]
    fn digests_stand_one_after_the_other() {
        let mut digests = [0; DIGESTS_COUNT];
        digests[1] = 0x0102;
        let sync = Message::Sync {
            digests: Box::new(digests),
        };
        let bytes = sync.to_bytes();
        assert_eq!(bytes[..6], [0x82, 3, 0x81, 0x59, 2, 0]);
        assert_eq!(bytes[6 + 8..][..3], [2, 1, 0]);
        assert_eq!(Message::from_bytes(&bytes), Ok(sync));
    }

    #[test]
    fn a_count_of_rumours_that_lies_is_refused() {
        let lie = [0x82, 5, 0x81, 0x9a, 0xff, 0xff, 0xff, 0xff];
        assert!(Message::from_bytes(&lie).is_err());
    }
}
