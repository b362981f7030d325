//! The broadcast trees of a node: one of all members, one for each overlay that is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::plumtree::{self, MessageError, Plumtree};
use replicant_protocol::broadcast::{self, Broadcast as _, BroadcastError, Delivery};
use replicant_protocol::environment::tree_spread;
use replicant_protocol::ids::NodeId;

use super::overlays::Scope;

/// How long a tree of a topic keeps what was said for those that missed it. Longer, and who begins
/// to listen, or comes back, would hear more of what was said before.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// A tree, and whom it leads to whether there is a session or not.
struct Tree {
    plumtree: Plumtree,
    links: BTreeSet<NodeId>,
    /// When it has something to do, as `due` of [`Trees`] has it.
    due: Option<Duration>,
    /// What of its counts is in those of all.
    counted: plumtree::Counts,
}

/// To whom of those it is linked with a node has a session, in one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To nobody; or it has no links, or there is no such tree.
    Nobody,
    /// To some.
    Some,
    /// To all.
    All,
}

/// The trees.
///
/// Invariants: a tree's neighbours are its links to whom there is a session; `due` holds what each
/// tree that is not in `touched` waits for.
pub(super) struct Trees {
    own: NodeId,
    config: plumtree::Config,
    trees: BTreeMap<Scope, Tree>,
    sessions: BTreeSet<NodeId>,
    /// Trees that may have something to say.
    touched: BTreeSet<Scope>,
    due: BTreeSet<(Duration, Scope)>,
    rng: ChaCha20Rng,
    counts: plumtree::Counts,
    offences: Vec<(NodeId, plumtree::Offences)>,
}

impl Trees {
    /// Starts with the tree of everybody.
    pub(super) fn new(
        own: NodeId,
        config: plumtree::Config,
        now: Duration,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let mut trees = Self {
            own,
            config,
            trees: BTreeMap::new(),
            sessions: BTreeSet::new(),
            touched: BTreeSet::new(),
            due: BTreeSet::new(),
            rng: ChaCha20Rng::from_rng(rng),
            counts: plumtree::Counts::default(),
            offences: Vec::new(),
        };
        trees.open(now, &None, 1);
        trees
    }

    /// Makes a tree of so many nodes if there is none yet.
    pub(super) fn open(&mut self, now: Duration, scope: &Scope, nodes_count: usize) {
        if !self.trees.contains_key(scope) {
            let config = match scope {
                None => self.config.clone(),
                Some(_) => config_of_topics(&self.config),
            };
            let tree = Tree {
                plumtree: Plumtree::new(config, self.own, now, &mut self.rng),
                links: BTreeSet::new(),
                due: None,
                counted: plumtree::Counts::default(),
            };
            self.trees.insert(scope.clone(), tree);
            self.touched.insert(scope.clone());
        }
        self.set_size(scope, nodes_count);
    }

    /// How many nodes a tree has.
    pub(super) fn set_size(&mut self, scope: &Scope, nodes_count: usize) {
        if let Some(tree) = self.trees.get_mut(scope) {
            let count = u32::try_from(nodes_count).unwrap_or(u32::MAX);
            tree.plumtree.set_spread_count(tree_spread(count));
        }
    }

    /// How many copies beside a tree may be made.
    pub(super) fn set_spread(&mut self, scope: &Scope, count: u16) {
        if let Some(tree) = self.trees.get_mut(scope) {
            tree.plumtree.set_spread_count(count);
        }
    }

    /// Whether a tree leads through a neighbour.
    pub(super) fn is_eager(&self, scope: &Scope, peer: &NodeId) -> bool {
        let tree = self.trees.get(scope);
        tree.is_some_and(|tree| tree.plumtree.is_eager(peer))
    }

    /// What peers did that they should not have, in all trees, since this was last asked.
    pub(super) fn take_offences(&mut self) -> Vec<(NodeId, plumtree::Offences)> {
        std::mem::take(&mut self.offences)
    }

    pub(super) fn close(&mut self, scope: &Scope) {
        if let Some(due) = self.trees.remove(scope).and_then(|tree| tree.due) {
            self.due.remove(&(due, scope.clone()));
        }
        self.touched.remove(scope);
    }

    /// A tree, about to be told something.
    fn touch(&mut self, scope: &Scope) -> Option<&mut Tree> {
        let tree = self.trees.get_mut(scope)?;
        self.touched.insert(scope.clone());
        Some(tree)
    }

    pub(super) fn has_session(&self, peer: &NodeId) -> bool {
        self.sessions.contains(peer)
    }

    /// With whom there is a session.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &NodeId> {
        self.sessions.iter()
    }

    /// To whom of its links a tree leads.
    pub(super) fn reach(&self, scope: &Scope) -> Reach {
        let Some(tree) = self.trees.get(scope) else {
            return Reach::Nobody;
        };
        match tree.plumtree.neighbours_count() {
            0 => Reach::Nobody,
            _ if tree.links.is_subset(&self.sessions) => Reach::All,
            _ => Reach::Some,
        }
    }

    pub(super) fn handle_session_up(&mut self, now: Duration, peer: NodeId) {
        self.sessions.insert(peer);
        self.tell_linked(peer, |tree| tree.handle_neighbour_up(now, peer));
    }

    pub(super) fn handle_session_down(&mut self, now: Duration, peer: NodeId) {
        self.sessions.remove(&peer);
        self.tell_linked(peer, |tree| tree.handle_neighbour_down(now, peer));
    }

    fn tell_linked(&mut self, peer: NodeId, tell: impl Fn(&mut Plumtree)) {
        for (scope, tree) in &mut self.trees {
            if tree.links.contains(&peer) {
                tell(&mut tree.plumtree);
                self.touched.insert(scope.clone());
            }
        }
    }

    /// A tree leads to a node.
    pub(super) fn link(&mut self, now: Duration, scope: &Scope, peer: NodeId) {
        let has_session = self.has_session(&peer);
        if let Some(tree) = self.touch(scope)
            && tree.links.insert(peer)
            && has_session
        {
            tree.plumtree.handle_neighbour_up(now, peer);
        }
    }

    /// A tree does not lead to a node any more.
    pub(super) fn unlink(&mut self, now: Duration, scope: &Scope, peer: NodeId) {
        if let Some(tree) = self.touch(scope)
            && tree.links.remove(&peer)
        {
            tree.plumtree.handle_neighbour_down(now, peer);
        }
    }

    /// Takes a message of a tree; ignores it if there is no such tree.
    pub(super) fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        scope: &Scope,
        message: plumtree::Message,
    ) -> Result<(), MessageError> {
        let tree = self.touch(scope);
        tree.map_or(Ok(()), |tree| tree.plumtree.on_message(now, from, message))
    }

    /// Says something in a tree.
    pub(super) fn broadcast(
        &mut self,
        now: Duration,
        scope: &Scope,
        payload: Arc<[u8]>,
    ) -> Result<(), BroadcastError> {
        let tree = self.touch(scope);
        tree.map_or(Ok(()), |tree| {
            tree.plumtree.handle_broadcast(now, payload).map(|_| ())
        })
    }

    /// Keeps something for neighbours that miss it, which goes to them another way.
    pub(super) fn keep(&mut self, now: Duration, scope: &Scope, payload: Arc<[u8]>) {
        if let Some(tree) = self.touch(scope) {
            tree.plumtree.handle_held(now, payload);
        }
    }

    /// Passes something on that turned out to hold.
    pub(super) fn accept(&mut self, now: Duration, scope: &Scope, delivery: Delivery) {
        if let Some(tree) = self.touch(scope) {
            tree.plumtree.handle_accepted(now, delivery);
        }
    }

    /// A message did not go out to some.
    pub(super) fn handle_unsent(
        &mut self,
        now: Duration,
        scope: &Scope,
        to: &[NodeId],
        message: &plumtree::Message,
    ) {
        if let Some(tree) = self.touch(scope) {
            for peer in to {
                tree.plumtree.handle_unsent(now, *peer, message);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<Scope> = due.map(|(_, scope)| scope.clone()).collect();
        for scope in due {
            if let Some(tree) = self.touch(&scope) {
                tree.plumtree.handle_timeout(now);
            }
        }
    }

    /// When something is due, once [`poll_event`](Self::poll_event) has nothing more.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What a tree wants done.
    pub(super) fn poll_event(&mut self) -> Option<(Scope, broadcast::OutEvent<plumtree::Message>)> {
        loop {
            let scope = self.touched.first()?.clone();
            let tree = self.trees.get_mut(&scope);
            if let Some(event) = tree.and_then(|tree| tree.plumtree.poll_event()) {
                return Some((scope, event));
            }
            self.touched.remove(&scope);
            self.note_due(scope);
        }
    }

    /// What happened in all trees since this was last asked.
    pub(super) fn take_counts(&mut self) -> plumtree::Counts {
        std::mem::take(&mut self.counts)
    }

    fn note_due(&mut self, scope: Scope) {
        let Some(tree) = self.trees.get_mut(&scope) else {
            return;
        };
        let counts = tree.plumtree.counts();
        self.counts.add(&counts, &tree.counted);
        tree.counted = counts;
        self.offences.extend(tree.plumtree.take_offences());
        let next = tree.plumtree.next_timeout();
        let before = std::mem::replace(&mut tree.due, next);
        if before == next {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, scope.clone()));
        }
        if let Some(next) = next {
            self.due.insert((next, scope));
        }
    }
}

/// What a topic's tree needs. There may be many, and numbers tell what was heard long ago, so each
/// remembers and keeps less.
fn config_of_topics(config: &plumtree::Config) -> plumtree::Config {
    plumtree::Config {
        payload_bytes_max: replicant_protocol::topics::PUBLICATION_BYTES_MAX,
        seen_max: 1_024,
        missing_max: 1_024,
        i_have_queue_max: 256,
        cache_count_max: 256,
        cache_bytes_max: 2 * replicant_protocol::topics::PUBLICATION_BYTES_MAX,
        cache_retention: KEPT_FOR,
        // News of who listens takes that long at times.
        new_link_quiet: config.new_link_quiet.max(Duration::from_millis(500)),
        ..config.clone()
    }
}
