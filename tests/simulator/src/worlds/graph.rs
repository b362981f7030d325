//! Who knows whom, for protocols that are told.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

use crate::Index;

/// A random graph: a ring, so that it is connected, and for each node `chords` further neighbours
/// drawn by it. Neighbourhood is mutual; a node has 2 + 2 · `chords` neighbours on average.
pub fn random_graph(nodes: Index, chords: u32, rng: &mut impl Rng) -> Vec<BTreeSet<Index>> {
    let mut graph = vec![BTreeSet::new(); nodes as usize];
    let mut join = |a: Index, b: Index| {
        if a != b {
            graph[a as usize].insert(b);
            graph[b as usize].insert(a);
        }
    };
    for node in 0..nodes {
        join(node, (node + 1) % nodes);
        for _ in 0..chords {
            join(node, rng.random_range(0..nodes));
        }
    }
    graph
}
