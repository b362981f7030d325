//! Who knows whom at the end: nobody is cut off, nobody is taken for dead who lives.

use std::collections::{BTreeMap, BTreeSet};

use crate::Index;

/// Whom each live node knows.
#[derive(Debug, Clone, Default)]
pub struct Views {
    known: BTreeMap<Index, BTreeSet<Index>>,
}

impl Views {
    /// The views of all nodes that are up.
    pub fn new(views: impl Iterator<Item = (Index, Vec<Index>)>) -> Self {
        let known = views.map(|(node, view)| (node, view.into_iter().collect()));
        Self {
            known: known.collect(),
        }
    }

    /// Nodes that are not in the largest group of nodes that reach each other over links that at
    /// least one of the two knows.
    pub fn isolated_count(&self) -> u64 {
        let mut links: BTreeMap<Index, Vec<Index>> = BTreeMap::new();
        for (node, view) in &self.known {
            for peer in view.iter().filter(|peer| self.known.contains_key(peer)) {
                links.entry(*node).or_default().push(*peer);
                links.entry(*peer).or_default().push(*node);
            }
        }
        let mut left: BTreeSet<Index> = self.known.keys().copied().collect();
        let mut largest = 0;
        while let Some(first) = left.pop_first() {
            let mut size = 0;
            let mut waiting = vec![first];
            while let Some(node) = waiting.pop() {
                size += 1;
                let peers = links.get(&node).into_iter().flatten();
                waiting.extend(peers.filter(|peer| left.remove(peer)));
            }
            largest = largest.max(size);
        }
        self.known.len() as u64 - largest
    }

    /// Links that one of two live nodes knows and the other does not.
    pub fn one_sided_count(&self) -> u64 {
        let knows = |a: &Index, b: &Index| self.known.get(a).map(|view| view.contains(b));
        self.count(|node, peer| knows(peer, node) == Some(false))
    }

    /// Live nodes in the view of a live node, of all that should be there, that are not.
    pub fn wrongly_dead_count(&self) -> u64 {
        let live = self.known.len() as u64;
        let known = self.count(|_, peer| self.known.contains_key(peer));
        live * live.saturating_sub(1) - known
    }

    /// Nodes in the view of a live node that are down.
    pub fn wrongly_alive_count(&self) -> u64 {
        self.count(|_, peer| !self.known.contains_key(peer))
    }

    fn count(&self, is_counted: impl Fn(&Index, &Index) -> bool) -> u64 {
        let counts = self.known.iter().map(|(node, view)| {
            let peers = view.iter().filter(|peer| *peer != node);
            peers.filter(|peer| is_counted(node, peer)).count() as u64
        });
        counts.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(of: &[(Index, &[Index])]) -> Views {
        Views::new(of.iter().map(|(node, view)| (*node, view.to_vec())))
    }

    #[test]
    fn a_node_that_only_the_dead_know_is_isolated() {
        let found = views(&[(0, &[1]), (1, &[2]), (2, &[]), (3, &[9]), (4, &[])]);
        assert_eq!(found.isolated_count(), 2);
        assert_eq!(found.one_sided_count(), 2);
        assert_eq!(found.wrongly_alive_count(), 1);
    }

    #[test]
    fn who_is_missing_in_a_full_view_is_wrongly_dead() {
        let full = views(&[(0, &[1, 2]), (1, &[0, 2]), (2, &[0, 1])]);
        assert_eq!((full.wrongly_dead_count(), full.isolated_count()), (0, 0));
        let gaps = views(&[(0, &[1]), (1, &[0, 2]), (2, &[])]);
        assert_eq!(gaps.wrongly_dead_count(), 3);
        assert_eq!(views(&[]).isolated_count(), 0);
    }
}
