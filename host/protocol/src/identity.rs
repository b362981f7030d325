//! Keys: what a node signs with, and how others check it.
//!
//! A node is its ed25519 public key ([`NodeId`]). Signatures are made over a context string, which
//! names the purpose, and a message, so that a signature made for one purpose proves nothing for
//! another. Verification is strict: small-order keys and non-canonical signatures are refused,
//! so every implementation and every version of it decides alike.
//!
//! [`replica_id`] says under which number a node writes. It is the one place that knows.
//!
//! Not here: certificates and who may do what; a later layer adds them.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use crate::ids::{Generation, IdError, ReplicaId};

pub use crate::ids::NodeId;

/// A signature did not prove what it should: it was forged, damaged, or made for something else.
/// The fault of whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not one of this key over this message")]
pub struct SignatureError;

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the 64 bytes as they are; only [`NodeId::verify`] tells whether they prove anything.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl<C> Encode<C> for Signature {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Signature {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        let length = bytes.len();
        let error = IdError::Length {
            what: "a signature",
            length,
            accepted: "64 bytes are accepted",
        };
        Ok(Self(bytes.try_into().map_err(|_| error)?))
    }
}

/// A node's key pair. Never printed: its `Debug` form shows the public key only.
#[derive(Clone)]
pub struct NodeIdentity {
    key: SigningKey,
    id: NodeId,
}

impl NodeIdentity {
    /// Makes the key pair that belongs to a secret of 32 random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        let id = NodeId::from_bytes(key.verifying_key().to_bytes());
        Self { key, id }
    }

    /// The secret, for storing it in a file that only the node's owner reads.
    pub fn secret(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The public half.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Signs `message` for the purpose `context`. About 25 µs, and 1 µs more for each 6 KB.
    pub fn sign(&self, context: &str, message: &[u8]) -> Signature {
        Signature(self.key.sign(&signed_bytes(context, message)).to_bytes())
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeIdentity({})", self.id.short())
    }
}

impl NodeId {
    /// Checks that this node signed `message` for the purpose `context`. About 50 µs.
    ///
    /// # Errors
    /// [`SignatureError`] if it did not, or if the id is not a valid public key.
    pub fn verify(
        &self,
        context: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_hash(&signed_bytes(context, message), signature)
    }

    /// Checks a signature over what a context and a message make together: their hash.
    pub(crate) fn verify_hash(
        &self,
        hash: &[u8; 32],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_bytes(self.as_bytes()).map_err(|_| SignatureError)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(hash, &signature)
            .map_err(|_| SignatureError)
    }
}

/// What goes through ed25519: the BLAKE3 hash of the message, under the key that the context
/// derives. So the purpose is part of what is signed, and long messages are hashed fast and once.
fn signed_bytes(context: &str, message: &[u8]) -> [u8; 32] {
    blake3::derive_key(context, message)
}

/// The replica id under which `node` writes in its `generation`: the first eight bytes, little
/// endian, of a hash of both. A generation that fits into 32 bits is hashed as such. 0 is not a
/// replica id and stands aside for 1.
pub fn replica_id(node: &NodeId, generation: Generation) -> ReplicaId {
    let mut input = [0; 40];
    input[..32].copy_from_slice(node.as_bytes());
    input[32..].copy_from_slice(&generation.get().to_le_bytes());
    let length = match u32::try_from(generation.get()) {
        Ok(_) => 36,
        Err(_) => 40,
    };
    let hash = blake3::derive_key(
        "replicant 2026-11 replica id of node and generation",
        &input[..length],
    );
    let [a, b, c, d, e, f, g, h, ..] = hash;
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    ReplicaId::new(number).unwrap_or(ReplicaId::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_purpose_and_message_only() {
        let (alice, bob) = (
            NodeIdentity::from_secret(&[1; 32]),
            NodeIdentity::from_secret(&[2; 32]),
        );
        let signature = alice.sign("purpose", b"message");
        assert_eq!(alice.id().verify("purpose", b"message", &signature), Ok(()));
        assert!(
            alice
                .id()
                .verify("purpose", b"massage", &signature)
                .is_err()
        );
        assert!(
            alice
                .id()
                .verify("another", b"message", &signature)
                .is_err()
        );
        assert!(bob.id().verify("purpose", b"message", &signature).is_err());
        let mut bytes = *signature.as_bytes();
        bytes[63] ^= 0x80;
        assert!(
            alice
                .id()
                .verify("purpose", b"message", &Signature(bytes))
                .is_err()
        );
    }

    #[test]
    fn ids_that_are_no_keys_or_weak_keys_prove_nothing() {
        // The identity point: under loose verification it accepts a signature of zeros.
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let signature = Signature(signature);
        for bytes in [weak, [0xff; 32]] {
            assert!(
                NodeId::from_bytes(bytes)
                    .verify("p", b"m", &signature)
                    .is_err()
            );
        }
    }

    #[test]
    fn replica_ids_differ_by_node_and_generation() {
        let (a, b) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let (first, second) = (Generation::new(0), Generation::new(1));
        let large = [Generation::new(1 << 32), Generation::new(2 << 32)];
        assert_ne!(replica_id(&a, large[0]), replica_id(&a, large[1]));
        assert_ne!(replica_id(&a, first), replica_id(&a, large[0]));
        assert_eq!(replica_id(&a, first), replica_id(&a, first));
        assert_ne!(replica_id(&a, first), replica_id(&a, second));
        assert_ne!(replica_id(&a, first), replica_id(&b, first));
    }

    #[test]
    fn a_key_pair_is_restored_from_its_secret_and_never_printed() {
        let identity = NodeIdentity::from_secret(&[7; 32]);
        assert_eq!(
            NodeIdentity::from_secret(&identity.secret()).id(),
            identity.id()
        );
        assert_eq!(
            format!("{identity:?}"),
            format!("NodeIdentity({})", identity.id().short())
        );
    }
}
