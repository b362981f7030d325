//! The passive view: who else is known, and from whom.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};

use crate::ids::NodeId;

use super::Entry;

#[derive(Debug, Clone, Copy)]
struct Known {
    address: SocketAddr,
    /// Who named it; the node itself if it was met.
    source: NodeId,
    /// It is not asked before.
    retry_at: Duration,
}

/// Known nodes that are no neighbours. Invariants: at most `max` nodes, at most `share_max` named
/// by one source; hearsay never moves the address of a node that is known.
#[derive(Debug)]
pub(super) struct Passive {
    known: BTreeMap<NodeId, Known>,
    max: usize,
    share_max: usize,
}

impl Passive {
    pub(super) fn new(max: usize, share_max: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            max,
            share_max,
        }
    }

    /// Takes a node in that `source` named. At the source's share another of its nodes gives way,
    /// at the bound any.
    pub(super) fn add(&mut self, entry: Entry, source: NodeId, rng: &mut impl Rng) {
        let retry_at = match self.known.get(&entry.node) {
            Some(_) if source != entry.node => return,
            Some(known) => known.retry_at,
            None => Duration::ZERO,
        };
        if !self.known.contains_key(&entry.node) {
            self.make_room(source, rng);
        }
        let known = Known {
            address: entry.address,
            source,
            retry_at,
        };
        self.known.insert(entry.node, known);
    }

    fn make_room(&mut self, source: NodeId, rng: &mut impl Rng) {
        let is_of_source = |known: &Known| known.source == source;
        let share = self.known.values().filter(|known| is_of_source(known));
        let victim = if share.count() >= self.share_max {
            let share = self.known.iter().filter(|(_, known)| is_of_source(known));
            share.map(|(node, _)| *node).choose(rng)
        } else if self.known.len() >= self.max {
            self.known.keys().copied().choose(rng)
        } else {
            None
        };
        if let Some(victim) = victim {
            self.known.remove(&victim);
        }
    }

    /// Forgets a node. Gives who had named it.
    pub(super) fn remove(&mut self, node: &NodeId) -> Option<NodeId> {
        self.known.remove(node).map(|known| known.source)
    }

    /// Leaves a node in peace until `at`.
    pub(super) fn retry_at(&mut self, node: &NodeId, at: Duration) {
        if let Some(known) = self.known.get_mut(node) {
            known.retry_at = at;
        }
    }

    /// Somebody who may be asked now.
    pub(super) fn candidate(
        &self,
        now: Duration,
        is_free: impl Fn(&NodeId) -> bool,
        rng: &mut impl Rng,
    ) -> Option<Entry> {
        let due = |(node, known): &(&NodeId, &Known)| known.retry_at <= now && is_free(node);
        let candidates = self.known.iter().filter(due);
        candidates
            .map(|(node, known)| entry(node, known))
            .choose(rng)
    }

    /// Up to `count` nodes.
    pub(super) fn sample(&self, count: usize, rng: &mut impl Rng) -> Vec<Entry> {
        let all = self.known.iter().map(|(node, known)| entry(node, known));
        let mut all: Vec<Entry> = all.collect();
        all.partial_shuffle(rng, count).0.to_vec()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.known.iter().map(|(node, known)| entry(node, known))
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= self.max
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.known.contains_key(node)
    }
}

fn entry(node: &NodeId, known: &Known) -> Entry {
    Entry {
        node: *node,
        address: known.address,
    }
}
