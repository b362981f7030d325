//! Facts: immutable signed statements that spread to everyone, and expire.
//!
//! Guarantees: a fact that is kept was signed by its issuer, who may issue that kind here; nodes
//! with the same configuration come to keep the same facts; a node that is revoked
//! ([`State::is_revoked`]) stays so until the fact that says it expires, which is never before
//! what it revokes does.
//!
//! A [`Fact`] has a kind, a body, an issuer, a time of issue and a time to live; its id is the hash
//! of what is signed. It goes out by broadcast ([`OutEvent::Broadcast`]; the driver carries it),
//! and peers find by [`reconciliation`](crate::reconciliation) what that missed: the element of a
//! fact is (time of expiry, id), so what has expired lies below a floor and is not compared.
//!
//! *Kinds.* Three are built in ([`Statement`]): a node is revoked, a publisher of modules is
//! revoked, a replica wrote two histories. Others are declared ([`KindRule`]), for now by each
//! node's configuration; when there is a cluster's authority, by what it signs. A fact of a kind
//! that is not declared here is not taken and not passed on.
//!
//! *Who may issue.* A revocation: whom [`Config::authorities`] names, and the revoked one itself (a
//! key that was stolen can only be used to shut itself out). A proof: anybody, since it proves
//! itself. A declared kind: whom its rule names.
//!
//! *Time.* A fact expires at its time of issue and its time to live, by the clock of each node. A
//! fact from the future, beyond [`Config::ahead_max`], is refused for now: a clock can only
//! delay.
//!
//! *Bounds.* What happens when there are too many facts is written in [`Config`]: of a declared
//! kind, whoever has most loses their oldest, so that a flood drowns itself; revocations by
//! authorities are never pushed out, and nobody else's facts count against them.
//!
//! *Configurations that differ.* A fact that this node's configuration refuses is counted, said
//! once for each kind and peer ([`OutEvent::Refused`]), and remembered until it expires: comparing
//! takes it for known, or it would come again each time. It is not given to others; one that lacks
//! it gets it from whoever keeps it.
//!
//! Not here: what follows from a fact (the driver closes sessions), storage, and certificates.

mod body;
mod config;
mod fact;
mod message;
mod refused;
mod shelf;
mod state;
mod store;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::ids::{FactKind, Hash, NodeId};

pub use body::{
    EQUIVOCATION, NODE_REVOCATION, PUBLISHER_REVOCATION, REASON_BYTES_MAX, Statement, is_built_in,
};
pub use config::{CERTIFICATE_LIFE_MAX, Config, Issuers, KINDS_MAX, KindRule, TTL_MAX};
pub use fact::{BODY_BYTES_MAX, Fact, FactError, SIGNED_BYTES_MAX, SignedFact};
pub use message::{MESSAGE_BYTES_MAX, Message, MessageError};
pub use state::{Counts, State};

/// Why a fact that may be well-formed is not taken here. Nobody's fault as far as this node can
/// tell: clocks and configurations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// The kind is not declared here.
    #[error("its kind is not declared on this node")]
    UnknownKind,
    /// The issuer may not issue this kind.
    #[error("its issuer may not issue this kind, says this node's configuration")]
    Unauthorised,
    /// The body is larger than the kind's rule has it.
    #[error("its body is larger than its kind allows on this node")]
    BodyLength,
    /// The time to live is longer than the kind's rule has it.
    #[error("its time to live is longer than its kind allows on this node")]
    Ttl,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is from the future.
    #[error("its time of issue is ahead of this node's clock by more than is accepted")]
    Ahead,
    /// There is no room for it.
    #[error("no room for it: the kind or its issuer has as many facts as are kept")]
    Full,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::UnknownKind,
        Self::Unauthorised,
        Self::BodyLength,
        Self::Ttl,
        Self::Expired,
        Self::Ahead,
        Self::Full,
    ];

    /// Whether this node's configuration is why. Then the same fact is refused again, whenever it
    /// comes.
    pub fn is_of_configuration(self) -> bool {
        match self {
            Self::UnknownKind | Self::Unauthorised | Self::BodyLength | Self::Ttl => true,
            Self::Expired | Self::Ahead | Self::Full => false,
        }
    }
}

/// Why a fact is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its time is over.
    Expired,
    /// Others took its place: a bound is reached.
    Displaced,
    /// The configuration of this node no longer lets it in.
    Refused,
}

/// What the driver has to do, or may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message in the session with `to`; drop it if there is none.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Broadcast these bytes to everyone; those who get them call [`State::on_broadcast`].
    Broadcast(Arc<[u8]>),
    /// A fact became known. Store it, so that [`State::restore`] gets it after a restart.
    Learned(Arc<SignedFact>),
    /// A fact is no longer kept. Take it out of storage.
    Forgotten {
        /// Its id.
        id: Hash,
        /// Why.
        end: End,
    },
    /// A node is revoked: close its sessions and refuse further ones. Also after
    /// [`State::restore`].
    Revoked(NodeId),
    /// The last fact that revokes a node has expired.
    Reinstated(NodeId),
    /// A peer gave a fact that this node's configuration refuses, so it seems to have another one.
    /// Once for each kind and peer, of a bounded number.
    Refused {
        /// Who.
        from: NodeId,
        /// Of which kind it is.
        kind: FactKind,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// A peer named facts and did not send them.
    Unserved {
        /// Who.
        peer: NodeId,
        /// How many.
        count: u32,
    },
}
