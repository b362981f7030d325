//! Closed cycles of a topic's audience, and a node's neighbours in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Hash, NodeId, TopicName};

const CONTEXT: &str = "replicant 2026-11 place in a topic's cycle";

/// A node's place in a cycle. The node's id breaks ties.
type Place = (Hash, NodeId);

/// The audience of one topic in its cycles.
#[derive(Debug)]
pub(super) struct Cycles {
    topic: TopicName,
    own: NodeId,
    cycles: Vec<BTreeMap<Place, ()>>,
}

impl Cycles {
    pub(super) fn new(
        topic: TopicName,
        own: NodeId,
        cycles_count: usize,
        audience: impl Iterator<Item = NodeId>,
    ) -> Self {
        let mut cycles = Self {
            topic,
            own,
            cycles: vec![BTreeMap::new(); cycles_count],
        };
        for node in audience {
            cycles.insert(node);
        }
        cycles
    }

    pub(super) fn insert(&mut self, node: NodeId) {
        for index in 0..self.cycles.len() {
            let place = self.place(index, node);
            self.cycles[index].insert(place, ());
        }
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        for index in 0..self.cycles.len() {
            let place = self.place(index, node);
            self.cycles[index].remove(&place);
        }
    }

    /// Who stands beside this node, in any cycle.
    pub(super) fn neighbours(&self) -> BTreeSet<NodeId> {
        let mut neighbours = BTreeSet::new();
        for (index, cycle) in self.cycles.iter().enumerate() {
            let own = self.place(index, self.own);
            let after = cycle.range((std::ops::Bound::Excluded(own), std::ops::Bound::Unbounded));
            let next = after.chain(cycle.iter()).next();
            let previous = cycle.range(..own).next_back().or(cycle.iter().next_back());
            let both = next.into_iter().chain(previous);
            neighbours.extend(both.map(|(place, ())| place.1));
        }
        neighbours.remove(&self.own);
        neighbours
    }

    fn place(&self, index: usize, node: NodeId) -> Place {
        let index = (index as u64).to_le_bytes();
        let topic = self.topic.as_str().as_bytes();
        let parts: [&[u8]; 3] = [topic, &index, node.as_bytes()];
        (Hash::derive(CONTEXT, &parts), node)
    }
}
