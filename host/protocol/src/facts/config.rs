//! The limits of facts, and who may issue which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{FactKind, NodeId};
use crate::reconciliation;

use super::fact::BODY_BYTES_MAX;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The longest time to live of a fact: a hundred years. Part of the format.
pub const TTL_MAX: Duration = Duration::from_secs(DAY.as_secs() * 36_525);

/// The longest life that a certificate of membership will have, and so the shortest time to live of
/// a revocation: ten years. Keys have no end yet; who wants to keep one out for longer gives the
/// revocation a longer time.
pub const CERTIFICATE_LIFE_MAX: Duration = Duration::from_secs(DAY.as_secs() * 3_653);

/// Who may issue facts of a declared kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuers {
    /// Whoever has a key. Until nodes are admitted by certificate, that is everybody who reaches
    /// the cluster.
    Any,
    /// These.
    Listed(BTreeSet<NodeId>),
}

/// The declaration of a kind. Nodes that declare a kind differently keep different facts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindRule {
    /// Who may issue such facts.
    pub issuers: Issuers,
    /// The largest body, in bytes. At most [`BODY_BYTES_MAX`]. Default 4 KiB.
    pub body_bytes_max: usize,
    /// The longest time to live. At most [`TTL_MAX`]. Default 31 days.
    pub ttl_max: Duration,
}

impl Default for KindRule {
    fn default() -> Self {
        Self {
            issuers: Issuers::Any,
            body_bytes_max: 4 * 1024,
            ttl_max: DAY * 31,
        }
    }
}

/// The settings of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who may revoke others: nodes and publishers. Default nobody.
    pub authorities: BTreeSet<NodeId>,
    /// The declared kinds; names of built-in kinds count for nothing here, and at most
    /// [`KINDS_MAX`] are taken. Default none.
    pub kinds: BTreeMap<FactKind, KindRule>,
    /// How far a time of issue may be ahead of this node's clock. Default 60 s, as for updates.
    pub ahead_max: Duration,
    /// How many facts of declared kinds are kept in all; each kind gets an equal share. Beyond its
    /// share, the issuer with most bytes of the kind loses their oldest. Default 262,144, at
    /// about 700 bytes for a short fact.
    pub facts_max: usize,
    /// How many bytes of declared kinds are kept in all; as above. Default 256 MiB.
    pub bytes_max: usize,
    /// How many facts of one declared kind an issuer has; beyond, their oldest goes. Default
    /// 65,536.
    pub per_issuer_max: usize,
    /// How many revocations by authorities are kept; beyond, new ones are refused, for to forget
    /// one is to let somebody in again. Default 65,536.
    pub revocations_max: usize,
    /// How many revocations of nodes and of publishers by themselves, and proofs, are kept of each
    /// kind; beyond, the oldest of whoever has most goes. One node has at most four. Default
    /// 16,384.
    pub others_max: usize,
    /// How often facts are looked through for those that have expired. Default 1 s.
    pub expire_interval: Duration,
    /// The limits of comparing with peers.
    pub reconciliation: reconciliation::Config,
}

/// How many kinds can be declared.
pub const KINDS_MAX: usize = 64;

impl Default for Config {
    fn default() -> Self {
        Self {
            authorities: BTreeSet::new(),
            kinds: BTreeMap::new(),
            ahead_max: Duration::from_secs(60),
            facts_max: 262_144,
            bytes_max: 256 << 20,
            per_issuer_max: 65_536,
            revocations_max: 65_536,
            others_max: 16_384,
            expire_interval: Duration::from_secs(1),
            reconciliation: reconciliation::Config::default(),
        }
    }
}

impl Config {
    /// The settings with nonsense taken out.
    pub(super) fn within_range(mut self) -> Self {
        self.kinds.retain(|kind, _| !super::body::is_built_in(kind));
        while self.kinds.len() > KINDS_MAX {
            self.kinds.pop_last();
        }
        for rule in self.kinds.values_mut() {
            rule.body_bytes_max = rule.body_bytes_max.min(BODY_BYTES_MAX);
            rule.ttl_max = rule.ttl_max.min(TTL_MAX);
        }
        self.facts_max = self.facts_max.max(KINDS_MAX);
        self.per_issuer_max = self.per_issuer_max.max(1);
        self.expire_interval = self.expire_interval.max(Duration::from_millis(10));
        self
    }
}
