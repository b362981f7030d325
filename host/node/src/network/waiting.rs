//! What is to be said to nodes that are being dialed.
//!
//! With partial views nodes speak to others that they have no session with: a session is made for
//! it. Bounded in nodes and messages, and everything waits only as long as a dial may take.

use std::collections::BTreeMap;
use std::time::Duration;

use replicant_protocol::ids::NodeId;

use super::outbox::Lane;

/// For how many nodes something waits.
const NODES_MAX: usize = 64;

/// How many messages wait for one.
const PER_NODE_MAX: usize = 8;

/// How many bytes wait in all.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// An encoded message, and the lane it goes by.
type Waits = (Lane, Vec<u8>);

/// What waits, until when.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    nodes: BTreeMap<NodeId, (Duration, Vec<Waits>)>,
    bytes: usize,
}

impl Waiting {
    /// Takes a message in, for a node that is dialed until `until`. False if there is no room.
    pub(super) fn add(
        &mut self,
        until: Duration,
        to: NodeId,
        lane: Lane,
        message: Vec<u8>,
    ) -> bool {
        let is_full = self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&to);
        if is_full || self.bytes + message.len() > BYTES_MAX {
            return false;
        }
        let (_, messages) = self.nodes.entry(to).or_insert((until, Vec::new()));
        let has_room = messages.len() < PER_NODE_MAX;
        if has_room {
            self.bytes += message.len();
            messages.push((lane, message));
        }
        has_room
    }

    /// What waits for a node, in order. It does not wait any more.
    pub(super) fn take(&mut self, node: &NodeId) -> Vec<Waits> {
        let waiting = self.nodes.remove(node);
        let waiting = waiting.map(|(_, messages)| messages).unwrap_or_default();
        self.bytes -= bytes_of(&waiting);
        waiting
    }

    /// Forgets what waited for too long. Gives for whom.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<NodeId> {
        let late = self.nodes.extract_if(.., |_, (until, _)| *until <= now);
        let late = late.map(|(node, (_, messages))| {
            self.bytes -= bytes_of(&messages);
            node
        });
        late.collect()
    }

    /// When something has waited for too long.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.nodes.values().map(|(until, _)| *until).min()
    }
}

fn bytes_of(messages: &[Waits]) -> usize {
    messages.iter().map(|(_, bytes)| bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn message(number: u8) -> Vec<u8> {
        vec![number; 9]
    }

    #[test]
    fn what_waits_is_bounded_and_comes_in_order() {
        let (mut waiting, until) = (Waiting::default(), Duration::from_secs(9));
        for number in 0..=255 {
            let has_room = usize::from(number) < NODES_MAX;
            assert_eq!(
                waiting.add(until, node(number), Lane::Data, message(1)),
                has_room
            );
        }
        for count in 1..100 {
            let has_room = count < PER_NODE_MAX;
            assert_eq!(
                waiting.add(until, node(1), Lane::Data, message(2)),
                has_room
            );
        }
        let told = waiting.take(&node(1));
        assert_eq!(told.len(), PER_NODE_MAX);
        assert_eq!((&told[0].1, &told[1].1), (&message(1), &message(2)));
        assert!(waiting.take(&node(1)).is_empty());
    }

    #[test]
    fn what_waits_for_too_long_is_forgotten() {
        let mut waiting = Waiting::default();
        let at = Duration::from_secs;
        waiting.add(at(5), node(1), Lane::Control, message(1));
        waiting.add(at(6), node(2), Lane::Control, message(1));
        assert_eq!(waiting.next_timeout(), Some(at(5)));
        assert_eq!(waiting.expire(at(5)), [node(1)]);
        assert_eq!(waiting.next_timeout(), Some(at(6)));
        waiting.take(&node(2));
        assert_eq!(waiting.bytes, 0);
    }

    #[test]
    fn large_messages_wait_only_up_to_a_number_of_bytes() {
        let mut waiting = Waiting::default();
        let large = || vec![0; BYTES_MAX / 4];
        for number in 0..8 {
            let until = Duration::from_secs(5);
            let has_room = waiting.add(until, node(number), Lane::Data, large());
            assert_eq!(has_room, number < 4);
        }
    }
}
