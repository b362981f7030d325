//! Who is known, and what is thought of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::NodeId;

use super::reliability::Observed;
use super::{Accusation, Member, Record, Rumour, Status};

/// A member and since when it has its status.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) record: Record,
    status: Status,
    pub(super) since: Duration,
    /// Who accuses it in its present incarnation, in the order of ids; all verified.
    accusations: Vec<Accusation>,
    pub(super) observed: Observed,
}

/// How an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// What was thought before; `None` if the member was unknown.
    pub(super) before: Option<Status>,
    /// What is thought now.
    pub(super) after: Status,
    /// Whether a known member has another address, generation or metadata than before.
    pub(super) is_moved: bool,
}

/// What a record would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A later one is known.
    Old,
    /// It is known.
    Known,
    /// It is later than the known one.
    New,
    /// The member is unknown.
    Newcomer,
}

/// All members but this node. Entries only become larger in the order (record, status), until they
/// are forgotten.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<NodeId, Entry>,
    present_count: usize,
}

impl Entry {
    pub(super) fn status(&self) -> Status {
        if self.record.is_leaving {
            Status::Left
        } else {
            self.status
        }
    }

    pub(super) fn is_present(&self) -> bool {
        matches!(self.status(), Status::Alive | Status::Suspect)
    }

    pub(super) fn accusations(&self) -> &[Accusation] {
        &self.accusations
    }

    pub(super) fn is_accused_by(&self, accuser: NodeId) -> bool {
        self.position(accuser).is_ok()
    }

    fn position(&self, accuser: NodeId) -> Result<usize, usize> {
        let accusers = &self.accusations;
        accusers.binary_search_by_key(&accuser, Accusation::accuser)
    }

    pub(super) fn rumour(&self) -> Rumour {
        Rumour {
            record: self.record.clone(),
            status: self.status(),
            accusations: self.accusations.clone(),
        }
    }

    pub(super) fn member(&self) -> Member {
        Member {
            reliability: self.observed.reliability(),
            ..Member::of(&self.record, self.status())
        }
    }

    /// Counts the time up to now for its reliability.
    pub(super) fn observe(&mut self, now: Duration, half_life: Duration) {
        let is_up = self.is_present();
        self.observed.pass(now, half_life, is_up);
    }
}

impl Table {
    pub(super) fn get(&self, node: NodeId) -> Option<&Entry> {
        self.entries.get(&node)
    }

    pub(super) fn get_mut(&mut self, node: NodeId) -> Option<&mut Entry> {
        self.entries.get_mut(&node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Alive and suspect members.
    pub(super) fn present(&self) -> impl Iterator<Item = &Entry> {
        self.iter().filter(|entry| entry.is_present())
    }

    /// How many members are alive or suspect.
    pub(super) fn present_count(&self) -> usize {
        self.present_count
    }

    /// What a record would change. Does not look at its signature.
    pub(super) fn judge(&self, record: &Record) -> Verdict {
        match self.entries.get(&record.node) {
            None => Verdict::Newcomer,
            Some(entry) if record.says_the_same(&entry.record) => Verdict::Known,
            Some(entry) if record.supersedes(&entry.record) => Verdict::New,
            Some(_) => Verdict::Old,
        }
    }

    /// Takes a verified record that [`Table::judge`] found to be new. Who speaks for itself is no
    /// longer accused.
    pub(super) fn take_record(&mut self, now: Duration, record: Record) -> Change {
        let node = record.node;
        let fresh = Entry {
            record,
            status: Status::Alive,
            since: now,
            accusations: Vec::new(),
            observed: Observed::new(now),
        };
        let after = fresh.status();
        let Some(known) = self.entries.get_mut(&node) else {
            self.present_count += usize::from(fresh.is_present());
            self.entries.insert(node, fresh);
            return Change {
                before: None,
                after,
                is_moved: false,
            };
        };
        let before = known.status();
        let (old, new) = (&known.record, &fresh.record);
        let is_moved = old.address != new.address
            || old.generation != new.generation
            || old.metadata != new.metadata;
        self.present_count -= usize::from(known.is_present());
        self.present_count += usize::from(fresh.is_present());
        *known = Entry {
            since: if before == after { known.since } else { now },
            observed: known.observed,
            ..fresh
        };
        Change {
            before: Some(before),
            after,
            is_moved,
        }
    }

    /// Adds a verified accusation. Nothing happens if the accuser's is known, or there are `max`.
    pub(super) fn accuse(&mut self, node: NodeId, accusation: Accusation, max: usize) -> bool {
        let Some(entry) = self.entries.get_mut(&node) else {
            return false;
        };
        let (at, count) = (
            entry.position(accusation.accuser()),
            entry.accusations.len(),
        );
        match at {
            Err(index) if count < max => {
                entry.accusations.insert(index, accusation);
                true
            }
            _ => false,
        }
    }

    /// Thinks worse of a member. `None` if as much is thought already, or the member is unknown.
    pub(super) fn worsen(&mut self, now: Duration, node: NodeId, status: Status) -> Option<Change> {
        let entry = self.entries.get_mut(&node)?;
        let before = entry.status();
        if status <= before {
            return None;
        }
        self.present_count -= usize::from(entry.is_present());
        (entry.status, entry.since) = (status, now);
        self.present_count += usize::from(entry.is_present());
        Some(Change {
            before: Some(before),
            after: status,
            is_moved: false,
        })
    }

    /// Counts the time up to now for everyone's reliability.
    pub(super) fn observe(&mut self, now: Duration, half_life: Duration) {
        for entry in self.entries.values_mut() {
            entry.observe(now, half_life);
        }
    }

    /// Forgets the dead and left of before `before`.
    pub(super) fn forget_absent(&mut self, before: Duration) {
        self.entries
            .retain(|_, entry| entry.is_present() || entry.since > before);
    }

    /// Forgets who is dead or left for the longest time, if anybody is.
    pub(super) fn forget_longest_absent(&mut self) {
        let absent = self.iter().filter(|entry| !entry.is_present());
        let longest = absent.min_by_key(|entry| entry.since);
        if let Some(node) = longest.map(|entry| entry.record.node) {
            self.entries.remove(&node);
        }
    }
}
