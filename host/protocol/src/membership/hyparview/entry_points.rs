//! How a node gets into the overlay, and how it helps others in.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use rand::seq::IteratorRandom;

use crate::ids::NodeId;

use super::state::{Reason, varied};
use super::{Entry, HyParView, Message};

/// How many nodes an answer to a request names.
const HINTS_COUNT: usize = 8;

impl HyParView {
    /// Asks a contact.
    pub(super) fn join(&mut self, now: Duration, contact: Entry) {
        let address = self.own.address;
        self.request(now, contact, Reason::Join, Message::Join { address });
    }

    /// Joins again, since this node is cut off: through a contact, later through less and less
    /// often. Acquaintances are asked by [`HyParView::plan`].
    pub(super) fn rejoin(&mut self, now: Duration, rng: &mut impl Rng) {
        self.timers.join_at = None;
        if !self.active.is_empty() {
            return;
        }
        let contacts = self.entry_points();
        let free = contacts.filter(|contact| !self.requests.contains_key(&contact.node));
        if let Some(contact) = free.choose(rng) {
            self.join(now, contact);
        }
        let pause = self.timers.join_pause;
        self.timers.join_at = Some(now + varied(pause, rng));
        self.timers.join_pause = (pause * 2).min(self.config.retry_interval);
    }

    /// Takes a newcomer if there is room, names others, and starts walks that look for more.
    pub(super) fn on_join(
        &mut self,
        now: Duration,
        from: NodeId,
        address: SocketAddr,
        rng: &mut impl Rng,
    ) {
        let joiner = Entry {
            node: from,
            address,
        };
        if !self.may_request(now) {
            return;
        }
        // Of two who join through each other none has to be asked twice.
        let was_asked = self.requests.remove(&from).is_some();
        let is_accepted = was_asked && self.active.len() < self.config.active_max
            || self.active.contains(&from)
            || self.has_room();
        let entries = self.hints(from, rng);
        self.send(
            joiner,
            Message::NeighbourReply {
                is_accepted,
                entries,
            },
        );
        let count = self.config.join_walks_count;
        let walkers = self.active.choose(count, |node| *node != from, rng);
        let steps = self.config.walk_length;
        for walker in walkers {
            self.send(walker, Message::ForwardJoin { joiner, steps });
        }
        if is_accepted {
            self.link(joiner, false);
        } else {
            self.passive.add(joiner, from, rng);
        }
    }

    /// Whom to name to somebody who asks.
    pub(super) fn hints(&self, asker: NodeId, rng: &mut impl Rng) -> Vec<Entry> {
        let neighbours = self
            .active
            .choose(HINTS_COUNT / 2, |node| *node != asker, rng);
        let mut hints = self.passive.sample(HINTS_COUNT - neighbours.len(), rng);
        hints.retain(|hint| hint.node != asker);
        hints.extend(neighbours);
        hints
    }

    /// A walk came by: it ends where there is room in its second half, or when it is used up.
    pub(super) fn on_forward_join(
        &mut self,
        now: Duration,
        from: NodeId,
        joiner: Entry,
        steps: u8,
        rng: &mut impl Rng,
    ) {
        if joiner.node == self.own.node || !self.may_walk(now, from) {
            return;
        }
        let steps = steps.min(self.config.walk_length);
        if steps == self.config.passive_walk_length && !self.active.contains(&joiner.node) {
            self.passive.add(joiner, from, rng);
        }
        let is_known =
            self.active.contains(&joiner.node) || self.requests.contains_key(&joiner.node);
        let may_end = steps <= self.config.walk_length / 2 && !is_known;
        if may_end && self.has_room() && !self.backoffs.contains_key(&joiner.node) {
            return self.ask(now, joiner, Reason::Invited);
        }
        let is_other = |node: &NodeId| *node != from && *node != joiner.node;
        let next = self.active.choose(1, is_other, rng);
        match next.first() {
            Some(next) if steps > 0 => {
                let steps = steps - 1;
                self.send(*next, Message::ForwardJoin { joiner, steps });
            }
            // Nobody to go to: a walk in a small overlay ends early.
            None if !is_known && self.has_room() => self.ask(now, joiner, Reason::Invited),
            _ => {}
        }
    }

    /// Whether a stranger's request is answered: not too many.
    pub(super) fn may_request(&mut self, now: Duration) -> bool {
        let is_within = self
            .requested
            .take(now, self.config.requests_per_second_max);
        if !is_within {
            self.counts.dropped_count += 1;
        }
        is_within
    }

    /// Whether a neighbour's walk is passed on.
    pub(super) fn may_walk(&mut self, now: Duration, from: NodeId) -> bool {
        let per_second = self.config.walks_per_second_max;
        let Some(link) = self.active.get_mut(&from) else {
            self.register.of(from).unsolicited_count += 1;
            // It takes the two for neighbours: messages crossed.
            self.part(from);
            return false;
        };
        let is_within = link.walks.take(now, per_second);
        if !is_within {
            self.counts.dropped_count += 1;
            self.register.of(from).excess_count += 1;
        }
        is_within
    }
}
