//! Acknowledgements on their way back: which way, what was seen and gathered, and when it goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::broadcast::acknowledgement::{Gathering, ShortId};
use crate::ids::{Hash, NodeId};

use super::pulls::Holder;
use super::view::View;
use super::{Config, Way};

/// How many others a node says to have seen with a message; the fan-out's average and some more.
const WITNESSED_MAX: usize = 64;

/// How many further collectors are remembered.
const OTHERS_MAX: usize = 4;

/// Names to send to a node.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) to: NodeId,
    pub(super) id: Hash,
    pub(super) names: Vec<ShortId>,
}

#[derive(Debug)]
struct Trail {
    way: Way,
    hops: u8,
    /// To whom this node tells what it knows.
    target: NodeId,
    /// To whom else it could.
    others: Vec<NodeId>,
    /// Who pushed the message here, and so has it.
    witnessed: BTreeSet<ShortId>,
    is_accepted: bool,
    /// How much longer everything takes than where payloads are pushed.
    pace: u32,
    /// When it tells for the second time.
    again: Option<Duration>,
    gathering: Option<Gathering>,
    until: Duration,
    armed: Duration,
}

/// Messages that have to be acknowledged and came through this node.
#[derive(Debug)]
pub(super) struct Trails {
    own: ShortId,
    trails: BTreeMap<Hash, Trail>,
    order: VecDeque<Hash>,
    timers: BTreeSet<(Duration, Hash)>,
}

impl Trails {
    pub(super) fn new(own: &NodeId) -> Self {
        Self {
            own: own.into(),
            trails: BTreeMap::new(),
            order: VecDeque::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Begins a trail for a message that came for the first time.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        id: Hash,
        first: &Holder,
        is_pushed: bool,
        view: &View,
        config: &Config,
    ) {
        let Some(way) = first.way else {
            return;
        };
        while self.trails.len() >= config.asked_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.end(&oldest);
        }
        let until = now + way.deadline();
        // What is announced spreads more slowly.
        let pace = if is_pushed { 1 } else { 2 };
        let is_collector = way.levels == 0 || first.hops <= way.levels;
        let trail = Trail {
            way,
            hops: first.hops,
            target: self.target(&way, first, view),
            others: Vec::new(),
            witnessed: BTreeSet::new(),
            is_accepted: false,
            pace,
            again: None,
            gathering: is_collector
                .then(|| Gathering::new(now, config.gather_interval * pace, true)),
            until,
            armed: until,
        };
        self.timers.insert((until, id));
        self.trails.insert(id, trail);
        self.order.push_back(id);
        self.witness(&id, first, view);
    }

    /// Notes that a peer has a message: it passed it on.
    pub(super) fn witness(&mut self, id: &Hash, holder: &Holder, view: &View) {
        let target = holder.way.map(|way| self.target(&way, holder, view));
        let Some(trail) = self.trails.get_mut(id) else {
            return;
        };
        if let Some(target) = target
            && target != trail.target
            && trail.others.len() < OTHERS_MAX
            && !trail.others.contains(&target)
        {
            trail.others.push(target);
        }
        let name = ShortId::from(&holder.node);
        if name == trail.way.origin || trail.witnessed.len() >= WITNESSED_MAX {
            return;
        }
        trail.witnessed.insert(name);
        if let Some(gathering) = trail.gathering.as_mut().filter(|_| trail.is_accepted) {
            gathering.add([name]);
        }
        self.arm(id);
    }

    /// This node has the message and passes it on to `fanout` others. Gives the way to pass on
    /// with it, and what to tell.
    pub(super) fn accepted(
        &mut self,
        now: Duration,
        id: &Hash,
        fanout: usize,
        config: &Config,
        rng: &mut impl Rng,
    ) -> Option<(Way, Option<Report>)> {
        let own = self.own;
        let trail = self.trails.get_mut(id)?;
        trail.is_accepted = true;
        let names = trail.names(own);
        let report = match trail.gathering.as_mut() {
            Some(gathering) => {
                gathering.add(names);
                None
            }
            None => {
                // Whoever comes late is seen by few.
                let is_late = trail.witnessed.len() >= fanout;
                if is_late || rng.random_bool(config.report_share) {
                    trail.again = Some(now + config.report_delay * trail.pace);
                }
                Some(Report {
                    to: trail.target,
                    id: *id,
                    names,
                })
            }
        };
        let mut way = trail.way;
        if way.levels > 0 && trail.hops > way.levels {
            way.collector = Some(ShortId::from(&trail.target));
        }
        self.arm(id);
        Some((way, report))
    }

    /// Takes what a peer gathered. False if this node did not pass the message on.
    pub(super) fn gather(
        &mut self,
        now: Duration,
        id: &Hash,
        names: Vec<ShortId>,
        view: &View,
        config: &Config,
    ) -> bool {
        let trail = self.trails.get_mut(id).filter(|trail| trail.is_accepted);
        let Some(trail) = trail else {
            return false;
        };
        let begun = || Gathering::new(now, config.gather_interval * trail.pace, true);
        let is_known = |name: &ShortId| !view.is_full() || view.find(*name).is_some();
        trail
            .gathering
            .get_or_insert_with(begun)
            .add(names.into_iter().filter(is_known));
        self.arm(id);
        true
    }

    /// What is to be told now. Forgets what is over.
    pub(super) fn poll_reports(&mut self, now: Duration, rng: &mut impl Rng) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Some((_, id)) = self.timers.first().filter(|(at, _)| *at <= now).copied() {
            let own = self.own;
            let Some(trail) = self.trails.get_mut(&id).filter(|it| it.until > now) else {
                self.end(&id);
                continue;
            };
            if trail.again.take_if(|at| *at <= now).is_some() {
                let count = trail.others.len().max(1);
                let other = trail.others.get(rng.random_range(0..count));
                reports.push(Report {
                    to: other.copied().unwrap_or(trail.target),
                    id,
                    names: trail.names(own),
                });
            }
            let batch = trail.gathering.as_mut().and_then(|it| it.poll_batch(now));
            if let Some(names) = batch {
                let to = trail.target;
                reports.push(Report { to, id, names });
            }
            self.arm(&id);
        }
        reports
    }

    /// When [`poll_reports`](Self::poll_reports) is due.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// To whom a node tells of a message that came this way.
    fn target(&self, way: &Way, holder: &Holder, view: &View) -> NodeId {
        let named = match () {
            () if way.levels == 0 || holder.hops == 1 => None,
            () if holder.hops <= way.levels => Some(way.origin),
            // A collector passed it on itself.
            () if holder.hops == way.levels + 1 => None,
            () => way.collector,
        };
        let found = named
            .filter(|name| *name != self.own)
            .and_then(|name| view.find(name));
        // Whoever passed it on can tell it further.
        found.unwrap_or(holder.node)
    }

    fn arm(&mut self, id: &Hash) {
        let Some(trail) = self.trails.get_mut(id) else {
            return;
        };
        let batch = trail.gathering.as_ref().filter(|_| trail.is_accepted);
        let batch = batch.and_then(Gathering::next_timeout);
        let next = [trail.again, batch].into_iter().flatten().min();
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

impl Trail {
    /// This node, and whom it saw.
    fn names(&self, own: ShortId) -> Vec<ShortId> {
        [own]
            .into_iter()
            .chain(self.witnessed.iter().copied())
            .collect()
    }
}
