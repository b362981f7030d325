//! Who says that a member does not answer, signed.

use std::sync::{Arc, OnceLock};

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::identity::{NodeIdentity, Signature, SignatureError};
use crate::ids::NodeId;

/// How many accusations of one member are kept and passed on: the first, and as many
/// confirmations as ever shorten a suspicion.
pub const ACCUSATIONS_MAX: usize = 4;

const CONTEXT: &str = "replicant 2026-11 accusation";

/// One member's word that another does not answer. It holds for one incarnation of the accused.
/// Signed, so that nobody accuses in another's name: accusers can be counted, and each is held to
/// how many members one can honestly find unreachable at once. Cheap to clone; clones share that
/// the signature was checked.
#[derive(Debug, Clone)]
pub struct Accusation(Arc<Signed>);

#[derive(Debug)]
struct Signed {
    accuser: NodeId,
    signature: Signature,
    /// Whom and which incarnation it was found to be right for.
    verified: OnceLock<(NodeId, u64)>,
}

/// What is signed, as CBOR.
#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBody {
    #[n(0)]
    accused: NodeId,
    #[n(1)]
    incarnation: u64,
}

impl PartialEq for Accusation {
    fn eq(&self, other: &Self) -> bool {
        self.accuser() == other.accuser() && self.signature() == other.signature()
    }
}

impl Eq for Accusation {}

impl Accusation {
    /// Accuses a member in this incarnation.
    pub fn sign(identity: &NodeIdentity, accused: NodeId, incarnation: u64) -> Self {
        let signature = identity.sign(CONTEXT, &body(accused, incarnation));
        Self::from_parts(identity.id(), signature)
    }

    /// An accusation as a peer passed it on, not verified.
    pub fn from_parts(accuser: NodeId, signature: Signature) -> Self {
        Self(Arc::new(Signed {
            accuser,
            signature,
            verified: OnceLock::new(),
        }))
    }

    /// Who accuses.
    pub fn accuser(&self) -> NodeId {
        self.0.accuser
    }

    /// Over the accused and its incarnation, by the accuser's key.
    pub fn signature(&self) -> Signature {
        self.0.signature
    }

    /// Checks that the accuser made it about `accused` in this incarnation. About 50 µs the first
    /// time.
    ///
    /// # Errors
    /// [`SignatureError`]: the fault of whoever passed it on, since correct nodes check first.
    pub fn verify(&self, accused: NodeId, incarnation: u64) -> Result<(), SignatureError> {
        if self.0.verified.get() == Some(&(accused, incarnation)) {
            return Ok(());
        }
        let body = body(accused, incarnation);
        self.0.accuser.verify(CONTEXT, &body, &self.0.signature)?;
        // A signature is right for one body only.
        let _ = self.0.verified.set((accused, incarnation));
        Ok(())
    }
}

fn body(accused: NodeId, incarnation: u64) -> Vec<u8> {
    bounded::to_bytes(&WireBody {
        accused,
        incarnation,
    })
}
