//! Mixing of views: by walks, with contacts, and by exchanging neighbours.

use std::time::Duration;

use rand::Rng;
use rand::seq::IteratorRandom;

use crate::ids::NodeId;

use super::state::{Reason, varied};
use super::{Entry, HyParView, Message};

/// How much sooner views are mixed with a seed for the first time.
const SOONER: u32 = 60;

/// Answers to shuffles that may be awaited at once: one by walk, one of a contact.
const REPLIES_DUE_MAX: u8 = 2;

impl HyParView {
    /// Sends a walk out that mixes views with a node some steps away.
    pub(super) fn shuffle(&mut self, now: Duration, rng: &mut impl Rng) {
        let interval = match self.passive.is_full() {
            true => self.config.shuffle_interval,
            false => self.config.shuffle_interval / 4,
        };
        self.timers.shuffle_at = now + varied(interval, rng);
        let first = self.active.choose(1, |_| true, rng);
        if let Some(first) = first.first() {
            self.send_shuffle(*first, self.config.walk_length, rng);
        }
    }

    /// Mixes views with a contact, a lost neighbour or an old acquaintance, who may be of another
    /// part.
    pub(super) fn mix_with_contact(&mut self, now: Duration, rng: &mut impl Rng) {
        self.timers.contact_at = now + varied(self.config.contact_interval, rng);
        let first = self.unmixed.pop_first();
        if !self.unmixed.is_empty() {
            self.plan_mixing(now, rng);
        }
        let is_first = |entry: &Entry| Some(entry.node) == first;
        let is_stranger = |entry: &Entry| !self.active.contains(&entry.node);
        let first = self.entry_points().find(is_first).filter(is_stranger);
        let known = self.passive.sample(1, rng);
        let chosen = first.or_else(|| {
            let contacts = self.entry_points().chain(known);
            contacts.filter(is_stranger).choose(rng)
        });
        self.mixed_with = None;
        if let Some(chosen) = chosen {
            self.mix_with(chosen, rng);
        }
    }

    /// Mixes views with a seed before long, when there is something to mix.
    pub(super) fn mix_soon(&mut self, now: Duration, seed: NodeId, rng: &mut impl Rng) {
        self.unmixed.insert(seed);
        self.plan_mixing(now, rng);
    }

    fn plan_mixing(&mut self, now: Duration, rng: &mut impl Rng) {
        let soon = now + varied(self.config.contact_interval / SOONER, rng);
        self.timers.contact_at = self.timers.contact_at.min(soon);
    }

    fn mix_with(&mut self, chosen: Entry, rng: &mut impl Rng) {
        self.mixed_with = Some(chosen.node);
        self.send_shuffle(chosen, 0, rng);
    }

    /// Mixes views now with a node that may be of another part, as the layer above heard.
    pub fn handle_other_part(&mut self, now: Duration, entry: Entry, rng: &mut impl Rng) {
        let is_stranger = entry.node != self.own.node && !self.active.contains(&entry.node);
        if is_stranger && !self.has_left {
            self.mix_with(entry, rng);
            self.plan(now, rng);
        }
    }

    /// Looks for a neighbour to take the place of another of own choice.
    pub(super) fn exchange_neighbour(&mut self, now: Duration, rng: &mut impl Rng) {
        self.timers.rotate_at = now + varied(self.config.rotation_interval, rng);
        if self.active.len() < self.config.active_target {
            return;
        }
        let is_free = |node: &NodeId| self.may_ask(node);
        if let Some(candidate) = self.passive.candidate(now, is_free, rng) {
            self.ask(now, candidate, Reason::Exchange);
        }
    }

    fn may_ask(&self, node: &NodeId) -> bool {
        *node != self.own.node
            && !self.active.contains(node)
            && !self.requests.contains_key(node)
            && !self.backoffs.contains_key(node)
    }

    /// A contact named nodes. They may be of another part, and knowing of it is no link: one of
    /// them takes the place of a neighbour, in place of the next exchange.
    fn link_to_part(&mut self, now: Duration, named: &[Entry], rng: &mut impl Rng) {
        let others = named.iter().filter(|entry| self.may_ask(&entry.node));
        if let Some(other) = others.choose(rng).copied() {
            let pause = self.config.rotation_interval;
            self.timers.rotate_at = now + varied(pause, rng);
            self.ask(now, other, Reason::Exchange);
        }
    }

    fn send_shuffle(&mut self, to: Entry, steps: u8, rng: &mut impl Rng) {
        let entries = self.sample(to.node, rng);
        let origin = self.own;
        self.replies_due_count = (self.replies_due_count + 1).min(REPLIES_DUE_MAX);
        self.send(
            to,
            Message::Shuffle {
                origin,
                steps,
                entries,
            },
        );
    }

    /// Some neighbours and some others, for `reader`.
    fn sample(&self, reader: NodeId, rng: &mut impl Rng) -> Vec<Entry> {
        let config = &self.config;
        let is_other = |node: &NodeId| *node != reader;
        let mut entries = self
            .active
            .choose(config.shuffle_active_count, is_other, rng);
        let others = self.passive.sample(config.shuffle_passive_count, rng);
        entries.extend(others.into_iter().filter(|entry| entry.node != reader));
        entries
    }

    /// A walk came by: passes it on, or at its end mixes views. The origin may also ask directly.
    pub(super) fn on_shuffle(
        &mut self,
        now: Duration,
        from: NodeId,
        origin: Entry,
        steps: u8,
        entries: Vec<Entry>,
        rng: &mut impl Rng,
    ) {
        if origin.node == self.own.node {
            return;
        }
        let is_direct = origin.node == from && !self.active.contains(&from);
        let may = match is_direct {
            true => self.may_request(now),
            false => self.may_walk(now, from),
        };
        if !may {
            return;
        }
        let steps = match is_direct {
            true => 0,
            false => steps.min(self.config.walk_length),
        };
        let is_other = |node: &NodeId| *node != from && *node != origin.node;
        let next = self.active.choose(1, is_other, rng).first().copied();
        if let Some(next) = next.filter(|_| steps > 0) {
            let steps = steps - 1;
            return self.send(
                next,
                Message::Shuffle {
                    origin,
                    steps,
                    entries,
                },
            );
        }
        let answer = self.sample(origin.node, rng);
        self.send(origin, Message::ShuffleReply { entries: answer });
        self.know(origin, from, rng);
        for entry in entries {
            self.know(entry, from, rng);
        }
    }

    /// The end of this node's walk answered.
    pub(super) fn on_shuffle_reply(
        &mut self,
        now: Duration,
        from: NodeId,
        entries: Vec<Entry>,
        rng: &mut impl Rng,
    ) {
        if self.replies_due_count == 0 {
            self.register.of(from).unsolicited_count += 1;
            return;
        }
        self.replies_due_count -= 1;
        if self
            .mixed_with
            .take_if(|contact| *contact == from)
            .is_some()
        {
            self.link_to_part(now, &entries, rng);
        }
        for entry in entries {
            self.know(entry, from, rng);
        }
    }
}
