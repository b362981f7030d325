//! The root's beacons, which make the eager links a tree.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::{Hash, NodeId};

use super::message::Announced;
use super::{Message, Plumtree};

/// After so many intervals without a beacon the root counts as gone.
const SILENCE_INTERVALS: u32 = 3;

/// What is known of the root.
#[derive(Debug)]
pub(super) struct Root {
    /// Who it is; this node before anybody was heard.
    pub(super) node: NodeId,
    pub(super) sequence: u64,
    /// The present beacon.
    pub(super) id: Hash,
    /// How many hops it made here.
    pub(super) hops: u8,
    /// The neighbour it came through.
    pub(super) parent: Option<NodeId>,
    heard_at: Duration,
    /// When the root counts as gone; zero before anybody was heard.
    until: Duration,
    /// When this node sends a beacon, as the root or to become it.
    pub(super) due_at: Duration,
}

impl Root {
    pub(super) fn unknown(now: Duration, interval: Duration, rng: &mut impl Rng) -> Self {
        Self {
            node: NodeId::from_bytes([0xff; 32]),
            sequence: 0,
            id: Hash::ZERO,
            hops: 0,
            parent: None,
            heard_at: Duration::ZERO,
            until: Duration::ZERO,
            due_at: now + patience(interval, rng),
        }
    }

    pub(super) fn is_known(&self, now: Duration) -> bool {
        now < self.until
    }

    /// The beacon as the next node gets it.
    pub(super) fn beacon(&self) -> Message {
        Message::Beacon {
            root: self.node,
            sequence: self.sequence,
            hops: self.hops.saturating_add(1),
        }
    }

    /// The announcement of the present beacon, if there is one.
    pub(super) fn announced(&self) -> Option<Announced> {
        let (id, hops) = (self.id, self.hops.saturating_add(1));
        (id != Hash::ZERO).then_some(Announced { id, hops })
    }
}

/// How long to wait for a beacon before sending one; different for each node, so that few begin.
fn patience(interval: Duration, rng: &mut impl Rng) -> Duration {
    interval * SILENCE_INTERVALS + interval * rng.random_range(0..400) / 100
}

fn id_of(root: &NodeId, sequence: u64) -> Hash {
    let bytes = [&b"beacon"[..], root.as_bytes(), &sequence.to_be_bytes()];
    Hash::of(&bytes.concat())
}

impl Plumtree {
    /// Sends a beacon as the root.
    pub(super) fn emit_beacon(&mut self, now: Duration) {
        let interval = self.config.beacon_interval;
        let sequence = match self.root.node == self.own {
            true => self.root.sequence.wrapping_add(1),
            false => 1,
        };
        self.root.parent = None;
        self.adopt(now, self.own, sequence, 0);
        self.root.due_at = now + interval;
        self.pass_beacon_on(now, &[]);
    }

    fn adopt(&mut self, now: Duration, node: NodeId, sequence: u64, hops: u8) {
        let interval = self.config.beacon_interval;
        self.root.node = node;
        self.root.sequence = sequence;
        self.root.id = id_of(&node, sequence);
        self.root.hops = hops;
        self.root.heard_at = now;
        self.root.until = now + interval * SILENCE_INTERVALS;
        self.root.due_at = now + patience(interval, &mut self.rng);
        self.seen.insert(self.root.id);
        for (_, peer) in self.peers.iter_mut() {
            peer.beacon_hops = None;
        }
    }

    fn pass_beacon_on(&mut self, now: Duration, holders: &[NodeId]) {
        let to = self.peers.with_link(true, holders);
        let beacon = self.root.beacon();
        self.send(to, beacon);
        let announced = self.root.announced();
        for peer in self.peers.with_link(false, holders) {
            if let Some(item) = announced {
                self.announce(now, peer, item);
            }
        }
    }

    pub(super) fn on_beacon(
        &mut self,
        now: Duration,
        from: NodeId,
        root: NodeId,
        sequence: u64,
        hops: u8,
    ) {
        if self.root.is_known(now) {
            if root == self.root.node && sequence == self.root.sequence {
                return self.on_beacon_again(now, from, hops);
            }
            let is_worse = root > self.root.node;
            let is_past = root == self.root.node && sequence < self.root.sequence;
            if is_worse || is_past || root == self.own {
                return;
            }
            let soonest = self.root.heard_at + self.config.beacon_interval / 2;
            if root == self.root.node && now < soonest {
                if let Some(peer) = self.peers.get_mut(&from) {
                    peer.offences.excess_beacons_count += 1;
                }
                return;
            }
        }
        if root == self.own {
            return;
        }
        self.adopt(now, root, sequence, hops);
        let mut holders = self.missing.remove(&self.root.id);
        holders.push(from);
        self.root.parent = Some(from);
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.is_eager = true;
            peer.beacon_hops = Some(hops);
        }
        if hops < self.config.hops_max {
            self.pass_beacon_on(now, &holders);
        }
    }

    /// The beacon came over a second eager link: one of the two is not needed.
    fn on_beacon_again(&mut self, now: Duration, from: NodeId, hops: u8) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.beacon_hops = Some(hops);
        }
        if self.root.parent == Some(from) {
            return;
        }
        match self.root.parent {
            Some(parent) if self.is_shorter(hops) => {
                self.root.parent = Some(from);
                self.root.hops = hops;
                self.prune(now, parent);
            }
            _ => self.prune(now, from),
        }
    }

    /// Whether a way of so many hops is to take the place of the present one.
    fn is_shorter(&self, hops: u8) -> bool {
        hops.saturating_add(self.config.optimisation_hops) <= self.root.hops
    }

    /// A neighbour has the present beacon too. If the way through it is shorter it becomes the
    /// parent (the paper's optimisation).
    pub(super) fn on_beacon_announced(&mut self, now: Duration, from: NodeId, hops: u8) {
        let is_usable = self.is_shorter(hops) && hops > 0;
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        peer.beacon_hops = Some(hops);
        let may = !peer.is_eager && peer.backoff_until <= now;
        let old = self.root.parent;
        if old == Some(from) || self.root.node == self.own {
            return;
        }
        if old.is_none() {
            self.root.hops = hops;
            return self.adopt_parent(from);
        }
        if may
            && is_usable
            && let Some(old) = old
        {
            self.root.hops = hops;
            self.adopt_parent(from);
            self.prune(now, old);
        }
    }
}
