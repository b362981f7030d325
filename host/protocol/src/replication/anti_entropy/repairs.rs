//! Which topics that differ are being repaired, and which wait for that.
//!
//! A comparison finds thousands of topics in the time that it takes to fetch a few, above all for a
//! node that is new. So a few of each peer are under way at a time and the others wait; and while
//! many wait, nothing more is compared with that peer. What is under way with one peer waits with
//! the others, who may have the same to give.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::message::TopicDigest;
use super::topics::{Topics, Version};
use crate::identity::NodeId;
use crate::ids::TopicName;

/// Topics of one peer that are under way at a time.
pub(super) const UNDER_WAY_MAX: usize = 64;

/// While so many topics of a peer wait, nothing is compared with it.
const ENOUGH: usize = 1_024;

/// Topics of one peer that wait at most: as many as a comparison that is under way can still bring.
pub(super) const WAITING_MAX: usize = 16_384;

/// So many topics of one peer are looked at in a row for one that can begin.
const LOOKED_AT_MAX: usize = 256;

#[derive(Debug, Default)]
struct Peer {
    waiting: BTreeMap<TopicName, Version>,
    /// Up to where those that wait were looked at; then from the start again.
    looked_up_to: Option<TopicName>,
    /// So many of them in a row were passed by, since they are under way with others, when so many
    /// had ended.
    passed: (usize, u64),
    under_way_count: usize,
    /// Nothing is compared with it for now.
    is_held: bool,
}

impl Peer {
    fn can_go_on(&self, ended_count: u64) -> bool {
        // Nothing can begin until something ends.
        let is_stuck = self.passed.0 >= self.waiting.len() && self.passed.1 == ended_count;
        self.under_way_count < UNDER_WAY_MAX && !self.waiting.is_empty() && !is_stuck
    }

    /// The next that waits, round and round.
    fn next(&mut self) -> Option<(TopicName, Version)> {
        let from = self.looked_up_to.as_ref();
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.waiting.range::<TopicName, _>((from, Bound::Unbounded));
        let mut all = behind.chain(self.waiting.iter());
        let (topic, version) = all
            .next()
            .map(|(topic, version)| (topic.clone(), *version))?;
        self.looked_up_to = Some(topic.clone());
        Some((topic, version))
    }
}

/// The repairs of all peers with a session.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    peers: BTreeMap<NodeId, Peer>,
    /// Until when each has time.
    under_way: BTreeMap<(TopicName, NodeId), Duration>,
    /// How many have ended.
    ended_count: u64,
}

impl Repairs {
    pub(super) fn handle_peer_up(&mut self, peer: NodeId) {
        self.handle_peer_down(peer);
        self.peers.insert(peer, Peer::default());
    }

    pub(super) fn handle_peer_down(&mut self, peer: NodeId) {
        if self.peers.remove(&peer).is_some() {
            self.under_way.retain(|(_, of), _| *of != peer);
            self.ended_count += 1;
        }
    }

    pub(super) fn knows(&self, peer: NodeId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// A peer has a version of a topic that this node lacks. False if too many wait.
    pub(super) fn insert(&mut self, peer: NodeId, digest: TopicDigest) -> bool {
        let Some(state) = self.peers.get_mut(&peer) else {
            return false;
        };
        let TopicDigest {
            topic,
            version: hash,
            ops_count,
        } = digest;
        if state.waiting.len() >= WAITING_MAX && !state.waiting.contains_key(&topic) {
            return false;
        }
        let under_way = (topic, peer);
        if !self.under_way.contains_key(&under_way) {
            let version = Version { hash, ops_count };
            state.waiting.insert(under_way.0, version);
            state.passed.0 = 0;
        }
        true
    }

    /// The version of a topic changed: whatever was under way for it has come to something. Gives
    /// whether anything was.
    pub(super) fn handle_version(&mut self, topic: &TopicName) -> bool {
        let mut has_ended = false;
        let first = (topic.clone(), NodeId::from_bytes([0; 32]));
        while let Some((of, _)) = self.under_way.range(&first..).next()
            && of.0 == *topic
        {
            let of = of.clone();
            self.end(&of);
            has_ended = true;
        }
        has_ended
    }

    /// Ends what has been under way for too long; gives how many that were.
    pub(super) fn expire(&mut self, now: Duration) -> usize {
        let late = self.under_way.iter().filter(|(_, until)| **until <= now);
        let late: Vec<_> = late.map(|(of, _)| of.clone()).collect();
        late.iter().for_each(|of| self.end(of));
        late.len()
    }

    fn end(&mut self, of: &(TopicName, NodeId)) {
        if self.under_way.remove(of).is_some()
            && let Some(peer) = self.peers.get_mut(&of.1)
        {
            peer.under_way_count -= 1;
            self.ended_count += 1;
        }
    }

    fn is_under_way(&self, topic: &TopicName) -> bool {
        let first = (topic.clone(), NodeId::from_bytes([0; 32]));
        let next = self.under_way.range(first..).next();
        next.is_some_and(|((of, _), _)| of == topic)
    }

    /// Begins what may be under way now and is still needed.
    pub(super) fn begin(&mut self, topics: &Topics, until: Duration) -> Vec<(NodeId, TopicName)> {
        let mut begun = Vec::new();
        let ids: Vec<NodeId> = self.peers.keys().copied().collect();
        for id in ids {
            self.begin_with(id, topics, until, &mut begun);
        }
        begun
    }

    fn begin_with(
        &mut self,
        id: NodeId,
        topics: &Topics,
        until: Duration,
        begun: &mut Vec<(NodeId, TopicName)>,
    ) {
        let ended_count = self.ended_count;
        for _ in 0..LOOKED_AT_MAX {
            let Some(peer) = self.peers.get_mut(&id) else {
                return;
            };
            if !peer.can_go_on(ended_count) {
                return;
            }
            let Some((topic, version)) = peer.next() else {
                return;
            };
            let is_needed = topics.lacks(&topic, &version);
            if is_needed && self.is_under_way(&topic) {
                self.pass_by(id);
            } else if let Some(peer) = self.peers.get_mut(&id) {
                peer.waiting.remove(&topic);
                if is_needed {
                    peer.under_way_count += 1;
                    self.under_way.insert((topic.clone(), id), until);
                    begun.push((id, topic));
                }
            }
        }
    }

    fn pass_by(&mut self, id: NodeId) {
        let ended_count = self.ended_count;
        if let Some(peer) = self.peers.get_mut(&id) {
            match peer.passed.1 == ended_count {
                true => peer.passed.0 += 1,
                false => peer.passed = (1, ended_count),
            }
        }
    }

    /// The peers with which nothing was compared and may be again (false), and those with which
    /// nothing is compared from now on (true).
    pub(super) fn held_or_released(&mut self) -> Vec<(NodeId, bool)> {
        let mut changed = Vec::new();
        for (id, peer) in &mut self.peers {
            let is_held = peer.waiting.len() >= ENOUGH;
            if peer.is_held != is_held {
                peer.is_held = is_held;
                changed.push((*id, is_held));
            }
        }
        changed
    }

    /// Whether something can begin.
    pub(super) fn can_go_on(&self) -> bool {
        self.peers
            .values()
            .any(|peer| peer.can_go_on(self.ended_count))
    }

    /// When the first of those under way has had its time.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.under_way.values().min().copied()
    }
}
