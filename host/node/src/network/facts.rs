//! Facts between the driver, the sessions and the node.

use std::time::{Duration, SystemTime};

use rand_chacha::ChaCha20Rng;
use replicant_protocol::facts;
use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::{Membership as _, Status};
use replicant_protocol::wire::{self, Payload};

use super::config::NetworkConfig;
use super::driver::Driver;
use super::events::FactEvent;
use super::outbox::Lane;
use crate::wall_clock::wall_ms;

impl Driver {
    /// A peer says something about facts.
    pub(super) fn on_fact_message(&mut self, now: Duration, from: NodeId, message: facts::Message) {
        let rng = &mut self.rng;
        if let Err(error) = self.facts.on_message(now, wall_ms(), from, message, rng) {
            self.punish(from, &error);
        }
    }

    /// Does what the protocol of facts wants done.
    pub(super) fn on_fact(&mut self, now: Duration, event: facts::OutEvent) {
        let event = match event {
            facts::OutEvent::Send { to, message } => {
                let bytes = wire::Message::from(message).to_bytes();
                self.shared.send(&to, Lane::Data, bytes);
                return;
            }
            facts::OutEvent::Broadcast(bytes) => {
                let payload = Payload::Fact(&bytes).to_bytes().into();
                if let Err(error) = self.overlays.broadcast_at_once(now, payload) {
                    tracing::warn!("a fact is not broadcast: {error}");
                }
                return;
            }
            facts::OutEvent::Refused {
                from,
                kind,
                refusal,
            } => {
                tracing::warn!(
                    %kind,
                    from = %from.short(),
                    "facts of a kind are refused here that another node takes: {refusal}; give \
                     all nodes the same --fact-kind and --authority. This is said once for each \
                     kind and node; facts_refused_total counts them"
                );
                return;
            }
            facts::OutEvent::Unserved { peer, count } => {
                tracing::debug!(peer = %peer.short(), count, "facts that were named did not come");
                return;
            }
            facts::OutEvent::Revoked(node) => {
                self.keep_out(node);
                self.overlays.topics.handle_revoked(node, true);
                FactEvent::Revoked(node)
            }
            facts::OutEvent::Reinstated(node) => {
                self.shared.let_in(&node);
                self.overlays.topics.handle_revoked(node, false);
                self.tell_member_again(&node);
                tracing::info!(node = %node, "the revocation of a node has expired");
                return;
            }
            facts::OutEvent::Learned(fact) => {
                warn_of(self.shared.id(), &fact);
                FactEvent::Learned(fact)
            }
            facts::OutEvent::Forgotten { id, end } => FactEvent::Forgotten { id, end },
        };
        self.shared.events.fact(event);
    }
}

impl Driver {
    /// Keeps a node out from now on. If it is connected it is told why: from whom should it hear of
    /// that later?
    fn keep_out(&self, node: NodeId) {
        let notice = || {
            let fact = revocations_of(&self.facts, node).next()?.0;
            let items = vec![fact.as_bytes().to_vec()];
            Some(wire::Message::from(facts::Message::Facts { items }).to_bytes())
        };
        self.shared.keep_out(node, notice);
    }

    /// What a node subscribes to counts again.
    fn tell_member_again(&mut self, node: &NodeId) {
        let members = self.membership.members();
        let member = members.iter().find(|member| member.node == *node);
        if let Some(member) = member.filter(|member| member.status == Status::Alive) {
            self.handle_member_known(member);
        }
    }
}

/// The state of facts, with those of an earlier run.
pub(super) fn restored_facts(
    config: &NetworkConfig,
    now: Duration,
    rng: &mut ChaCha20Rng,
) -> facts::State {
    let mut state = facts::State::new(config.facts.clone(), now, rng);
    for bytes in &config.kept_facts {
        if let Err(error) = state.restore(bytes, wall_ms()) {
            tracing::error!(%error, "a stored fact is passed over");
        }
    }
    let own = config.identity.id();
    if state.is_revoked(&own) {
        // One is reason enough.
        if let Some((fact, reason)) = revocations_of(&state, own).next() {
            say_revoked(fact, reason);
        }
    }
    state
}

/// The facts that revoke a node, each with its reason.
fn revocations_of(
    state: &facts::State,
    of: NodeId,
) -> impl Iterator<Item = (&facts::SignedFact, &str)> {
    let facts = state.facts().map(|fact| (fact, fact.statement()));
    facts.filter_map(move |(fact, says)| match says {
        facts::Statement::NodeRevocation { node, reason } if *node == of => {
            Some((&**fact, reason.as_str()))
        }
        _ => None,
    })
}

/// Says that this node is kept out, by whom, since when, why, and what to do.
fn say_revoked(fact: &facts::SignedFact, reason: &str) {
    let fact = fact.fact();
    tracing::error!(
        reason,
        by = %fact.issuer,
        at = %date(fact.issued_at_ms),
        until = %date(fact.expires_at_ms()),
        "this node is revoked: the others close their sessions with it and keep it out \
         for as long as the fact counts; what it holds can still be read here, and what \
         it writes reaches nobody; to take part again, make a new node with \
         `replicant init` and join the cluster with it",
    );
}

/// Milliseconds since 1970 as a date; the last that there is for what lies behind it.
fn date(at_ms: u64) -> String {
    /// The end of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let since = Duration::from_secs((at_ms / 1_000).min(LAST));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)
}

/// Says in the log what a person has to act on.
fn warn_of(own: NodeId, fact: &facts::SignedFact) {
    match fact.statement() {
        facts::Statement::Equivocation(found) => {
            let (author, topic) = (found.place.author, &found.place.topic);
            tracing::error!(%author, %topic, "a node is proven to have signed two histories");
        }
        facts::Statement::PublisherRevocation { publisher, reason } => {
            tracing::warn!(%publisher, reason, "a publisher of modules is revoked");
        }
        facts::Statement::NodeRevocation { node, reason } if *node == own => {
            say_revoked(fact, reason);
        }
        facts::Statement::NodeRevocation { node, reason } => {
            let by = fact.fact().issuer;
            tracing::warn!(%node, reason, %by, "a node is revoked, and kept out from now on");
        }
        facts::Statement::Declared => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_date() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
