//! Whom to dial, and when.
//!
//! Every seed and every member that is thought to be there is dialed until there is a session,
//! with pauses that double after each failure, up to a bound, and vary by half. A member that is
//! given up is dialed when membership has something for it, which it has now and then. Members of
//! an earlier run are dialed until membership knows of them, or for a day: nodes that all started
//! anew, in two groups that did not see each other at first, find together. No socket here:
//! [`DialPlan::poll`] says what to do, and is told what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};
use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::{Member, Status};

use super::config::NetworkLimits;

/// A session that lived shorter than this counts as a failed dial: the other side does not want
/// it, and would be dialed in a loop.
const STABLE: Duration = Duration::from_secs(5);

/// How long members of an earlier run are dialed whom nobody knows any more.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Whom to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The seed with this index.
    Seed(usize),
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
    /// It is this node's own address. A name may mean another node later; an address does not.
    Oneself,
    /// It was broken off.
    Cancelled,
}

#[derive(Debug)]
struct Seed {
    name: String,
    node: Option<NodeId>,
    is_oneself: bool,
    pace: Pace,
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
struct Pace {
    failures: u32,
    next_at: Duration,
    is_under_way: bool,
}

/// The plan.
#[derive(Debug)]
pub(super) struct DialPlan {
    own: NodeId,
    seeds: Vec<Seed>,
    members: BTreeMap<NodeId, Known>,
    under_way: usize,
    dials_max: usize,
    redial_min: Duration,
    redial_max: Duration,
    /// When [`poll`](Self::poll) has something to do; none until something happens.
    due: Option<Duration>,
}

impl DialPlan {
    /// Starts with seeds and members of an earlier run, all of them due.
    pub(super) fn new(
        own: NodeId,
        seeds: &[String],
        remembered: &[(NodeId, SocketAddr)],
        limits: &NetworkLimits,
    ) -> Self {
        let seeds = seeds.iter().map(|name| Seed {
            name: name.clone(),
            node: None,
            is_oneself: false,
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
            members: others.map(|(node, at)| (*node, known(at))).collect(),
            under_way: 0,
            dials_max: limits.dials_max.max(1),
            redial_min: limits.redial_min.max(Duration::from_millis(1)),
            redial_max: limits.redial_max.max(limits.redial_min),
            due: Some(Duration::ZERO),
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
        let members = &self.members;
        let is_covered = |node: &NodeId| {
            is_connected(node) || members.get(node).is_some_and(|known| known.is_wanted)
        };
        let seeds = self.seeds.iter().enumerate();
        let seeds = seeds.filter(|(_, seed)| !seed.is_oneself);
        let seeds = seeds.filter(|(_, seed)| !seed.node.as_ref().is_some_and(is_covered));
        let seeds = seeds.map(|(index, seed)| (Target::Seed(index), &seed.pace));
        let others = members
            .iter()
            .filter(|(node, known)| (known.is_wanted || known.is_requested) && !is_connected(node));
        let others = others.map(|(node, known)| (Target::Member(*node), &known.pace));
        let waiting = seeds.chain(others).filter(|(_, pace)| !pace.is_under_way);
        let mut targets = Vec::new();
        for (target, pace) in waiting {
            if pace.next_at > now {
                let due = self.due.unwrap_or(pace.next_at);
                self.due = Some(due.min(pace.next_at));
            } else {
                targets.push((pace.next_at, target));
            }
        }
        targets.sort_unstable();
        // What finds no place is looked at again when a dial under way reports.
        targets.truncate(self.dials_max.saturating_sub(self.under_way));
        let targets = targets.into_iter();
        targets
            .filter_map(|(_, target)| self.begin(target))
            .collect()
    }

    fn begin(&mut self, target: Target) -> Option<Dial> {
        let (pace, address) = match target {
            Target::Seed(index) => {
                let seed = self.seeds.get_mut(index)?;
                (&mut seed.pace, DialAddress::Name(seed.name.clone()))
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
        let pace = match target {
            Target::Seed(index) => {
                let Some(seed) = self.seeds.get_mut(index) else {
                    return;
                };
                let is_address = seed.name.parse::<SocketAddr>().is_ok();
                seed.is_oneself |= dialed == Dialed::Oneself && is_address;
                if let Dialed::Connected(node) = dialed {
                    seed.node = Some(node);
                }
                &mut seed.pace
            }
            Target::Member(node) => match self.members.get_mut(&node) {
                Some(known) => &mut known.pace,
                None => return,
            },
        };
        pace.is_under_way = false;
        match dialed {
            Dialed::Connected(_) | Dialed::Cancelled => {}
            Dialed::Failed | Dialed::Oneself => {
                pace.failures = pace.failures.saturating_add(1);
                let pause = pause(pace.failures, self.redial_min, self.redial_max, rng);
                pace.next_at = now.saturating_add(pause);
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
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use replicant_protocol::ids::Generation;

    use super::*;

    const NOBODY: fn(&NodeId) -> bool = |_| false;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn address(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 1).into()
    }

    fn member(number: u8, status: Status) -> Member {
        Member {
            node: node(number),
            address: address(number),
            generation: Generation::new(0),
            incarnation: 0,
            status,
        }
    }

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn plan(seeds: &[&str], dials_max: usize) -> DialPlan {
        let seeds: Vec<String> = seeds.iter().map(|seed| (*seed).to_owned()).collect();
        let limits = NetworkLimits {
            dials_max,
            redial_min: Duration::from_millis(100),
            redial_max: Duration::from_secs(10),
            ..NetworkLimits::default()
        };
        DialPlan::new(node(0), &seeds, &[], &limits)
    }

    fn targets(dials: &[Dial]) -> Vec<Target> {
        dials.iter().map(|dial| dial.target).collect()
    }

    #[test]
    fn members_that_are_there_are_dialed_and_those_given_up_are_not() {
        let mut plan = plan(&[], 9);
        let members = [
            member(0, Status::Alive),
            member(1, Status::Alive),
            member(2, Status::Suspect),
            member(3, Status::Dead),
            member(4, Status::Left),
        ];
        plan.set_members(Duration::ZERO, &members);
        let dials = plan.poll(Duration::ZERO, |peer| *peer == node(1));
        assert_eq!(targets(&dials), [Target::Member(node(2))]);
        assert_eq!(dials[0].address, DialAddress::Node(node(2), address(2)));
        plan.request(Duration::ZERO, node(3), address(3));
        let dials = plan.poll(Duration::ZERO, NOBODY);
        let expected = [Target::Member(node(1)), Target::Member(node(3))];
        assert_eq!(targets(&dials), expected);
    }

    #[test]
    fn pauses_double_up_to_the_bound_and_vary_by_half() {
        let mut plan = plan(&["seed:1"], 9);
        let (mut now, mut rng) = (Duration::ZERO, rng());
        for failure in 0..12u32 {
            assert_eq!(plan.poll(now, NOBODY).len(), 1);
            plan.handle_dialed(now, Target::Seed(0), Dialed::Failed, &mut rng);
            assert!(plan.poll(now, NOBODY).is_empty());
            let pause = plan.next_timeout().unwrap() - now;
            let middle = Duration::from_millis(100 << failure).min(Duration::from_secs(10));
            assert!(
                pause >= middle / 2 && pause <= middle * 3 / 2,
                "{failure}: {pause:?}"
            );
            now += pause;
        }
    }

    #[test]
    fn the_dials_under_way_are_bounded() {
        let mut plan = plan(&[], 2);
        let members: Vec<Member> = (1..6).map(|peer| member(peer, Status::Alive)).collect();
        plan.set_members(Duration::ZERO, &members);
        assert_eq!(plan.poll(Duration::ZERO, NOBODY).len(), 2);
        assert!(plan.poll(Duration::ZERO, NOBODY).is_empty());
        assert_eq!(plan.next_timeout(), None);
        let (first, connected) = (Target::Member(node(1)), Dialed::Connected(node(1)));
        plan.handle_dialed(Duration::ZERO, first, connected, &mut rng());
        let dials = plan.poll(Duration::ZERO, |peer| *peer == node(1));
        assert_eq!(targets(&dials), [Target::Member(node(3))]);
    }

    #[test]
    fn a_seed_is_left_to_membership_once_it_is_known_who_it_is() {
        let mut plan = plan(&["seed:1", "10.0.0.0:1"], 9);
        let (now, mut rng) = (Duration::ZERO, rng());
        assert_eq!(plan.poll(now, NOBODY).len(), 2);
        plan.handle_dialed(now, Target::Seed(0), Dialed::Connected(node(1)), &mut rng);
        plan.handle_dialed(now, Target::Seed(1), Dialed::Oneself, &mut rng);
        plan.set_members(now, &[member(1, Status::Alive)]);
        assert_eq!(targets(&plan.poll(now, NOBODY)), [Target::Member(node(1))]);
        // Given up: the seed is tried again, for another node may listen there now.
        plan.set_members(now, &[member(1, Status::Dead)]);
        assert_eq!(targets(&plan.poll(now, NOBODY)), [Target::Seed(0)]);
        let later = now + Duration::from_secs(1_000);
        assert!(plan.poll(later, NOBODY).is_empty());
    }

    #[test]
    fn a_name_that_means_this_node_is_tried_again_and_an_address_is_not() {
        let mut plan = plan(&["everybody:1", "10.0.0.0:1"], 9);
        let (now, mut rng) = (Duration::ZERO, rng());
        for dial in plan.poll(now, NOBODY) {
            plan.handle_dialed(now, dial.target, Dialed::Oneself, &mut rng);
        }
        assert!(plan.poll(now, NOBODY).is_empty());
        let later = now + Duration::from_secs(60);
        assert_eq!(targets(&plan.poll(later, NOBODY)), [Target::Seed(0)]);
    }

    #[test]
    fn a_session_that_does_not_last_counts_as_a_failure() {
        let mut plan = plan(&[], 9);
        let (mut now, mut rng) = (Duration::ZERO, rng());
        plan.set_members(now, &[member(1, Status::Alive)]);
        let target = Target::Member(node(1));
        for _ in 0..8 {
            now = plan.next_timeout().unwrap();
            assert_eq!(plan.poll(now, NOBODY).len(), 1);
            plan.handle_dialed(now, target, Dialed::Connected(node(1)), &mut rng);
            plan.handle_lost(now, node(1), Duration::ZERO, &mut rng);
            assert!(plan.poll(now, NOBODY).is_empty());
        }
        assert!(plan.poll(now, NOBODY).is_empty());
        assert!(plan.next_timeout().unwrap() > now + Duration::from_secs(4));
        plan.handle_lost(now, node(1), STABLE, &mut rng);
        assert!(plan.poll(now, NOBODY).is_empty());
        assert!(plan.next_timeout().unwrap() <= now + Duration::from_millis(150));
    }

    #[test]
    fn back_on_the_network_everybody_is_dialed_at_once() {
        let mut plan = plan(&["seed:1"], 9);
        let (now, mut rng) = (Duration::ZERO, rng());
        plan.set_members(now, &[member(1, Status::Dead), member(2, Status::Alive)]);
        for dial in plan.poll(now, NOBODY) {
            plan.handle_dialed(now, dial.target, Dialed::Failed, &mut rng);
        }
        assert!(plan.poll(now, NOBODY).is_empty());
        plan.dial_all(now);
        assert_eq!(plan.poll(now, NOBODY).len(), 3);
    }

    #[test]
    fn nobody_waits_for_ever_behind_those_who_do_not_answer() {
        let mut plan = plan(&[], 1);
        let (mut now, mut rng) = (Duration::ZERO, rng());
        let members: Vec<Member> = (1..4).map(|peer| member(peer, Status::Alive)).collect();
        plan.set_members(now, &members);
        let mut dialed = Vec::new();
        for _ in 0..6 {
            let dials = plan.poll(now, NOBODY);
            dialed.extend(targets(&dials));
            // Longer than any pause, so that everybody is due again.
            now += Duration::from_secs(60);
            plan.handle_dialed(now, dials[0].target, Dialed::Failed, &mut rng);
            now += Duration::from_secs(60);
        }
        let order = [1, 2, 3, 1, 2, 3].map(|peer| Target::Member(node(peer)));
        assert_eq!(dialed, order);
    }

    #[test]
    fn remembered_members_are_dialed_until_membership_knows_them_or_a_day_is_over() {
        let limits = NetworkLimits::default();
        let remembered = [0, 1, 2].map(|peer| (node(peer), address(peer)));
        let mut plan = DialPlan::new(node(0), &[], &remembered, &limits);
        let (now, others) = (
            Duration::ZERO,
            [1, 2].map(|peer| Target::Member(node(peer))),
        );
        plan.set_members(now, &[member(0, Status::Alive)]);
        assert_eq!(targets(&plan.poll(now, NOBODY)), others);
        for target in others {
            plan.handle_dialed(now, target, Dialed::Failed, &mut rng());
        }
        // Somebody else is found, who does not know them.
        plan.set_members(now, &[member(3, Status::Alive)]);
        let is_met = |peer: &NodeId| *peer == node(3);
        let later = now + Duration::from_secs(60);
        assert_eq!(targets(&plan.poll(later, is_met)), others);
        for target in others {
            plan.handle_dialed(later, target, Dialed::Failed, &mut rng());
        }
        // One is known, and given up; the other may be anywhere.
        plan.set_members(later, &[member(3, Status::Alive), member(1, Status::Dead)]);
        let latest = later + Duration::from_secs(60);
        assert_eq!(targets(&plan.poll(latest, is_met)), others[1..]);
        plan.handle_dialed(latest, others[1], Dialed::Failed, &mut rng());
        plan.set_members(REMEMBERED_FOR, &[member(3, Status::Alive)]);
        assert!(plan.poll(REMEMBERED_FOR, is_met).is_empty());
        assert_eq!(plan.members.len(), 1);
    }
}
