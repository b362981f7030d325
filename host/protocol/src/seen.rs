//! The last hashes.

use std::collections::BTreeSet;

use crate::ids::Hash;

/// The last hashes, in two generations: when the young one is full the old one is forgotten. So
/// the last `generation_max` hashes are surely remembered, without a list of their order.
#[derive(Debug)]
pub(crate) struct Seen {
    young: BTreeSet<Hash>,
    old: BTreeSet<Hash>,
    generation_max: usize,
}

impl Seen {
    pub(crate) fn new(generation_max: usize) -> Self {
        Self {
            young: BTreeSet::new(),
            old: BTreeSet::new(),
            generation_max,
        }
    }

    pub(crate) fn contains(&self, id: &Hash) -> bool {
        self.young.contains(id) || self.old.contains(id)
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, id: Hash) -> bool {
        if self.contains(&id) {
            return false;
        }
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id);
        true
    }
}
