//! Probes: whom, how long, and what an answer or its lack means (SWIM section 3.1; Lifeguard
//! section IV-A).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::ids::NodeId;

use super::probing::{Probe, Relay};
use super::table::Entry;
use super::{Message, Swim};

impl Swim {
    pub(super) fn answer(&mut self, now: Duration, to: NodeId, sequence: u32) {
        if let Some(address) = self.address_of(to) {
            let period = self.config.probe_interval;
            let gossip = match self.sessions.may_carry_news(now, to, period) {
                true => self.gossip_for(to),
                false => Vec::new(),
            };
            self.send(to, address, Message::Ack { sequence, gossip });
        }
    }

    pub(super) fn on_indirect_ping(
        &mut self,
        now: Duration,
        asker: NodeId,
        sequence: u32,
        target: NodeId,
    ) {
        let entry = self.table.get(target).filter(|entry| entry.is_present());
        let Some(address) = entry.map(|entry| entry.record.address) else {
            return self.nack(asker, sequence);
        };
        let relay = Relay {
            asker,
            asker_sequence: sequence,
            target,
            nack_at: Some(now + self.config.probe_timeout * 3 / 4),
            until: now + self.config.probe_interval,
        };
        let Some(sequence) = self.probing.add_relay(relay) else {
            self.counts.ignored_requests_count += 1;
            return;
        };
        let gossip = self.gossip_for(target);
        self.send(target, address, Message::Ping { sequence, gossip });
    }

    /// Says that a probe run for another has no answer, so that the asker knows that this is not
    /// its own fault.
    fn nack(&mut self, asker: NodeId, sequence: u32) {
        if self.config.lifeguard.local_health
            && let Some(address) = self.address_of(asker)
        {
            self.send(asker, address, Message::Nack { sequence });
        }
    }

    pub(super) fn send_nacks(&mut self, now: Duration) {
        for (asker, sequence) in self.probing.take_nacks(now) {
            self.nack(asker, sequence);
        }
    }

    pub(super) fn on_nack(&mut self, from: NodeId, sequence: u32) {
        if let Some(probe) = &mut self.probing.current
            && probe.sequence == sequence
            && probe.helpers.contains(&from)
        {
            probe.nacks.insert(from);
        }
    }

    pub(super) fn on_ack(&mut self, now: Duration, from: NodeId, sequence: u32) {
        if let Some(relay) = self.probing.take_relay(sequence, from) {
            self.answer(now, relay.asker, relay.asker_sequence);
            return;
        }
        if let Some(probe) = &mut self.probing.current {
            let is_asked = probe.target == from || probe.helpers.contains(&from);
            if probe.sequence == sequence && is_asked {
                probe.is_answered = true;
            }
        }
    }

    /// Shifts all deadlines if this node itself stalled. A period of lateness or more cannot come
    /// from a timer's usual delay.
    pub(super) fn forgive_own_stall(&mut self, now: Duration) {
        let late = now.saturating_sub(self.period_end);
        if late < self.config.probe_interval || !self.config.forgives_own_stall {
            return;
        }
        for suspicion in self.suspicions.values_mut() {
            suspicion.put_off(late);
        }
        // The probe of that period proves nothing.
        self.probing.current = None;
    }

    /// Asks others to try, if the direct probe takes too long (section 3.1).
    pub(super) fn probe_indirectly(&mut self, now: Duration, rng: &mut impl Rng) {
        let due = |probe: &&Probe| probe.indirect_at.is_some_and(|at| at <= now);
        let Some(probe) = self.probing.current.as_ref().filter(due) else {
            return;
        };
        let (target, sequence, is_answered) = (probe.target, probe.sequence, probe.is_answered);
        let others = self
            .table
            .present()
            .filter(|entry| entry.record.node != target);
        let count = if is_answered {
            0
        } else {
            self.config.indirect_probes_count
        };
        let helpers = chosen(others, count, rng);
        for (helper, address) in &helpers {
            let gossip = self.gossip_for(*helper);
            let message = Message::IndirectPing {
                sequence,
                target,
                gossip,
            };
            self.send(*helper, *address, message);
        }
        if let Some(probe) = &mut self.probing.current {
            probe.indirect_at = None;
            probe.helpers = helpers.into_iter().map(|(helper, _)| helper).collect();
        }
    }

    /// Judges the probe of the period that ends and begins the next.
    pub(super) fn end_period(&mut self, now: Duration, rng: &mut impl Rng) {
        if let Some(probe) = self.probing.current.take() {
            self.judge(now, &probe);
        }
        self.period_end = now + self.config.probe_interval * self.health.factor();
        self.probing.expire_relays(now);
        self.accusers.forget_quiet(now, self.config.probe_interval);
        let target = self.probing.next_target(&self.table, rng);
        let Some((target, address)) = target.and_then(|node| Some((node, self.address_of(node)?)))
        else {
            return;
        };
        let sequence = self.probing.sequence();
        let gossip = self.gossip_for(target);
        self.send(target, address, Message::Ping { sequence, gossip });
        self.probing.current = Some(Probe {
            target,
            sequence,
            indirect_at: Some(now + self.config.probe_timeout * self.health.factor()),
            helpers: Vec::new(),
            nacks: BTreeSet::new(),
            is_answered: false,
        });
    }

    /// Counts time for reliability, and forgets who is gone for long. Looks at every member, so now
    /// and then is often enough.
    pub(super) fn keep_house(&mut self, now: Duration) {
        self.table.observe(now, self.config.reliability_half_life);
        let retention = self.config.dead_retention;
        if let Some(before) = now.checked_sub(retention) {
            self.table.forget_absent(before);
        }
    }

    /// What a probe says of its target, and of this node: helpers that did not even say that there
    /// was no answer point to this node, as does a failure when there was nobody to ask.
    fn judge(&mut self, now: Duration, probe: &Probe) {
        if let Some(entry) = self.table.get_mut(probe.target) {
            entry.observed.probe(probe.is_answered);
        }
        if probe.is_answered {
            return self.health.improve();
        }
        self.counts.failed_probes_count += 1;
        let missing = match probe.helpers.len() {
            0 => 1,
            asked => asked.saturating_sub(probe.nacks.len()),
        };
        self.health.worsen(missing as u32);
        self.accuse(now, probe.target);
    }

    /// Sends news to a few without waiting for their turn to be probed.
    pub(super) fn send_news(&mut self, now: Duration, rng: &mut impl Rng) {
        self.gossip.take_news();
        self.gossip_at = now + self.config.gossip_interval;
        let count = self.config.gossip_fanout_count;
        for (node, address) in chosen(self.table.present(), count, rng) {
            let gossip = self.gossip_for(node);
            if !gossip.is_empty() {
                self.send(node, address, Message::Gossip { gossip });
            }
        }
    }
}

/// At most `count` of the candidates, chosen at random.
pub(super) fn chosen<'a>(
    candidates: impl Iterator<Item = &'a Entry>,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<(NodeId, SocketAddr)> {
    let mut all: Vec<(NodeId, SocketAddr)> = candidates
        .map(|entry| (entry.record.node, entry.record.address))
        .collect();
    all.partial_shuffle(rng, count).0.to_vec()
}

/// A random part of an interval.
pub(super) fn share_of(interval: Duration, rng: &mut impl Rng) -> Duration {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(0..=millis))
}

/// An interval, a quarter shorter to a quarter longer.
pub(super) fn varied(interval: Duration, rng: &mut impl Rng) -> Duration {
    interval - interval / 4 + share_of(interval / 2, rng)
}
