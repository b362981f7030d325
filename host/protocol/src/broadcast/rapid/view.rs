//! Whom a node can send to.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::broadcast::acknowledgement::{ShortId, position};
use crate::ids::{Hash, NodeId};

/// Whom a node can send to: all members, or the neighbours that it knows. In the order of ids.
#[derive(Debug, Clone)]
pub(super) struct View {
    own: NodeId,
    nodes: Arc<[NodeId]>,
    is_full: bool,
}

impl View {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            nodes: Arc::from([]),
            is_full: false,
        }
    }

    /// Takes all members; those that share the list share its memory.
    pub(super) fn set(&mut self, nodes: Arc<[NodeId]>) {
        self.nodes = match nodes.is_sorted() {
            true => nodes,
            false => nodes
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        self.is_full = true;
    }

    pub(super) fn insert(&mut self, peer: NodeId) {
        if let Err(at) = self.nodes.binary_search(&peer) {
            let (before, after) = self.nodes.split_at(at);
            self.nodes = [before, &[peer], after].concat().into();
        }
    }

    pub(super) fn remove(&mut self, peer: &NodeId) {
        if let Ok(at) = self.nodes.binary_search(peer) {
            let (before, after) = (&self.nodes[..at], &self.nodes[at + 1..]);
            self.nodes = [before, after].concat().into();
        }
    }

    /// How many nodes there are, as far as is known.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes, if they are known.
    pub(super) fn full(&self) -> Option<Arc<[NodeId]>> {
        self.is_full.then(|| self.nodes.clone())
    }

    /// Whether all nodes are known.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The node of this name.
    pub(super) fn find(&self, name: ShortId) -> Option<NodeId> {
        self.nodes.get(position(&self.nodes, name)?).copied()
    }

    /// Draws `count` peers for the message `id`, without `except` and without itself.
    ///
    /// From a full view half of them are drawn evenly: at distances along the list that follow
    /// from `id` and so are the same for all nodes. Thus every node is drawn by as many others as
    /// every other; none is left out by bad luck. The other half is drawn at random, and so is all
    /// from a partial view.
    pub(super) fn draw(
        &self,
        id: &Hash,
        count: usize,
        except: Option<&NodeId>,
        rng: &mut impl Rng,
    ) -> Vec<NodeId> {
        let is_other = |node: &NodeId| *node != self.own && Some(node) != except;
        if self.nodes.len() <= count {
            return self.nodes.iter().copied().filter(is_other).collect();
        }
        let mut drawn = Vec::with_capacity(count);
        if self.is_full
            && let Ok(own) = self.nodes.binary_search(&self.own)
        {
            let mut distances = ChaCha8Rng::from_seed(*id.as_bytes());
            for _ in 0..count / 2 {
                let distance = distances.random_range(1..self.nodes.len());
                let node = self.nodes[(own + distance) % self.nodes.len()];
                if is_other(&node) && !drawn.contains(&node) {
                    drawn.push(node);
                }
            }
        }
        // Two nodes of the list may be out of the question; a bound on the attempts all the same.
        for _ in 0..count * 8 {
            if drawn.len() >= count {
                break;
            }
            let node = self.nodes[rng.random_range(0..self.nodes.len())];
            if is_other(&node) && !drawn.contains(&node) {
                drawn.push(node);
            }
        }
        drawn
    }
}
