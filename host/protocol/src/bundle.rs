//! Bundles: consecutive ops of one replica in one topic, signed once; the unit that is stored,
//! sent and ordered.
//!
//! Guarantee: a [`SignedBundle`] is well-formed, within every limit of [`limits`], and is the only
//! value with its bytes; its bytes are the only bytes with its value. Whether the signature holds
//! is a separate question ([`SignedBundle::verify`]), because it is the expensive one.
//!
//! The format is described in `docs/wire-format.md` and a test holds against that. In short: CBOR
//! arrays; what is signed is the exact bytes of the [`Body`]; a decoder encodes again what it has
//! read and compares, so no second encoding of the same thing is accepted anywhere. A bundle's
//! hash covers its body only: whoever holds the key can sign a body in many ways, and all of them
//! are the same bundle.
//!
//! Each body names its predecessor's hash, so a replica's bundles form a chain; and for every
//! other replica that its author had heard more of since that predecessor, the hash of the bundle
//! which ended at that point. So two versions of one history cannot both be signed without leaving
//! a proof.
//!
//! Not here: whether a bundle may be delivered (see [`replication`](crate::replication)).

mod body;
mod draft;
mod error;
mod head;
pub mod limits;

use std::fmt;
use std::sync::Arc;

use minicbor::decode::Decoder;
use minicbor::encode::Encoder;

pub use body::{Body, BodyObject, BodyOp, Dependency, Format};
pub use draft::LocalOp;
pub(crate) use draft::split;
pub use error::BundleError;
pub use head::{BundleHead, Place};

use crate::clock::Hlc;
use crate::identity::{NodeIdentity, Signature, SignatureError, replica_id};
use crate::ids::{Counter, Dot, Hash, ReplicaId};

/// What a bundle's signature is made for.
const SIGNATURE_CONTEXT: &str = "replicant 2026-11 signature of a bundle";

/// A well-formed bundle with its signature. Cheap to clone.
#[derive(Clone)]
pub struct SignedBundle {
    inner: Arc<Inner>,
}

struct Inner {
    bytes: Box<[u8]>,
    body: Body,
    body_start: usize,
    signature: Signature,
    hash: Hash,
    replica: ReplicaId,
}

impl SignedBundle {
    /// Signs a body.
    ///
    /// # Errors
    /// [`BundleError`] if the body breaks a rule of [`Body`] or a limit: the caller's fault;
    /// nothing was signed.
    pub fn sign(identity: &NodeIdentity, body: Body) -> Result<Self, BundleError> {
        if body.author != identity.id() {
            return Err(BundleError::Author);
        }
        body.check()?;
        let body_bytes = body.encode();
        body::check_size(body_bytes.len())?;
        let signature = identity.sign(SIGNATURE_CONTEXT, &body_bytes);
        Ok(Self::assemble(body, &body_bytes, signature))
    }

    /// Reads a bundle. Total: any bytes give a bundle or an error. Costs one pass over the bytes
    /// and memory in proportion to them; the signature is not looked at.
    ///
    /// # Errors
    /// [`BundleError`] says what is wrong: the fault of whoever made or sent the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > limits::SIGNED_BYTES_MAX {
            let (size, max) = (bytes.len(), limits::SIGNED_BYTES_MAX);
            return Err(BundleError::TooLarge {
                what: "a signed bundle",
                size,
                max,
            });
        }
        let mut decoder = Decoder::new(bytes);
        if decoder.array()? != Some(2) {
            return Err(BundleError::Malformed(
                "not an array of body and signature".to_owned(),
            ));
        }
        let body_bytes = decoder.bytes()?;
        let signature: Signature = decoder.decode()?;
        let bundle = Self::assemble(Body::decode(body_bytes)?, body_bytes, signature);
        if bundle.as_bytes() != bytes {
            return Err(BundleError::NotCanonical);
        }
        Ok(bundle)
    }

    fn assemble(body: Body, body_bytes: &[u8], signature: Signature) -> Self {
        let mut encoder = Encoder::new(Vec::with_capacity(body_bytes.len() + 80));
        // Writing to a vector cannot fail.
        let _ = encoder.array(2).and_then(|e| e.bytes(body_bytes));
        let body_start = encoder.writer().len() - body_bytes.len();
        let _ = encoder.bytes(signature.as_bytes());
        let hash = Hash::of(body_bytes);
        let replica = replica_id(&body.author, body.generation);
        let bytes = encoder.into_writer().into_boxed_slice();
        Self {
            inner: Arc::new(Inner {
                bytes,
                body,
                body_start,
                signature,
                hash,
                replica,
            }),
        }
    }

    /// Checks that the author signed the body. About 50 µs.
    ///
    /// # Errors
    /// [`SignatureError`] if the bundle is forged or damaged.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.body()
            .author
            .verify(SIGNATURE_CONTEXT, self.body_bytes(), &self.inner.signature)
    }

    /// The whole bundle as it is stored and sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.inner.bytes
    }

    /// The signed bytes.
    pub fn body_bytes(&self) -> &[u8] {
        let start = self.inner.body_start;
        &self.inner.bytes[start..start + self.inner.bytes.len() - start - SIGNATURE_BYTES]
    }

    /// What the author signed.
    pub fn body(&self) -> &Body {
        &self.inner.body
    }

    /// The author's signature, which need not be valid.
    pub fn signature(&self) -> &Signature {
        &self.inner.signature
    }

    /// The hash of the body, which names this bundle.
    pub fn hash(&self) -> Hash {
        self.inner.hash
    }

    /// The replica that made the ops: a function of author and generation.
    pub fn replica(&self) -> ReplicaId {
        self.inner.replica
    }

    /// The counter of the first op.
    pub fn first(&self) -> Counter {
        self.body().first
    }

    /// The counter of the last op.
    pub fn last(&self) -> Counter {
        self.body().last()
    }

    /// The dot of the last op: where this bundle ends.
    pub fn end(&self) -> Dot {
        Dot {
            replica: self.replica(),
            counter: self.last(),
        }
    }

    /// How much memory the bundle takes, about: its bytes and what was decoded from them.
    pub fn memory_bytes(&self) -> usize {
        let body = self.body();
        self.as_bytes().len()
            + body
                .ops
                .iter()
                .map(|op| op.bytes.len() + limits::OP_MEMORY_BYTES)
                .sum::<usize>()
            + body.objects.len() * limits::OBJECT_MEMORY_BYTES
            + body.dependencies.len() * limits::DEPENDENCY_MEMORY_BYTES
    }

    /// The timestamp of all ops.
    pub fn hlc(&self) -> Hlc {
        self.body().hlc
    }
}

/// How many bytes the encoded signature takes: two of header and 64.
const SIGNATURE_BYTES: usize = 66;

impl PartialEq for SignedBundle {
    fn eq(&self, other: &Self) -> bool {
        self.inner.bytes == other.inner.bytes
    }
}

impl Eq for SignedBundle {}

impl fmt::Debug for SignedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SignedBundle({} {}:{}..={} {})",
            self.body().topic,
            self.replica(),
            self.first(),
            self.last(),
            self.hash().short()
        )
    }
}

#[cfg(test)]
#[path = "bundle/tests.rs"]
mod tests;
