//! What nodes say to each other about a circle, and how it is encoded. The circle's path stands
//! before it (`wire`).

use std::net::SocketAddr;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::broadcast::plumtree;
use crate::ids::{Hash, NodeId};
use crate::membership::hyparview::{self, Entry};
use crate::membership::parse_address;
use crate::topics::PUBLICATION_BYTES_MAX;

/// How many members an answer names.
pub const KNOWN_MAX: usize = 8;

const VIEW: u8 = 0;
const TREE: u8 = 1;
const HAND_IN: u8 = 2;
const TAKEN: u8 = 3;
const NOT_HERE: u8 = 4;
const ASK: u8 = 5;
const KNOWN: u8 = 6;

/// A message about a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who is whose neighbour in it.
    View(hyparview::Message),
    /// What is said in it, on its way.
    Tree(plumtree::Message),
    /// Please say this there: a signed publication. Answered with `Taken` or `NotHere`.
    HandIn(Arc<[u8]>),
    /// What was handed in, by its hash, came to a member.
    Taken(Hash),
    /// The sender is not part of it.
    NotHere,
    /// Who is part of it?
    Ask,
    /// The answer to `Ask` and to calls.
    Known {
        /// Whether it was announced to all.
        is_called: bool,
        /// Whether somebody listens outside of it.
        is_outside: bool,
        /// Some that are part of it.
        entries: Vec<Entry>,
    },
}

/// Why a peer's message was not taken. Always its fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected bytes in their one form, or out of bounds.
    #[error("a malformed message about a circle: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Not a message of views.
    #[error(transparent)]
    View(#[from] hyparview::MessageError),
    /// Not a message of a tree.
    #[error(transparent)]
    Tree(#[from] plumtree::MessageError),
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireKnown {
    #[n(0)]
    is_called: bool,
    #[n(1)]
    is_outside: bool,
    #[cbor(n(2), decode_with = "bounded::vec::<_, WireEntry, KNOWN_MAX>")]
    entries: Vec<WireEntry>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireEntry {
    #[n(0)]
    node: NodeId,
    #[n(1)]
    address: String,
}

impl Message {
    /// Encodes the message; see `docs/overlay.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::View(message) => (VIEW, message.to_bytes()),
            Self::Tree(message) => (TREE, message.to_bytes()),
            Self::HandIn(said) => (HAND_IN, said.to_vec()),
            Self::Taken(id) => (TAKEN, id.as_bytes().to_vec()),
            Self::NotHere => (NOT_HERE, Vec::new()),
            Self::Ask => (ASK, Vec::new()),
            Self::Known {
                is_called,
                is_outside,
                entries,
            } => (KNOWN, known_to_bytes(*is_called, *is_outside, entries)),
        };
        [&[kind], &rest[..]].concat()
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        let (kind, rest) = bytes.split_first().ok_or(malformed("empty"))?;
        match (*kind, rest) {
            (VIEW, rest) => Ok(Self::View(hyparview::Message::from_bytes(rest)?)),
            (TREE, rest) => Ok(Self::Tree(plumtree::Message::from_bytes(rest)?)),
            (HAND_IN, said) if said.is_empty() || said.len() > PUBLICATION_BYTES_MAX => {
                Err(malformed("nothing is handed in, or too much"))
            }
            (HAND_IN, said) => Ok(Self::HandIn(said.into())),
            (TAKEN, id) => {
                let id = id.try_into().map_err(|_| malformed("not a hash"))?;
                Ok(Self::Taken(Hash::from_bytes(id)))
            }
            (NOT_HERE, []) => Ok(Self::NotHere),
            (ASK, []) => Ok(Self::Ask),
            (KNOWN, rest) => known_from_bytes(rest),
            _ => Err(malformed("of an unknown kind, or longer than that kind")),
        }
    }
}

fn known_to_bytes(is_called: bool, is_outside: bool, entries: &[Entry]) -> Vec<u8> {
    let entries = entries.iter().map(|entry| WireEntry {
        node: entry.node,
        address: entry.address.to_string(),
    });
    let entries = entries.collect();
    bounded::to_bytes(&WireKnown {
        is_called,
        is_outside,
        entries,
    })
}

fn known_from_bytes(bytes: &[u8]) -> Result<Message, MessageError> {
    let malformed = |what| MessageError::Malformed { what };
    let wire: WireKnown = bounded::from_bytes(bytes)
        .map_err(|_| malformed("not the expected CBOR in its one form"))?;
    let entry = |wire: WireEntry| -> Result<Entry, MessageError> {
        let address: SocketAddr = parse_address(&wire.address).map_err(malformed)?;
        let node = wire.node;
        Ok(Entry { node, address })
    };
    let entries: Result<Vec<Entry>, MessageError> = wire.entries.into_iter().map(entry).collect();
    Ok(Message::Known {
        is_called: wire.is_called,
        is_outside: wire.is_outside,
        entries: entries?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u8) -> Entry {
        Entry {
            node: NodeId::from_bytes([number; 32]),
            address: ([10, 0, 0, 1], 7_400).into(),
        }
    }

    fn known(count: usize) -> Message {
        Message::Known {
            is_called: false,
            is_outside: true,
            entries: vec![entry(1); count],
        }
    }

    #[test]
    fn messages_are_read_back() {
        for message in [
            Message::View(hyparview::Message::Disconnect { is_leaving: true }),
            Message::Tree(plumtree::Message::Prune),
            Message::HandIn(vec![7; PUBLICATION_BYTES_MAX].into()),
            Message::Taken(Hash::of(b"x")),
            Message::NotHere,
            Message::Ask,
            known(0),
            known(KNOWN_MAX),
        ] {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let too_many = known(KNOWN_MAX + 1).to_bytes();
        let too_much = [&[HAND_IN], &vec![0; PUBLICATION_BYTES_MAX + 1][..]].concat();
        for wrong in [
            &[][..],
            &[HAND_IN],
            &[TAKEN, 1],
            &[NOT_HERE, 0],
            &[ASK, 0],
            &[7],
            &too_many,
            &too_much,
        ] {
            assert!(Message::from_bytes(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            kind in 0_u8..9,
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [&[kind][..], &bytes].concat();
            if let Ok(message) = Message::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }
    }
}
