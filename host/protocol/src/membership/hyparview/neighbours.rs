//! Who becomes and stays a neighbour.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use crate::ids::NodeId;
use crate::membership::OutEvent;

use super::state::{Reason, Request, member, varied};
use super::{Entry, HyParView, Message};

/// Back-offs that are remembered at most; the one that ends first gives way.
const BACKOFFS_MAX: usize = 1_024;

impl HyParView {
    /// Asks for what is missing: neighbours out of the passive view, else a contact. Arms the
    /// timers for what cannot be done now.
    pub(super) fn plan(&mut self, now: Duration, rng: &mut impl Rng) {
        // Who has hardly anybody does not wait.
        let is_needy = self.active.len() < self.config.own_min;
        while (is_needy || self.timers.seek_at.is_none()) && self.wanted_count() > 0 {
            let is_free = |node: &NodeId| {
                !self.active.contains(node)
                    && !self.requests.contains_key(node)
                    && !self.backoffs.contains_key(node)
            };
            let Some(candidate) = self.passive.candidate(now, is_free, rng) else {
                self.timers.seek_at = Some(now + varied(self.timers.seek_pause, rng));
                break;
            };
            self.ask(now, candidate, Reason::Own);
        }
        let is_alone = self.active.is_empty() && self.entry_points().next().is_some();
        if is_alone && self.timers.join_at.is_none() {
            self.timers.join_at = Some(now + varied(self.timers.join_pause, rng));
        }
    }

    /// How many more nodes to ask now.
    fn wanted_count(&self) -> usize {
        let config = &self.config;
        let is_own = |request: &&Request| matches!(request.reason, Reason::Own | Reason::Exchange);
        let asked = self.requests.values().filter(is_own).count();
        let missing = config
            .active_target
            .saturating_sub(self.active.len() + asked);
        let own_missing = config
            .own_min
            .saturating_sub(self.active.own_count() + asked);
        let room = config.active_max.saturating_sub(self.active.len() + asked);
        let free = config.requests_max.saturating_sub(asked);
        missing.max(own_missing).min(room).min(free)
    }

    /// Whether somebody else's wish for a place can be met. Places that wait for an answer count,
    /// and those of own choice are kept free.
    pub(super) fn has_room(&self) -> bool {
        let invited = self.requests.values();
        let invited = invited
            .filter(|request| request.reason == Reason::Invited)
            .count();
        let foreign = self.active.len() - self.active.own_count() + invited;
        foreign < self.config.active_max - self.config.own_min
            && self.active.len() + invited < self.config.active_max
    }

    /// Asks a node to be a neighbour.
    pub(super) fn ask(&mut self, now: Duration, whom: Entry, reason: Reason) {
        let address = self.own.address;
        let is_urgent = reason == Reason::Own && self.active.len() < self.config.own_min;
        self.request(now, whom, reason, Message::Neighbour { address, is_urgent });
    }

    pub(super) fn request(&mut self, now: Duration, whom: Entry, reason: Reason, message: Message) {
        let request = Request {
            address: whom.address,
            reason,
            until: now + self.config.request_timeout,
        };
        self.requests.insert(whom.node, request);
        self.send(whom, message);
    }

    /// Two nodes are neighbours now.
    pub(super) fn link(&mut self, peer: Entry, is_own: bool) {
        if self.active.contains(&peer.node) {
            return;
        }
        self.passive.remove(&peer.node);
        self.lost.retain(|lost| lost.node != peer.node);
        self.active.insert(peer, is_own);
        self.timers.join_pause = self.config.join_interval;
        self.events.push_back(OutEvent::MemberUp(member(peer)));
    }

    /// A neighbour is missing: look for another at once.
    pub(super) fn hurry(&mut self, _now: Duration) {
        self.timers.seek_at = None;
        self.timers.seek_pause = self.config.join_interval;
    }

    /// Sends a neighbour away. It stays known.
    pub(super) fn let_go(&mut self, now: Duration, node: NodeId, rng: &mut impl Rng) {
        let Some(link) = self.active.remove(&node) else {
            return;
        };
        let entry = Entry {
            node,
            address: link.address,
        };
        self.send(entry, Message::Disconnect { is_leaving: false });
        self.events.push_back(OutEvent::MemberDown(node));
        self.passive.add(entry, node, rng);
        self.back_off(now, node);
    }

    pub(super) fn back_off(&mut self, now: Duration, node: NodeId) {
        if self.backoffs.len() >= BACKOFFS_MAX && !self.backoffs.contains_key(&node) {
            let first = self.backoffs.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(node, _)| *node) {
                self.backoffs.remove(&first);
            }
        }
        self.backoffs.insert(node, now + self.config.backoff);
    }

    /// A node wants to be a neighbour.
    pub(super) fn on_neighbour(
        &mut self,
        now: Duration,
        from: NodeId,
        address: SocketAddr,
        is_urgent: bool,
        rng: &mut impl Rng,
    ) {
        let peer = Entry {
            node: from,
            address,
        };
        if !self.may_request(now) {
            return;
        }
        let is_accepted = self.takes(now, from, is_urgent, rng);
        let crossing = self.requests.remove(&from).map(|request| request.reason);
        let entries = match is_accepted {
            true => Vec::new(),
            false => self.hints(from, rng),
        };
        self.send(
            peer,
            Message::NeighbourReply {
                is_accepted,
                entries,
            },
        );
        if is_accepted {
            let is_own = matches!(crossing, Some(Reason::Own | Reason::Exchange));
            self.link(peer, is_own);
        } else {
            self.passive.add(peer, from, rng);
        }
    }

    fn takes(&mut self, now: Duration, from: NodeId, is_urgent: bool, rng: &mut impl Rng) -> bool {
        if self.active.contains(&from) {
            return true;
        }
        if self.backoffs.get(&from).is_some_and(|until| *until > now) {
            self.register.of(from).backoff_count += 1;
            return false;
        }
        let is_mutual = self.requests.contains_key(&from);
        if self.has_room() || is_mutual && self.active.len() < self.config.active_max {
            return true;
        }
        if !is_urgent || now < self.evict_at {
            return false;
        }
        let Some(victim) = self.active.choose_of(false, &from, rng) else {
            return false;
        };
        self.evict_at = now + self.config.eviction_interval;
        self.counts.evictions_count += 1;
        self.let_go(now, victim, rng);
        true
    }

    /// A node answered this node's wish.
    pub(super) fn on_neighbour_reply(
        &mut self,
        now: Duration,
        from: NodeId,
        is_accepted: bool,
        entries: Vec<Entry>,
        rng: &mut impl Rng,
    ) {
        let Some(request) = self.requests.remove(&from) else {
            return self.on_stray_reply(from, is_accepted);
        };
        let peer = Entry {
            node: from,
            address: request.address,
        };
        for entry in entries {
            self.know(entry, from, rng);
        }
        let is_exchange = is_accepted && request.reason == Reason::Exchange;
        let has_given_way = is_exchange && self.make_place(now, from, rng);
        if !is_accepted {
            self.refused(now, peer, request.reason, rng);
        } else if self.active.len() < self.config.active_max || self.active.contains(&from) {
            let is_own = matches!(request.reason, Reason::Own | Reason::Exchange);
            self.link(peer, is_own);
            if is_exchange && !has_given_way {
                self.drop_surplus(now, from, rng);
            }
        } else {
            self.send(peer, Message::Disconnect { is_leaving: false });
            self.know(peer, from, rng);
        }
    }

    /// An answer that came too late, or to no question: the other side must not think that the
    /// two are neighbours.
    fn on_stray_reply(&mut self, from: NodeId, is_accepted: bool) {
        if !is_accepted || self.active.contains(&from) {
            return;
        }
        self.register.of(from).unsolicited_count += 1;
        self.part(from);
    }

    /// Tells who takes the two for neighbours that they are not.
    pub(super) fn part(&mut self, from: NodeId) {
        self.events.push_back(OutEvent::Send {
            to: from,
            // There is a session: the message came through it.
            address: self.own.address,
            message: Message::Disconnect { is_leaving: false },
        });
    }

    fn refused(&mut self, now: Duration, peer: Entry, reason: Reason, rng: &mut impl Rng) {
        self.know(peer, peer.node, rng);
        let pause = varied(self.config.retry_interval, rng);
        self.passive.retry_at(&peer.node, now + pause);
        let can_wait = self.active.len() >= self.config.own_min;
        if reason == Reason::Own && can_wait {
            let pause = self.timers.seek_pause;
            self.timers.seek_at = Some(now + varied(pause, rng));
            self.timers.seek_pause = (pause * 2).min(self.config.retry_interval);
        }
    }

    /// Before an exchange, lets a neighbour go if there is no place: one of own choice if there are
    /// enough. Whether one had to go.
    fn make_place(&mut self, now: Duration, new: NodeId, rng: &mut impl Rng) -> bool {
        if self.active.len() < self.config.active_max || self.active.contains(&new) {
            return false;
        }
        let is_own = self.active.own_count() >= self.config.own_min;
        let old = self.active.choose_of(is_own, &new, rng);
        let old = old.or_else(|| self.active.choose_of(!is_own, &new, rng));
        if let Some(old) = old {
            self.let_go(now, old, rng);
        }
        old.is_some()
    }

    /// After an exchange, lets an older neighbour of own choice go if there are enough.
    fn drop_surplus(&mut self, now: Duration, new: NodeId, rng: &mut impl Rng) {
        let is_enough = self.active.len() > self.config.active_target;
        if is_enough && let Some(old) = self.active.choose_of(true, &new, rng) {
            self.let_go(now, old, rng);
        }
    }

    /// Takes a claim into the passive view.
    pub(super) fn know(&mut self, entry: Entry, source: NodeId, rng: &mut impl Rng) {
        if entry.node != self.own.node && !self.active.contains(&entry.node) {
            self.passive.add(entry, source, rng);
        }
    }

    /// The other side does not want to be a neighbour any more, or not yet.
    pub(super) fn on_disconnect(
        &mut self,
        now: Duration,
        from: NodeId,
        is_leaving: bool,
        rng: &mut impl Rng,
    ) {
        self.requests.remove(&from);
        let Some(link) = self.active.remove(&from) else {
            return;
        };
        self.hurry(now);
        if is_leaving {
            // Who comes back is another process, and nobody whom this node let go.
            self.passive.remove(&from);
            self.events.push_back(OutEvent::MemberLeft(from));
        } else {
            self.back_off(now, from);
            self.events.push_back(OutEvent::MemberDown(from));
            let address = link.address;
            self.know(
                Entry {
                    node: from,
                    address,
                },
                from,
                rng,
            );
        }
    }
}
