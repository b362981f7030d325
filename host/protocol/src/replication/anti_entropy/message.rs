//! What nodes say to each other to compare their topics.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::ids::{Hash, TopicName};
use crate::replication::MessageError;
use crate::{bounded, reconciliation};

/// How many topics stand in one message at most.
pub const DIGESTS_MAX: usize = 512;

/// The largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 160 * 1024;

/// A message between two peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// In which topics they differ.
    Reconciliation(reconciliation::Message),
    /// Topics in which the sender's version is not the receiver's, as comparing showed.
    Digests {
        /// 1 to 512.
        topics: Vec<TopicDigest>,
    },
}

/// A topic, and what the sender has of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TopicDigest {
    /// The topic.
    #[n(0)]
    pub topic: TopicName,
    /// [`VersionVector::hash`](crate::version::VersionVector::hash) of its version.
    #[n(1)]
    pub version: Hash,
    /// How many ops this version includes. Who has more need not ask: it is asked, and sees in the
    /// question what it lacks all the same.
    #[n(2)]
    pub ops_count: u64,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(0)]
    Reconciliation(#[n(0)] ByteVec),
    #[n(1)]
    Digests(#[cbor(n(0), decode_with = "bounded::vec::<_, _, DIGESTS_MAX>")] Vec<TopicDigest>),
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&match self {
            Self::Reconciliation(message) => WireMessage::Reconciliation(message.to_bytes().into()),
            Self::Digests { topics } => WireMessage::Digests(topics.clone()),
        })
    }

    /// Decodes a message. Total over any bytes; holds a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |reason: String| MessageError { reason };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed("a comparison of topics that is too long".into()));
        }
        let wire = bounded::from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
        match wire {
            WireMessage::Reconciliation(bytes) => {
                let message = reconciliation::Message::from_bytes(&bytes);
                let message = message.map_err(|error| malformed(error.to_string()))?;
                Ok(Self::Reconciliation(message))
            }
            WireMessage::Digests(topics) if topics.is_empty() => {
                Err(malformed("a list of topics without any".into()))
            }
            WireMessage::Digests(topics) => Ok(Self::Digests { topics }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(count: usize) -> Message {
        let longest = format!("{}/", "a".repeat(51)).repeat(5);
        let digest = TopicDigest {
            topic: longest[..256].parse().unwrap(),
            version: Hash::ZERO,
            ops_count: u64::MAX,
        };
        let topics = vec![digest; count];
        Message::Digests { topics }
    }

    #[test]
    fn lists_are_read_back_up_to_their_limit_and_never_empty() {
        for (count, is_read) in [
            (0, false),
            (1, true),
            (DIGESTS_MAX, true),
            (DIGESTS_MAX + 1, false),
        ] {
            let bytes = digests(count).to_bytes();
            assert_eq!(Message::from_bytes(&bytes).is_ok(), is_read, "{count}");
        }
        assert!(digests(DIGESTS_MAX).to_bytes().len() <= MESSAGE_BYTES_MAX);
        assert!(Message::from_bytes(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }
}
