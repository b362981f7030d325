//! The active view: the neighbours, and which of them are of this node's own choice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};

use crate::ids::NodeId;

use super::Entry;
use super::rate::Rate;

/// A neighbour.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) address: SocketAddr,
    /// Whether this node chose it, out of its passive view. Such a link no stranger can take.
    pub(super) is_own: bool,
    /// Whether the layer above would rather keep it.
    pub(super) is_preferred: bool,
    /// How many walks it sent.
    pub(super) walks: Rate,
}

/// The neighbours.
#[derive(Debug, Default)]
pub(super) struct Active {
    links: BTreeMap<NodeId, Link>,
}

impl Active {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.links.contains_key(node)
    }

    pub(super) fn own_count(&self) -> usize {
        self.links.values().filter(|link| link.is_own).count()
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Link> {
        self.links.get_mut(node)
    }

    pub(super) fn insert(&mut self, entry: Entry, is_own: bool) {
        let link = Link {
            address: entry.address,
            is_own,
            is_preferred: false,
            walks: Rate::default(),
        };
        self.links.insert(entry.node, link);
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> Option<Link> {
        self.links.remove(node)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.links.iter().map(|(node, link)| Entry {
            node: *node,
            address: link.address,
        })
    }

    /// Some neighbours that `is_wanted`.
    pub(super) fn choose(
        &self,
        count: usize,
        is_wanted: impl Fn(&NodeId) -> bool,
        rng: &mut impl Rng,
    ) -> Vec<Entry> {
        let wanted = self.entries().filter(|entry| is_wanted(&entry.node));
        let mut wanted: Vec<Entry> = wanted.collect();
        wanted.partial_shuffle(rng, count).0.to_vec()
    }

    /// A neighbour that a stranger in need may replace, or that an exchange may end. One that is
    /// preferred only if there is no other.
    pub(super) fn choose_of(
        &self,
        is_own: bool,
        but: &NodeId,
        rng: &mut impl Rng,
    ) -> Option<NodeId> {
        let choose = |is_preferred: bool, rng: &mut _| {
            let links = self.links.iter().filter(|(node, link)| {
                link.is_own == is_own && link.is_preferred == is_preferred && *node != but
            });
            links.map(|(node, _)| *node).choose(rng)
        };
        choose(false, rng).or_else(|| choose(true, rng))
    }
}
