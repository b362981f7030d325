//! The beginning of a signed bundle, which says who signed which place in a history.
//!
//! A signature is made over a BLAKE3 hash of the body, and that is a tree: the first 1,024 bytes
//! and at most twelve hashes prove what the body begins with. So two bundles that stand in one
//! place can be shown to anybody in 3 KB, however large they are.

use blake3::Hasher;
use blake3::hazmat::{
    HasherExt, Mode, hash_derive_key_context, left_subtree_len, merge_subtrees_non_root,
    merge_subtrees_root,
};
use minicbor::decode::Decoder;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeId, Signature, SignatureError};
use crate::ids::{Counter, Generation, LineageId, TopicName};

use super::{Format, SIGNATURE_CONTEXT, SignedBundle};

/// A chunk of BLAKE3.
const CHUNK_BYTES: usize = 1_024;
/// Hashes beside the way from the first chunk to the root of the largest body, and one more.
const SIBLINGS_MAX: usize = 13;

/// The beginning of a bundle with what proves that its author signed it. Not proven yet: see
/// [`verify`](BundleHead::verify).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BundleHead {
    /// The first 1,024 bytes of the body, or all of it.
    #[n(0)]
    #[cbor(
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded::bytes::<_, CHUNK_BYTES>"
    )]
    beginning: Vec<u8>,
    /// The hashes beside the way from there to the root, from below.
    #[n(1)]
    #[cbor(decode_with = "bounded::vec::<_, _, SIBLINGS_MAX>")]
    siblings: Vec<crate::ids::Hash>,
    #[n(2)]
    signature: Signature,
}

/// A place in a history. Its author signs one bundle for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: TopicName,
    /// Which history of the topic.
    pub lineage: LineageId,
    /// Who signed.
    pub author: NodeId,
    /// The author's generation.
    pub generation: Generation,
    /// The counter of the bundle's first op.
    pub first: Counter,
}

impl SignedBundle {
    /// The beginning of this bundle.
    pub fn head(&self) -> BundleHead {
        let body = self.body_bytes();
        let beginning = body[..body.len().min(CHUNK_BYTES)].to_vec();
        let mut siblings = Vec::new();
        let mut end = body.len();
        while end > CHUNK_BYTES {
            let left = left_subtree_len(end as u64) as usize;
            let mut hasher = hasher();
            hasher.set_input_offset(left as u64);
            hasher.update(&body[left..end]);
            siblings.push(crate::ids::Hash::from_bytes(hasher.finalize_non_root()));
            end = left;
        }
        siblings.reverse();
        BundleHead {
            beginning,
            siblings,
            signature: *self.signature(),
        }
    }
}

fn hasher() -> Hasher {
    Hasher::new_from_context_key(&hash_derive_key_context(SIGNATURE_CONTEXT))
}

impl BundleHead {
    /// The hash that the author signed, if the signature holds. One for each body.
    pub fn signed_hash(&self) -> [u8; 32] {
        let mut hasher = hasher();
        hasher.update(&self.beginning);
        let Some((last, below)) = self.siblings.split_last() else {
            return *hasher.finalize().as_bytes();
        };
        let key = hash_derive_key_context(SIGNATURE_CONTEXT);
        let mode = Mode::DeriveKeyMaterial(&key);
        let first = hasher.finalize_non_root();
        let left = below.iter().fold(first, |left, right| {
            merge_subtrees_non_root(&left, right.as_bytes(), mode)
        });
        *merge_subtrees_root(&left, last.as_bytes(), mode).as_bytes()
    }

    /// What the bundle says of its place. `None` if it does not begin as a bundle does.
    pub fn place(&self) -> Option<Place> {
        let is_whole = self.beginning.len() == CHUNK_BYTES;
        if !self.siblings.is_empty() && !is_whole {
            return None;
        }
        let mut decoder = Decoder::new(&self.beginning);
        if decoder.array().ok()? != Some(12) || decoder.u8().ok()? != Format::NUMBER {
            return None;
        }
        Some(Place {
            topic: decoder.decode().ok()?,
            lineage: decoder.decode().ok()?,
            author: decoder.decode().ok()?,
            generation: decoder.decode().ok()?,
            first: decoder.decode().ok()?,
        })
    }

    /// Checks that `author` signed a bundle that begins so. About 50 µs.
    ///
    /// # Errors
    /// [`SignatureError`] if not.
    pub fn verify(&self, author: &NodeId) -> Result<(), SignatureError> {
        author.verify_hash(&self.signed_hash(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::signed_with_op_of;
    use super::*;

    #[test]
    fn the_head_of_a_bundle_of_any_size_proves_its_place() {
        for op_bytes in [1, 500, 700, 900, 2_000, 4_000, 70_000, 1 << 20] {
            let bundle = signed_with_op_of(op_bytes);
            let head = bundle.head();
            let bytes = bounded::to_bytes(&head);
            assert!(bytes.len() < 1_600, "{}", bytes.len());
            assert_eq!(
                bounded::from_bytes::<BundleHead>(&bytes).ok(),
                Some(head.clone())
            );
            let place = head.place().unwrap();
            let body = bundle.body();
            assert_eq!((&place.topic, place.author), (&body.topic, body.author));
            assert_eq!((place.first, place.lineage), (body.first, body.lineage));
            assert_eq!(place.generation, body.generation);
            assert_eq!(head.verify(&body.author), Ok(()), "{op_bytes}");
        }
    }

    #[test]
    fn a_head_that_was_changed_proves_nothing() {
        let bundle = signed_with_op_of(5_000);
        let author = bundle.body().author;
        let head = bundle.head();
        let mut changed = head.clone();
        changed.beginning[300] ^= 1;
        assert!(changed.verify(&author).is_err());
        let mut changed = head.clone();
        changed.siblings.pop();
        assert!(changed.verify(&author).is_err());
        let mut changed = head.clone();
        changed.siblings.swap(0, 1);
        assert!(changed.verify(&author).is_err());
        let mut short = head.clone();
        short.beginning.pop();
        assert_eq!(short.place(), None);
        assert!(head.verify(&NodeId::from_bytes([9; 32])).is_err());
    }
}
