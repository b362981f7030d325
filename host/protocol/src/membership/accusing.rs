//! Suspicion: who accuses whom, and what comes of it (SWIM section 4.2; Lifeguard section IV-B).

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::NodeId;

use super::suspicion::Suspicion;
use super::{ACCUSATIONS_MAX, Accusation, Message, MessageError, Rumour, Status, Swim};

/// How many members probe a suspect out of turn, on average, for each confirmation that is wanted.
/// With 3 of 3 fewer than three do once in 160 times.
const WITNESSES_PER_CONFIRMATION: usize = 3;

impl Swim {
    /// A member answered nobody whom this node had ask: accuses it, or joins those who do. It hears
    /// of it first.
    pub(super) fn accuse(&mut self, now: Duration, node: NodeId) {
        let Some(entry) = self.table.get(node).filter(|entry| entry.is_present()) else {
            return;
        };
        let (address, incarnation) = (entry.record.address, entry.record.incarnation);
        let is_room = entry.accusations().len() < self.accusations_max();
        if !entry.is_accused_by(self.own.node) && is_room {
            let accusation = Accusation::sign(&self.local.identity, node, incarnation);
            self.add_accusation(now, node, accusation);
        }
        if self.config.lifeguard.buddy
            && let Some(rumour) = self.table.get(node).map(super::table::Entry::rumour)
        {
            let gossip = vec![rumour];
            self.send(node, address, Message::Gossip { gossip });
        }
    }

    /// Takes accusations of a member whose record is the one that is known. Only those count that
    /// members signed, each once, and no more of each than one can honestly make.
    pub(super) fn hear_accusations(
        &mut self,
        now: Duration,
        from: NodeId,
        rumour: &Rumour,
    ) -> Result<(), MessageError> {
        let node = rumour.record.node;
        let mut counts = false;
        for accusation in &rumour.accusations {
            let Some(entry) = self.table.get(node).filter(|entry| entry.is_present()) else {
                return Ok(());
            };
            let accuser = accusation.accuser();
            // Nobody accuses itself.
            if accuser == node {
                continue;
            }
            if entry.is_accused_by(accuser) {
                counts = true;
                continue;
            }
            if entry.accusations().len() >= self.accusations_max() {
                continue;
            }
            let incarnation = entry.record.incarnation;
            if !self.may_accuse(now, accuser) {
                self.counts.ignored_accusations_count += 1;
                // Others may pass on what an accuser told them before it was too much.
                if accuser == from {
                    self.offenders.add(from);
                }
                continue;
            }
            let verified = accusation.verify(node, incarnation);
            verified.map_err(|_| MessageError::Signature { node: accuser })?;
            self.add_accusation(now, node, accusation.clone());
            counts = true;
        }
        if counts && rumour.status == Status::Dead {
            self.hear_of_death(now, node);
        }
        Ok(())
    }

    /// Probes a new suspect next, if it falls to this node: among all who hear of it, to so many
    /// that the confirmations that shorten its time, or its refutation, do not wait for its turn.
    pub(super) fn witness(&mut self, node: NodeId, rng: &mut impl Rng) {
        let wanted = WITNESSES_PER_CONFIRMATION * (self.accusations_max() - 1);
        if rng.random_range(0..self.present_count()) < wanted {
            self.probing.prefer(node);
        }
    }

    /// Whether a further accusation counts: of a member, or of this node before it started anew.
    fn may_accuse(&mut self, now: Duration, accuser: NodeId) -> bool {
        let is_known = accuser == self.own.node || self.table.get(accuser).is_some();
        let period = self.config.probe_interval;
        is_known && self.accusers.may_accuse(now, accuser, period)
    }

    /// Adds an accusation that is verified and new; the first makes a suspect, and each is passed
    /// on and shortens its time.
    fn add_accusation(&mut self, now: Duration, node: NodeId, accusation: Accusation) {
        let max = self.accusations_max();
        if !self.table.accuse(node, accusation, max) {
            return;
        }
        self.gossip.add(node);
        if let Some(change) = self.table.worsen(now, node, Status::Suspect) {
            self.suspicions.insert(node, Suspicion::new(now));
            self.tell(node, change);
        }
        self.reckon(node);
    }

    /// How many accusations of one member count: more do not shorten its time.
    fn accusations_max(&self) -> usize {
        let confirmations = match self.config.lifeguard.dynamic_suspicion {
            true => self.config.confirmations_max,
            false => 0,
        };
        (1 + confirmations).min(ACCUSATIONS_MAX)
    }

    fn reckon(&mut self, node: NodeId) {
        let accusers_count = self.table.get(node).map_or(0, |of| of.accusations().len());
        let count = self.present_count();
        if let Some(suspicion) = self.suspicions.get_mut(&node) {
            suspicion.reckon(&self.config, count, accusers_count);
        }
    }

    /// Others gave a suspect up. Unless their word is enough, it has the least time that a suspect
    /// has here to refute.
    fn hear_of_death(&mut self, now: Duration, node: NodeId) {
        if self.config.trusts_death {
            self.give_up(now, node);
        } else if let Some(suspicion) = self.suspicions.get_mut(&node) {
            suspicion.is_hastened = true;
            self.reckon(node);
        }
    }

    /// Gives up the suspects whose time is over.
    pub(super) fn end_suspicions(&mut self, now: Duration) {
        let over = self.suspicions.iter().filter(|(_, of)| of.until <= now);
        let over: Vec<NodeId> = over.map(|(node, _)| *node).collect();
        for node in over {
            self.give_up(now, node);
        }
    }

    fn give_up(&mut self, now: Duration, node: NodeId) {
        self.suspicions.remove(&node);
        let half_life = self.config.reliability_half_life;
        if let Some(entry) = self.table.get_mut(node) {
            entry.observe(now, half_life);
        }
        if let Some(change) = self.table.worsen(now, node, Status::Dead) {
            self.gossip.add(node);
            self.tell(node, change);
        }
    }
}
