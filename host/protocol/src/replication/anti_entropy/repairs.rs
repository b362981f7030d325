//! Which topics that differ are being repaired, and which wait for that.
//!
//! A comparison finds thousands of topics in the time that it takes to fetch a few, above all for a
//! node that is new. So a few of each peer are under way at a time and the others wait; and while
//! many wait, nothing more is compared with that peer.

use std::collections::BTreeMap;
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

#[derive(Debug, Default)]
struct Peer {
    waiting: BTreeMap<TopicName, Version>,
    under_way_count: usize,
    /// Nothing is compared with it for now.
    is_held: bool,
}

impl Peer {
    fn can_go_on(&self) -> bool {
        self.under_way_count < UNDER_WAY_MAX && !self.waiting.is_empty()
    }
}

/// The repairs of all peers with a session.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    peers: BTreeMap<NodeId, Peer>,
    /// Until when each has time.
    under_way: BTreeMap<(TopicName, NodeId), Duration>,
}

impl Repairs {
    pub(super) fn handle_peer_up(&mut self, peer: NodeId) {
        self.handle_peer_down(peer);
        self.peers.insert(peer, Peer::default());
    }

    pub(super) fn handle_peer_down(&mut self, peer: NodeId) {
        if self.peers.remove(&peer).is_some() {
            self.under_way.retain(|(_, of), _| *of != peer);
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
        }
    }

    /// Begins what may be under way now and is still needed.
    pub(super) fn begin(&mut self, topics: &Topics, until: Duration) -> Vec<(NodeId, TopicName)> {
        let mut begun = Vec::new();
        for (id, peer) in &mut self.peers {
            while peer.under_way_count < UNDER_WAY_MAX
                && let Some((topic, version)) = peer.waiting.pop_first()
            {
                if topics.lacks(&topic, &version) {
                    peer.under_way_count += 1;
                    self.under_way.insert((topic.clone(), *id), until);
                    begun.push((*id, topic));
                }
            }
        }
        begun
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
        self.peers.values().any(Peer::can_go_on)
    }

    /// When the first of those under way has had its time.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.under_way.values().min().copied()
    }
}
