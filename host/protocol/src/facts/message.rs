//! What peers say to each other about facts.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::{bounded, reconciliation};

use super::fact::{FactError, SIGNED_BYTES_MAX};

/// How many facts a message has at most.
pub(super) const ITEMS_MAX: usize = 512;

/// How many bytes of facts are put into one message, unless a single one is larger.
pub(super) const ITEMS_BYTES: usize = 64 * 1024;

/// The largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = ITEMS_BYTES + SIGNED_BYTES_MAX + 4_096;

/// A message between two peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Which facts differ.
    Reconciliation(reconciliation::Message),
    /// Facts, each as signed by its issuer.
    Facts {
        /// At most 512.
        items: Vec<Vec<u8>>,
    },
}

/// Why a peer's message was not taken. Its fault: no correct node sends that. What stood before
/// the fault in a list of facts was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, not its shortest form, or a value out of range.
    #[error("a malformed message about facts: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Not a message of reconciliation.
    #[error(transparent)]
    Reconciliation(#[from] reconciliation::MessageError),
    /// It carries a fact that no correct node would pass on.
    #[error(transparent)]
    Fact(#[from] FactError),
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(0)]
    Reconciliation(#[n(0)] ByteVec),
    #[n(1)]
    Facts(#[cbor(n(0), decode_with = "bounded::vec::<_, _, ITEMS_MAX>")] Vec<ByteVec>),
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&match self {
            Self::Reconciliation(message) => WireMessage::Reconciliation(message.to_bytes().into()),
            Self::Facts { items } => {
                WireMessage::Facts(items.iter().cloned().map(ByteVec::from).collect())
            }
        })
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let wire = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| malformed("not the expected CBOR in its one form"))?;
        match wire {
            WireMessage::Reconciliation(bytes) => {
                let message = reconciliation::Message::from_bytes(&bytes)?;
                Ok(Self::Reconciliation(message))
            }
            WireMessage::Facts(items) => {
                if items.iter().any(|item| item.len() > SIGNED_BYTES_MAX) {
                    return Err(malformed("a fact that is too long"));
                }
                let items = items.into_iter().map(Vec::from).collect();
                Ok(Self::Facts { items })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_facts_are_accepted_up_to_their_limits() {
        let read_back = |count, length| {
            let items = vec![vec![1; length]; count];
            let message = Message::Facts { items };
            Message::from_bytes(&message.to_bytes()) == Ok(message)
        };
        assert!(read_back(ITEMS_MAX, 8) && !read_back(ITEMS_MAX + 1, 8));
        assert!(read_back(1, SIGNED_BYTES_MAX) && !read_back(1, SIGNED_BYTES_MAX + 1));
        assert!(!read_back(3, SIGNED_BYTES_MAX));
    }
}
