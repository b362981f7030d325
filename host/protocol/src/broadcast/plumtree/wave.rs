//! Payloads on their way: along eager links at once, along lazy ones announced, near the sender
//! also beside the tree.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;

use crate::broadcast::{Delivery, OutEvent};
use crate::ids::{Hash, NodeId};

use super::message::Announced;
use super::state::Pending;
use super::{ANNOUNCED_MAX, Message, Plumtree};

impl Plumtree {
    /// Sends a payload on, and announces it where it is not sent.
    pub(super) fn push(
        &mut self,
        now: Duration,
        id: Hash,
        hops: u8,
        spread: u16,
        payload: Arc<[u8]>,
        holders: &[NodeId],
    ) {
        let mut to = self.peers.with_link(true, holders);
        let mut lazy = self.peers.with_link(false, holders);
        lazy.shuffle(&mut self.rng);
        // Who is nearer to the root has more of the tree below.
        lazy.sort_by_key(|peer| self.peers.beacon_hops(peer));
        let beside = lazy.len().min(usize::from(spread));
        let announced = lazy.split_off(beside);
        to.extend(lazy);
        let share = (usize::from(spread) - beside) / to.len().max(1);
        let spread = share.min(usize::from(u16::MAX)) as u16;
        self.send(
            to,
            Message::Gossip {
                hops,
                spread,
                payload,
            },
        );
        for peer in announced {
            self.announce(now, peer, Announced { id, hops });
        }
    }

    /// A payload came another way, and goes to the others that way. It is kept here for neighbours
    /// that miss it, and announced to them.
    pub fn handle_held(&mut self, now: Duration, payload: Arc<[u8]>) {
        let id = Hash::of(&payload);
        if self.cache.contains(&id) || !self.seen.insert(id) {
            return;
        }
        let holders = self.missing.remove(&id);
        self.cache.insert(now, id, 0, payload);
        for is_eager in [true, false] {
            for peer in self.peers.with_link(is_eager, &holders) {
                self.announce(now, peer, Announced { id, hops: 1 });
            }
        }
    }

    pub(super) fn on_gossip(&mut self, from: NodeId, hops: u8, spread: u16, payload: Arc<[u8]>) {
        let id = Hash::of(&payload);
        if self.seen.contains(&id) || self.cache.contains(&id) {
            self.counts.duplicate_count += 1;
            if let Some(pending) = self.pending.get_mut(&id) {
                pending.held_by(from);
            }
            return;
        }
        if self.events.len() >= self.config.events_max {
            self.counts.dropped_count += 1;
            return;
        }
        self.seen.insert(id);
        self.counts.delivered_count += 1;
        let holders = self.missing.remove(&id);
        // What the driver never accepts gives way.
        while self.pending.len() >= self.config.events_max {
            self.pending.pop_first();
        }
        let spread = spread.min(self.config.spread_count);
        self.pending.insert(id, Pending { spread, holders });
        self.events.push_back(OutEvent::Deliver(Delivery {
            id,
            from,
            hops,
            payload,
        }));
    }

    /// Notes something to tell a neighbour with the next announcements.
    pub(super) fn announce(&mut self, now: Duration, to: NodeId, item: Announced) {
        let max = self.config.i_have_queue_max;
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        if peer.i_haves.len() >= max {
            peer.i_haves.pop_front();
            self.counts.dropped_i_haves_count += 1;
        }
        peer.i_haves.push_back(item);
        self.flush_by(now + self.config.i_have_interval);
    }

    pub(super) fn flush_by(&mut self, at: Duration) {
        self.flush_at = Some(self.flush_at.map_or(at, |other| other.min(at)));
    }

    /// Sends the announcements that were collected.
    pub(super) fn flush(&mut self, now: Duration) {
        self.flush_at = None;
        let mut out = Vec::new();
        let mut next: Option<Duration> = None;
        for (id, peer) in self.peers.iter_mut() {
            if peer.quiet_until > now {
                let waits = !peer.i_haves.is_empty() || !peer.old.is_empty();
                if waits {
                    next = Some(next.map_or(peer.quiet_until, |at| at.min(peer.quiet_until)));
                }
                continue;
            }
            for (is_old, queue) in [(false, &mut peer.i_haves), (true, &mut peer.old)] {
                while !queue.is_empty() {
                    let count = queue.len().min(ANNOUNCED_MAX);
                    let items = queue.drain(..count).collect();
                    out.push((*id, Message::IHave { is_old, items }));
                }
            }
        }
        for (to, message) in out {
            self.send(vec![to], message);
        }
        if let Some(at) = next {
            self.flush_by(at);
        }
    }

    pub(super) fn on_i_have(
        &mut self,
        now: Duration,
        from: NodeId,
        is_old: bool,
        items: Vec<Announced>,
    ) {
        let share_max = (self.config.missing_max / self.peers.len().max(1)).max(1);
        let due = match is_old {
            true => now,
            false => now + self.config.graft_timeout,
        };
        for Announced { id, hops } in items {
            if id == self.root.id {
                self.on_beacon_announced(now, from, hops);
            } else if let Some(pending) = self.pending.get_mut(&id) {
                pending.held_by(from);
            } else if !self.seen.contains(&id) && !self.cache.contains(&id) {
                let has_room = self.missing.announce(id, from, due, is_old, share_max);
                if !has_room {
                    self.counts.dropped_i_haves_count += 1;
                    if let Some(peer) = self.peers.get_mut(&from) {
                        peer.offences.excess_announced_count += 1;
                    }
                }
            }
        }
        self.ask_for_overdue(now);
    }

    /// Asks for what should have come.
    pub(super) fn ask_for_overdue(&mut self, now: Duration) {
        let retry = self.config.graft_retry;
        loop {
            let peers = &self.peers;
            let overdue = self
                .missing
                .overdue(now, retry, |peer| peers.contains(peer));
            let Some(overdue) = overdue else {
                return;
            };
            if let Some(peer) = overdue.unserved.and_then(|peer| self.peers.get_mut(&peer)) {
                peer.offences.unserved_count += 1;
            }
            let Some(holder) = overdue.ask else {
                self.counts.given_up_count += 1;
                continue;
            };
            self.counts.grafts_count += 1;
            let is_link = !overdue.is_old;
            if is_link && let Some(peer) = self.peers.get_mut(&holder) {
                peer.is_eager = true;
            }
            let id = Some(overdue.id);
            self.send(vec![holder], Message::Graft { id, is_link });
        }
    }
}
