//! How much work each peer may cause by having overlays opened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::NodeId;

/// How many hashes a peer may cause in a second: one for each of an audience and each cycle. About
/// a millisecond of work.
pub const HASHES_PER_SECOND: u64 = 4_096;

/// How many it may cause at once: the overlays of sixteen topics with a thousand subscribers.
pub const HASHES_MAX: u64 = 16 * HASHES_PER_SECOND;

/// How many peers are kept account of.
const PEERS_MAX: usize = 2_048;

/// What each peer caused lately. Invariant: at most [`PEERS_MAX`] peers.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// Hashes that count against a peer, as of when.
    spent: BTreeMap<NodeId, (u64, Duration)>,
}

fn left(spent: (u64, Duration), now: Duration) -> u64 {
    let (hashes, at) = spent;
    let millis = now.saturating_sub(at).as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    hashes.saturating_sub(millis.saturating_mul(HASHES_PER_SECOND) / 1_000)
}

impl Openings {
    /// Whether a peer may cause so many hashes now; if so they are counted. To whom nothing is
    /// counted any more one opening is free to be as large as it is.
    pub(super) fn take(&mut self, now: Duration, peer: NodeId, hashes: u64) -> bool {
        let before = self.spent.get(&peer).map_or(0, |spent| left(*spent, now));
        let after = before.saturating_add(hashes);
        if before > 0 && after > HASHES_MAX {
            return false;
        }
        if !self.spent.contains_key(&peer) && self.spent.len() >= PEERS_MAX {
            self.spent.retain(|_, spent| left(*spent, now) > 0);
            if self.spent.len() >= PEERS_MAX {
                return false;
            }
        }
        self.spent.insert(peer, (after, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn a_peer_has_a_rate_of_its_own_and_may_save_some() {
        let mut openings = Openings::default();
        let now = Duration::from_secs(10);
        for _ in 0..16 {
            assert!(openings.take(now, node(1), HASHES_PER_SECOND));
        }
        assert!(!openings.take(now, node(1), 1));
        assert!(openings.take(now, node(2), HASHES_MAX));
        let later = now + Duration::from_secs(1);
        assert!(openings.take(later, node(1), HASHES_PER_SECOND));
        assert!(!openings.take(later, node(1), 1));
    }

    #[test]
    fn an_audience_of_any_size_can_be_opened_once() {
        let mut openings = Openings::default();
        let now = Duration::from_secs(10);
        assert!(openings.take(now, node(1), HASHES_MAX * 2));
        assert!(!openings.take(now, node(1), 1));
        let later = now + Duration::from_secs(32);
        assert!(openings.take(later, node(1), HASHES_MAX * 2));
    }

    #[test]
    fn the_account_is_bounded_and_what_is_paid_makes_room() {
        let mut openings = Openings::default();
        let now = Duration::from_secs(10);
        for number in 0..PEERS_MAX as u16 {
            assert!(openings.take(now, node(number), HASHES_PER_SECOND));
        }
        assert!(!openings.take(now, node(u16::MAX), 1));
        assert_eq!(openings.spent.len(), PEERS_MAX);
        let later = now + Duration::from_secs(1);
        assert!(openings.take(later, node(u16::MAX), 1));
        assert_eq!(openings.spent.len(), 1);
    }
}
