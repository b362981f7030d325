//! What members say to each other, and how it is encoded.

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::Signature;
use crate::ids::{Generation, NodeId};

use super::{MEMBERS_MAX, Record, Status};

/// The largest message, in bytes: a full table.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longer texts are no socket address: an IPv6 address with scope and port has at most 58.
const ADDRESS_BYTES_MAX: usize = 64;

/// What is said of a member: its own words, and what others think of it.
#[derive(Debug, Clone)]
pub struct Rumour {
    /// Its own words. Not yet verified when it comes from a peer.
    pub record: Record,
    /// What others think of it: alive, suspect or dead. A record that says goodbye counts as left,
    /// whatever stands here.
    pub status: Status,
}

impl Rumour {
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
        self.record.says_the_same(&other.record) && self.status == other.status
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
    /// All that the sender knows; please answer likewise.
    Sync {
        /// The sender's table.
        members: Vec<Rumour>,
    },
    /// The answer to `Sync`.
    SyncReply {
        /// The sender's table.
        members: Vec<Rumour>,
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
    #[n(1)]
    node: NodeId,
    #[n(2)]
    incarnation: u64,
    #[n(3)]
    is_leaving: bool,
    #[n(4)]
    generation: Generation,
    #[n(5)]
    address: String,
    #[n(6)]
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
    Sync(#[cbor(n(0), decode_with = "rumours")] Vec<WireRumour>),
    #[n(4)]
    SyncReply(#[cbor(n(0), decode_with = "rumours")] Vec<WireRumour>),
    #[n(5)]
    Gossip(#[cbor(n(0), decode_with = "rumours")] Vec<WireRumour>),
}

fn rumours<C>(
    d: &mut minicbor::decode::Decoder<'_>,
    c: &mut C,
) -> Result<Vec<WireRumour>, minicbor::decode::Error> {
    bounded::vec::<C, WireRumour, MEMBERS_MAX>(d, c)
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

    fn to_wire(&self) -> WireMessage {
        match self {
            Self::Ping { sequence, gossip } => WireMessage::Ping(*sequence, to_wire(gossip)),
            Self::IndirectPing {
                sequence,
                target,
                gossip,
            } => WireMessage::IndirectPing(*sequence, *target, to_wire(gossip)),
            Self::Ack { sequence, gossip } => WireMessage::Ack(*sequence, to_wire(gossip)),
            Self::Sync { members } => WireMessage::Sync(to_wire(members)),
            Self::SyncReply { members } => WireMessage::SyncReply(to_wire(members)),
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
            WireMessage::Sync(members) => Self::Sync {
                members: from_wire(members)?,
            },
            WireMessage::SyncReply(members) => Self::SyncReply {
                members: from_wire(members)?,
            },
            WireMessage::Gossip(gossip) => Self::Gossip {
                gossip: from_wire(gossip)?,
            },
        })
    }
}

impl Rumour {
    /// How many bytes it takes in a message.
    pub(super) fn wire_bytes(&self) -> usize {
        bounded::to_bytes(&WireRumour::from(self)).len()
    }
}

impl From<&Rumour> for WireRumour {
    fn from(rumour: &Rumour) -> Self {
        let Rumour { record, status } = rumour;
        Self {
            status: match status {
                Status::Alive | Status::Left => 0,
                Status::Suspect => 1,
                Status::Dead => 2,
            },
            node: record.node,
            incarnation: record.incarnation,
            is_leaving: record.is_leaving,
            generation: record.generation,
            address: record.address.to_string(),
            signature: record.signature,
        }
    }
}

impl TryFrom<WireRumour> for Rumour {
    type Error = MessageError;

    fn try_from(wire: WireRumour) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        if wire.address.len() > ADDRESS_BYTES_MAX {
            return Err(malformed("address too long"));
        }
        let address = wire.address.parse();
        let address: std::net::SocketAddr =
            address.map_err(|_| malformed("not a socket address"))?;
        if address.to_string() != wire.address {
            return Err(malformed("address in an unusual form"));
        }
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err(malformed("nobody can be reached at this address"));
        }
        let status = match (wire.status, wire.is_leaving) {
            (0, true) => Status::Left,
            (0, false) => Status::Alive,
            (1, false) => Status::Suspect,
            (2, false) => Status::Dead,
            _ => return Err(malformed("unknown status")),
        };
        Ok(Self {
            record: Record {
                node: wire.node,
                incarnation: wire.incarnation,
                is_leaving: wire.is_leaving,
                generation: wire.generation,
                address,
                signature: wire.signature,
            },
            status,
        })
    }
}

fn to_wire(rumours: &[Rumour]) -> Vec<WireRumour> {
    rumours.iter().map(WireRumour::from).collect()
}

fn from_wire(rumours: Vec<WireRumour>) -> Result<Vec<Rumour>, MessageError> {
    rumours.into_iter().map(Rumour::try_from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_the_format_document_has_them() {
        let gossip = Vec::new();
        let ping = Message::Ping {
            sequence: 5,
            gossip,
        };
        assert_eq!(ping.to_bytes(), [0x82, 0, 0x82, 5, 0x80]);
        let record = Record {
            node: NodeId::from_bytes([7; 32]),
            incarnation: 1,
            is_leaving: false,
            generation: Generation::new(2),
            address: ([10, 0, 0, 1], 7_000).into(),
            signature: Signature::from_bytes([9; 64]),
        };
        let status = Status::Suspect;
        let gossip = vec![Rumour { record, status }];
        let mut expected = vec![0x82, 5, 0x81, 0x81, 0x87, 1, 0x58, 32];
        expected.extend([7; 32]);
        expected.extend([1, 0xf4, 2, 0x6d]);
        expected.extend(b"10.0.0.1:7000");
        expected.extend([0x58, 64]);
        expected.extend([9; 64]);
        assert_eq!(Message::Gossip { gossip }.to_bytes(), expected);
    }

    #[test]
    fn a_count_of_rumours_that_lies_is_refused() {
        let lie = [0x82, 3, 0x81, 0x9a, 0xff, 0xff, 0xff, 0xff];
        assert!(Message::from_bytes(&lie).is_err());
    }
}
