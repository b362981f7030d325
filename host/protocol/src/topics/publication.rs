//! What is said in a topic, signed by who says it.

use std::sync::Arc;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeIdentity, Signature};
use crate::ids::{Hash, NodeId, TopicName};

const CONTEXT: &str = "replicant 2026-11 publication";

/// 1 could not ask for acknowledgements.
const FORMAT: u8 = 2;

/// How much can be said at once, in bytes.
pub const PUBLISHED_BYTES_MAX: usize = 1024 * 1024;

/// The largest signed publication, in bytes.
pub const PUBLICATION_BYTES_MAX: usize = PUBLISHED_BYTES_MAX + 1024;

/// For how long what was said may be acknowledged.
pub const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// What somebody says in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: TopicName,
    /// Who says it.
    pub author: NodeId,
    /// Grows with each start of its author.
    pub start: u64,
    /// Counts the publications of this start, in all topics.
    pub number: u64,
    /// For how long whoever hears it is to acknowledge it, if at all: 1 ms to
    /// [`ACKNOWLEDGED_MAX`], in whole milliseconds; what is beyond is cut off.
    pub acknowledge: Option<Duration>,
    /// What is said; opaque.
    pub payload: Vec<u8>,
}

/// Why bytes are not a publication. Always the sender's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// Not the expected CBOR in its one form, or out of bounds.
    #[error("a malformed publication: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Its author did not sign it.
    #[error("a publication that {} did not sign", author.short())]
    Signature {
        /// Who it says is its author.
        author: NodeId,
    },
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Wire {
    #[n(0)]
    format: u8,
    #[n(1)]
    topic: TopicName,
    #[n(2)]
    author: NodeId,
    #[n(3)]
    start: u64,
    #[n(4)]
    number: u64,
    /// 0 if it is not to be acknowledged.
    #[n(5)]
    deadline_ms: u32,
    #[cbor(
        n(6),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded::bytes::<_, { PUBLISHED_BYTES_MAX }>"
    )]
    payload: Vec<u8>,
    #[n(7)]
    signature: Signature,
}

/// A publication with its signature, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPublication {
    publication: Publication,
    bytes: Arc<[u8]>,
}

impl SignedPublication {
    /// Signs what its author says.
    ///
    /// # Errors
    /// [`PublicationError::Malformed`]: the payload is too large, or the author another than the
    /// signer; the caller's misuse.
    pub fn sign(
        mut publication: Publication,
        identity: &NodeIdentity,
    ) -> Result<Self, PublicationError> {
        // As others will decode it.
        publication.acknowledge = acknowledge(deadline_ms(&publication));
        if publication.author != identity.id() {
            let what = "signed by another than its author";
            return Err(PublicationError::Malformed { what });
        }
        if publication.payload.len() > PUBLISHED_BYTES_MAX {
            let what = "its payload is too large";
            return Err(PublicationError::Malformed { what });
        }
        let signature = identity.sign(CONTEXT, digest(&publication).as_bytes());
        let bytes = bounded::to_bytes(&Wire {
            format: FORMAT,
            topic: publication.topic.clone(),
            author: publication.author,
            start: publication.start,
            number: publication.number,
            deadline_ms: deadline_ms(&publication),
            payload: publication.payload.clone(),
            signature,
        });
        let bytes = bytes.into();
        Ok(Self { publication, bytes })
    }

    /// Decodes a publication and checks its signature. Total over any bytes.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicationError> {
        Unverified::from_bytes(bytes)?.verify(bytes)
    }

    /// What is said.
    pub fn publication(&self) -> &Publication {
        &self.publication
    }

    /// The bytes that [`from_bytes`](Self::from_bytes) takes.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

/// A publication whose signature nobody checked yet.
pub(super) struct Unverified {
    pub(super) publication: Publication,
    signature: Signature,
}

impl Unverified {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, PublicationError> {
        let what = "too long";
        if bytes.len() > PUBLICATION_BYTES_MAX {
            return Err(PublicationError::Malformed { what });
        }
        let what = "not the expected CBOR in its one form";
        let wire: Wire =
            bounded::from_bytes(bytes).map_err(|_| PublicationError::Malformed { what })?;
        if wire.format != FORMAT {
            let what = "unknown format";
            return Err(PublicationError::Malformed { what });
        }
        if Duration::from_millis(wire.deadline_ms.into()) > ACKNOWLEDGED_MAX {
            let what = "acknowledged for longer than may be";
            return Err(PublicationError::Malformed { what });
        }
        let publication = Publication {
            topic: wire.topic,
            author: wire.author,
            start: wire.start,
            number: wire.number,
            acknowledge: acknowledge(wire.deadline_ms),
            payload: wire.payload,
        };
        let signature = wire.signature;
        Ok(Self {
            publication,
            signature,
        })
    }

    /// Checks the signature; `bytes` are those that this was decoded from.
    pub(super) fn verify(self, bytes: &[u8]) -> Result<SignedPublication, PublicationError> {
        let publication = self.publication;
        let author = publication.author;
        let digest = digest(&publication);
        author
            .verify(CONTEXT, digest.as_bytes(), &self.signature)
            .map_err(|_| PublicationError::Signature { author })?;
        let bytes = bytes.into();
        Ok(SignedPublication { publication, bytes })
    }
}

fn deadline_ms(publication: &Publication) -> u32 {
    let deadline = publication.acknowledge.unwrap_or_default();
    deadline.min(ACKNOWLEDGED_MAX).as_millis() as u32
}

fn acknowledge(deadline_ms: u32) -> Option<Duration> {
    (deadline_ms > 0).then(|| Duration::from_millis(deadline_ms.into()))
}

/// What is signed: a hash over all fields. The topic has a length of its own before it.
fn digest(publication: &Publication) -> Hash {
    let topic = publication.topic.as_str().as_bytes();
    Hash::derive(
        CONTEXT,
        &[
            &(topic.len() as u64).to_le_bytes(),
            topic,
            publication.author.as_bytes(),
            &publication.start.to_le_bytes(),
            &publication.number.to_le_bytes(),
            &deadline_ms(publication).to_le_bytes(),
            &publication.payload,
        ],
    )
}
