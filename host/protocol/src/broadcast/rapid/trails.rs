//! Acknowledgements on their way back: which way, what was seen and gathered, and when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::broadcast::acknowledgement::{Gathering, ShortId, Timed};
use crate::ids::{Hash, NodeId};

use super::pulls::Holder;
use super::view::{View, Views};
use super::{Config, Way};

/// How many others a node says to have seen with a message; the fan-out's average and some more.
const WITNESSED_MAX: usize = 64;

/// How many further collectors are remembered.
const OTHERS_MAX: usize = 4;

/// Names to send to a node.
#[derive(Debug)]
pub(super) struct Report<S> {
    pub(super) scope: S,
    pub(super) to: NodeId,
    pub(super) id: Hash,
    pub(super) names: Vec<ShortId>,
}

/// A message that came for the first time.
pub(super) struct First<'a, S> {
    pub(super) scope: S,
    pub(super) id: Hash,
    pub(super) holder: &'a Holder,
    pub(super) is_pushed: bool,
}

#[derive(Debug)]
struct Trail<S> {
    scope: S,
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
}

/// Messages that have to be acknowledged and came through this node.
///
/// Invariant: `names_count` is what all of them gathered.
#[derive(Debug)]
pub(super) struct Trails<S> {
    own: ShortId,
    trails: Timed<Trail<S>>,
    names_count: usize,
}

impl<S: Clone> Trails<S> {
    pub(super) fn new(own: &NodeId) -> Self {
        Self {
            own: own.into(),
            trails: Timed::new(),
            names_count: 0,
        }
    }

    /// Begins a trail for a message that came for the first time.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        first: First<'_, S>,
        view: &View<'_>,
        config: &Config,
    ) {
        let First {
            scope,
            id,
            holder: first,
            is_pushed,
        } = first;
        let Some(way) = first.way else {
            return;
        };
        while self.trails.len() >= config.asked_max
            && let Some(least) = self.giving_way()
        {
            self.end(&least);
        }
        let until = now + way.deadline();
        // What is announced spreads more slowly.
        let pace = if is_pushed { 1 } else { 2 };
        let is_collector = way.levels == 0 || first.hops <= way.levels;
        let trail = Trail {
            scope,
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
        };
        self.trails.insert(id, until, trail);
        self.witness(&id, first, view);
    }

    /// Notes that a peer has a message: it passed it on.
    pub(super) fn witness(&mut self, id: &Hash, holder: &Holder, view: &View<'_>) {
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
        if trail.is_accepted {
            self.names_count += trail.gather([name]);
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
    ) -> Option<(Way, Option<Report<S>>)> {
        let own = self.own;
        let trail = self.trails.get_mut(id)?;
        trail.is_accepted = true;
        let names = trail.names(own);
        let report = match trail.gathering.is_some() {
            true => {
                self.names_count += trail.gather(names);
                None
            }
            false => {
                // Whoever comes late is seen by few.
                let is_late = trail.witnessed.len() >= fanout;
                if is_late || rng.random_bool(config.report_share) {
                    trail.again = Some(now + config.report_delay * trail.pace);
                }
                Some(Report {
                    scope: trail.scope.clone(),
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

    /// Whether this node passed a message on that has to be acknowledged.
    pub(super) fn is_accepted(&self, id: &Hash) -> bool {
        self.trails.get(id).is_some_and(|trail| trail.is_accepted)
    }

    /// Takes what a peer gathered. False if this node did not pass the message on.
    pub(super) fn gather(
        &mut self,
        now: Duration,
        id: &Hash,
        names: Vec<ShortId>,
        views: &Views<S>,
        config: &Config,
    ) -> bool
    where
        S: Ord,
    {
        let trail = self.trails.get_mut(id).filter(|trail| trail.is_accepted);
        let Some(trail) = trail else {
            return false;
        };
        let view = views.of(&trail.scope);
        let begun = || Gathering::new(now, config.gather_interval * trail.pace, true);
        let is_known = |name: &ShortId| !view.is_full() || view.contains(*name);
        trail.gathering.get_or_insert_with(begun);
        self.names_count += trail.gather(names.into_iter().filter(is_known));
        self.arm(id);
        while self.names_count > config.names_max
            && let Some(least) = self.giving_way()
        {
            self.end(&least);
        }
        true
    }

    /// What is to be told now. Forgets what is over.
    pub(super) fn poll_reports(&mut self, now: Duration, rng: &mut impl Rng) -> Vec<Report<S>> {
        let mut reports = Vec::new();
        while let Some((id, is_over)) = self.trails.due(now) {
            let own = self.own;
            let Some(trail) = self.trails.get_mut(&id).filter(|_| !is_over) else {
                self.end(&id);
                continue;
            };
            if trail.again.take_if(|at| *at <= now).is_some() {
                let count = trail.others.len().max(1);
                let other = trail.others.get(rng.random_range(0..count));
                reports.push(Report {
                    scope: trail.scope.clone(),
                    to: other.copied().unwrap_or(trail.target),
                    id,
                    names: trail.names(own),
                });
            }
            let batch = trail.gathering.as_mut().and_then(|it| it.poll_batch(now));
            if let Some(names) = batch {
                reports.push(Report {
                    scope: trail.scope.clone(),
                    to: trail.target,
                    id,
                    names,
                });
            }
            self.arm(&id);
        }
        reports
    }

    /// Nobody asked who has this message, whatever the way says that came with it.
    pub(super) fn forget(&mut self, id: &Hash) {
        self.end(id);
    }

    /// When [`poll_reports`](Self::poll_reports) is due.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.trails.next_timeout()
    }

    /// To whom a node tells of a message that came this way.
    fn target(&self, way: &Way, holder: &Holder, view: &View<'_>) -> NodeId {
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
        let trail = self.trails.get(id);
        let next = trail.and_then(|trail| {
            let batch = trail.gathering.as_ref().filter(|_| trail.is_accepted);
            let batch = batch.and_then(Gathering::next_timeout);
            [trail.again, batch].into_iter().flatten().min()
        });
        self.trails.arm(id, next);
    }

    /// Which message loses its acknowledgements where there are too many: the oldest of a sender
    /// that has most of them, so that nobody takes the place of others by talking much. O(n).
    fn giving_way(&self) -> Option<Hash> {
        let mut of_sender = BTreeMap::<ShortId, usize>::new();
        for (_, trail) in self.trails.oldest_first() {
            *of_sender.entry(trail.way.origin).or_default() += 1;
        }
        let most = of_sender.values().copied().max()?;
        let mut oldest_first = self.trails.oldest_first();
        let oldest =
            oldest_first.find(|(_, trail)| of_sender.get(&trail.way.origin) == Some(&most));
        oldest.map(|(id, _)| *id)
    }

    fn end(&mut self, id: &Hash) {
        if let Some(trail) = self.trails.remove(id) {
            self.names_count -= trail.gathering.map_or(0, |it| it.count());
        }
    }
}

impl<S> Trail<S> {
    /// Adds to what is passed on, if this node gathers. Gives how many are new.
    fn gather(&mut self, names: impl IntoIterator<Item = ShortId>) -> usize {
        self.gathering.as_mut().map_or(0, |gathering| {
            let before = gathering.count();
            gathering.add(names);
            gathering.count() - before
        })
    }

    /// This node, and whom it saw.
    fn names(&self, own: ShortId) -> Vec<ShortId> {
        [own]
            .into_iter()
            .chain(self.witnessed.iter().copied())
            .collect()
    }
}
