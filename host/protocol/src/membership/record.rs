//! What a node says of itself, signed.

use std::net::SocketAddr;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeIdentity, Signature, SignatureError};
use crate::ids::{Generation, NodeId};

const CONTEXT: &str = "replicant 2026-11 member record";

/// A node about itself. Ordered by incarnation, then by content, so that of two records of a node
/// everyone keeps the same one. The signature does not count.
#[derive(Debug, Clone)]
pub struct Record {
    /// Who. First in the order too, but only records of one node are ever compared.
    pub node: NodeId,
    /// How often it spoke up for itself.
    pub incarnation: u64,
    /// Whether this is its goodbye.
    pub is_leaving: bool,
    /// How often it started over with a fresh replica id.
    pub generation: Generation,
    /// Where it listens.
    pub address: SocketAddr,
    /// Over all of the above, by the node's key.
    pub signature: Signature,
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
}

impl Record {
    /// Makes and signs a record of this node.
    pub fn sign(
        identity: &NodeIdentity,
        incarnation: u64,
        is_leaving: bool,
        generation: Generation,
        address: SocketAddr,
    ) -> Self {
        let mut record = Self {
            node: identity.id(),
            incarnation,
            is_leaving,
            generation,
            address,
            signature: Signature::from_bytes([0; 64]),
        };
        record.signature = identity.sign(CONTEXT, &record.body());
        record
    }

    /// Checks that the node it names made it. About 50 µs.
    ///
    /// # Errors
    /// [`SignatureError`]: the fault of whoever passed it on, since correct nodes check first.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.node.verify(CONTEXT, &self.body(), &self.signature)
    }

    /// Whether both say the same, whatever their signatures.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.order() == other.order()
    }

    /// Whether this one takes the place of `other`.
    pub fn supersedes(&self, other: &Self) -> bool {
        self.order() > other.order()
    }

    fn order(&self) -> (u64, bool, Generation, SocketAddr, NodeId) {
        let Self {
            node,
            incarnation,
            is_leaving,
            generation,
            address,
            ..
        } = *self;
        (incarnation, is_leaving, generation, address, node)
    }

    fn body(&self) -> Vec<u8> {
        bounded::to_bytes(&WireBody {
            node: self.node,
            incarnation: self.incarnation,
            is_leaving: self.is_leaving,
            generation: self.generation,
            address: self.address.to_string(),
        })
    }
}
