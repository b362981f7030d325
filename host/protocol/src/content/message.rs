//! What peers say to each other about content, and how it is encoded.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::ids::{Hash, ModuleHash};

use super::manifest::CHUNKS_MAX;
use super::{ANNOUNCEMENT_BYTES_MAX, AnnouncementError, CHUNK_BYTES, Manifest, Part};

/// How many ids a page or request has at most: 17 KB.
pub(super) const IDS_MAX: usize = 512;

/// How many announcements go into one message at most: 32 KiB.
pub(super) const ANNOUNCEMENTS_MAX: usize = 64;

/// The largest message, in bytes: a chunk, or a batch of announcements, and what surrounds it.
pub const MESSAGE_BYTES_MAX: usize = CHUNK_BYTES + 1_024;

/// Why a part is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The module, or this part of it, is not here.
    NotHere,
    /// Too many parts are under way.
    Busy,
}

/// A message between two peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The hash over all ids that the sender knows. If it differs, the other answers with pages.
    Digest {
        /// See above.
        digest: Hash,
    },
    /// A page: all ids that the sender knows, above `after` up to `to`, ascending.
    Ids {
        /// The page begins above this; zero for the first.
        after: Hash,
        /// The page ends with this; all bits set for the last.
        to: Hash,
        /// At most 512.
        ids: Vec<Hash>,
    },
    /// Please send these announcements.
    Request {
        /// At most 512.
        ids: Vec<Hash>,
    },
    /// Announcements, each as signed by its publisher.
    Announcements {
        /// At most 64.
        items: Vec<Vec<u8>>,
    },
    /// Please send this part.
    Fetch {
        /// Which module.
        module: ModuleHash,
        /// Which part.
        part: Part,
    },
    /// The list of chunk hashes.
    Manifest {
        /// Which module.
        module: ModuleHash,
        /// Its size and chunk hashes, not yet proven.
        manifest: Manifest,
    },
    /// A chunk.
    Chunk {
        /// Which module.
        module: ModuleHash,
        /// Which chunk.
        index: u32,
        /// 1 to [`CHUNK_BYTES`] bytes, not yet proven.
        bytes: Vec<u8>,
    },
    /// No.
    Refused {
        /// Which module.
        module: ModuleHash,
        /// Which part.
        part: Part,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a peer's message was not taken. Its fault; nothing changed but what stood before the fault
/// in a list of announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, not its shortest form, or a value out of range.
    #[error("a malformed content message: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// It carries an announcement that no correct node would pass on.
    #[error(transparent)]
    Announcement(#[from] AnnouncementError),
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
    Digest(#[n(0)] Hash),
    #[n(1)]
    Ids(
        #[n(0)] Hash,
        #[n(1)] Hash,
        #[cbor(n(2), decode_with = "ids")] Vec<Hash>,
    ),
    #[n(2)]
    Request(#[cbor(n(0), decode_with = "ids")] Vec<Hash>),
    #[n(3)]
    Announcements(#[cbor(n(0), decode_with = "announcements")] Vec<ByteVec>),
    #[n(4)]
    Fetch(#[n(0)] ModuleHash, #[n(1)] Option<u32>),
    #[n(5)]
    Manifest(
        #[n(0)] ModuleHash,
        #[n(1)] u32,
        #[cbor(n(2), decode_with = "chunks")] Vec<Hash>,
    ),
    #[n(6)]
    Chunk(#[n(0)] ModuleHash, #[n(1)] u32, #[n(2)] ByteVec),
    #[n(7)]
    Refused(#[n(0)] ModuleHash, #[n(1)] Option<u32>, #[n(2)] bool),
}

type Decoder<'a, 'b> = &'a mut minicbor::decode::Decoder<'b>;

fn ids<'b, C>(d: Decoder<'_, 'b>, c: &mut C) -> Result<Vec<Hash>, minicbor::decode::Error> {
    bounded::vec::<C, Hash, IDS_MAX>(d, c)
}

fn chunks<'b, C>(d: Decoder<'_, 'b>, c: &mut C) -> Result<Vec<Hash>, minicbor::decode::Error> {
    bounded::vec::<C, Hash, CHUNKS_MAX>(d, c)
}

fn announcements<'b, C>(
    d: Decoder<'_, 'b>,
    c: &mut C,
) -> Result<Vec<ByteVec>, minicbor::decode::Error> {
    bounded::vec::<C, ByteVec, ANNOUNCEMENTS_MAX>(d, c)
}

impl Message {
    /// Encodes the message; see `docs/wire-format.md`.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&self.to_wire())
    }

    /// Decodes a message. Total over any bytes; holds at most a small multiple of their length.
    ///
    /// # Errors
    /// [`MessageError::Malformed`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let wire = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| malformed("not the expected CBOR in its one form"))?;
        Self::from_wire(wire)
    }

    fn to_wire(&self) -> WireMessage {
        match self {
            Self::Digest { digest } => WireMessage::Digest(*digest),
            Self::Ids { after, to, ids } => WireMessage::Ids(*after, *to, ids.clone()),
            Self::Request { ids } => WireMessage::Request(ids.clone()),
            Self::Announcements { items } => {
                WireMessage::Announcements(items.iter().cloned().map(ByteVec::from).collect())
            }
            Self::Fetch { module, part } => WireMessage::Fetch(*module, part.to_wire()),
            Self::Manifest { module, manifest } => {
                WireMessage::Manifest(*module, manifest.size_bytes(), manifest.chunks().to_vec())
            }
            Self::Chunk {
                module,
                index,
                bytes,
            } => WireMessage::Chunk(*module, *index, bytes.clone().into()),
            Self::Refused {
                module,
                part,
                refusal,
            } => WireMessage::Refused(*module, part.to_wire(), *refusal == Refusal::Busy),
        }
    }

    fn from_wire(wire: WireMessage) -> Result<Self, MessageError> {
        let malformed = |what| MessageError::Malformed { what };
        Ok(match wire {
            WireMessage::Digest(digest) => Self::Digest { digest },
            WireMessage::Ids(after, to, ids) => page(after, to, ids)?,
            WireMessage::Request(ids) => Self::Request { ids },
            WireMessage::Announcements(items) => {
                if items.iter().any(|item| item.len() > ANNOUNCEMENT_BYTES_MAX) {
                    return Err(malformed("an announcement that is too long"));
                }
                let items = items.into_iter().map(Vec::from).collect();
                Self::Announcements { items }
            }
            WireMessage::Fetch(module, part) => Self::Fetch {
                module,
                part: Part::from_wire(part)?,
            },
            WireMessage::Manifest(module, size_bytes, chunks) => {
                let manifest = Manifest::from_parts(size_bytes, chunks);
                let manifest = manifest.ok_or(malformed("hashes that do not fit the size"))?;
                Self::Manifest { module, manifest }
            }
            WireMessage::Chunk(module, index, bytes) => {
                if bytes.is_empty() || bytes.len() > CHUNK_BYTES || index as usize >= CHUNKS_MAX {
                    return Err(malformed("a chunk out of range"));
                }
                Self::Chunk {
                    module,
                    index,
                    bytes: bytes.into(),
                }
            }
            WireMessage::Refused(module, part, is_busy) => Self::Refused {
                module,
                part: Part::from_wire(part)?,
                refusal: match is_busy {
                    true => Refusal::Busy,
                    false => Refusal::NotHere,
                },
            },
        })
    }
}

/// A page whose ids are ascending and inside its range.
fn page(after: Hash, to: Hash, ids: Vec<Hash>) -> Result<Message, MessageError> {
    let is_ascending = ids.windows(2).all(|pair| pair[0] < pair[1]);
    let is_inside = ids.iter().all(|id| *id > after && *id <= to);
    if after >= to || !is_ascending || !is_inside {
        return Err(MessageError::Malformed {
            what: "a page out of order",
        });
    }
    Ok(Message::Ids { after, to, ids })
}

impl Part {
    fn to_wire(self) -> Option<u32> {
        match self {
            Self::Manifest => None,
            Self::Chunk(index) => Some(index),
        }
    }

    fn from_wire(wire: Option<u32>) -> Result<Self, MessageError> {
        match wire {
            None => Ok(Self::Manifest),
            Some(index) if (index as usize) < CHUNKS_MAX => Ok(Self::Chunk(index)),
            Some(_) => Err(MessageError::Malformed {
                what: "a chunk out of range",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_the_format_document_has_them() {
        let module = ModuleHash::from_bytes([7; 32]);
        let part = Part::Manifest;
        let mut expected = vec![0x82, 4, 0x81, 0x58, 32];
        expected.extend([7; 32]);
        assert_eq!(Message::Fetch { module, part }.to_bytes(), expected);
        // The second form of the same value.
        expected[2] = 0x82;
        expected.push(0xf6);
        assert!(Message::from_bytes(&expected).is_err());
        let chunk = Message::Chunk {
            module,
            index: 3,
            bytes: vec![1, 2],
        };
        let mut expected = vec![0x82, 6, 0x83, 0x58, 32];
        expected.extend([7; 32]);
        expected.extend([3, 0x42, 1, 2]);
        assert_eq!(chunk.to_bytes(), expected);
    }

    #[test]
    fn lists_and_chunks_are_accepted_up_to_their_limits() {
        let hash = |index: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
            Hash::from_bytes(bytes)
        };
        let read_back = |message: Message| Message::from_bytes(&message.to_bytes()).is_ok();
        let request = |count| Message::Request {
            ids: (0..count).map(hash).collect(),
        };
        assert!(read_back(request(IDS_MAX)) && !read_back(request(IDS_MAX + 1)));
        let items = |count, length| Message::Announcements {
            items: vec![vec![1; length]; count],
        };
        assert!(read_back(items(ANNOUNCEMENTS_MAX, ANNOUNCEMENT_BYTES_MAX)));
        assert!(!read_back(items(ANNOUNCEMENTS_MAX + 1, 1)));
        assert!(!read_back(items(1, ANNOUNCEMENT_BYTES_MAX + 1)));
        let chunk = |index, length| Message::Chunk {
            module: ModuleHash::from_bytes([7; 32]),
            index,
            bytes: vec![1; length],
        };
        assert!(read_back(chunk(CHUNKS_MAX as u32 - 1, CHUNK_BYTES)));
        assert!(!read_back(chunk(CHUNKS_MAX as u32, 1)));
        assert!(!read_back(chunk(0, CHUNK_BYTES + 1)) && !read_back(chunk(0, 0)));
    }
}
