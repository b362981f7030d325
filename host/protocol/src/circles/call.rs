//! What is said of circles along the shared tree, signed by who says it.

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::NodeIdentity;
use crate::ids::{NodeId, TopicName};
use crate::membership::hyparview::Entry;
use crate::membership::parse_address;
use crate::signed::{self, Domain, Malformed, Signed};

const DOMAIN: Domain = Domain::of("replicant 2026-11 call for a circle");

const FORMAT: u8 = 1;

/// Of how many paths a call speaks at most.
pub const CALLED_PATHS_MAX: usize = 8;

/// The largest signed call, in bytes.
pub const CALL_BYTES_MAX: usize = 3 * 1024;

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Wish {
    /// Nothing: it listens, and others may know.
    #[n(0)]
    Listens,
    /// It listens and found nobody else that does: please answer.
    #[n(1)]
    Alone,
    /// It has something to say there: please answer.
    #[n(2)]
    Seeks,
    /// It listens and is not part of the circle: please use the shared tree.
    #[n(3)]
    Outside,
}

/// What a node says to all about paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who says it, and where it listens.
    pub caller: Entry,
    /// Grows with each start of the caller.
    pub start: u64,
    /// Counts the calls of this start.
    pub number: u64,
    /// What for.
    pub wish: Wish,
    /// Of which paths; 1 to [`CALLED_PATHS_MAX`].
    pub paths: Vec<TopicName>,
}

/// Why bytes are not a call. Always the sender's fault; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not the expected CBOR in its one form, or out of bounds.
    #[error("a malformed call for a circle: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The caller did not sign it.
    #[error("a call for a circle that {} did not sign", caller.short())]
    Signature {
        /// Who it says is calling.
        caller: NodeId,
    },
}

impl From<Malformed> for CallError {
    fn from(Malformed { what }: Malformed) -> Self {
        Self::Malformed { what }
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireCall {
    #[n(0)]
    format: u8,
    #[n(1)]
    node: NodeId,
    #[n(2)]
    address: String,
    #[n(3)]
    start: u64,
    #[n(4)]
    number: u64,
    #[n(5)]
    wish: Wish,
    #[cbor(n(6), decode_with = "bounded::vec::<_, TopicName, CALLED_PATHS_MAX>")]
    paths: Vec<TopicName>,
}

impl Call {
    /// Signs a call of this node; see `docs/overlay.md`.
    pub fn sign(&self, identity: &NodeIdentity) -> Vec<u8> {
        Signed::sign(identity, &DOMAIN, &self.wire()).to_bytes()
    }

    /// Decodes a call and checks its signature. Total over any bytes.
    ///
    /// # Errors
    /// [`CallError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CallError> {
        let signed = Signed::from_bytes(bytes, CALL_BYTES_MAX)?;
        let call = Self::from_wire(signed.said()?)?;
        let caller = call.caller.node;
        let verified = signed.verify(&DOMAIN, caller);
        verified.map_err(|_| CallError::Signature { caller })?;
        Ok(call)
    }

    /// What is signed.
    pub fn body(&self) -> Vec<u8> {
        bounded::to_bytes(&self.wire())
    }

    fn wire(&self) -> WireCall {
        WireCall {
            format: FORMAT,
            node: self.caller.node,
            address: self.caller.address.to_string(),
            start: self.start,
            number: self.number,
            wish: self.wish,
            paths: self.paths.clone(),
        }
    }

    /// Decodes what is signed, without any signature: where nobody lies.
    ///
    /// # Errors
    /// [`CallError::Malformed`]: the sender's fault.
    pub fn from_body(body: &[u8]) -> Result<Self, CallError> {
        Self::from_wire(signed::decode(body)?)
    }

    fn from_wire(wire: WireCall) -> Result<Self, CallError> {
        let malformed = |what| CallError::Malformed { what };
        if wire.format != FORMAT {
            return Err(malformed("unknown format"));
        }
        if wire.paths.is_empty() {
            return Err(malformed("it is about no path"));
        }
        let address = parse_address(&wire.address).map_err(malformed)?;
        let node = wire.node;
        Ok(Self {
            caller: Entry { node, address },
            start: wire.start,
            number: wire.number,
            wish: wire.wish,
            paths: wire.paths,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(identity: &NodeIdentity, paths: Vec<TopicName>) -> Call {
        let (node, address) = (identity.id(), "10.0.0.1:7400".parse().unwrap());
        Call {
            caller: Entry { node, address },
            start: u64::MAX,
            number: u64::MAX,
            wish: Wish::Outside,
            paths,
        }
    }

    #[test]
    fn a_call_is_read_back_if_its_caller_signed_it() {
        let identity = NodeIdentity::from_secret(&[7; 32]);
        let said = call(&identity, vec!["shop/eu".parse().unwrap()]);
        let bytes = said.sign(&identity);
        assert_eq!(Call::from_bytes(&bytes), Ok(said.clone()));
        let other = said.sign(&NodeIdentity::from_secret(&[8; 32]));
        let caller = identity.id();
        assert_eq!(
            Call::from_bytes(&other),
            Err(CallError::Signature { caller })
        );
        for cut in 0..bytes.len() {
            assert!(Call::from_bytes(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_call_is_about_some_paths_and_the_largest_fits() {
        let identity = NodeIdentity::from_secret(&[7; 32]);
        let longest = vec!["x".repeat(64); 3].join("/") + "/" + &"y".repeat(61);
        let longest: TopicName = longest.parse().unwrap();
        let (none, most) = (Vec::new(), vec![longest; CALLED_PATHS_MAX]);
        let too_many = [&most[..], &most[..1]].concat();
        for (paths, is_taken) in [(none, false), (most, true), (too_many, false)] {
            let bytes = call(&identity, paths).sign(&identity);
            assert_eq!(Call::from_bytes(&bytes).is_ok(), is_taken);
            assert!(bytes.len() <= CALL_BYTES_MAX);
        }
    }
}
