//! Which rumours go with the next message.

use std::collections::BTreeMap;

use crate::ids::NodeId;

/// About whom there is news, and how often it was passed on. One entry per member: newer news of a
/// member takes the place of older.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    sent_counts: BTreeMap<NodeId, u32>,
    has_news: bool,
}

impl Gossip {
    /// There is news about `node`.
    pub(super) fn add(&mut self, node: NodeId) {
        self.sent_counts.insert(node, 0);
        self.has_news = true;
    }

    /// Whether something came in since the last [`Gossip::take_news`].
    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Takes note that what came in is being sent.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// There is nothing more to say about `node`.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.sent_counts.remove(&node);
    }

    /// About whom to speak, what was said least often first.
    pub(super) fn order(&self) -> Vec<NodeId> {
        let mut nodes: Vec<(u32, NodeId)> = self
            .sent_counts
            .iter()
            .map(|(node, count)| (*count, *node))
            .collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    /// Takes note that something was passed on; after `max` times it is no news any more.
    pub(super) fn sent(&mut self, node: NodeId, max: u32) {
        if let Some(count) = self.sent_counts.get_mut(&node) {
            *count += 1;
            if *count >= max {
                self.sent_counts.remove(&node);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sent_counts.len()
    }
}
