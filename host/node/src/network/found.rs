//! Addresses that discovery found, until it is known who is there.
//!
//! Guarantees: an address is tried a few times and then forgotten, so that wrong ones cost little;
//! who asks again finds it again. What is kept is bounded, for lookups and for beacons each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use replicant_protocol::ids::NodeId;

use super::dial_plan::{Dialed, Pace};
use super::lookup;

/// Tries of an address that a lookup gave.
const TRIES: u32 = 3;

/// Addresses of beacons that are kept: anybody on the local network can send any.
pub(super) const BEACONS_MAX: usize = 16;

/// An address that somebody may be at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// Who is said to be there; none: whoever answers is right.
    pub(super) node: Option<NodeId>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    tries_left: u32,
    pub(super) pace: Pace,
}

/// The addresses that wait to be tried.
#[derive(Debug, Default)]
pub(super) struct Found {
    entries: Vec<Entry>,
}

impl Found {
    /// Takes an address in, unless it is there already or there are as many as there may be.
    pub(super) fn add(&mut self, place: Place) {
        let max = match place.node {
            Some(_) => BEACONS_MAX,
            None => lookup::ADDRESSES_MAX,
        };
        let alike = |entry: &&Entry| entry.place.node.is_some() == place.node.is_some();
        let is_full = self.entries.iter().filter(alike).count() >= max;
        if is_full || self.get_mut(place.address).is_some() {
            return;
        }
        self.entries.push(Entry {
            place,
            // A beacon comes again by itself.
            tries_left: place.node.map_or(TRIES, |_| 1),
            pace: Pace::default(),
        });
    }

    /// Forgets those that are known by now.
    pub(super) fn forget(
        &mut self,
        members: &BTreeSet<SocketAddr>,
        is_covered: impl Fn(&NodeId) -> bool,
    ) {
        self.entries.retain(|entry| {
            let is_known = members.contains(&entry.place.address)
                || entry.place.node.as_ref().is_some_and(&is_covered);
            entry.pace.is_under_way || !is_known
        });
    }

    /// Those that wait, in the order in which they were found.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.place.address == address)
    }

    /// Takes note of what came of a dial; the pause after the failures so far comes from `pause`.
    pub(super) fn handle_dialed(
        &mut self,
        now: Duration,
        address: SocketAddr,
        dialed: Dialed,
        pause: impl FnOnce(u32) -> Duration,
    ) {
        let Some(entry) = self.get_mut(address) else {
            return;
        };
        entry.pace.is_under_way = false;
        match dialed {
            Dialed::Cancelled => return,
            Dialed::Failed => entry.tries_left = entry.tries_left.saturating_sub(1),
            Dialed::Connected(_) | Dialed::Oneself | Dialed::LookedUp => entry.tries_left = 0,
        }
        entry.pace.failures += 1;
        entry.pace.next_at = now.saturating_add(pause(entry.pace.failures));
        self.entries.retain(|entry| entry.tries_left > 0);
    }
}
