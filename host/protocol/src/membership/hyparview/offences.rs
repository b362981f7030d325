//! What peers did that correct ones do not do, or seldom.

use std::collections::BTreeMap;

use crate::ids::NodeId;

/// Whose offences are remembered at most.
const OFFENDERS_MAX: usize = 1_024;

/// How often a peer did what. The driver weighs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offences {
    /// It asked again although one let go of the other a moment ago.
    pub backoff_count: u64,
    /// Walks and requests beyond the rate; they were dropped.
    pub excess_count: u64,
    /// Answers that nobody asked for, and walks of somebody who is no neighbour. One or two happen
    /// when messages cross.
    pub unsolicited_count: u64,
    /// Nodes it named that could not be reached. Some are just dead.
    pub unreachable_count: u64,
}

impl Offences {
    fn total(&self) -> u64 {
        self.backoff_count + self.excess_count + self.unsolicited_count + self.unreachable_count
    }
}

/// Offences by peer; at the bound the least offender is forgotten.
#[derive(Debug, Default)]
pub(super) struct Register {
    by_peer: BTreeMap<NodeId, Offences>,
}

impl Register {
    pub(super) fn of(&mut self, peer: NodeId) -> &mut Offences {
        if self.by_peer.len() >= OFFENDERS_MAX && !self.by_peer.contains_key(&peer) {
            let least = self.by_peer.iter().min_by_key(|(_, of)| of.total());
            if let Some(least) = least.map(|(peer, _)| *peer) {
                self.by_peer.remove(&least);
            }
        }
        self.by_peer.entry(peer).or_default()
    }

    /// All of them. From now on they are counted anew.
    pub(super) fn take(&mut self) -> BTreeMap<NodeId, Offences> {
        std::mem::take(&mut self.by_peer)
    }

    pub(super) fn get(&self, peer: &NodeId) -> Offences {
        self.by_peer.get(peer).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Hash;

    #[test]
    fn offenders_are_bounded_and_the_worst_is_remembered() {
        let id = |number: u32| NodeId::from_bytes(*Hash::of(&number.to_be_bytes()).as_bytes());
        let mut register = Register::default();
        register.of(id(0)).excess_count = 2;
        for number in 1..3_000 {
            register.of(id(number)).backoff_count += 1;
        }
        assert_eq!(register.by_peer.len(), OFFENDERS_MAX);
        assert_eq!(register.get(&id(0)).excess_count, 2);
    }
}
