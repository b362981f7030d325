//! What is to be said to nodes that are being dialed.
//!
//! With partial views nodes speak to others that they have no session with: a session is made for
//! it. Bounded in nodes and messages, and everything waits only as long as a dial may take.

use std::collections::BTreeMap;
use std::time::Duration;

use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::StrategyMessage;

/// For how many nodes something waits.
const NODES_MAX: usize = 64;

/// How many messages wait for one.
const PER_NODE_MAX: usize = 8;

/// What waits, until when.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    nodes: BTreeMap<NodeId, (Duration, Vec<StrategyMessage>)>,
}

impl Waiting {
    /// Takes a message in, for a node that is dialed until `until`. False if there is no room.
    pub(super) fn add(&mut self, until: Duration, to: NodeId, message: StrategyMessage) -> bool {
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&to) {
            return false;
        }
        let (_, messages) = self.nodes.entry(to).or_insert((until, Vec::new()));
        let has_room = messages.len() < PER_NODE_MAX;
        if has_room {
            messages.push(message);
        }
        has_room
    }

    /// What waits for a node, in order. It does not wait any more.
    pub(super) fn take(&mut self, node: &NodeId) -> Vec<StrategyMessage> {
        let waiting = self.nodes.remove(node);
        waiting.map(|(_, messages)| messages).unwrap_or_default()
    }

    /// Forgets what waited for too long. Gives for whom.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<NodeId> {
        let late = self.nodes.extract_if(.., |_, (until, _)| *until <= now);
        late.map(|(node, _)| node).collect()
    }

    /// When something has waited for too long.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.nodes.values().map(|(until, _)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::membership::hyparview::Message;

    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn message(is_leaving: bool) -> StrategyMessage {
        StrategyMessage::Partial(Message::Disconnect { is_leaving })
    }

    #[test]
    fn what_waits_is_bounded_and_comes_in_order() {
        let (mut waiting, until) = (Waiting::default(), Duration::from_secs(9));
        for number in 0..=255 {
            let has_room = usize::from(number) < NODES_MAX;
            assert_eq!(waiting.add(until, node(number), message(true)), has_room);
        }
        for count in 1..100 {
            let has_room = count < PER_NODE_MAX;
            assert_eq!(waiting.add(until, node(1), message(false)), has_room);
        }
        let told = waiting.take(&node(1));
        assert_eq!(told.len(), PER_NODE_MAX);
        assert_eq!((&told[0], &told[1]), (&message(true), &message(false)));
        assert!(waiting.take(&node(1)).is_empty());
    }

    #[test]
    fn what_waits_for_too_long_is_forgotten() {
        let mut waiting = Waiting::default();
        let at = Duration::from_secs;
        waiting.add(at(5), node(1), message(false));
        waiting.add(at(6), node(2), message(false));
        assert_eq!(waiting.next_timeout(), Some(at(5)));
        assert_eq!(waiting.expire(at(5)), [node(1)]);
        assert_eq!(waiting.next_timeout(), Some(at(6)));
    }
}
