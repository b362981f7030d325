//! Who subscribes to what.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, TopicName};

use super::SUBSCRIPTIONS_MAX;

/// Subscriptions of all members, this node included.
///
/// Invariant: the two maps hold the same pairs, and neither an empty set.
#[derive(Debug, Default)]
pub(super) struct Directory {
    of_node: BTreeMap<NodeId, BTreeSet<TopicName>>,
    of_topic: BTreeMap<TopicName, BTreeSet<NodeId>>,
}

impl Directory {
    /// What a node subscribes to.
    pub(super) fn of_node(&self, node: NodeId) -> impl Iterator<Item = &TopicName> {
        self.of_node.get(&node).into_iter().flatten()
    }

    /// All paths that somebody subscribes to, and how many do.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&TopicName, usize)> {
        self.of_topic
            .iter()
            .map(|(topic, nodes)| (topic, nodes.len()))
    }

    /// Sets what a node subscribes to; what is beyond [`SUBSCRIPTIONS_MAX`] is left out. Gives the
    /// paths that were added or taken away.
    pub(super) fn set(
        &mut self,
        node: NodeId,
        subscriptions: impl Iterator<Item = TopicName>,
    ) -> Vec<TopicName> {
        let new: BTreeSet<TopicName> = subscriptions.take(SUBSCRIPTIONS_MAX).collect();
        let old = self.of_node.remove(&node).unwrap_or_default();
        for topic in old.difference(&new) {
            if let Some(nodes) = self.of_topic.get_mut(topic) {
                nodes.remove(&node);
                if nodes.is_empty() {
                    self.of_topic.remove(topic);
                }
            }
        }
        for topic in new.difference(&old) {
            self.of_topic.entry(topic.clone()).or_default().insert(node);
        }
        let changed = old.symmetric_difference(&new).cloned().collect();
        if !new.is_empty() {
            self.of_node.insert(node, new);
        }
        changed
    }

    /// Whether a node hears what is said in a topic.
    pub(super) fn hears(&self, node: NodeId, topic: &TopicName) -> bool {
        let subscriptions = self.of_node.get(&node);
        subscriptions.is_some_and(|paths| topic.and_above().any(|path| paths.contains(path)))
    }

    /// Whether a node whose id begins so subscribes to anything.
    pub(super) fn is_subscriber(&self, id_begins: &[u8; 8]) -> bool {
        let mut least = [0; 32];
        least[..8].copy_from_slice(id_begins);
        let mut from_there = self.of_node.range(NodeId::from_bytes(least)..);
        let first = from_there.next();
        first.is_some_and(|(node, _)| node.as_bytes().starts_with(id_begins))
    }

    /// The longest path at or above a topic that somebody subscribes to. Its audience is that of
    /// the topic.
    pub(super) fn nearest(&self, topic: &TopicName) -> Option<&TopicName> {
        let mut paths = topic.and_above();
        paths.find_map(|path| Some(self.of_topic.get_key_value(path)?.0))
    }

    /// Whether somebody subscribes to this very path.
    pub(super) fn is_subscribed(&self, path: &TopicName) -> bool {
        self.of_topic.contains_key(path)
    }

    /// Who hears what is said in a topic.
    pub(super) fn audience(&self, topic: &TopicName) -> BTreeSet<NodeId> {
        let paths = topic.and_above();
        let nodes = paths.filter_map(|path| self.of_topic.get(path)).flatten();
        nodes.copied().collect()
    }
}
