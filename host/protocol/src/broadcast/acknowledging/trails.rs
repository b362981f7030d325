//! Payloads that are acknowledged through this node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::broadcast::acknowledgement::{Gathering, ShortId};
use crate::ids::{Hash, NodeId};

use super::Config;

#[derive(Debug)]
struct Trail {
    /// Whom the payload came from.
    back: NodeId,
    gathering: Gathering,
    until: Duration,
    armed: Duration,
}

/// Payloads that are acknowledged through this node, each until its deadline.
#[derive(Debug, Default)]
pub(super) struct Trails {
    trails: BTreeMap<Hash, Trail>,
    order: VecDeque<Hash>,
    timers: BTreeSet<(Duration, Hash)>,
}

impl Trails {
    /// This node has a payload and passes it on.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        id: Hash,
        (back, deadline): (NodeId, Duration),
        own: &NodeId,
        config: &Config,
    ) {
        while self.trails.len() >= config.asked_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.end(&oldest);
        }
        let mut gathering = Gathering::new(now, config.gather_interval, false);
        gathering.add([ShortId::from(own)]);
        let until = now + deadline;
        let trail = Trail {
            back,
            gathering,
            until,
            armed: until,
        };
        if self.trails.insert(id, trail).is_none() {
            self.order.push_back(id);
        }
        self.timers.insert((until, id));
        self.arm(&id);
    }

    /// Takes what a neighbour gathered. False if this node did not pass the payload on.
    pub(super) fn gather(&mut self, id: &Hash, names: Vec<ShortId>) -> bool {
        let Some(trail) = self.trails.get_mut(id) else {
            return false;
        };
        trail.gathering.add(names);
        self.arm(id);
        true
    }

    /// What is to be told now: to whom, of which payload, who has it. Forgets what is over.
    pub(super) fn poll(&mut self, now: Duration) -> Vec<(NodeId, Hash, Vec<ShortId>)> {
        let mut told = Vec::new();
        while let Some((_, id)) = self.timers.first().filter(|(at, _)| *at <= now).copied() {
            let Some(trail) = self.trails.get_mut(&id).filter(|it| it.until > now) else {
                self.end(&id);
                continue;
            };
            if let Some(names) = trail.gathering.poll_batch(now) {
                told.push((trail.back, id, names));
            }
            self.arm(&id);
        }
        told
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn arm(&mut self, id: &Hash) {
        let Some(trail) = self.trails.get_mut(id) else {
            return;
        };
        let next = trail.gathering.next_timeout();
        let next = next.map_or(trail.until, |next| next.min(trail.until));
        if next != trail.armed {
            self.timers.remove(&(trail.armed, *id));
            self.timers.insert((next, *id));
            trail.armed = next;
        }
    }

    fn end(&mut self, id: &Hash) {
        if let Some(trail) = self.trails.remove(id) {
            self.timers.remove(&(trail.armed, *id));
            self.order.retain(|other| other != id);
        }
    }
}
