//! What a node says of itself, signed.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeIdentity, Signature, SignatureError};
use crate::ids::{Generation, NodeId};

use super::Metadata;
use super::metadata::WireMetadata;

const CONTEXT: &str = "replicant 2026-11 member record";

/// What a node says of itself. Ordered by incarnation, then by content, so that of two of a node
/// everyone keeps the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Who. First in the order too, but only words of one node are ever compared.
    pub node: NodeId,
    /// How often it spoke up for itself.
    pub incarnation: u64,
    /// Whether this is its goodbye.
    pub is_leaving: bool,
    /// How often it started over with a fresh replica id.
    pub generation: Generation,
    /// Where it listens.
    pub address: SocketAddr,
    /// What else it tells.
    pub metadata: Metadata,
}

/// A node about itself, with its signature, which does not count in comparisons. Cheap to clone,
/// and clones share that the signature was checked.
#[derive(Debug, Clone)]
pub struct Record(Arc<Signed>);

#[derive(Debug)]
struct Signed {
    said: Said,
    signature: Signature,
    /// Set once the signature was found to be right.
    is_verified: OnceLock<()>,
    wire_bytes: usize,
    fingerprint: u64,
}

/// What is signed, in this order, as CBOR.
#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBody {
    #[n(0)]
    node: NodeId,
    #[n(1)]
    incarnation: u64,
    #[n(2)]
    is_leaving: bool,
    #[n(3)]
    generation: Generation,
    #[n(4)]
    address: String,
    #[n(5)]
    metadata: WireMetadata,
}

impl Deref for Record {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0.said
    }
}

impl Record {
    /// Signs what this node says of itself. `said.node` becomes the node of the identity.
    pub fn sign(identity: &NodeIdentity, said: Said) -> Self {
        let said = Said {
            node: identity.id(),
            ..said
        };
        let signature = identity.sign(CONTEXT, &body(&said));
        Self::from_parts(said, signature)
    }

    /// A record as a peer passed it on, not verified.
    pub fn from_parts(said: Said, signature: Signature) -> Self {
        let body = body(&said);
        let hash = blake3::hash(&body);
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        Self(Arc::new(Signed {
            signature,
            is_verified: OnceLock::new(),
            // The signature, and what the array around it takes.
            wire_bytes: body.len() + 66,
            fingerprint: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            said,
        }))
    }

    /// Over all that is said, by the node's key.
    pub fn signature(&self) -> Signature {
        self.0.signature
    }

    /// Checks that the node it names made it. About 50 µs the first time.
    ///
    /// # Errors
    /// [`SignatureError`]: the fault of whoever passed it on, since correct nodes check first.
    pub fn verify(&self) -> Result<(), SignatureError> {
        if self.0.is_verified.get().is_some() {
            return Ok(());
        }
        self.node
            .verify(CONTEXT, &body(&self.0.said), &self.0.signature)?;
        // Set by somebody else meanwhile is just as well.
        let _ = self.0.is_verified.set(());
        Ok(())
    }

    /// Whether both say the same, whatever their signatures.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.said == other.0.said
    }

    /// Whether this one takes the place of `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        let key = |said: &Said| (said.incarnation, said.is_leaving, said.generation);
        let (own, others) = (&self.0.said, &other.0.said);
        let rest = || {
            (own.address, &own.metadata, own.node) > (others.address, &others.metadata, others.node)
        };
        key(own) > key(others) || (key(own) == key(others) && rest())
    }

    /// How many bytes it takes in a message, give or take two.
    pub(super) fn wire_bytes(&self) -> usize {
        self.0.wire_bytes
    }

    /// The start of the hash of all that is said.
    pub(super) fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }
}

fn body(said: &Said) -> Vec<u8> {
    bounded::to_bytes(&WireBody {
        node: said.node,
        incarnation: said.incarnation,
        is_leaving: said.is_leaving,
        generation: said.generation,
        address: said.address.to_string(),
        metadata: said.metadata.to_wire(),
    })
}
