//! What somebody says with their signature over it: an array of two byte strings.
//!
//! Calls, facts, announcements, switches and the statements of a handshake travel so. A body is
//! signed as it was encoded, and its id is the hash of that. Elsewhere: bundles, whose body is
//! large and read where it lies; publications, which have a signature among their fields; what
//! membership signs, which travels in parts.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeIdentity, Signature, SignatureError};
use crate::ids::{Hash, NodeId};

/// Why bytes are not what they should be. The fault of whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Malformed {
    pub(crate) what: &'static str,
}

/// What a signature is made for: it counts for nothing else.
#[derive(Debug)]
pub(crate) struct Domain {
    context: &'static str,
    bound_to: Vec<u8>,
}

impl Domain {
    /// A purpose. The text is part of the format.
    pub(crate) const fn of(context: &'static str) -> Self {
        let bound_to = Vec::new();
        Self { context, bound_to }
    }

    /// A purpose in one place only: what it is bound to stands before the body in what is signed,
    /// and has one length for all that are bound.
    pub(crate) const fn bound(context: &'static str, bound_to: Vec<u8>) -> Self {
        Self { context, bound_to }
    }

    /// Gives what goes into a signature to `with`.
    fn signed_bytes<T>(&self, body: &[u8], with: impl FnOnce(&[u8]) -> T) -> T {
        match self.bound_to.is_empty() {
            true => with(body),
            false => with(&[&self.bound_to, body].concat()),
        }
    }
}

/// A body and a signature, which need not belong to it: see [`verify`](Signed::verify).
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Signed {
    #[n(0)]
    body: ByteVec,
    #[n(1)]
    signature: Signature,
}

impl Signed {
    /// Signs what is said.
    pub(crate) fn sign<T: Encode<()>>(identity: &NodeIdentity, domain: &Domain, said: &T) -> Self {
        let body = bounded::to_bytes(said);
        let signature = domain.signed_bytes(&body, |bytes| identity.sign(domain.context, bytes));
        Self {
            body: body.into(),
            signature,
        }
    }

    /// Takes apart at most `bytes_max` bytes. Total over any bytes.
    ///
    /// # Errors
    /// [`Malformed`]: the sender's fault.
    pub(crate) fn from_bytes(bytes: &[u8], bytes_max: usize) -> Result<Self, Malformed> {
        if bytes.len() > bytes_max {
            return Err(Malformed { what: "too long" });
        }
        decode(bytes)
    }

    /// The bytes that [`from_bytes`](Signed::from_bytes) takes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(self)
    }

    /// What is said.
    ///
    /// # Errors
    /// [`Malformed`]: the sender's fault.
    pub(crate) fn said<T>(&self) -> Result<T, Malformed>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        decode(&self.body)
    }

    /// The bytes that are signed, without what they are bound to.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The hash of what is said, which names it.
    pub(crate) fn id(&self) -> Hash {
        Hash::of(&self.body)
    }

    /// Checks that `signer` signed the body for this purpose. About 50 µs.
    ///
    /// # Errors
    /// [`SignatureError`]: the sender's fault.
    pub(crate) fn verify(&self, domain: &Domain, signer: NodeId) -> Result<(), SignatureError> {
        domain.signed_bytes(&self.body, |bytes| {
            signer.verify(domain.context, bytes, &self.signature)
        })
    }
}

/// Decodes what takes up all bytes and stands in its one encoding.
///
/// # Errors
/// [`Malformed`]: the sender's fault.
pub(crate) fn decode<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let what = "not the expected CBOR in its one form";
    bounded::from_bytes(bytes).map_err(|_| Malformed { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Domain = Domain::of("a purpose");

    fn identity() -> NodeIdentity {
        NodeIdentity::from_secret(&[7; 32])
    }

    #[test]
    fn the_form_is_an_array_of_what_is_said_and_a_signature_over_it() {
        let signed = Signed::sign(&identity(), &DOMAIN, &"hi");
        let signature = identity().sign("a purpose", &[0x62, b'h', b'i']);
        let head = [0x82, 0x43, 0x62, b'h', b'i', 0x58, 64];
        let bytes = [&head, &signature.as_bytes()[..]].concat();
        assert_eq!(signed.to_bytes(), bytes);
        assert_eq!(signed.id(), Hash::of(signed.body()));
        let read = Signed::from_bytes(&bytes, bytes.len()).unwrap();
        assert_eq!(read.said::<String>().unwrap(), "hi");
        assert_eq!(read.verify(&DOMAIN, identity().id()), Ok(()));
        let too_long = Signed::from_bytes(&bytes, bytes.len() - 1).unwrap_err();
        assert_eq!(too_long.what, "too long");
        assert!(read.said::<u64>().is_err());
    }

    #[test]
    fn a_signature_counts_for_its_signer_its_purpose_and_its_place_only() {
        let place = |number: u8| Domain::bound("a purpose", vec![number; 32]);
        let signed = Signed::sign(&identity(), &place(1), &"hi");
        let own = identity().id();
        assert_eq!(signed.verify(&place(1), own), Ok(()));
        for other in [place(2), Domain::of("a purpose"), Domain::of("another")] {
            assert!(signed.verify(&other, own).is_err());
        }
        let stranger = NodeIdentity::from_secret(&[8; 32]).id();
        assert!(signed.verify(&place(1), stranger).is_err());
        // What it is bound to goes before the body.
        let bytes = [&[1; 32][..], &[0x62, b'h', b'i']].concat();
        let signature = identity().sign("a purpose", &bytes);
        assert!(signed.to_bytes().ends_with(signature.as_bytes()));
    }
}
