//! Whom to dial, and when.
//!
//! Every seed and every member that is thought to be there is dialed until there is a session,
//! with pauses that double after each failure, up to a bound, and vary by half. A member that is
//! given up is dialed when membership has something for it, which it has now and then. Members of
//! an earlier run are dialed until membership knows of them, or for a day: nodes that all started
//! anew, in two groups that did not see each other at first, find together. A seed that may stand
//! for many nodes is looked up, twice a minute as long as this node is alone and now and then
//! later; each address of the answer is tried. No socket here: [`DialPlan::poll`] says what to do,
//! and is told what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};
use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::{Member, Status};

use super::config::NetworkLimits;
use super::found::{Found, Place};
use super::seed_name::SeedName;

/// A session that lived shorter than this counts as a failed dial: the other side does not want
/// it, and would be dialed in a loop.
const STABLE: Duration = Duration::from_secs(5);

/// How long members of an earlier run are dialed whom nobody knows any more.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How often a seed is looked up at least, as long as nobody else is there.
const LOOKUP_ALONE: Duration = Duration::from_secs(30);

/// How often otherwise: two groups that both found together at first find each other.
const LOOKUP_TOGETHER: Duration = Duration::from_secs(300);

/// Whom to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The seed with this index.
    Seed(usize),
    /// Whoever is at an address that discovery found.
    Found(SocketAddr),
    /// A member.
    Member(NodeId),
}

/// A dial to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) target: Target,
    pub(super) address: DialAddress,
}

/// Where to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DialAddress {
    /// A name to resolve; whoever answers is right.
    Name(String),
    /// A seed to look up; it is not dialed itself.
    Lookup(SeedName),
    /// An address; only this node is right.
    Node(NodeId, SocketAddr),
}

/// What came of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialed {
    /// There is a session with this node, this one or another.
    Connected(NodeId),
    /// There is not.
    Failed,
    /// The seed was looked up. What was found is told by [`DialPlan::find`].
    LookedUp,
    /// It is this node's own address. A name may mean another node later; an address does not.
    Oneself,
    /// It was broken off.
    Cancelled,
}

#[derive(Debug)]
struct Seed {
    name: SeedName,
    node: Option<NodeId>,
    is_oneself: bool,
    /// When it was last looked up.
    looked_up_at: Duration,
    pace: Pace,
}

impl Seed {
    fn due_at(&self, is_alone: bool) -> Duration {
        match self.name.is_looked_up() && !is_alone {
            true => (self.looked_up_at + LOOKUP_TOGETHER).max(self.pace.next_at),
            false => self.pace.next_at,
        }
    }

    fn handle_looked_up(
        &mut self,
        now: Duration,
        dialed: Dialed,
        pause: impl FnOnce(u32) -> Duration,
    ) {
        self.pace.is_under_way = false;
        let pause = match dialed {
            Dialed::Cancelled => return,
            Dialed::LookedUp => {
                (self.pace.failures, self.looked_up_at) = (0, now);
                LOOKUP_ALONE
            }
            _ => {
                self.pace.failures = self.pace.failures.saturating_add(1);
                pause(self.pace.failures).min(LOOKUP_ALONE)
            }
        };
        self.pace.next_at = now.saturating_add(pause);
    }
}

#[derive(Debug)]
struct Known {
    address: SocketAddr,
    /// Thought to be there, or not yet judged: dialed by itself.
    is_wanted: bool,
    /// Known from an earlier run only.
    is_remembered: bool,
    /// Dialed once although not wanted.
    is_requested: bool,
    pace: Pace,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) failures: u32,
    pub(super) next_at: Duration,
    pub(super) is_under_way: bool,
}

/// The plan.
#[derive(Debug)]
pub(super) struct DialPlan {
    own: NodeId,
    seeds: Vec<Seed>,
    found: Found,
    members: BTreeMap<NodeId, Known>,
    under_way: usize,
    dials_max: usize,
    redial_min: Duration,
    redial_max: Duration,
    /// When [`poll`](Self::poll) has something to do; none until something happens.
    due: Option<Duration>,
    /// With partial views: whether there is no neighbour. Then a view says whom to dial, and seeds
    /// that were reached once are dialed only by a node that is alone.
    of_view: Option<bool>,
}

impl DialPlan {
    /// Starts with seeds and members of an earlier run, all of them due.
    pub(super) fn new(
        own: NodeId,
        seeds: &[String],
        remembered: &[(NodeId, SocketAddr)],
        limits: &NetworkLimits,
    ) -> Self {
        // What is not a seed was refused when the network began to listen.
        let seeds = seeds.iter().filter_map(|name| SeedName::parse(name).ok());
        let seeds = seeds.map(|name| Seed {
            name,
            node: None,
            is_oneself: false,
            looked_up_at: Duration::ZERO,
            pace: Pace::default(),
        });
        let others = remembered.iter().filter(|(node, _)| *node != own);
        let known = |address: &SocketAddr| Known {
            address: *address,
            is_wanted: true,
            is_remembered: true,
            is_requested: false,
            pace: Pace::default(),
        };
        Self {
            own,
            seeds: seeds.collect(),
            found: Found::default(),
            members: others.map(|(node, at)| (*node, known(at))).collect(),
            under_way: 0,
            dials_max: limits.dials_max.max(1),
            redial_min: limits.redial_min.max(Duration::from_millis(1)),
            redial_max: limits.redial_max.max(limits.redial_min),
            due: Some(Duration::ZERO),
            of_view: None,
        }
    }

    /// Starts with seeds; whom else to dial a partial view says.
    pub(super) fn of_view(own: NodeId, seeds: &[String], limits: &NetworkLimits) -> Self {
        Self {
            of_view: Some(true),
            ..Self::new(own, seeds, &[], limits)
        }
    }

    /// With partial views: whether this node has no neighbour.
    pub(super) fn set_alone(&mut self, now: Duration, is_alone: bool) {
        if self.of_view.is_some_and(|before| before != is_alone) {
            (self.of_view, self.due) = (Some(is_alone), Some(now));
        }
    }

    /// Whether somebody who started this node named what is dialed: a seed, or what a lookup of one
    /// gave.
    pub(super) fn is_named(&mut self, target: Target) -> bool {
        match target {
            Target::Seed(_) => true,
            Target::Found(address) => {
                let entry = self.found.get_mut(address);
                entry.is_some_and(|entry| entry.place.node.is_none())
            }
            Target::Member(_) => false,
        }
    }

    /// Takes over what membership knows. The remembered members of an earlier run that it does not
    /// know of stay, for a day.
    pub(super) fn set_members(&mut self, now: Duration, members: &[Member]) {
        let mut before = std::mem::take(&mut self.members);
        for member in members.iter().filter(|member| member.node != self.own) {
            let known = before.remove(&member.node);
            let moved = known.as_ref().map(|known| known.address) != Some(member.address);
            let mut known = known.unwrap_or(Known {
                address: member.address,
                is_wanted: false,
                is_remembered: false,
                is_requested: false,
                pace: Pace::default(),
            });
            let is_wanted = matches!(member.status, Status::Alive | Status::Suspect);
            let is_news = moved || (is_wanted && !known.is_wanted);
            if is_news && !known.pace.is_under_way {
                known.pace = Pace::default();
            }
            known.address = member.address;
            (known.is_wanted, known.is_remembered) = (is_wanted, false);
            self.members.insert(member.node, known);
        }
        for (node, mut known) in before {
            known.is_remembered &= now < REMEMBERED_FOR;
            (known.is_wanted, known.is_requested) = (known.is_remembered, false);
            // Dials under way to members that are no longer known still report.
            if known.is_remembered || known.pace.is_under_way {
                self.members.insert(node, known);
            }
        }
        self.due = Some(now);
    }

    /// Tries an address that discovery found, unless somebody known is there.
    pub(super) fn find(&mut self, now: Duration, place: Place) {
        if place.node != Some(self.own) {
            self.found.add(place);
            self.due = Some(now);
        }
    }

    /// Whether membership knows of nobody else who is there.
    fn is_alone(&self) -> bool {
        if let Some(is_alone) = self.of_view {
            return is_alone;
        }
        let mut members = self.members.values();
        !members.any(|known| known.is_wanted && !known.is_remembered)
    }

    /// Dials a member once although it is given up: there is something to send.
    pub(super) fn request(&mut self, now: Duration, node: NodeId, address: SocketAddr) {
        if node == self.own {
            return;
        }
        let known = self.members.entry(node).or_insert(Known {
            address,
            is_wanted: false,
            is_remembered: false,
            is_requested: false,
            pace: Pace::default(),
        });
        if !known.is_wanted && !known.is_requested {
            known.is_requested = true;
            self.due = Some(now);
        }
    }

    /// A session with `node`, which lived this long, is over and no other took its place.
    pub(super) fn handle_lost(
        &mut self,
        now: Duration,
        node: NodeId,
        lived: Duration,
        rng: &mut impl Rng,
    ) {
        let seeds = self.seeds.iter_mut();
        let seeds = seeds.filter(|seed| seed.node == Some(node));
        let paces = seeds.map(|seed| &mut seed.pace);
        let member = self.members.get_mut(&node).map(|known| &mut known.pace);
        for pace in paces.chain(member) {
            pace.failures = match lived < STABLE {
                true => pace.failures.saturating_add(1),
                false => 1,
            };
            let pause = pause(pace.failures, self.redial_min, self.redial_max, rng);
            pace.next_at = now.saturating_add(pause);
        }
        self.due = Some(now);
    }

    /// Makes everybody due now, those that are given up too.
    pub(super) fn dial_all(&mut self, now: Duration) {
        for seed in &mut self.seeds {
            (seed.pace.failures, seed.pace.next_at) = (0, now);
        }
        for known in self.members.values_mut() {
            known.is_requested = true;
            (known.pace.failures, known.pace.next_at) = (0, now);
        }
        self.due = Some(now);
    }

    /// What is to be dialed now, those first that are due for longest. Each dial has to be answered
    /// with [`handle_dialed`](Self::handle_dialed). Costs O(n log n); call it when
    /// [`next_timeout`](Self::next_timeout) says so.
    pub(super) fn poll(
        &mut self,
        now: Duration,
        is_connected: impl Fn(&NodeId) -> bool,
    ) -> Vec<Dial> {
        self.due = None;
        let is_alone = self.is_alone();
        self.forget_found(&is_connected);
        let members = &self.members;
        let of_view = self.of_view;
        let is_covered = |node: &NodeId| {
            is_connected(node)
                || of_view == Some(false)
                || members.get(node).is_some_and(|known| known.is_wanted)
        };
        let seeds = self.seeds.iter().enumerate();
        let seeds = seeds.filter(|(_, seed)| !seed.is_oneself);
        let seeds = seeds.filter(|(_, seed)| !seed.node.as_ref().is_some_and(is_covered));
        let seeds = seeds.map(|(index, seed)| {
            let target = Target::Seed(index);
            (target, &seed.pace, seed.due_at(is_alone))
        });
        let found = self.found.iter();
        let found = found.map(|entry| {
            let target = Target::Found(entry.place.address);
            (target, &entry.pace, entry.pace.next_at)
        });
        let others = members
            .iter()
            .filter(|(node, known)| (known.is_wanted || known.is_requested) && !is_connected(node));
        let others = others.map(|(node, known)| {
            let target = Target::Member(*node);
            (target, &known.pace, known.pace.next_at)
        });
        let waiting = seeds.chain(found).chain(others);
        let waiting = waiting.filter(|(_, pace, _)| !pace.is_under_way);
        let mut targets = Vec::new();
        for (target, _, due_at) in waiting {
            if due_at > now {
                self.due = Some(self.due.map_or(due_at, |due| due.min(due_at)));
            } else {
                targets.push((due_at, target));
            }
        }
        // Those that are due for as long stay in order: a service's records have one.
        targets.sort_by_key(|(due_at, _)| *due_at);
        // What finds no place is looked at again when a dial under way reports.
        targets.truncate(self.dials_max.saturating_sub(self.under_way));
        let targets = targets.into_iter();
        targets
            .filter_map(|(_, target)| self.begin(target))
            .collect()
    }

    fn forget_found(&mut self, is_connected: impl Fn(&NodeId) -> bool) {
        if self.found.is_empty() {
            return;
        }
        let wanted = |known: &&Known| known.is_wanted && !known.is_remembered;
        let places = self.members.values().filter(wanted);
        let places: BTreeSet<_> = places.map(|known| known.address).collect();
        self.found.forget(&places, |node| {
            is_connected(node) || self.members.get(node).is_some_and(|known| wanted(&known))
        });
    }

    fn begin(&mut self, target: Target) -> Option<Dial> {
        let (pace, address) = match target {
            Target::Seed(index) => {
                let seed = self.seeds.get_mut(index)?;
                let address = match &seed.name {
                    SeedName::Host(name) => DialAddress::Name(name.clone()),
                    name => DialAddress::Lookup(name.clone()),
                };
                (&mut seed.pace, address)
            }
            Target::Found(address) => {
                let entry = self.found.get_mut(address)?;
                let dial = match entry.place.node {
                    Some(node) => DialAddress::Node(node, address),
                    None => DialAddress::Name(address.to_string()),
                };
                (&mut entry.pace, dial)
            }
            Target::Member(node) => {
                let known = self.members.get_mut(&node)?;
                known.is_requested = false;
                (&mut known.pace, DialAddress::Node(node, known.address))
            }
        };
        pace.is_under_way = true;
        self.under_way += 1;
        Some(Dial { target, address })
    }

    /// Takes note of what came of a dial.
    pub(super) fn handle_dialed(
        &mut self,
        now: Duration,
        target: Target,
        dialed: Dialed,
        rng: &mut impl Rng,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        self.due = Some(now);
        let (min, max) = (self.redial_min, self.redial_max);
        let mut pause = |failures| pause(failures, min, max, rng);
        let pace = match target {
            Target::Seed(index) => {
                let Some(seed) = self.seeds.get_mut(index) else {
                    return;
                };
                if seed.name.is_looked_up() {
                    return seed.handle_looked_up(now, dialed, pause);
                }
                let name = seed.name.to_string();
                let is_address = name.parse::<SocketAddr>().is_ok();
                seed.is_oneself |= dialed == Dialed::Oneself && is_address;
                if let Dialed::Connected(node) = dialed {
                    seed.node = Some(node);
                }
                &mut seed.pace
            }
            Target::Found(address) => {
                return self.found.handle_dialed(now, address, dialed, pause);
            }
            // The view says when to dial again.
            Target::Member(node) if self.of_view.is_some() => {
                self.members.remove(&node);
                return;
            }
            Target::Member(node) => match self.members.get_mut(&node) {
                Some(known) => &mut known.pace,
                None => return,
            },
        };
        pace.is_under_way = false;
        match dialed {
            Dialed::Connected(_) | Dialed::Cancelled | Dialed::LookedUp => {}
            Dialed::Failed | Dialed::Oneself => {
                pace.failures = pace.failures.saturating_add(1);
                pace.next_at = now.saturating_add(pause(pace.failures));
            }
        }
    }

    /// When [`poll`](Self::poll) is due.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.due
    }
}

/// The pause after so many failures in a row.
fn pause(failures: u32, min: Duration, max: Duration, rng: &mut impl Rng) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let pause = min.saturating_mul(1 << doublings).min(max);
    pause.mul_f64(rng.random_range(0.5..1.5))
}

#[cfg(test)]
#[path = "dial_plan_tests.rs"]
mod tests;
