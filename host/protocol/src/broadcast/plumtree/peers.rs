//! The neighbours, and how the tree uses each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::NodeId;

use super::message::Announced;

/// What a neighbour did that correct ones do not do, or seldom. The driver weighs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offences {
    /// Payloads that it announced and did not send when asked. One or two happen when it forgets.
    pub unserved_count: u64,
    /// Announcements beyond its share.
    pub excess_announced_count: u64,
    /// Grafts that were not served: too often, too many bytes, or within the back-off.
    pub excess_grafts_count: u64,
    /// Beacons that came too soon after the last.
    pub excess_beacons_count: u64,
}

/// A neighbour.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whether payloads are sent to it at once, or only announced.
    pub(super) is_eager: bool,
    /// No link to it is made eager for a shorter way before.
    pub(super) backoff_until: Duration,
    /// What to announce to it.
    pub(super) i_haves: VecDeque<Announced>,
    /// What to announce to it that is old.
    pub(super) old: VecDeque<Announced>,
    /// Nothing is announced before: it may not know yet that the two are neighbours.
    pub(super) quiet_until: Duration,
    /// How many hops the present beacon would have made through it, as far as it said.
    pub(super) beacon_hops: Option<u8>,
    /// The second that is counted in `served_bytes`.
    pub(super) served_second: u64,
    pub(super) served_bytes: usize,
    pub(super) offences: Offences,
}

/// All neighbours.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_id: BTreeMap<NodeId, Peer>,
}

impl Peers {
    pub(super) fn insert(&mut self, id: NodeId, is_eager: bool, quiet_until: Duration) {
        let peer = Peer {
            is_eager,
            backoff_until: Duration::ZERO,
            i_haves: VecDeque::new(),
            old: VecDeque::new(),
            quiet_until,
            beacon_hops: None,
            served_second: 0,
            served_bytes: 0,
            offences: Offences::default(),
        };
        self.by_id.insert(id, peer);
    }

    pub(super) fn remove(&mut self, id: &NodeId) -> Option<Peer> {
        self.by_id.remove(id)
    }

    pub(super) fn contains(&self, id: &NodeId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Peer> {
        self.by_id.get(id)
    }

    /// How far from the root a neighbour is, as far as it said.
    pub(super) fn beacon_hops(&self, id: &NodeId) -> u8 {
        let hops = self.by_id.get(id).and_then(|peer| peer.beacon_hops);
        hops.unwrap_or(u8::MAX)
    }

    pub(super) fn get_mut(&mut self, id: &NodeId) -> Option<&mut Peer> {
        self.by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Peer)> {
        self.by_id.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut Peer)> {
        self.by_id.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Those with this kind of link, but for some.
    pub(super) fn with_link(&self, is_eager: bool, but: &[NodeId]) -> Vec<NodeId> {
        let chosen = self
            .by_id
            .iter()
            .filter(|(_, peer)| peer.is_eager == is_eager);
        let ids = chosen.map(|(id, _)| *id);
        ids.filter(|id| !but.contains(id)).collect()
    }
}

impl Peer {
    /// Whether so many bytes more may be served in this second. One payload always may.
    pub(super) fn may_be_served(&mut self, now: Duration, bytes: usize, bytes_max: usize) -> bool {
        if self.served_second != now.as_secs() {
            (self.served_second, self.served_bytes) = (now.as_secs(), 0);
        }
        let may = self.served_bytes == 0 || self.served_bytes + bytes <= bytes_max;
        if may {
            self.served_bytes += bytes;
        }
        may
    }
}
