//! Publications whose author is no member as far as this node knows. They wait a while: news of a
//! member that has just joined may be on its way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::{Delivery, plumtree};
use replicant_protocol::ids::{NodeId, TopicName};

use super::overlays::Scope;

/// How long they wait.
const WAIT: Duration = Duration::from_secs(10);

/// How many wait that one peer sent. Beyond it, its oldest give way.
const PER_PEER_MAX: usize = 64;

/// How many bytes of them. One publication always fits.
const PER_PEER_BYTES_MAX: usize = 2 << 20;

/// How many wait in all. Beyond it, the oldest give way.
const COUNT_MAX: usize = 512;

/// How many bytes of them.
const BYTES_MAX: usize = 16 << 20;

/// How something came.
#[derive(Debug)]
pub(super) enum Came {
    /// In a tree that is not open here.
    Message(NodeId, Scope, plumtree::Message),
    /// In the tree of a path.
    Delivery(TopicName, Delivery),
    /// Rapidly, for the audience of a path.
    Rapidly(TopicName, Delivery),
    /// Handed in, or in the tree of a path that nobody subscribes to.
    Loose(NodeId, Option<TopicName>, Arc<[u8]>),
}

impl Came {
    fn peer(&self) -> NodeId {
        match self {
            Self::Message(from, ..) | Self::Loose(from, ..) => *from,
            Self::Delivery(_, delivery) | Self::Rapidly(_, delivery) => delivery.from,
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Message(_, _, plumtree::Message::Gossip { payload, .. }) => payload.len(),
            Self::Message(..) => 0,
            Self::Delivery(_, delivery) | Self::Rapidly(_, delivery) => delivery.payload.len(),
            Self::Loose(_, _, bytes) => bytes.len(),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    author: NodeId,
    until: Duration,
    came: Came,
}

/// How much one peer made wait.
#[derive(Debug, Default)]
struct Share {
    order: VecDeque<u64>,
    bytes: usize,
}

/// What waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    waiting: BTreeMap<u64, Waiting>,
    shares: BTreeMap<NodeId, Share>,
    bytes: usize,
    next: u64,
}

impl Strangers {
    /// Lets something wait for its author. Gives how many had to give way.
    pub(super) fn hold(&mut self, now: Duration, author: NodeId, came: Came) -> usize {
        let (peer, size) = (came.peer(), came.size_bytes());
        let number = self.next;
        self.next += 1;
        let until = now + WAIT;
        let waiting = Waiting {
            author,
            until,
            came,
        };
        self.waiting.insert(number, waiting);
        self.bytes += size;
        let share = self.shares.entry(peer).or_default();
        share.order.push_back(number);
        share.bytes += size;
        let mut dropped = 0;
        while let Some(number) = self.excess(&peer) {
            self.remove(number);
            dropped += 1;
        }
        dropped
    }

    /// What has to give way after `peer` sent something.
    fn excess(&self, peer: &NodeId) -> Option<u64> {
        let share = self.shares.get(peer)?;
        let is_too_much = share.order.len() > PER_PEER_MAX || share.bytes > PER_PEER_BYTES_MAX;
        if is_too_much && share.order.len() > 1 {
            return share.order.front().copied();
        }
        let is_too_much = self.waiting.len() > COUNT_MAX || self.bytes > BYTES_MAX;
        let oldest = self.waiting.first_key_value();
        oldest.map(|(number, _)| *number).filter(|_| is_too_much)
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        let (peer, size) = (waiting.came.peer(), waiting.came.size_bytes());
        self.bytes -= size;
        if let Some(share) = self.shares.get_mut(&peer) {
            share.bytes -= size;
            share.order.retain(|other| *other != number);
            if share.order.is_empty() {
                self.shares.remove(&peer);
            }
        }
        Some(waiting)
    }

    /// An author is known now: gives what waited for it.
    pub(super) fn take(&mut self, author: &NodeId) -> Vec<Came> {
        let of_author = self.waiting.iter();
        let of_author = of_author.filter(|(_, waiting)| waiting.author == *author);
        let numbers: Vec<u64> = of_author.map(|(number, _)| *number).collect();
        let removed = numbers.into_iter().filter_map(|number| self.remove(number));
        removed.map(|waiting| waiting.came).collect()
    }

    /// Drops what waited long enough. Gives how many.
    pub(super) fn expire(&mut self, now: Duration) -> usize {
        let mut dropped = 0;
        while let Some((number, waiting)) = self.waiting.first_key_value()
            && waiting.until <= now
        {
            let number = *number;
            self.remove(number);
            dropped += 1;
        }
        dropped
    }

    pub(super) fn expires_at(&self) -> Option<Duration> {
        let first = self.waiting.first_key_value();
        first.map(|(_, waiting)| waiting.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn node(number: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn loose(peer: u16, length: usize) -> Came {
        Came::Loose(node(peer), None, vec![0; length].into())
    }

    #[test]
    fn what_waits_comes_out_once_in_its_order_when_its_author_is_known() {
        let mut strangers = Strangers::default();
        for length in [1, 2, 3] {
            assert_eq!(strangers.hold(NOW, node(7), loose(1, length)), 0);
        }
        strangers.hold(NOW, node(8), loose(1, 4));
        let taken = strangers.take(&node(7));
        let lengths: Vec<usize> = taken.iter().map(Came::size_bytes).collect();
        assert_eq!(lengths, [1, 2, 3]);
        assert!(strangers.take(&node(7)).is_empty());
        assert_eq!((strangers.bytes, strangers.waiting.len()), (4, 1));
    }

    #[test]
    fn what_waits_too_long_is_dropped_and_counted() {
        let mut strangers = Strangers::default();
        strangers.hold(NOW, node(7), loose(1, 1));
        strangers.hold(NOW + WAIT / 2, node(7), loose(1, 1));
        assert_eq!(strangers.expires_at(), Some(NOW + WAIT));
        assert_eq!(strangers.expire(NOW + WAIT), 1);
        assert_eq!(strangers.expires_at(), Some(NOW + WAIT / 2 * 3));
    }

    #[test]
    fn who_sends_many_pushes_out_their_own() {
        let mut strangers = Strangers::default();
        strangers.hold(NOW, node(7), loose(1, 1));
        let author = |number: usize| node(1_000 + number as u16);
        let dropped = (0..1_000).map(|number| strangers.hold(NOW, author(number), loose(2, 1)));
        assert_eq!(dropped.sum::<usize>(), 1_000 - PER_PEER_MAX);
        assert_eq!(strangers.waiting.len(), 1 + PER_PEER_MAX);
        assert_eq!(strangers.take(&node(7)).len(), 1);
        strangers.hold(NOW, node(7), loose(1, PER_PEER_BYTES_MAX));
        assert_eq!(
            strangers.hold(NOW, node(7), loose(1, PER_PEER_BYTES_MAX)),
            1
        );
    }

    #[test]
    fn many_peers_together_are_bounded_too() {
        let mut strangers = Strangers::default();
        for peer in 0..2_000 {
            strangers.hold(NOW, node(7), loose(peer, 100_000));
        }
        assert!(strangers.bytes <= BYTES_MAX && strangers.waiting.len() <= COUNT_MAX);
        assert_eq!(strangers.shares.len(), strangers.waiting.len());
    }
}
