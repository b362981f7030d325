//! Topics that are in memory only since peers spoke of them: neither stored nor used here.
//!
//! A peer can name as many as it likes. What is too much is forgotten, the oldest of the peer that
//! has most: the next comparison with a peer that does hold such a topic finds it again.

use std::collections::{BTreeMap, VecDeque};

use replicant_protocol::ids::{NodeId, TopicName};

/// Such topics of one peer, per shard.
pub(super) const PEER_MAX: usize = 256;

/// Such topics of all peers, per shard.
pub(super) const ALL_MAX: usize = 2_048;

/// Who spoke first of which topics, in order.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    by_peer: BTreeMap<NodeId, VecDeque<TopicName>>,
    count: usize,
}

impl Strangers {
    /// A peer spoke of a topic that nobody else has spoken of. Gives the topic to forget for it, if
    /// there are too many. Those that are in use by now are no strangers any more and count for
    /// nothing: a peer that brings much at once does not push out what is being fetched from it.
    pub(super) fn insert(
        &mut self,
        peer: NodeId,
        topic: TopicName,
        is_stranger: impl Fn(&TopicName) -> bool,
    ) -> Option<TopicName> {
        let topics = self.by_peer.entry(peer).or_default();
        topics.push_back(topic);
        self.count += 1;
        if topics.len() > PEER_MAX {
            return self.make_room(peer, is_stranger);
        }
        if self.count > ALL_MAX {
            let most = self.by_peer.iter().max_by_key(|(_, topics)| topics.len());
            let most = most.map(|(peer, _)| *peer)?;
            return self.make_room(most, is_stranger);
        }
        None
    }

    fn make_room(
        &mut self,
        peer: NodeId,
        is_stranger: impl Fn(&TopicName) -> bool,
    ) -> Option<TopicName> {
        let topics = self.by_peer.get_mut(&peer)?;
        let before = topics.len();
        topics.retain(is_stranger);
        let gone = before - topics.len();
        self.count -= gone;
        if gone == 0 {
            return self.take_first_of(peer);
        }
        None
    }

    fn take_first_of(&mut self, peer: NodeId) -> Option<TopicName> {
        let topics = self.by_peer.get_mut(&peer)?;
        let first = topics.pop_front()?;
        self.count -= 1;
        if topics.is_empty() {
            self.by_peer.remove(&peer);
        }
        Some(first)
    }

    /// Keeps those that are still what they were.
    pub(super) fn retain(&mut self, is_stranger: impl Fn(&TopicName) -> bool) {
        for topics in self.by_peer.values_mut() {
            topics.retain(&is_stranger);
        }
        self.by_peer.retain(|_, topics| !topics.is_empty());
        self.count = self.by_peer.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn topic(number: usize) -> TopicName {
        format!("t/{number}").parse().unwrap()
    }

    fn always(_: &TopicName) -> bool {
        true
    }

    #[test]
    fn what_a_peer_brought_and_is_in_use_pushes_out_nothing() {
        let mut strangers = Strangers::default();
        let is_fetched = |name: &TopicName| *name == topic(0);
        assert_eq!(strangers.insert(peer(1), topic(0), is_fetched), None);
        for n in 1..10 * PEER_MAX {
            assert_eq!(strangers.insert(peer(1), topic(n), is_fetched), None);
        }
        assert!(strangers.count <= PEER_MAX);
        let kept: usize = strangers.by_peer.values().map(VecDeque::len).sum();
        assert_eq!(strangers.count, kept);
    }

    #[test]
    fn a_peer_that_speaks_of_too_many_loses_its_own_oldest() {
        let mut strangers = Strangers::default();
        assert_eq!(strangers.insert(peer(2), topic(9_999), always), None);
        for n in 0..PEER_MAX {
            assert_eq!(strangers.insert(peer(1), topic(n), always), None);
        }
        assert_eq!(
            strangers.insert(peer(1), topic(PEER_MAX), always),
            Some(topic(0))
        );
        // Those that were stored meanwhile do not count.
        strangers.retain(|name| *name != topic(1));
        assert_eq!(strangers.insert(peer(1), topic(0), always), None);
    }

    #[test]
    fn of_all_peers_together_the_one_that_has_most_gives_way() {
        let mut strangers = Strangers::default();
        let of_each = PEER_MAX - 1;
        let mut n = 0;
        for number in 0..=u8::try_from(ALL_MAX / of_each).unwrap() {
            for _ in 0..of_each.min(ALL_MAX - n) {
                assert_eq!(strangers.insert(peer(number), topic(n), always), None);
                n += 1;
            }
        }
        assert_eq!(n, ALL_MAX);
        assert!(strangers.insert(peer(250), topic(n), always).is_some());
        assert_eq!(strangers.count, ALL_MAX);
    }
}
