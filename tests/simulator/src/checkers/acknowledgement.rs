//! What a sender was told of who has its message, beside who does.

use std::collections::BTreeSet;

use replicant_protocol::broadcast::acknowledgement::Acknowledged;
use replicant_protocol::ids::NodeId;

use crate::{Index, node_id};

/// How often a sender was told wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Nodes that have the message and were said to be missing.
    pub unheard_count: u64,
    /// Nodes that do not have it and were counted.
    pub invented_count: u64,
}

/// Compares what was told of a message with the nodes that have it, the sender not among them.
/// `nodes` is how many there are, those that are down included.
pub fn wrong(told: &Acknowledged, having: &BTreeSet<Index>, nodes: Index) -> Wrong {
    let having: BTreeSet<NodeId> = having.iter().map(|node| node_id(*node)).collect();
    let missing = told.missing.clone().unwrap_or_default();
    let unheard_count = missing.iter().filter(|node| having.contains(node)).count() as u64;
    // The sender is neither counted nor missing.
    let others = u64::from(nodes).saturating_sub(1);
    let truly_missing = others.saturating_sub(having.len() as u64);
    let said_missing = missing.len() as u64 - unheard_count;
    Wrong {
        unheard_count,
        invented_count: truly_missing.saturating_sub(said_missing),
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::ids::Hash;

    use super::*;

    #[test]
    fn who_was_left_out_and_who_was_made_up_is_counted() {
        let told = |missing: &[Index]| Acknowledged {
            id: Hash::ZERO,
            count: 0,
            is_enough: false,
            missing: Some(missing.iter().map(|node| node_id(*node)).collect()),
        };
        // Of five nodes 0 says something; 1 and 2 have it, 3 and 4 are down.
        let having = BTreeSet::from([1, 2]);
        let found = |missing: &[Index]| {
            let found = wrong(&told(missing), &having, 5);
            (found.unheard_count, found.invented_count)
        };
        assert_eq!(found(&[3, 4]), (0, 0));
        assert_eq!(found(&[1, 3, 4]), (1, 0));
        assert_eq!(found(&[2, 4]), (1, 1));
    }
}
