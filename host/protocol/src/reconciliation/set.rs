//! A set whose ranges can be summed up quickly.

use crate::ids::Hash;

use super::Key;
use super::ranges::Bound;
use super::sum::{Root, Short, Sum};
use super::tree::{Entry, Node, Prefix};

/// The elements of this node. About 100 bytes each.
#[derive(Debug)]
pub struct Set {
    tree: Node,
    total: Prefix,
    root: Root,
    /// Counts changes.
    revision: u64,
    add: fn(&Key) -> Sum,
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

/// How sums are made in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt {
    pub(super) nonce: u64,
    /// Whether each element is hashed anew.
    pub(super) is_deep: bool,
}

impl Set {
    /// A set without elements.
    pub fn new() -> Self {
        Self {
            tree: Node::empty(),
            total: Prefix::default(),
            root: Root::new(),
            revision: 0,
            add: Sum::of,
        }
    }

    /// A set whose sums show nothing but counts.
    #[cfg(test)]
    pub(super) fn with_sums_that_collide() -> Self {
        Self {
            add: |_| Sum::default(),
            ..Self::new()
        }
    }

    /// Takes an element in behind which there are `weight` bytes. Gives whether it was not there.
    /// The largest number is no timestamp; an element that has it is not taken. O(log n), 3 µs.
    pub fn insert(&mut self, key: Key, weight: u32) -> bool {
        if key.timestamp == u64::MAX || self.contains(&key) {
            return false;
        }
        let sum = (self.add)(&key);
        self.tree.insert(Entry { key, weight, sum });
        self.root.add(&key);
        self.changed();
        true
    }

    /// Takes an element out. Gives whether it was there.
    pub fn remove(&mut self, key: &Key) -> bool {
        if self.tree.remove(key).is_none() {
            return false;
        }
        self.root.remove(key);
        self.changed();
        true
    }

    fn changed(&mut self) {
        self.total = self.tree.total();
        self.revision += 1;
    }

    /// Whether an element is there.
    pub fn contains(&self, key: &Key) -> bool {
        let rank = self.tree.before(key).count;
        self.tree.at(rank).is_some_and(|entry| entry.key == *key)
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.total.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest element.
    pub fn first(&self) -> Option<Key> {
        self.tree.at(0).map(|entry| entry.key)
    }

    /// The hash over all elements: equal exactly where the sets are.
    pub fn root(&self) -> Hash {
        self.root.hash()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn before(&self, bound: &Bound) -> Prefix {
        match bound {
            Bound::Below(key) => self.tree.before(key),
            Bound::End => self.total,
        }
    }

    pub(super) fn at(&self, rank: usize) -> Option<&Entry> {
        self.tree.at(rank)
    }

    /// What travels for the elements between two prefixes.
    pub(super) fn fingerprint(&self, salt: Salt, from: &Prefix, to: &Prefix) -> Short {
        let count = to.count.saturating_sub(from.count);
        let sum = match salt.is_deep {
            false => to.sum.less(from.sum),
            true => (from.count..to.count)
                .filter_map(|rank| self.at(rank))
                .fold(Sum::default(), |sum, entry| {
                    sum.add(Sum::salted(salt.nonce, &entry.key))
                }),
        };
        sum.fingerprint(salt.nonce, count)
    }
}
