//! Whom to probe next, which probe is under way, and which run for others.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::seq::SliceRandom;

use crate::ids::NodeId;

/// Probes that run at once for one member. It probes one member a period, so more are not needed.
const RELAYS_PER_ASKER_MAX: usize = 8;

/// The probe of the present period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) target: NodeId,
    pub(super) sequence: u32,
    /// When others are asked; `None` once they were.
    pub(super) indirect_at: Option<Duration>,
    /// Who was asked.
    pub(super) helpers: Vec<NodeId>,
    pub(super) is_answered: bool,
}

/// A probe run for another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relay {
    pub(super) asker: NodeId,
    pub(super) asker_sequence: u32,
    pub(super) target: NodeId,
    pub(super) until: Duration,
}

/// Order and state of probes.
#[derive(Debug)]
pub(super) struct Probing {
    /// Whom to probe in this round, the next one last.
    round: Vec<NodeId>,
    pub(super) current: Option<Probe>,
    relays: BTreeMap<u32, Relay>,
    next_sequence: u32,
    relays_max: usize,
}

impl Probing {
    pub(super) fn new(relays_max: usize, rng: &mut impl Rng) -> Self {
        Self {
            round: Vec::new(),
            current: None,
            relays: BTreeMap::new(),
            next_sequence: rng.next_u32(),
            relays_max,
        }
    }

    /// A number that no probe of the last 2^32 had.
    pub(super) fn sequence(&mut self) -> u32 {
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.next_sequence
    }

    /// The next of `present` in a random order in which each comes once (section 4.3): so a crash
    /// is probed after at most twice as many periods as there are members.
    pub(super) fn next_target(&mut self, present: &[NodeId], rng: &mut impl Rng) -> Option<NodeId> {
        loop {
            match self.round.pop() {
                Some(node) if present.binary_search(&node).is_ok() => return Some(node),
                Some(_) => {}
                None if present.is_empty() => return None,
                None => {
                    self.round = present.to_vec();
                    self.round.shuffle(rng);
                }
            }
        }
    }

    /// Puts a newcomer somewhere into the present round.
    pub(super) fn add(&mut self, node: NodeId, rng: &mut impl Rng) {
        use rand::RngExt;
        let index = rng.random_range(0..=self.round.len());
        self.round.insert(index, node);
    }

    /// Makes `node` the next target.
    pub(super) fn prefer(&mut self, node: NodeId) {
        self.round.retain(|other| *other != node);
        self.round.push(node);
    }

    /// Remembers a probe for another member. `None` if too many are under way.
    pub(super) fn add_relay(&mut self, relay: Relay) -> Option<u32> {
        let of_asker = self.relays.values().filter(|of| of.asker == relay.asker);
        if self.relays.len() >= self.relays_max || of_asker.count() >= RELAYS_PER_ASKER_MAX {
            return None;
        }
        let sequence = self.sequence();
        self.relays.insert(sequence, relay);
        Some(sequence)
    }

    /// The probe for another that this answer of `from` belongs to.
    pub(super) fn take_relay(&mut self, sequence: u32, from: NodeId) -> Option<Relay> {
        let relay = self.relays.get(&sequence)?;
        if relay.target != from {
            return None;
        }
        self.relays.remove(&sequence)
    }

    pub(super) fn expire_relays(&mut self, now: Duration) {
        self.relays.retain(|_, relay| relay.until > now);
    }

    #[cfg(test)]
    pub(super) fn relays_count(&self) -> usize {
        self.relays.len()
    }
}
