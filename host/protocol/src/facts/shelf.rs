//! Facts of one sort, within a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{Hash, NodeId};

use super::SignedFact;

/// What happens when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtBound {
    /// New ones are refused.
    Refuse,
    /// Whoever has most bytes loses their oldest.
    Displace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) count_max: usize,
    pub(super) bytes_max: usize,
    pub(super) per_owner_max: usize,
    pub(super) at_bound: AtBound,
}

/// The facts of one owner: oldest first.
#[derive(Debug, Default)]
struct Owned {
    by_age: BTreeMap<(u64, Hash), usize>,
    bytes: usize,
}

/// Facts by owner: whose load they are. What is kept is, up to ties, a function of the set of all
/// facts that were put in: of each owner the newest, as many as leave room for the others.
#[derive(Debug)]
pub(super) struct Shelf {
    bounds: Bounds,
    owners: BTreeMap<NodeId, Owned>,
    /// Owners by how many bytes they have.
    by_load: BTreeSet<(usize, NodeId)>,
    count: usize,
    bytes: usize,
}

impl Shelf {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            owners: BTreeMap::new(),
            by_load: BTreeSet::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// Takes a fact in that is not here. Gives the ids of those that had to go, perhaps its own;
    /// `None` if it is refused.
    pub(super) fn insert(&mut self, owner: NodeId, fact: &Arc<SignedFact>) -> Option<Vec<Hash>> {
        let weight = fact.weight();
        let is_over =
            self.count + 1 > self.bounds.count_max || self.bytes + weight > self.bounds.bytes_max;
        if is_over && self.bounds.at_bound == AtBound::Refuse {
            return None;
        }
        let age = (fact.fact().issued_at_ms, fact.id());
        self.change(owner, |owned| {
            owned.by_age.insert(age, weight);
            owned.bytes += weight;
        });
        (self.count, self.bytes) = (self.count + 1, self.bytes + weight);
        let mut gone = Vec::new();
        if self
            .owners
            .get(&owner)
            .is_some_and(|it| it.by_age.len() > self.bounds.per_owner_max)
        {
            gone.extend(self.drop_oldest(owner));
        }
        while (self.count > self.bounds.count_max || self.bytes > self.bounds.bytes_max)
            && let Some((_, heaviest)) = self.by_load.last().copied()
        {
            gone.extend(self.drop_oldest(heaviest));
        }
        Some(gone)
    }

    /// Takes a fact out that is here.
    pub(super) fn remove(&mut self, owner: NodeId, fact: &SignedFact) {
        self.take(owner, (fact.fact().issued_at_ms, fact.id()));
    }

    fn drop_oldest(&mut self, owner: NodeId) -> Option<Hash> {
        let age = *self.owners.get(&owner)?.by_age.first_key_value()?.0;
        self.take(owner, age);
        Some(age.1)
    }

    fn take(&mut self, owner: NodeId, age: (u64, Hash)) {
        let mut taken = None;
        self.change(owner, |owned| {
            taken = owned.by_age.remove(&age);
            owned.bytes -= taken.unwrap_or(0);
        });
        if let Some(weight) = taken {
            (self.count, self.bytes) = (self.count - 1, self.bytes - weight);
        }
    }

    fn change(&mut self, owner: NodeId, change: impl FnOnce(&mut Owned)) {
        let owned = self.owners.entry(owner).or_default();
        self.by_load.remove(&(owned.bytes, owner));
        change(owned);
        match owned.by_age.is_empty() {
            true => drop(self.owners.remove(&owner)),
            false => drop(self.by_load.insert((owned.bytes, owner))),
        }
    }
}
