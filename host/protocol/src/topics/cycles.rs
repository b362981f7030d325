//! Closed cycles of an audience, and a node's neighbours in them.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::ids::{Hash, NodeId};

const CONTEXT: &str = "replicant 2026-11 place in a topic's cycle";

/// A node's place in a cycle. The node's id breaks ties.
type Place = (Hash, NodeId);

/// A set of nodes in several closed cycles, and whom a node of them is linked to. Every node that
/// knows the same set gives the same links, each of them from both ends.
#[derive(Debug)]
pub struct Cycles {
    label: String,
    own: NodeId,
    cycles: Vec<BTreeSet<Place>>,
    links: BTreeSet<NodeId>,
}

/// How links changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChanges {
    /// Links that ended.
    pub down: Vec<NodeId>,
    /// Links that began.
    pub up: Vec<NodeId>,
}

impl Cycles {
    /// An empty set, for the links of `own`. Another label gives an unrelated order.
    pub fn new(label: &str, own: NodeId, cycles_count: usize) -> Self {
        Self {
            label: label.to_owned(),
            own,
            cycles: vec![BTreeSet::new(); cycles_count.max(1)],
            links: BTreeSet::new(),
        }
    }

    /// Adds a node. Costs a hash for each cycle.
    pub fn insert(&mut self, node: NodeId) {
        for index in 0..self.cycles.len() {
            let place = self.place(index, node);
            self.cycles[index].insert(place);
        }
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeId) {
        for index in 0..self.cycles.len() {
            let place = self.place(index, node);
            self.cycles[index].remove(&place);
        }
    }

    /// Whom this node is linked to, as of the last [`relink`](Self::relink).
    pub fn links(&self) -> &BTreeSet<NodeId> {
        &self.links
    }

    /// Brings the links in line with the set.
    pub fn relink(&mut self) -> LinkChanges {
        let new = self.neighbours();
        let old = std::mem::replace(&mut self.links, new);
        LinkChanges {
            down: old.difference(&self.links).copied().collect(),
            up: self.links.difference(&old).copied().collect(),
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.cycles.first().map_or(0, BTreeSet::len)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who stands beside this node, in any cycle. Everybody, if that is no more than so many
    /// cycles can give: then a link that cannot be used leaves others.
    fn neighbours(&self) -> BTreeSet<NodeId> {
        let mut neighbours = BTreeSet::new();
        if self.len() <= 2 * self.cycles.len() + 1 {
            let all = self.cycles.first().into_iter().flatten();
            neighbours.extend(all.map(|(_, node)| *node));
            neighbours.remove(&self.own);
            return neighbours;
        }
        for (index, cycle) in self.cycles.iter().enumerate() {
            let own = self.place(index, self.own);
            let after = cycle.range((Bound::Excluded(own), Bound::Unbounded));
            let next = after.chain(cycle.iter()).next();
            let previous = cycle.range(..own).next_back().or(cycle.last());
            let both = next.into_iter().chain(previous);
            neighbours.extend(both.map(|(_, node)| *node));
        }
        neighbours.remove(&self.own);
        neighbours
    }

    fn place(&self, index: usize, node: NodeId) -> Place {
        let index = (index as u64).to_le_bytes();
        let parts: [&[u8]; 3] = [self.label.as_bytes(), &index, node.as_bytes()];
        (Hash::derive(CONTEXT, &parts), node)
    }
}
