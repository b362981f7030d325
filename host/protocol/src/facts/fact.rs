//! A fact, and a fact with its signature.

use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::identity::NodeIdentity;
use crate::ids::{FactKind, Hash, NodeId};
use crate::reconciliation::Key;
use crate::signed::{Domain, Malformed, Signed};

use super::body::Statement;
use super::config::TTL_MAX;

const DOMAIN: Domain = Domain::of("replicant 2026-11 fact");
const FORMAT: u8 = 1;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The largest fact with its signature, in bytes.
pub const SIGNED_BYTES_MAX: usize = BODY_BYTES_MAX + 512;

/// Times are milliseconds that fit into 48 bits, as in hybrid timestamps.
const TIME_MS_MAX: u64 = (1 << 48) - 1;

/// A statement that does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What kind of statement it is: says how the body is read, and who may issue it.
    pub kind: FactKind,
    /// What it says; at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Who says so.
    pub issuer: NodeId,
    /// When, by the issuer's clock, in milliseconds since 1970; below 2^48.
    pub issued_at_ms: u64,
    /// How long it counts, in milliseconds from then; at least 1, at most [`TTL_MAX`].
    pub ttl_ms: u64,
}

impl Fact {
    /// When it expires, in milliseconds since 1970.
    pub fn expires_at_ms(&self) -> u64 {
        self.issued_at_ms.saturating_add(self.ttl_ms)
    }

    fn check(&self) -> Result<(), FactError> {
        let malformed = |what| Err(FactError::Malformed { what });
        let ttl_ms_max = Duration::as_millis(&TTL_MAX) as u64;
        if self.body.len() > BODY_BYTES_MAX {
            return malformed("a body that is too long");
        }
        if self.issued_at_ms > TIME_MS_MAX {
            return malformed("a time beyond all clocks");
        }
        if self.ttl_ms == 0 || self.ttl_ms > ttl_ms_max {
            return malformed("a time to live out of range");
        }
        Ok(())
    }
}

/// Why bytes are not a fact, or a fact is not what its kind demands. The fault of whoever sent it:
/// correct nodes check what they pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Not the expected CBOR, not its shortest form, or a value out of range.
    #[error("a malformed fact: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The issuer did not sign it.
    #[error("a fact that {issuer} did not sign")]
    Signature {
        /// Who is named.
        issuer: NodeId,
    },
    /// It does not prove what it says.
    #[error("a proof that proves nothing: {what}")]
    Proof {
        /// What is wrong.
        what: &'static str,
    },
}

impl From<Malformed> for FactError {
    fn from(Malformed { what }: Malformed) -> Self {
        Self::Malformed { what }
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBody {
    #[n(0)]
    format: u8,
    #[n(1)]
    kind: FactKind,
    #[n(2)]
    body: ByteVec,
    #[n(3)]
    issuer: NodeId,
    #[n(4)]
    issued_at_ms: u64,
    #[n(5)]
    ttl_ms: u64,
}

/// A fact with its signature. It is well-formed; whether the signature holds and a proof proves
/// says [`verify`](SignedFact::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFact {
    fact: Fact,
    statement: Statement,
    bytes: Arc<[u8]>,
    id: Hash,
}

impl SignedFact {
    /// Signs a fact as its issuer.
    ///
    /// # Errors
    /// [`FactError`] if the issuer is not the signer, a value is out of range, or the body is not
    /// what the kind demands: the caller's misuse.
    pub fn sign(fact: Fact, identity: &NodeIdentity) -> Result<Self, FactError> {
        if fact.issuer != identity.id() {
            let what = "signed by another than its issuer";
            return Err(FactError::Malformed { what });
        }
        fact.check()?;
        let statement = Statement::of(&fact)?;
        statement.prove()?;
        let wire = WireBody {
            format: FORMAT,
            kind: fact.kind.clone(),
            body: fact.body.clone().into(),
            issuer: fact.issuer,
            issued_at_ms: fact.issued_at_ms,
            ttl_ms: fact.ttl_ms,
        };
        let signed = Signed::sign(identity, &DOMAIN, &wire);
        Ok(Self {
            fact,
            statement,
            bytes: signed.to_bytes().into(),
            id: signed.id(),
        })
    }

    /// Decodes a fact. Total over any bytes. The signature is not looked at.
    ///
    /// # Errors
    /// [`FactError`]: the sender's fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, FactError> {
        let malformed = |what| FactError::Malformed { what };
        let signed = Signed::from_bytes(bytes, SIGNED_BYTES_MAX)?;
        let wire: WireBody = signed.said()?;
        if wire.format != FORMAT {
            return Err(malformed("unknown format"));
        }
        let fact = Fact {
            kind: wire.kind,
            body: wire.body.into(),
            issuer: wire.issuer,
            issued_at_ms: wire.issued_at_ms,
            ttl_ms: wire.ttl_ms,
        };
        fact.check()?;
        Ok(Self {
            statement: Statement::of(&fact)?,
            fact,
            bytes: bytes.into(),
            id: signed.id(),
        })
    }

    /// Checks the signature, and the proof if it is one. 50 µs, 150 µs for a proof.
    ///
    /// # Errors
    /// [`FactError::Signature`], [`FactError::Proof`]: the fault of whoever sent it.
    pub fn verify(&self) -> Result<(), FactError> {
        let issuer = self.fact.issuer;
        let signed = Signed::from_bytes(&self.bytes, SIGNED_BYTES_MAX)?;
        let verified = signed.verify(&DOMAIN, issuer);
        verified.map_err(|_| FactError::Signature { issuer })?;
        self.statement.prove()
    }

    /// The bytes that [`decode`](SignedFact::decode) takes.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What was signed.
    pub fn fact(&self) -> &Fact {
        &self.fact
    }

    /// What it states, if it is of a built-in kind.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Its id: the hash of what is signed.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// Where it stands in the set of all facts: by the time at which it expires.
    pub(super) fn key(&self) -> Key {
        Key {
            timestamp: self.fact.expires_at_ms(),
            id: self.id,
        }
    }

    /// How much memory it takes, about.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.fact.body.len() + 300
    }
}
