//! Whom to probe next, which probe is under way, and which run for others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use rand::seq::SliceRandom;

use crate::ids::NodeId;

use super::table::{Entry, Table};

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
    /// Who of them said that there is no answer.
    pub(super) nacks: BTreeSet<NodeId>,
    pub(super) is_answered: bool,
}

/// A probe run for another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relay {
    pub(super) asker: NodeId,
    pub(super) asker_sequence: u32,
    pub(super) target: NodeId,
    /// When the asker is told that there is no answer so far; `None` once it was.
    pub(super) nack_at: Option<Duration>,
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

    /// The next of those present in a random order in which each comes once (section 4.3): so a
    /// crash is probed after at most twice as many periods as there are members.
    pub(super) fn next_target(&mut self, table: &Table, rng: &mut impl Rng) -> Option<NodeId> {
        let is_present = |node| table.get(node).is_some_and(Entry::is_present);
        loop {
            match self.round.pop() {
                Some(node) if is_present(node) => return Some(node),
                Some(_) => {}
                None if table.present_count() == 0 => return None,
                None => {
                    let present = table.present();
                    self.round = present.map(|entry| entry.record.node).collect();
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

    /// Whom to tell that there is no answer so far: (asker, its number).
    pub(super) fn take_nacks(&mut self, now: Duration) -> Vec<(NodeId, u32)> {
        let relays = self.relays.values_mut();
        let due = relays.filter(|relay| relay.nack_at.is_some_and(|at| at <= now));
        due.map(|relay| {
            relay.nack_at = None;
            (relay.asker, relay.asker_sequence)
        })
        .collect()
    }

    /// When somebody has to be told next.
    pub(super) fn next_nack(&self) -> Option<Duration> {
        self.relays.values().filter_map(|relay| relay.nack_at).min()
    }

    pub(super) fn expire_relays(&mut self, now: Duration) {
        self.relays.retain(|_, relay| relay.until > now);
    }

    #[cfg(test)]
    pub(super) fn relays_count(&self) -> usize {
        self.relays.len()
    }
}
