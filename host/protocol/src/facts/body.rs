//! What facts of the built-in kinds state.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::bundle::{BundleHead, Place};
use crate::ids::{FactKind, NodeId};

use super::config::CERTIFICATE_LIFE_MAX;
use super::fact::{Fact, FactError};

/// The kind of a fact that says: this node is no member any more.
pub const NODE_REVOCATION: &str = "node-revocation";
/// The kind of a fact that says: modules of this publisher are no longer to be trusted.
pub const PUBLISHER_REVOCATION: &str = "publisher-revocation";
/// The kind of a fact that proves: this node signed two bundles for one place in a history.
pub const EQUIVOCATION: &str = "equivocation";

/// The longest reason of a revocation, in bytes.
pub const REASON_BYTES_MAX: usize = 256;

/// Whether a kind's meaning is part of the protocol. Also names that later versions may give one.
pub fn is_built_in(kind: &FactKind) -> bool {
    let kind = kind.as_str();
    kind == EQUIVOCATION || kind.ends_with("-revocation")
}

/// What a fact states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A node's sessions are to be closed, and it is to be kept out.
    NodeRevocation {
        /// The node.
        node: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// Modules that this node publishes are no longer to be trusted.
    PublisherRevocation {
        /// The publisher.
        publisher: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// A node signed two bundles for one place.
    Equivocation(Box<Equivocation>),
    /// Something of a declared kind.
    Declared,
}

/// Two bundles of one author for one place in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    /// Where, and who.
    pub place: Place,
    heads: WireProof,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct WireRevocation {
    #[n(0)]
    node: NodeId,
    #[n(1)]
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct WireProof {
    #[n(0)]
    first: BundleHead,
    #[n(1)]
    second: BundleHead,
}

impl Statement {
    /// Reads what a fact states, and checks what its kind demands except for proofs.
    pub(super) fn of(fact: &Fact) -> Result<Self, FactError> {
        match fact.kind.as_str() {
            NODE_REVOCATION => {
                let WireRevocation { node, reason } = revocation(fact)?;
                Ok(Self::NodeRevocation { node, reason })
            }
            PUBLISHER_REVOCATION => {
                let WireRevocation { node, reason } = revocation(fact)?;
                let publisher = node;
                Ok(Self::PublisherRevocation { publisher, reason })
            }
            EQUIVOCATION => Ok(Self::Equivocation(Box::new(Equivocation::of(&fact.body)?))),
            _ if is_built_in(&fact.kind) => Err(FactError::Malformed {
                what: "a kind of a later version",
            }),
            _ => Ok(Self::Declared),
        }
    }

    /// The body of a revocation, of a node or a publisher.
    ///
    /// # Errors
    /// [`FactError::Malformed`] if the reason is longer than [`REASON_BYTES_MAX`].
    pub fn revocation_body(node: NodeId, reason: &str) -> Result<Vec<u8>, FactError> {
        check_reason(reason)?;
        let reason = reason.to_owned();
        Ok(bounded::to_bytes(&WireRevocation { node, reason }))
    }

    /// The body of a proof that two bundles stand in one place. `None` if they do not, or are the
    /// same.
    pub fn equivocation_body(one: &BundleHead, other: &BundleHead) -> Option<Vec<u8>> {
        let mut heads = [one, other];
        heads.sort_by_key(|head| head.signed_hash());
        let [first, second] = heads.map(BundleHead::clone);
        let body = bounded::to_bytes(&WireProof { first, second });
        let equivocation = Equivocation::of(&body).ok()?;
        equivocation.prove().ok().map(|()| body)
    }

    /// Checks what a proof proves.
    pub(super) fn prove(&self) -> Result<(), FactError> {
        match self {
            Self::Equivocation(equivocation) => equivocation.prove(),
            _ => Ok(()),
        }
    }

    /// Whom it is about, if that is somebody.
    pub fn subject(&self) -> Option<NodeId> {
        match self {
            Self::NodeRevocation { node, .. } => Some(*node),
            Self::PublisherRevocation { publisher, .. } => Some(*publisher),
            Self::Equivocation(equivocation) => Some(equivocation.place.author),
            Self::Declared => None,
        }
    }
}

impl Equivocation {
    fn of(body: &[u8]) -> Result<Self, FactError> {
        let proof = |what| FactError::Proof { what };
        let heads: WireProof =
            bounded::from_bytes(body).map_err(|_| proof("not two beginnings of bundles"))?;
        let places = (heads.first.place(), heads.second.place());
        let (Some(place), Some(other)) = places else {
            return Err(proof("something that is no bundle"));
        };
        if place != other {
            return Err(proof("two bundles that may both be"));
        }
        if heads.first.signed_hash() >= heads.second.signed_hash() {
            return Err(proof("the same bundle twice, or the second first"));
        }
        Ok(Self { place, heads })
    }

    fn prove(&self) -> Result<(), FactError> {
        let author = &self.place.author;
        let heads = [&self.heads.first, &self.heads.second];
        match heads.iter().all(|head| head.verify(author).is_ok()) {
            true => Ok(()),
            false => Err(FactError::Proof {
                what: "a bundle that its author did not sign",
            }),
        }
    }
}

fn revocation(fact: &Fact) -> Result<WireRevocation, FactError> {
    let malformed = |what| FactError::Malformed { what };
    let wire: WireRevocation =
        bounded::from_bytes(&fact.body).map_err(|_| malformed("not the body of a revocation"))?;
    check_reason(&wire.reason)?;
    if Duration::from_millis(fact.ttl_ms) < CERTIFICATE_LIFE_MAX {
        return Err(malformed(
            "a revocation that expires before what it revokes",
        ));
    }
    Ok(wire)
}

fn check_reason(reason: &str) -> Result<(), FactError> {
    if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let what = "a reason that is too long or has control characters";
        return Err(FactError::Malformed { what });
    }
    Ok(())
}
