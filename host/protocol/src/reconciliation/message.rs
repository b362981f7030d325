//! What peers say to each other when they compare sets.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::ids::Hash;

use super::Key;
use super::ranges::{Range, pack, unpack};

/// The largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A message between two peers. What is in it is checked for its form only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub(super) Said);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Let us compare.
    Open {
        /// Names the comparison, and salts what is sent in it.
        nonce: u64,
        /// Whether each element is hashed anew.
        is_deep: bool,
        /// Compare from here on.
        from: Key,
        /// The root of the sender's set.
        root: Hash,
    },
    /// What the sender has, range by range from the start; never empty. What is behind the last
    /// range is not spoken of.
    Ranges { nonce: u64, ranges: Vec<Range> },
    /// Not now.
    Busy { nonce: u64 },
}

/// Why bytes are not such a message. The sender's fault; no correct node sends that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a malformed reconciliation message: {what}")]
pub struct MessageError {
    /// What is wrong.
    pub what: &'static str,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[n(0)]
    Open(
        #[n(0)] u64,
        #[n(1)] bool,
        #[n(2)] u64,
        #[n(3)] Hash,
        #[n(4)] Hash,
    ),
    #[n(1)]
    Ranges(#[n(0)] u64, #[n(1)] ByteVec),
    #[n(2)]
    Busy(#[n(0)] u64),
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = match &self.0 {
            Said::Open {
                nonce,
                is_deep,
                from,
                root,
            } => WireMessage::Open(*nonce, *is_deep, from.timestamp, from.id, *root),
            Said::Ranges { nonce, ranges } => WireMessage::Ranges(*nonce, pack(ranges).into()),
            Said::Busy { nonce } => WireMessage::Busy(*nonce),
        };
        bounded::to_bytes(&wire)
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError { what };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let wire = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| malformed("not the expected CBOR in its one form"))?;
        Ok(Self(match wire {
            WireMessage::Open(nonce, is_deep, timestamp, id, root) => Said::Open {
                nonce,
                is_deep,
                from: Key { timestamp, id },
                root,
            },
            WireMessage::Ranges(nonce, packed) => {
                let ranges = unpack(&packed).filter(|ranges| !ranges.is_empty());
                let ranges = ranges.ok_or(malformed("ranges out of order or form"))?;
                Said::Ranges { nonce, ranges }
            }
            WireMessage::Busy(nonce) => Said::Busy { nonce },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranges::{Bound, Content};
    use super::*;

    #[test]
    fn messages_are_read_back_and_nothing_else_is_read() {
        let to = Bound::End;
        let content = Content::Named(vec![[1; 6]]);
        let said = [
            Said::Open {
                nonce: u64::MAX,
                is_deep: true,
                from: Key::START,
                root: Hash::of(b"root"),
            },
            Said::Ranges {
                nonce: 0,
                ranges: vec![Range { to, content }],
            },
            Said::Busy { nonce: 7 },
        ];
        for said in said {
            let message = Message(said);
            let bytes = message.to_bytes();
            assert_eq!(Message::from_bytes(&bytes), Ok(message));
            assert!(Message::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
            assert!(Message::from_bytes(&bytes[1..]).is_err());
        }
        let empty = Message(Said::Ranges {
            nonce: 0,
            ranges: Vec::new(),
        });
        assert!(Message::from_bytes(&empty.to_bytes()).is_err());
        assert!(Message::from_bytes(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }
}
