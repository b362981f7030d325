//! What a node does with facts for whoever uses it.

use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::facts::{
    CERTIFICATE_LIFE_MAX, Fact, KindRule, NODE_REVOCATION, PUBLISHER_REVOCATION, SignedFact,
    Statement, is_built_in,
};
use replicant_protocol::ids::{FactKind, NodeId};

use super::fact_board::{FactFilter, FactWatch};
use super::{Node, NodeError, Running};
use crate::network::PublishError;
use crate::storage::{General, Job};
use crate::vocabulary::RevocationInfo;
use crate::wall_clock::wall_ms;

/// What revokes a node, and whether it was made just now.
#[derive(Debug)]
pub(crate) struct Revoked {
    pub(crate) fact: Arc<SignedFact>,
    pub(crate) is_new: bool,
}

impl Node {
    /// Signs a fact as this node, stores it and tells everybody. Without a time to live: as long as
    /// its kind's declaration allows, or, for a built-in kind, ten years.
    ///
    /// # Errors
    /// [`NodeError::FactInvalid`] if it is not what its kind demands; [`NodeError::FactRefused`] if
    /// this node may not issue it, its kind is not declared, or there are too many;
    /// [`NodeError::Revoked`] if a fact keeps this node out, so that nobody would hear of it;
    /// [`NodeError::StorageFailed`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub async fn publish_fact(
        &self,
        kind: FactKind,
        body: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Arc<SignedFact>, NodeError> {
        let running = self.running_to_write()?;
        let declared = self.inner.config.fact_kinds.get(&kind);
        let declared = declared.filter(|_| !is_built_in(&kind));
        let longest = declared.map_or(CERTIFICATE_LIFE_MAX, |rule: &KindRule| rule.ttl_max);
        let ttl_ms = u64::try_from(ttl.unwrap_or(longest).as_millis()).unwrap_or(u64::MAX);
        let fact = Fact {
            kind,
            body,
            issuer: self.id(),
            issued_at_ms: wall_ms(),
            ttl_ms,
        };
        let invalid = |error: &dyn std::fmt::Display| NodeError::FactInvalid {
            reason: error.to_string(),
        };
        let fact = SignedFact::sign(fact, &running.identity).map_err(|error| invalid(&error))?;
        let id = fact.id();
        // On disk before anybody hears of it.
        let stored = General::Fact(id, fact.as_bytes().to_vec());
        running.writer.commit_async(Job::general(stored)).await?;
        let published = running.network.publish_fact(fact.clone()).await;
        if let Err(error) = published {
            let forgotten = Job::general(General::ForgetFact(id));
            running.writer.commit_async(forgotten).await?;
            return Err(match error {
                PublishError::Refused(refusal) => NodeError::FactRefused { refusal },
                PublishError::Busy(_) => NodeError::Busy {
                    queue: "the network driver's queue",
                },
            });
        }
        running.facts.write(&running.writer).await;
        Ok(Arc::new(fact))
    }

    /// Revokes a node: its sessions are closed everywhere and it is kept out. A node may revoke
    /// itself; others only if their configuration names this one an authority. If this node has
    /// revoked it before, that fact is given, and no other is made.
    ///
    /// # Errors
    /// As [`publish_fact`](Self::publish_fact); without a reason [`NodeError::FactInvalid`].
    pub async fn revoke_node(
        &self,
        node: NodeId,
        reason: &str,
    ) -> Result<Arc<SignedFact>, NodeError> {
        let revoked = self.revoke(NODE_REVOCATION, node, reason, None).await;
        Ok(revoked?.fact)
    }

    /// Revokes a publisher of modules; as [`revoke_node`](Self::revoke_node).
    ///
    /// # Errors
    /// As [`publish_fact`](Self::publish_fact).
    pub async fn revoke_publisher(
        &self,
        publisher: NodeId,
        reason: &str,
    ) -> Result<Arc<SignedFact>, NodeError> {
        let revoked = self.revoke(PUBLISHER_REVOCATION, publisher, reason, None);
        Ok(revoked.await?.fact)
    }

    /// Revokes a node, as such or as a publisher, unless this node has done so before, and for no
    /// shorter time.
    pub(crate) async fn revoke(
        &self,
        kind: &str,
        subject: NodeId,
        reason: &str,
        ttl: Option<Duration>,
    ) -> Result<Revoked, NodeError> {
        let invalid = |reason: String| NodeError::FactInvalid { reason };
        if reason.trim().is_empty() {
            return Err(invalid(
                "a revocation says why: it cannot be taken back, and people will ask".to_owned(),
            ));
        }
        let kind: FactKind = kind
            .parse()
            .map_err(|_| invalid(format!("no kind {kind}")))?;
        let body = Statement::revocation_body(subject, reason);
        let body = body.map_err(|error| invalid(error.to_string()))?;
        let until_ms = ttl.map(|ttl| {
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            wall_ms().saturating_add(ttl_ms)
        });
        let before = self
            .running()?
            .facts
            .revocation_by(&self.id(), &kind, &subject);
        let is_enough = |fact: &Arc<SignedFact>| {
            until_ms.is_none_or(|until_ms| fact.fact().expires_at_ms() >= until_ms)
        };
        if let Some(fact) = before.filter(is_enough) {
            return Ok(Revoked {
                fact,
                is_new: false,
            });
        }
        let fact = self.publish_fact(kind, body, ttl).await?;
        Ok(Revoked { fact, is_new: true })
    }

    /// Lists facts by id, at most `limit`.
    ///
    /// # Errors
    /// [`NodeError::ShuttingDown`].
    pub fn facts(
        &self,
        filter: &FactFilter,
        limit: usize,
    ) -> Result<Vec<Arc<SignedFact>>, NodeError> {
        Ok(self.running()?.facts.list(filter, limit))
    }

    /// The fact whose id begins so (8 digits or more).
    ///
    /// # Errors
    /// [`NodeError::UnknownFact`] if there is none, [`NodeError::AmbiguousFact`] if there are more.
    pub fn fact(&self, id: &str) -> Result<Arc<SignedFact>, NodeError> {
        self.running()?.facts.find(id)
    }

    /// Follows facts as they come and go, from now on.
    ///
    /// # Errors
    /// [`NodeError::ShuttingDown`].
    pub fn watch_facts(&self) -> Result<FactWatch, NodeError> {
        Ok(self.running()?.facts.watch())
    }

    /// Whether a fact says that a node is to be kept out.
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.running()
            .is_ok_and(|running| running.network.is_revoked(node))
    }

    /// The fact that keeps this node out of its cluster, if there is one and it knows of it.
    pub fn revocation(&self) -> Option<RevocationInfo> {
        let running = self.running().ok()?;
        if !running.network.is_revoked(&self.id()) {
            return None;
        }
        running.facts.revocation_of(&self.id())
    }

    /// The node's parts, for what others are to hear of: not if a fact keeps it out.
    pub(super) fn running_to_write(&self) -> Result<Arc<Running>, NodeError> {
        match self.revocation() {
            Some(fact) => Err(NodeError::Revoked(fact)),
            None => self.running(),
        }
    }
}
