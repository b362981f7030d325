//! Which announcements and switches are known, and which of them are active.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::ids::{Hash, ModuleHash, NodeId, TypeName};

use super::message::IDS_MAX;
use super::switches::Switches;
use super::{Config, ModuleName, OutEvent, SignedAnnouncement, SignedSwitch, Statement};

type Known = Arc<SignedAnnouncement>;

/// What became of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is kept.
    New,
    /// It, or one that says the same and is stronger, was known; or stronger ones fill its place.
    Known,
    /// There is no room for it.
    Full,
}

/// The announcements, by id and by name.
///
/// What is kept under a name is a function of the set of all announcements seen: of those that
/// register the same the strongest, and of these the strongest `announcements_per_name_max`. So
/// the order in which they come does not matter, unless a bound on all or on a publisher is hit.
#[derive(Debug)]
pub(super) struct Catalogue {
    by_id: BTreeMap<Hash, Statement>,
    /// Strongest first; never empty.
    by_name: BTreeMap<ModuleName, Vec<Known>>,
    per_publisher: BTreeMap<NodeId, usize>,
    /// How many announcements there are.
    count: usize,
    switches: Switches,
    /// The hash over all ids, once somebody has asked for it.
    digest: OnceLock<Hash>,
    max: usize,
    per_publisher_max: usize,
    per_name_max: usize,
}

impl Catalogue {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_name: BTreeMap::new(),
            per_publisher: BTreeMap::new(),
            count: 0,
            switches: Switches::new(config),
            digest: OnceLock::new(),
            max: config.announcements_max,
            per_publisher_max: config.announcements_per_publisher_max,
            per_name_max: config.announcements_per_name_max,
        }
    }

    pub(super) fn contains(&self, id: &Hash) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn get(&self, id: &Hash) -> Option<&Statement> {
        self.by_id.get(id)
    }

    pub(super) fn active(&self, name: &ModuleName) -> Option<&Known> {
        self.by_name.get(name)?.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.by_name.values().flatten()
    }

    /// The switches of a type, latest first.
    pub(super) fn switches(&self, name: &TypeName) -> &[Arc<SignedSwitch>] {
        self.switches.of(name)
    }

    /// Who announced this module.
    pub(super) fn publishers(&self, module: ModuleHash) -> impl Iterator<Item = NodeId> {
        let all = self.iter().map(|known| known.announcement());
        all.filter(move |of| of.module == module)
            .map(|of| of.publisher)
    }

    /// The hash over all ids. Computed once after each change.
    pub(super) fn digest(&self) -> Hash {
        let ids = self.by_id.keys().map(|id| &id.as_bytes()[..]);
        let compute = || Hash::derive_each("replicant 2026-11 ids of known announcements", ids);
        *self.digest.get_or_init(compute)
    }

    /// All ids as pages `(after, to, ids)`; together they cover everything.
    pub(super) fn pages(&self) -> Vec<(Hash, Hash, Vec<Hash>)> {
        let ids: Vec<Hash> = self.by_id.keys().copied().collect();
        let mut pages = Vec::new();
        let mut after = Hash::ZERO;
        let mut rest = ids.as_slice();
        while rest.len() > IDS_MAX {
            let (page, further) = rest.split_at(IDS_MAX);
            let to = page[IDS_MAX - 1];
            pages.push((after, to, page.to_vec()));
            (after, rest) = (to, further);
        }
        pages.push((after, Hash::from_bytes([0xff; 32]), rest.to_vec()));
        pages
    }

    /// What is known above `after` up to `to`.
    pub(super) fn range(&self, after: Hash, to: Hash) -> impl Iterator<Item = (&Hash, &Statement)> {
        use std::ops::Bound::{Excluded, Included};
        self.by_id.range((Excluded(after), Included(to)))
    }

    /// Takes a statement in and reports what that changes.
    pub(super) fn insert(&mut self, new: Statement, events: &mut Vec<OutEvent>) -> Inserted {
        if self.contains(&new.id()) {
            return Inserted::Known;
        }
        match new {
            Statement::Announcement(new) => self.insert_announcement(new, events),
            Statement::Switch(new) => self.insert_switch(new, events),
        }
    }

    fn insert_switch(&mut self, new: Arc<SignedSwitch>, events: &mut Vec<OutEvent>) -> Inserted {
        let (inserted, gone) = self.switches.insert(new.clone());
        if inserted == Inserted::New {
            self.digest = OnceLock::new();
            self.by_id.insert(new.id(), Statement::Switch(new.clone()));
            events.push(OutEvent::Learned(Statement::Switch(new)));
            for old in gone {
                self.by_id.remove(&old.id());
                events.push(OutEvent::Forgotten(Statement::Switch(old)));
            }
        }
        inserted
    }

    fn insert_announcement(&mut self, new: Known, events: &mut Vec<OutEvent>) -> Inserted {
        let name = new.announcement().name.clone();
        let before = self.by_name.get(&name).cloned().unwrap_or_default();
        let after = merged(&before, &new, self.per_name_max);
        if !after.iter().any(|known| known.id() == new.id()) {
            return Inserted::Known;
        }
        let gone: Vec<&Known> = before.iter().filter(|old| !after.contains(old)).collect();
        if !self.has_room(&new, &gone) {
            return Inserted::Full;
        }
        self.digest = OnceLock::new();
        let statement = Statement::Announcement(new.clone());
        self.by_id.insert(new.id(), statement.clone());
        self.count(&new, true);
        events.push(OutEvent::Learned(statement));
        for old in gone {
            self.by_id.remove(&old.id());
            self.count(old, false);
            events.push(OutEvent::Forgotten(Statement::Announcement(old.clone())));
        }
        report(&before, &after, &new, events);
        self.by_name.insert(name, after);
        Inserted::New
    }

    fn has_room(&self, new: &Known, gone: &[&Known]) -> bool {
        let publisher = new.announcement().publisher;
        let freed = gone
            .iter()
            .filter(|old| old.announcement().publisher == publisher);
        let of_publisher = self.per_publisher.get(&publisher).copied().unwrap_or(0);
        self.count < self.max + gone.len() && of_publisher < self.per_publisher_max + freed.count()
    }

    fn count(&mut self, known: &Known, is_added: bool) {
        self.count = if is_added {
            self.count + 1
        } else {
            self.count - 1
        };
        let publisher = known.announcement().publisher;
        let count = self.per_publisher.entry(publisher).or_default();
        *count = if is_added { *count + 1 } else { *count - 1 };
        if *count == 0 {
            self.per_publisher.remove(&publisher);
        }
    }
}

/// What is kept of `before` and `new` together, strongest first.
fn merged(before: &[Known], new: &Known, max: usize) -> Vec<Known> {
    let mut all: Vec<Known> = before.iter().cloned().chain([new.clone()]).collect();
    all.sort_by_key(|known| known.rank());
    let mut kept: Vec<Known> = Vec::new();
    for known in all {
        if kept.len() < max && !kept.iter().any(|of| of.registers_the_same(&known)) {
            kept.push(known);
        }
    }
    kept
}

/// Says which module is active now, if that changed, and with what it is in conflict.
fn report(before: &[Known], after: &[Known], new: &Known, events: &mut Vec<OutEvent>) {
    let Some(active) = after.first() else {
        return;
    };
    let replaced = before.first().filter(|old| !old.registers_the_same(active));
    if before.is_empty() || replaced.is_some() {
        events.push(OutEvent::Activated {
            announcement: active.clone(),
            replaced: replaced.cloned(),
        });
    }
    let is_known = before.iter().any(|old| old.registers_the_same(new));
    let others: Vec<&Known> = match replaced {
        Some(_) => after.iter().skip(1).collect(),
        None if active.id() != new.id() && !is_known => vec![new],
        None => Vec::new(),
    };
    events.extend(others.into_iter().map(|other| OutEvent::Conflict {
        active: active.clone(),
        other: other.clone(),
    }));
}
