//! Payloads that are acknowledged through this node.

use std::time::Duration;

use crate::broadcast::acknowledgement::{Gathering, ShortId, Timed};
use crate::ids::{Hash, NodeId};

use super::{Config, Message, Way};

#[derive(Debug)]
struct Trail {
    way: Way,
    gathering: Gathering,
}

/// Payloads that are acknowledged through this node, each until its deadline.
///
/// Invariant: `names_count` is what all of them gathered.
#[derive(Debug)]
pub(super) struct Trails {
    config: Config,
    trails: Timed<Trail>,
    names_count: usize,
}

impl Trails {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            trails: Timed::new(),
            names_count: 0,
        }
    }

    /// This node has a payload and passes it on.
    pub(super) fn begin(&mut self, now: Duration, id: Hash, way: Way, until: Duration) {
        if self.trails.contains(&id) {
            return;
        }
        let gathering = Gathering::new(now, self.config.gather_interval, false);
        let author = way.author;
        self.trails.insert(id, until, Trail { way, gathering });
        self.gather(&id, Vec::new());
        let of_author = |(_, trail): &(&Hash, &Trail)| trail.way.author == author;
        let mut of_author = self.trails.oldest_first().filter(of_author);
        let oldest = of_author.next().map(|(id, _)| *id);
        // The oldest is one of them.
        if of_author.count() >= self.config.asked_max
            && let Some(oldest) = oldest
        {
            self.end(&oldest);
        }
    }

    /// Takes what a neighbour gathered. False if this node did not pass the payload on.
    pub(super) fn gather(&mut self, id: &Hash, names: Vec<ShortId>) -> bool {
        let Some(trail) = self.trails.get_mut(id) else {
            return false;
        };
        let before = trail.gathering.count();
        trail.gathering.add(names);
        self.names_count += trail.gathering.count() - before;
        self.arm(id);
        while (self.trails.len() > self.config.trails_max
            || self.names_count > self.config.names_max)
            && let Some(oldest) = self.oldest()
        {
            self.end(&oldest);
        }
        true
    }

    fn oldest(&self) -> Option<Hash> {
        self.trails.oldest_first().next().map(|(id, _)| *id)
    }

    /// What was to be told did not go out.
    pub(super) fn repeat(&mut self, message: &Message) {
        if let Some(trail) = self.trails.get_mut(&message.id) {
            trail.gathering.repeat(&message.names);
            self.arm(&message.id);
        }
    }

    /// A neighbour is gone, and whatever it did not pass on yet with it.
    pub(super) fn handle_neighbour_down(&mut self, peer: &NodeId) {
        let broken = self.trails.iter_mut();
        let broken = broken.filter(|(_, trail)| trail.way.from == *peer);
        let broken = broken.map(|(id, trail)| {
            trail.gathering.repeat_all();
            *id
        });
        for id in broken.collect::<Vec<_>>() {
            self.arm(&id);
        }
    }

    /// What is to be told now, and which way. Forgets what is over.
    pub(super) fn poll(&mut self, now: Duration) -> Vec<(Way, Message)> {
        let mut told = Vec::new();
        while let Some((id, is_over)) = self.trails.due(now) {
            let Some(trail) = self.trails.get_mut(&id).filter(|_| !is_over) else {
                self.end(&id);
                continue;
            };
            if let Some(names) = trail.gathering.poll_batch(now) {
                told.push((trail.way, Message { id, names }));
            }
            self.arm(&id);
        }
        told
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.trails.next_timeout()
    }

    fn arm(&mut self, id: &Hash) {
        let trail = self.trails.get(id);
        let next = trail.and_then(|trail| trail.gathering.next_timeout());
        self.trails.arm(id, next);
    }

    fn end(&mut self, id: &Hash) {
        if let Some(trail) = self.trails.remove(id) {
            self.names_count -= trail.gathering.count();
        }
    }
}
