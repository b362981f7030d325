//! What SWIM makes of rumours: believing, refuting, passing on.

use std::time::Duration;

use rand::Rng;

use crate::ids::NodeId;

use super::table::{Change, Entry, Verdict};
use super::{MessageError, Metadata, OutEvent, Record, Rumour, Said, Status, Swim};

impl Swim {
    /// Takes rumours of a peer in. Each either changes something, is old, or is a fault.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        from: NodeId,
        rumours: Vec<Rumour>,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        for rumour in rumours {
            if rumour.record.node == self.own.node {
                self.hear_of_self(&rumour)?;
            } else {
                self.hear_of_other(now, from, &rumour, rng)?;
            }
        }
        Ok(())
    }

    /// Refutes what is not so (section 4.2), and goes above what an earlier run of this node said.
    fn hear_of_self(&mut self, rumour: &Rumour) -> Result<(), MessageError> {
        let is_accused = matches!(rumour.status(), Status::Suspect | Status::Dead);
        if rumour.record.supersedes(&self.own) {
            // Only this node's key can have made it, so nobody can drive the incarnation up.
            verify(&rumour.record)?;
            self.refute(rumour.record.incarnation);
        } else if is_accused && rumour.record.says_the_same(&self.own) {
            self.health.worsen(1);
            self.refute(rumour.record.incarnation);
        }
        Ok(())
    }

    fn refute(&mut self, incarnation: u64) {
        self.counts.refutations_count += 1;
        self.speak_up(incarnation, false, self.own.metadata.clone());
    }

    /// Says something new of this node, with an incarnation above `incarnation`. At the largest
    /// incarnation there is nothing more to say: only this node's own key can get it there.
    pub(super) fn speak_up(&mut self, incarnation: u64, is_leaving: bool, metadata: Metadata) {
        let said = Said {
            incarnation: incarnation.saturating_add(1),
            is_leaving,
            metadata,
            ..Said::clone(&self.own)
        };
        self.own = Record::sign(&self.local.identity, said);
        self.gossip.add(self.own.node);
    }

    fn hear_of_other(
        &mut self,
        now: Duration,
        from: NodeId,
        rumour: &Rumour,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        match self.table.judge(&rumour.record) {
            Verdict::Old => return Ok(()),
            Verdict::Known => {}
            Verdict::New => {
                verify(&rumour.record)?;
                self.take_record(now, &rumour.record);
            }
            Verdict::Newcomer => {
                // Who never was here need not be remembered as gone. Otherwise nodes would remind
                // each other of the dead for ever.
                if matches!(rumour.status(), Status::Dead | Status::Left)
                    || !self.admit(&rumour.record, rng)?
                {
                    return Ok(());
                }
                self.take_record(now, &rumour.record);
            }
        }
        match rumour.status {
            Status::Suspect | Status::Dead => {
                let node = rumour.record.node;
                let was_suspect = self.suspicions.contains_key(&node);
                let heard = self.hear_accusations(now, from, rumour);
                if !was_suspect && self.suspicions.contains_key(&node) {
                    self.witness(node, rng);
                }
                heard
            }
            Status::Alive | Status::Left => Ok(()),
        }
    }

    /// Makes room for a newcomer, if there can be any.
    pub(super) fn admit(
        &mut self,
        record: &Record,
        rng: &mut impl Rng,
    ) -> Result<bool, MessageError> {
        let is_full = self.table.len() + 1 >= self.config.members_max;
        if is_full && self.table.present_count() == self.table.len() {
            self.counts.refused_members_count += 1;
            return Ok(false);
        }
        verify(record)?;
        if is_full {
            self.table.forget_longest_absent();
        }
        self.probing.add(record.node, rng);
        Ok(true)
    }

    fn take_record(&mut self, now: Duration, record: &Record) {
        let half_life = self.config.reliability_half_life;
        if let Some(entry) = self.table.get_mut(record.node) {
            entry.observe(now, half_life);
        }
        let change = self.table.take_record(now, record.clone());
        self.gossip.add(record.node);
        self.suspicions.remove(&record.node);
        self.tell(record.node, change);
    }

    /// Tells the driver what changed.
    pub(super) fn tell(&mut self, node: NodeId, change: Change) {
        let was_present = matches!(change.before, Some(Status::Alive | Status::Suspect));
        let is_present = matches!(change.after, Status::Alive | Status::Suspect);
        if is_present && !was_present {
            self.push_member(node, OutEvent::MemberUp);
        } else if is_present && change.is_moved {
            self.push_member(node, OutEvent::MemberChanged);
        }
        match (change.before, change.after) {
            (Some(Status::Suspect), Status::Suspect) => {}
            (_, Status::Suspect) => self.events.push_back(OutEvent::MemberSuspect(node)),
            (Some(Status::Suspect), Status::Alive) => {
                self.events.push_back(OutEvent::MemberRefuted(node));
            }
            (_, Status::Dead) if was_present => {
                self.events.push_back(OutEvent::MemberDown(node));
            }
            (_, Status::Left) if was_present => {
                self.events.push_back(OutEvent::MemberLeft(node));
            }
            _ => {}
        }
    }

    fn push_member(&mut self, node: NodeId, event: fn(super::Member) -> OutEvent) {
        if let Some(entry) = self.table.get(node) {
            self.events.push_back(event(entry.member()));
        }
    }

    /// Rumours to go with a message to `to`: first what is held against it, then what was passed
    /// on least often, as many as fit, at least one.
    pub(super) fn gossip_for(&mut self, to: NodeId) -> Vec<Rumour> {
        let retransmissions = self.config.retransmissions(self.present_count());
        let accused = self.table.get(to).filter(|entry| match entry.status() {
            Status::Alive => false,
            // Lifeguard's buddy system.
            Status::Suspect => self.config.lifeguard.buddy,
            Status::Dead | Status::Left => true,
        });
        let mut rumours: Vec<Rumour> = accused.map(Entry::rumour).into_iter().collect();
        let mut bytes: usize = rumours.iter().map(Rumour::wire_bytes).sum();
        let is_told = !rumours.is_empty();
        for node in self.gossip.order() {
            let rumour = if node == self.own.node {
                Rumour::alive(self.own.clone())
            } else if let Some(entry) = self.table.get(node) {
                entry.rumour()
            } else {
                self.gossip.remove(node);
                continue;
            };
            if node == to && (is_told || rumour.status() == Status::Alive) {
                // It knows best, or it stands above already.
                continue;
            }
            let size = rumour.wire_bytes();
            if !rumours.is_empty() && bytes + size > self.config.gossip_bytes_max {
                break;
            }
            bytes += size;
            rumours.push(rumour);
            self.gossip.sent(node, retransmissions);
        }
        rumours
    }
}

fn verify(record: &Record) -> Result<(), MessageError> {
    let node = record.node;
    record
        .verify()
        .map_err(|_| MessageError::Signature { node })
}
