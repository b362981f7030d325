//! A circle as one of its members has it: a view and a tree.

use std::time::Duration;

use rand::Rng;
use rand::seq::SliceRandom;

use crate::broadcast::Broadcast as _;
use crate::broadcast::plumtree::Plumtree;
use crate::membership::Membership as _;
use crate::membership::hyparview::{Entry, HyParView};

use super::{Config, KNOWN_MAX};

#[derive(Debug)]
pub(super) struct Circle {
    pub(super) view: HyParView,
    pub(super) tree: Plumtree,
    /// When this member announces it, if no other does.
    pub(super) announce_at: Duration,
    /// How long after the last announcement that is; it grows to
    /// [`Config::announce_interval`].
    announce_pause: Duration,
    /// Until then it may be in parts that found each other by chance, and not been announced.
    pub(super) forming_until: Duration,
}

/// So many of the first pauses a circle counts as forming.
const FORMING_PAUSES: u32 = 3;

impl Circle {
    pub(super) fn new(config: &Config, own: Entry, now: Duration, rng: &mut impl Rng) -> Self {
        Self {
            view: HyParView::new(config.view.clone(), own, now, rng),
            tree: Plumtree::new(config.tree.clone(), own.node, now, rng),
            announce_at: now + later(config.patience * 2, rng),
            announce_pause: config.patience * 2,
            forming_until: now + config.patience * 2 * FORMING_PAUSES,
        }
    }

    /// It was announced before this node became part of it: it has formed.
    pub(super) fn set_formed(&mut self, now: Duration, config: &Config, rng: &mut impl Rng) {
        if self.forming_until > now {
            self.forming_until = now;
            self.announce_pause = config.announce_interval;
            self.announce_at = now + later(self.announce_pause, rng);
        }
    }

    /// It was announced now, by whomever: the next time is later (Trickle doubles too).
    pub(super) fn set_announced(&mut self, now: Duration, config: &Config, rng: &mut impl Rng) {
        let pause = (self.announce_pause * 2).min(config.announce_interval);
        self.announce_pause = pause;
        self.announce_at = now + later(pause, rng);
    }

    pub(super) fn has_neighbours(&self) -> bool {
        self.view.neighbours_count().0 > 0
    }

    /// How many members are known, this one included.
    pub(super) fn seen_count(&self) -> u32 {
        let count = 1 + self.view.neighbours_count().0 + self.view.passive_count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Some of its members, this one first.
    pub(super) fn some(&self, own: Entry, rng: &mut impl Rng) -> Vec<Entry> {
        let mut others: Vec<Entry> = self.view.neighbours().collect();
        others.shuffle(rng);
        let all = [own].into_iter().chain(others);
        all.take(KNOWN_MAX / 2).collect()
    }

    pub(super) fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        if self.view.next_timeout().is_some_and(|at| at <= now) {
            let neighbours: Vec<Entry> = self.view.neighbours().collect();
            for Entry { node, .. } in neighbours {
                let is_eager = self.tree.is_eager(&node);
                self.view.handle_preference(&node, is_eager);
            }
            self.view.handle_timeout(now, rng);
        }
        if self.tree.next_timeout().is_some_and(|at| at <= now) {
            self.tree.handle_timeout(now);
        }
    }

    /// When its view or its tree has something to do.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let both = [self.view.next_timeout(), self.tree.next_timeout()];
        both.into_iter().flatten().min()
    }
}

/// Once to twice a span: the first of many comes soon after it, and the others hear of it.
pub(super) fn later(span: Duration, rng: &mut impl Rng) -> Duration {
    use rand::RngExt as _;
    span * rng.random_range(1_000..2_000) / 1_000
}
