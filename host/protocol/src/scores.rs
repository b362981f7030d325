//! How much each peer does of what correct ones do seldom.
//!
//! A single offence proves nothing: messages cross, caches forget, machines stall. So what counts
//! is how many seconds were *bad*, with more offences than an honest peer in trouble makes. A bad
//! second counts for a while; a peer with too many is punished as one that lied outright.
//!
//! Announcements beyond a peer's share and known nodes that cannot be reached are counted by their
//! protocols and not weighed: honest peers make very many, after a crash or under load, and what
//! they cost is bounded there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broadcast::plumtree;
use crate::ids::NodeId;
use crate::membership::hyparview;

/// So many bad seconds are too many, unless somebody says otherwise.
pub const BAD_SECONDS_MAX: u32 = 30;

/// A second with so many points is bad.
const BAD_POINTS: u64 = 50;

/// After so long a bad second is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(4);

/// How many peers are kept account of; at the bound the best is forgotten.
const PEERS_MAX: usize = 1_024;

/// What an offence that only a node in great trouble makes often weighs.
const SELDOM: u64 = 10;

/// How bad something is.
pub trait Offence {
    /// In points; see [`Scores`].
    fn points(&self) -> u64;
}

impl Offence for plumtree::Offences {
    fn points(&self) -> u64 {
        self.unserved_count + self.excess_grafts_count + SELDOM * self.excess_beacons_count
    }
}

impl Offence for hyparview::Offences {
    fn points(&self) -> u64 {
        self.excess_count + SELDOM * (self.backoff_count + self.unsolicited_count)
    }
}

/// Of what a peer sent more than a correct one does, a point each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Excess {
    /// How often.
    pub count: u64,
}

impl Offence for Excess {
    fn points(&self) -> u64 {
        self.count
    }
}

/// Who sent too much of something since it was last asked. It is asked after every message, so
/// there is no bound but that of a message.
#[derive(Debug, Default)]
pub struct Offenders(BTreeMap<NodeId, Excess>);

impl Offenders {
    /// Counts one.
    pub fn add(&mut self, peer: NodeId) {
        let excess = self.0.entry(peer).or_default();
        excess.count = excess.count.saturating_add(1);
    }

    /// Who they are, and counting begins anew.
    pub fn take(&mut self) -> BTreeMap<NodeId, Excess> {
        std::mem::take(&mut self.0)
    }
}

#[derive(Debug, Default)]
struct Account {
    second: u64,
    points: u64,
    /// When all bad seconds are forgiven.
    good_at: Duration,
}

/// The scores of peers.
#[derive(Debug)]
pub struct Scores {
    accounts: BTreeMap<NodeId, Account>,
    bad_seconds_max: u32,
}

impl Scores {
    /// Starts with everybody good. So many bad seconds are too many.
    pub fn new(bad_seconds_max: u32) -> Self {
        Self {
            accounts: BTreeMap::new(),
            bad_seconds_max: bad_seconds_max.max(1),
        }
    }

    /// Weighs what a peer did. Whether it is to be punished; then its account is closed.
    pub fn weigh(&mut self, now: Duration, peer: NodeId, did: &impl Offence) -> bool {
        let points = did.points();
        if points == 0 {
            return false;
        }
        self.make_room(now, &peer);
        let account = self.accounts.entry(peer).or_default();
        if account.second != now.as_secs() {
            (account.second, account.points) = (now.as_secs(), 0);
        }
        let was_bad = account.points >= BAD_POINTS;
        account.points = account.points.saturating_add(points);
        if was_bad || account.points < BAD_POINTS {
            return false;
        }
        account.good_at = account.good_at.max(now) + FORGIVEN_AFTER;
        let is_too_much = account.good_at - now > FORGIVEN_AFTER * (self.bad_seconds_max - 1);
        if is_too_much {
            self.accounts.remove(&peer);
        }
        is_too_much
    }

    /// How many bad seconds of a peer are not forgiven yet.
    pub fn bad_seconds(&self, now: Duration, peer: &NodeId) -> u32 {
        let account = self.accounts.get(peer);
        let bad_for = account.map(|account| account.good_at.saturating_sub(now));
        let seconds = bad_for.unwrap_or_default().div_duration_f64(FORGIVEN_AFTER);
        seconds.ceil() as u32
    }

    fn make_room(&mut self, now: Duration, peer: &NodeId) {
        if self.accounts.len() < PEERS_MAX || self.accounts.contains_key(peer) {
            return;
        }
        self.accounts
            .retain(|_, of| of.good_at > now || of.second == now.as_secs());
        if self.accounts.len() >= PEERS_MAX {
            let best = self.accounts.iter();
            let best = best.min_by_key(|(_, of)| (of.good_at, of.points));
            if let Some(best) = best.map(|(peer, _)| *peer) {
                self.accounts.remove(&best);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn lies(count: u64) -> plumtree::Offences {
        plumtree::Offences {
            unserved_count: count,
            ..plumtree::Offences::default()
        }
    }

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn who_goes_on_is_punished_and_a_burst_is_not() {
        let mut scores = Scores::new(5);
        assert!(!scores.weigh(at(1), node(1), &lies(1_000_000)));
        assert!(!scores.weigh(at(1), node(1), &lies(1_000_000)));
        let bad_seconds = [1, 4, 5, 6].map(|second| scores.bad_seconds(at(second), &node(1)));
        assert_eq!(bad_seconds, [1, 1, 0, 0]);
        let punished = (10..30).find(|second| scores.weigh(at(*second), node(2), &lies(60)));
        assert_eq!(punished, Some(15), "forgiveness makes up for one second");
    }

    #[test]
    fn who_errs_seldom_or_rests_in_between_never_is() {
        let mut scores = Scores::new(5);
        for second in 1..10_000 {
            assert!(!scores.weigh(at(second), node(1), &lies(BAD_POINTS - 1)));
            let is_hasty = second % 4 == 0 && scores.weigh(at(second), node(2), &lies(1_000));
            assert!(!is_hasty, "{second}");
        }
    }

    #[test]
    fn what_honest_peers_do_after_a_crash_or_under_load_has_no_weight() {
        let announced = plumtree::Offences {
            excess_announced_count: 9,
            ..plumtree::Offences::default()
        };
        let named = hyparview::Offences {
            unreachable_count: 9,
            ..hyparview::Offences::default()
        };
        assert_eq!((announced.points(), named.points()), (0, 0));
    }

    #[test]
    fn the_account_is_bounded_and_the_worst_stay() {
        let mut scores = Scores::new(5);
        scores.weigh(at(1), node(0), &lies(100));
        for number in 1..5_000 {
            scores.weigh(at(1), node(number), &lies(1));
        }
        assert_eq!(scores.accounts.len(), PEERS_MAX);
        assert!(scores.accounts.contains_key(&node(0)));
    }
}
