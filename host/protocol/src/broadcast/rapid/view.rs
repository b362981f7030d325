//! Whom a node can send to, and who there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::broadcast::acknowledgement::{ShortId, position};
use crate::ids::{Hash, NodeId};

/// The neighbours, and all nodes of each scope whose nodes are known.
#[derive(Debug, Clone)]
pub(super) struct Views<S> {
    own: NodeId,
    is_dialing: bool,
    neighbours: Arc<[NodeId]>,
    full: BTreeMap<S, Arc<[NodeId]>>,
}

/// Whom a node can send to: of all nodes, or of the neighbours that it knows. In the order of ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    own: NodeId,
    nodes: &'a Arc<[NodeId]>,
    is_full: bool,
    /// The only ones that can be sent to, if not everybody can.
    reachable: Option<&'a [NodeId]>,
}

impl<S: Ord> Views<S> {
    pub(super) fn new(own: NodeId, is_dialing: bool) -> Self {
        Self {
            own,
            is_dialing,
            neighbours: Arc::from([]),
            full: BTreeMap::new(),
        }
    }

    /// Takes all nodes of a scope; those that share the list share its memory.
    pub(super) fn set(&mut self, scope: S, nodes: Arc<[NodeId]>) {
        let nodes = match nodes.is_sorted() {
            true => nodes,
            false => nodes
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        self.full.insert(scope, nodes);
    }

    /// Forgets who there is in a scope.
    pub(super) fn unset(&mut self, scope: &S) {
        self.full.remove(scope);
    }

    pub(super) fn insert(&mut self, peer: NodeId) {
        if let Err(at) = self.neighbours.binary_search(&peer) {
            let (before, after) = self.neighbours.split_at(at);
            self.neighbours = [before, &[peer], after].concat().into();
        }
    }

    pub(super) fn remove(&mut self, peer: &NodeId) {
        if let Ok(at) = self.neighbours.binary_search(peer) {
            let (before, after) = (&self.neighbours[..at], &self.neighbours[at + 1..]);
            self.neighbours = [before, after].concat().into();
        }
    }

    /// What is known of a scope.
    pub(super) fn of(&self, scope: &S) -> View<'_> {
        let full = self.full.get(scope);
        View {
            own: self.own,
            nodes: full.unwrap_or(&self.neighbours),
            is_full: full.is_some(),
            reachable: (full.is_some() && !self.is_dialing).then_some(&*self.neighbours),
        }
    }
}

impl View<'_> {
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

    /// Whether there is a node of this name.
    pub(super) fn contains(&self, name: ShortId) -> bool {
        position(self.nodes, name).is_some()
    }

    /// The node of this name, if it can be sent to.
    pub(super) fn find(&self, name: ShortId) -> Option<NodeId> {
        let node = self.nodes.get(position(self.nodes, name)?).copied();
        node.filter(|node| self.is_reachable(node))
    }

    /// Whether anybody else can be sent to.
    pub(super) fn leads_anywhere(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| *node != self.own && self.is_reachable(node))
    }

    fn is_reachable(&self, node: &NodeId) -> bool {
        let reachable = self.reachable;
        reachable.is_none_or(|nodes| nodes.binary_search(node).is_ok())
    }

    /// Draws `count` peers for the message `id`, without `except` and without itself.
    ///
    /// From a full view half of them are drawn evenly: at distances along the list that follow
    /// from `id` and so are the same for all nodes. Thus every node is drawn by as many others as
    /// every other; none is left out by bad luck. The other half is drawn at random, and so are
    /// all from a partial view, and those in whose place nobody can be reached.
    pub(super) fn draw(
        &self,
        id: &Hash,
        count: usize,
        except: Option<&NodeId>,
        rng: &mut impl Rng,
    ) -> Vec<NodeId> {
        let is_other = |node: &NodeId| *node != self.own && Some(node) != except;
        let may = |node: &NodeId| is_other(node) && self.is_reachable(node);
        if self.nodes.len() <= count {
            return self.nodes.iter().copied().filter(may).collect();
        }
        let mut drawn = Vec::with_capacity(count);
        if self.is_full
            && let Ok(own) = self.nodes.binary_search(&self.own)
        {
            let mut distances = ChaCha8Rng::from_seed(*id.as_bytes());
            for _ in 0..count / 2 {
                let distance = distances.random_range(1..self.nodes.len());
                let node = self.nodes[(own + distance) % self.nodes.len()];
                if may(&node) && !drawn.contains(&node) {
                    drawn.push(node);
                }
            }
        }
        if let Some(reachable) = self.reachable {
            let is_left = |node: &NodeId| {
                is_other(node) && self.nodes.binary_search(node).is_ok() && !drawn.contains(node)
            };
            let mut left: Vec<NodeId> = reachable.iter().copied().filter(is_left).collect();
            let (chosen, _) = left.partial_shuffle(rng, count.saturating_sub(drawn.len()));
            drawn.extend_from_slice(chosen);
            return drawn;
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
