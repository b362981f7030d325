//! Who listens to which path, as far as was heard.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};

use crate::ids::{NodeId, TopicName};
use crate::membership::hyparview::Entry;

/// How many paths are remembered because one caller named them first.
pub const PATHS_OF_ONE_MAX: usize = 64;

/// How many listeners of a path are remembered.
const CONTACTS_MAX: usize = 8;

/// How many of them have kept their word, and are not pushed out by others.
const PROVEN_MAX: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Contact {
    entry: Entry,
    /// It took what was handed in, once.
    is_proven: bool,
}

#[derive(Debug)]
struct Path {
    contacts: Vec<Contact>,
    /// Until when somebody was said to listen.
    heard_until: Duration,
    /// Until when a call for it counts.
    called_until: Duration,
    /// Until when nobody listens, as far as a call found.
    nobody_until: Duration,
    /// Until when somebody listens outside of the circle.
    outside_until: Duration,
    /// Who named it first.
    by: NodeId,
    used: u64,
}

/// What is known of a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Unknown,
    /// Nobody is part of it.
    Nobody,
    /// These are part of it.
    Found(Vec<Entry>),
}

/// Paths. Invariants: at most `max`, and [`PATHS_OF_ONE_MAX`] that one node named first; at most
/// [`CONTACTS_MAX`] listeners each.
#[derive(Debug)]
pub(super) struct Known {
    paths: BTreeMap<TopicName, Path>,
    max: usize,
    clock: u64,
}

impl Known {
    pub(super) fn new(max: usize) -> Self {
        Self {
            paths: BTreeMap::new(),
            max,
            clock: 0,
        }
    }

    /// A path, made if need be: then the one that was not used for longest gives way, of those
    /// that the same node named if it has named as many as it may.
    fn path(&mut self, name: &TopicName, by: NodeId) -> &mut Path {
        self.clock += 1;
        let clock = self.clock;
        if !self.paths.contains_key(name) {
            self.make_room(by);
        }
        let path = self.paths.entry(name.clone()).or_insert_with(|| Path {
            contacts: Vec::new(),
            heard_until: Duration::ZERO,
            called_until: Duration::ZERO,
            nobody_until: Duration::ZERO,
            outside_until: Duration::ZERO,
            by,
            used: clock,
        });
        path.used = clock;
        path
    }

    fn make_room(&mut self, by: NodeId) {
        let of_one = self.paths.values().filter(|path| path.by == by).count();
        let is_share_full = of_one >= PATHS_OF_ONE_MAX;
        if !is_share_full && self.paths.len() < self.max {
            return;
        }
        let candidates = self.paths.iter();
        let candidates = candidates.filter(|(_, path)| !is_share_full || path.by == by);
        let oldest = candidates.min_by_key(|(_, path)| path.used);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            self.paths.remove(&oldest);
        }
    }

    /// A node listens to a path, as `by` says. It counts until then.
    pub(super) fn add(&mut self, name: &TopicName, entry: Entry, by: NodeId, until: Duration) {
        let path = self.path(name, by);
        path.heard_until = until;
        path.nobody_until = Duration::ZERO;
        let contacts = &mut path.contacts;
        if let Some(known) = contacts
            .iter_mut()
            .find(|known| known.entry.node == entry.node)
        {
            if by == entry.node {
                known.entry.address = entry.address;
            }
            return;
        }
        if contacts.len() >= CONTACTS_MAX
            && let Some(oldest) = contacts.iter().position(|known| !known.is_proven)
        {
            contacts.remove(oldest);
        }
        let is_proven = false;
        contacts.push(Contact { entry, is_proven });
    }

    /// Somebody that listens to a path called for it.
    pub(super) fn set_called(&mut self, name: &TopicName, by: NodeId, until: Duration) {
        self.path(name, by).called_until = until;
    }

    /// Whether all heard of a circle lately.
    pub(super) fn is_called(&self, now: Duration, name: &TopicName) -> bool {
        let path = self.paths.get(name);
        path.is_some_and(|path| path.called_until > now)
    }

    /// Nobody else answers.
    pub(super) fn set_nobody(&mut self, name: &TopicName, own: NodeId, until: Duration) {
        let path = self.path(name, own);
        path.contacts.clear();
        path.nobody_until = until;
    }

    /// Whether nobody listens to a path, as far as a call found.
    pub(super) fn is_nobody(&self, now: Duration, name: &TopicName) -> bool {
        let path = self.paths.get(name);
        path.is_some_and(|path| path.nobody_until > now)
    }

    /// Such paths, those that were used last first.
    pub(super) fn nobody_paths(&self, now: Duration, count: usize) -> Vec<TopicName> {
        let paths = self.paths.iter();
        let mut paths: Vec<_> = paths.filter(|(_, path)| path.nobody_until > now).collect();
        paths.sort_unstable_by_key(|(_, path)| std::cmp::Reverse(path.used));
        let names = paths.into_iter().map(|(name, _)| name.clone());
        names.take(count).collect()
    }

    /// That nobody answered is not certain any more.
    pub(super) fn doubt_nobody(&mut self) {
        for path in self.paths.values_mut() {
            path.nobody_until = Duration::ZERO;
        }
    }

    pub(super) fn set_outside(&mut self, name: &TopicName, by: NodeId, until: Duration) {
        let path = self.path(name, by);
        path.outside_until = path.outside_until.max(until);
    }

    pub(super) fn is_outside(&self, now: Duration, name: &str) -> bool {
        let path = self.paths.get(name);
        path.is_some_and(|path| path.outside_until > now)
    }

    /// A node took what was handed in.
    pub(super) fn prove(&mut self, name: &TopicName, node: &NodeId) {
        let Some(path) = self.paths.get_mut(name) else {
            return;
        };
        let proven = path.contacts.iter().filter(|known| known.is_proven).count();
        let contact = path.contacts.iter_mut();
        let contact = contact.filter(|known| known.entry.node == *node).last();
        if let Some(contact) = contact.filter(|_| proven < PROVEN_MAX) {
            contact.is_proven = true;
        }
    }

    /// A node is not part of a circle.
    pub(super) fn remove(&mut self, name: &TopicName, node: &NodeId) {
        if let Some(path) = self.paths.get_mut(name) {
            path.contacts.retain(|known| known.entry.node != *node);
        }
    }

    /// A node cannot be reached.
    pub(super) fn remove_everywhere(&mut self, node: &NodeId) {
        for path in self.paths.values_mut() {
            path.contacts.retain(|known| known.entry.node != *node);
        }
    }

    /// What is known of a circle: up to `count` that are part of it, one that kept its word before
    /// first.
    pub(super) fn standing(
        &mut self,
        now: Duration,
        name: &str,
        count: usize,
        rng: &mut impl Rng,
    ) -> Standing {
        self.clock += 1;
        let clock = self.clock;
        let Some(path) = self.paths.get_mut(name) else {
            return Standing::Unknown;
        };
        path.used = clock;
        if path.nobody_until > now {
            return Standing::Nobody;
        }
        if path.contacts.is_empty() || path.heard_until <= now {
            return Standing::Unknown;
        }
        let proven = path.contacts.iter().filter(|known| known.is_proven);
        let proven = proven.choose(rng).map(|known| known.entry);
        let others = path.contacts.iter().map(|known| known.entry);
        let mut others: Vec<Entry> = others.filter(|entry| Some(*entry) != proven).collect();
        others.shuffle(rng);
        Standing::Found(proven.into_iter().chain(others).take(count).collect())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }
}
