//! What SWIM makes of rumours: believing, refuting, accusing, passing on.

use std::time::Duration;

use rand::Rng;

use crate::ids::NodeId;

use super::table::{Change, Entry, Verdict};
use super::{MessageError, OutEvent, Record, Rumour, Status, Swim};

impl Swim {
    /// Takes rumours in. Each either changes something, is old, or is a fault.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        rumours: Vec<Rumour>,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        for rumour in rumours {
            if rumour.record.node == self.own.node {
                self.hear_of_self(&rumour)?;
            } else {
                self.hear_of_other(now, rumour, rng)?;
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
            self.refute(rumour.record.incarnation);
        }
        Ok(())
    }

    fn refute(&mut self, incarnation: u64) {
        self.counts.refutations_count += 1;
        self.speak_up(incarnation, false);
    }

    /// Says something new of this node, with an incarnation above `incarnation`. At the largest
    /// incarnation there is nothing more to say: only this node's own key can get it there.
    pub(super) fn speak_up(&mut self, incarnation: u64, is_leaving: bool) {
        self.own = Record::sign(
            &self.local.identity,
            incarnation.saturating_add(1),
            is_leaving,
            self.local.generation,
            self.local.address,
        );
        self.gossip.add(self.own.node);
    }

    fn hear_of_other(
        &mut self,
        now: Duration,
        rumour: Rumour,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        match self.table.judge(&rumour) {
            Verdict::Old => return Ok(()),
            Verdict::Status => {}
            Verdict::Record => verify(&rumour.record)?,
            Verdict::Newcomer => {
                let status = rumour.status();
                if matches!(status, Status::Dead | Status::Left) {
                    // Who never was here need not be remembered as gone. Otherwise nodes would
                    // remind each other of the dead for ever.
                    return Ok(());
                }
                let is_full = self.table.len() + 1 >= self.config.members_max;
                if is_full && self.table.iter().all(Entry::is_present) {
                    self.counts.refused_members_count += 1;
                    return Ok(());
                }
                verify(&rumour.record)?;
                if is_full {
                    self.table.forget_longest_absent();
                }
                self.probing.add(rumour.record.node, rng);
            }
        }
        let node = rumour.record.node;
        let change = self.table.take(now, rumour);
        self.after(now, node, change);
        Ok(())
    }

    /// Thinks worse of a member: it did not answer, or did not refute.
    pub(super) fn accuse(&mut self, now: Duration, node: NodeId, status: Status) {
        let Some(entry) = self.table.get(node) else {
            self.suspicions.remove(&node);
            return;
        };
        let rumour = Rumour {
            record: entry.record.clone(),
            status,
        };
        if self.table.judge(&rumour) == Verdict::Status {
            let change = self.table.take(now, rumour);
            self.after(now, node, change);
        }
    }

    /// What follows from a change: gossip, timers, events.
    fn after(&mut self, now: Duration, node: NodeId, change: Change) {
        self.gossip.add(node);
        let was_suspect = change.before == Some(Status::Suspect) && !change.is_record_new;
        if change.after != Status::Suspect {
            self.suspicions.remove(&node);
        } else if !was_suspect {
            let timeout = self.config.suspicion_timeout(self.present_count());
            self.suspicions.insert(node, now + timeout);
        }
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
        let accused = self.table.get(to);
        let accusation = accused.filter(|entry| entry.status() != Status::Alive);
        let mut rumours: Vec<Rumour> = accusation.map(Entry::rumour).into_iter().collect();
        let mut bytes: usize = rumours.iter().map(Rumour::wire_bytes).sum();
        for node in self.gossip.order() {
            let rumour = if node == self.own.node {
                Rumour {
                    record: self.own.clone(),
                    status: Status::Alive,
                }
            } else if let Some(entry) = self.table.get(node).filter(|_| node != to) {
                entry.rumour()
            } else if node == to {
                // It knows best; and if it is accused that stands above already.
                continue;
            } else {
                self.gossip.remove(node);
                continue;
            };
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
