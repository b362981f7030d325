//! Whose publications are taken.

use std::collections::BTreeSet;

use crate::ids::NodeId;
use crate::recent::Recent;

/// How many that are gone still count. What they said last is still on its way when membership
/// gives them up, and whom this node cannot reach others may.
pub const GONE_MAX: usize = 1_024;

/// Members, and those who were members lately.
///
/// Invariant: nobody is both present and gone.
#[derive(Debug)]
pub(super) struct Authors {
    present: BTreeSet<NodeId>,
    gone: Recent<NodeId, ()>,
}

impl Default for Authors {
    fn default() -> Self {
        Self {
            present: BTreeSet::new(),
            gone: Recent::new(GONE_MAX),
        }
    }
}

impl Authors {
    /// A member is there.
    pub(super) fn come(&mut self, node: NodeId) {
        self.gone.remove(&node);
        self.present.insert(node);
    }

    /// A member is gone. Gives who does not count any more for that.
    pub(super) fn go(&mut self, node: NodeId) -> Option<NodeId> {
        if !self.present.remove(&node) {
            return None;
        }
        self.gone.touch(node, || ()).1
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.present.contains(node) || self.gone.contains(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn of_those_who_are_gone_the_last_count() {
        let mut authors = Authors::default();
        for number in 0..=GONE_MAX {
            authors.come(node(number));
        }
        authors.come(node(usize::MAX));
        for number in 0..GONE_MAX {
            assert_eq!(authors.go(node(number)), None);
        }
        assert!(authors.contains(&node(0)));
        assert_eq!(authors.go(node(GONE_MAX)), Some(node(0)));
        assert!(!authors.contains(&node(0)) && authors.contains(&node(1)));
        assert!(authors.contains(&node(usize::MAX)));
    }

    #[test]
    fn who_comes_back_is_not_pushed_out_by_others_that_go() {
        let mut authors = Authors::default();
        for number in 0..=GONE_MAX {
            authors.come(node(number));
        }
        authors.go(node(0));
        authors.come(node(0));
        for number in 1..=GONE_MAX {
            assert_eq!(authors.go(node(number)), None);
        }
        assert!(authors.contains(&node(0)));
        assert_eq!(authors.go(node(usize::MAX)), None, "nobody that was there");
    }
}
