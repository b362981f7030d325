//! When which member is dialled.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::ids::Generation;
use replicant_protocol::membership::{Metadata, Reliability};

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
        metadata: Metadata::default(),
        reliability: Reliability::default(),
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

/// A plan that looks one name up, and has done so once.
fn looked_up(now: Duration) -> DialPlan {
    let mut plan = plan(&["dns:nodes.test:1"], 99);
    let dials = plan.poll(now, NOBODY);
    assert_eq!(targets(&dials), [Target::Seed(0)]);
    let seed = SeedName::parse("dns:nodes.test:1").unwrap();
    assert_eq!(dials[0].address, DialAddress::Lookup(seed));
    plan.handle_dialed(now, Target::Seed(0), Dialed::LookedUp, &mut rng());
    plan
}

fn place(number: u8, node: Option<NodeId>) -> Place {
    let address = address(number);
    Place { address, node }
}

#[test]
fn a_name_is_looked_up_twice_a_minute_alone_and_seldom_in_company() {
    let mut plan = looked_up(Duration::ZERO);
    assert!(plan.poll(Duration::ZERO, NOBODY).is_empty());
    assert_eq!(plan.next_timeout(), Some(LOOKUP_ALONE));
    plan.set_members(Duration::from_secs(1), &[member(1, Status::Alive)]);
    let is_connected = |peer: &NodeId| *peer == node(1);
    assert!(plan.poll(LOOKUP_ALONE, is_connected).is_empty());
    assert_eq!(plan.next_timeout(), Some(LOOKUP_TOGETHER));
    let dials = plan.poll(LOOKUP_TOGETHER, is_connected);
    assert_eq!(targets(&dials), [Target::Seed(0)]);
    plan.handle_dialed(
        LOOKUP_TOGETHER,
        Target::Seed(0),
        Dialed::LookedUp,
        &mut rng(),
    );
    // The other one is gone.
    plan.set_members(LOOKUP_TOGETHER, &[member(1, Status::Dead)]);
    let dials = plan.poll(LOOKUP_TOGETHER + LOOKUP_ALONE, NOBODY);
    assert_eq!(targets(&dials), [Target::Seed(0)]);
}

#[test]
fn lookups_that_fail_come_at_least_twice_a_minute() {
    let mut plan = plan(&["srv:_a._tcp.test"], 9);
    plan.redial_max = Duration::from_secs(3_600);
    let (mut now, mut rng) = (Duration::ZERO, rng());
    for _ in 0..30 {
        assert_eq!(plan.poll(now, NOBODY).len(), 1);
        plan.handle_dialed(now, Target::Seed(0), Dialed::Failed, &mut rng);
        assert!(plan.poll(now, NOBODY).is_empty());
        let next = plan.next_timeout().unwrap();
        assert!(next > now && next <= now + LOOKUP_ALONE);
        now = next;
    }
}

#[test]
fn what_a_lookup_found_is_tried_in_order_three_times_and_then_forgotten() {
    let mut plan = looked_up(Duration::ZERO);
    plan.find(Duration::ZERO, place(2, None));
    plan.find(Duration::ZERO, place(1, None));
    plan.find(Duration::ZERO, place(2, None));
    let expected = [Target::Found(address(2)), Target::Found(address(1))];
    assert_eq!(targets(&plan.poll(Duration::ZERO, NOBODY)), expected);
    let connected = Dialed::Connected(node(1));
    plan.handle_dialed(Duration::ZERO, expected[1], connected, &mut rng());
    for _ in 0..3 {
        plan.handle_dialed(Duration::ZERO, expected[0], Dialed::Failed, &mut rng());
        let dials = plan.poll(Duration::from_secs(20), NOBODY);
        let again = targets(&dials);
        assert!(again.iter().all(|target| *target != expected[1]));
    }
    assert!(plan.found.is_empty());
}

#[test]
fn an_address_of_somebody_known_or_of_oneself_is_not_tried() {
    let mut plan = looked_up(Duration::ZERO);
    plan.set_members(Duration::ZERO, &[member(1, Status::Alive)]);
    plan.find(Duration::ZERO, place(1, None));
    plan.find(Duration::ZERO, place(2, Some(node(1))));
    plan.find(Duration::ZERO, place(3, Some(node(0))));
    assert!(
        plan.poll(Duration::ZERO, |peer| *peer == node(1))
            .is_empty()
    );
    assert!(plan.found.is_empty());
}

#[test]
fn addresses_of_beacons_are_bounded_and_take_no_room_from_those_of_lookups() {
    let mut plan = looked_up(Duration::ZERO);
    for number in 1..=200 {
        plan.find(Duration::ZERO, place(number, Some(node(number))));
    }
    assert_eq!(plan.found.iter().count(), super::super::found::BEACONS_MAX);
    plan.find(Duration::ZERO, place(250, None));
    let dials = plan.poll(Duration::ZERO, NOBODY);
    assert!(targets(&dials).contains(&Target::Found(address(250))));
}

#[test]
fn with_partial_views_the_view_says_whom_to_dial_and_a_seed_is_for_who_is_alone() {
    let seeds = ["10.0.0.1:1".to_owned()];
    let mut plan = DialPlan::of_view(node(0), &seeds, &NetworkLimits::default());
    let at = Duration::from_secs;
    assert_eq!(targets(&plan.poll(at(1), NOBODY)), [Target::Seed(0)]);
    assert!(plan.is_named(Target::Seed(0)) && !plan.is_named(Target::Member(node(1))));
    plan.handle_dialed(
        at(1),
        Target::Seed(0),
        Dialed::Connected(node(1)),
        &mut rng(),
    );
    plan.set_alone(at(1), false);
    // It lets the session go, as a contact does, and is not dialed for that.
    plan.handle_lost(at(3), node(1), at(2), &mut rng());
    assert!(plan.poll(at(60), NOBODY).is_empty());
    for number in 2..200 {
        plan.request(at(61), node(number), address(number));
        let asked = targets(&plan.poll(at(61), NOBODY));
        assert_eq!(asked, [Target::Member(node(number))]);
        plan.handle_dialed(at(61), asked[0], Dialed::Failed, &mut rng());
        assert!(plan.members.is_empty(), "nobody is remembered here");
    }
    plan.set_alone(at(62), true);
    assert_eq!(targets(&plan.poll(at(62), NOBODY)), [Target::Seed(0)]);
}
