//! Who is known, and what is thought of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::NodeId;

use super::{Member, Record, Rumour, Status};

/// A member and since when it has its status.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) record: Record,
    status: Status,
    pub(super) since: Duration,
}

/// How an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// What was thought before; `None` if the member was unknown.
    pub(super) before: Option<Status>,
    /// What is thought now.
    pub(super) after: Status,
    /// Whether the member spoke for itself since.
    pub(super) is_record_new: bool,
    /// Whether a known member has another address or generation than before.
    pub(super) is_moved: bool,
}

/// What a rumour would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: as much or more is known.
    Old,
    /// The status; the record is the one that is known.
    Status,
    /// The record.
    Record,
    /// The member is unknown.
    Newcomer,
}

/// All members but this node. Entries only become larger in the order (record, status), until they
/// are forgotten.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<NodeId, Entry>,
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

    pub(super) fn rumour(&self) -> Rumour {
        Rumour {
            record: self.record.clone(),
            status: self.status(),
        }
    }

    pub(super) fn member(&self) -> Member {
        Member {
            node: self.record.node,
            address: self.record.address,
            generation: self.record.generation,
            incarnation: self.record.incarnation,
            status: self.status(),
        }
    }
}

impl Table {
    pub(super) fn get(&self, node: NodeId) -> Option<&Entry> {
        self.entries.get(&node)
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

    /// What a rumour would change. Does not look at its signature.
    pub(super) fn judge(&self, rumour: &Rumour) -> Verdict {
        let Some(entry) = self.entries.get(&rumour.record.node) else {
            return Verdict::Newcomer;
        };
        if rumour.record.supersedes(&entry.record) {
            Verdict::Record
        } else if rumour.record.says_the_same(&entry.record) && rumour.status() > entry.status() {
            Verdict::Status
        } else {
            Verdict::Old
        }
    }

    /// Takes a rumour that [`Table::judge`] found to be news. Unless the verdict was
    /// [`Verdict::Status`], its record is verified.
    pub(super) fn take(&mut self, now: Duration, rumour: Rumour) -> Change {
        let after = rumour.status();
        let node = rumour.record.node;
        let Some(known) = self.entries.get_mut(&node) else {
            let entry = Entry {
                record: rumour.record,
                status: after,
                since: now,
            };
            self.entries.insert(node, entry);
            return Change {
                before: None,
                after,
                is_record_new: true,
                is_moved: false,
            };
        };
        let before = known.status();
        let is_record_new = !known.record.says_the_same(&rumour.record);
        let is_moved = known.record.address != rumour.record.address
            || known.record.generation != rumour.record.generation;
        if is_record_new {
            // Otherwise the known one stays: its signature is verified, the other's may not be.
            known.record = rumour.record;
        }
        known.status = after;
        if before != after {
            known.since = now;
        }
        Change {
            before: Some(before),
            after,
            is_record_new,
            is_moved,
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
