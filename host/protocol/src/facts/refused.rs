//! Facts that this node's configuration refuses: which came, and of which that was said.

use std::collections::BTreeSet;

use crate::ids::{FactKind, NodeId};
use crate::reconciliation::Key;

/// So many refused facts are remembered until they expire; what else is refused comes again at
/// each comparison, within the budget of a comparison. Not more, since anybody can make some up:
/// each is a difference then from all that never saw it, whenever they compare.
pub(super) const REFUSED_MAX: usize = 1_024;

/// Of so many pairs of a kind and a peer it is said that facts are refused.
pub(super) const SAID_MAX: usize = 256;

/// Which facts were refused for good, and of which kinds and peers that was said.
#[derive(Debug, Default)]
pub(super) struct Refused {
    keys: BTreeSet<Key>,
    said: BTreeSet<(FactKind, NodeId)>,
}

impl Refused {
    /// Remembers one. Gives whether it is new, and there was room.
    pub(super) fn remember(&mut self, key: Key) -> bool {
        self.keys.len() < REFUSED_MAX && self.keys.insert(key)
    }

    /// Forgets one. Gives whether it was remembered.
    pub(super) fn forget(&mut self, key: &Key) -> bool {
        self.keys.remove(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it is to be said that this peer takes facts of a kind that are refused here: once.
    pub(super) fn is_to_be_said(&mut self, kind: &FactKind, peer: NodeId) -> bool {
        self.said.len() < SAID_MAX && self.said.insert((kind.clone(), peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Hash;

    #[test]
    fn what_is_remembered_and_what_is_said_is_bounded() {
        let mut refused = Refused::default();
        let key = |timestamp: usize| Key {
            timestamp: timestamp as u64,
            id: Hash::ZERO,
        };
        assert!((0..REFUSED_MAX).all(|number| refused.remember(key(number))));
        assert!(!refused.remember(key(REFUSED_MAX)));
        assert!(refused.forget(&key(0)) && refused.remember(key(REFUSED_MAX)));
        let kind: FactKind = "price".parse().unwrap();
        let peer = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            NodeId::from_bytes(bytes)
        };
        let said = (0..2 * SAID_MAX).filter(|number| refused.is_to_be_said(&kind, peer(*number)));
        assert_eq!(said.count(), SAID_MAX);
    }
}
