//! Two peers that compare.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

pub(super) const START: Duration = Duration::from_secs(100);
pub(super) const WEIGHT: u32 = 200;

pub(super) fn peer(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

/// An element; three of them have the same time.
pub(super) fn key(number: u64) -> Key {
    Key {
        timestamp: 1_000 + number / 3,
        id: Hash::of(&number.to_le_bytes()),
    }
}

/// Two nodes, and the session between them.
pub(super) struct Pair {
    pub(super) states: [State; 2],
    pub(super) now: Duration,
    pub(super) rng: ChaCha8Rng,
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) pushed: usize,
    pub(super) unserved: u32,
    /// Whether pushed elements arrive.
    pub(super) serves: bool,
}

impl Pair {
    pub(super) fn new(config: &Config) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let states = [0, 1].map(|_| State::new(config.clone(), START, &mut rng));
        Self {
            states,
            now: START,
            rng,
            messages: 0,
            bytes: 0,
            pushed: 0,
            unserved: 0,
            serves: true,
        }
    }

    pub(super) fn fill(&mut self, node: usize, numbers: impl Iterator<Item = u64>) {
        numbers.for_each(|number| {
            self.states[node].insert(key(number), WEIGHT);
        });
    }

    /// The first node comes to know of the session, then the second; all that follows happens.
    pub(super) fn connect(&mut self) {
        for (node, other) in [(0, 1), (1, 0)] {
            let state = &mut self.states[node];
            state.handle_peer_up(self.now, peer(other), &mut self.rng);
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        let mut queue: VecDeque<(usize, OutEvent)> = VecDeque::new();
        loop {
            for node in [0, 1] {
                while let Some(event) = self.states[node].poll_event() {
                    queue.push_back((node, event));
                }
            }
            let Some((from, event)) = queue.pop_front() else {
                return;
            };
            self.deliver(from, event);
        }
    }

    fn deliver(&mut self, from: usize, event: OutEvent) {
        let (to, sender) = (1 - from, peer(from as u8));
        match event {
            OutEvent::Send { message, .. } => {
                let bytes = message.to_bytes();
                assert!(bytes.len() <= MESSAGE_BYTES_MAX);
                (self.messages, self.bytes) = (self.messages + 1, self.bytes + bytes.len());
                let message = Message::from_bytes(&bytes).unwrap();
                self.states[to].on_message(self.now, sender, message, &mut self.rng);
            }
            OutEvent::Push { keys, .. } => {
                assert!(keys.iter().all(|key| self.states[from].set().contains(key)));
                self.pushed += keys.len();
                if self.serves {
                    let state = &mut self.states[to];
                    let new = keys
                        .iter()
                        .filter(|key| state.insert(**key, WEIGHT))
                        .count();
                    state.handle_arrived(sender, new as u32);
                }
            }
            OutEvent::Unserved { count, .. } => self.unserved += count,
        }
    }

    /// Lets time pass, and what is due happen.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = self.states.iter().filter_map(State::next_timeout).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now = due.max(self.now);
            for node in [0, 1] {
                self.states[node].handle_timeout(self.now, &mut self.rng);
            }
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn are_equal(&self) -> bool {
        let [a, b] = self.states.each_ref().map(|state| state.set().root());
        a == b
    }
}

#[test]
fn a_million_elements_are_not_needed_to_see_each_difference_found() {
    for (common, a, b) in [
        (0, 0, 5),
        (0, 5, 0),
        (1, 0, 0),
        (40, 1, 1),
        (5_000, 30, 20),
        (20_000, 0, 100),
        (300, 300, 300),
    ] {
        let mut pair = Pair::new(&Config::default());
        pair.fill(0, (0..common).chain(1_000_000..1_000_000 + a));
        pair.fill(1, (0..common).chain(2_000_000..2_000_000 + b));
        pair.connect();
        pair.pass(Duration::from_secs(60));
        assert!(pair.are_equal(), "{common} {a} {b}");
        assert_eq!(pair.states[0].set().len() as u64, common + a + b);
        assert_eq!(pair.pushed as u64, a + b, "nothing is pushed twice");
    }
}

#[test]
fn equal_sets_take_two_short_messages() {
    let mut pair = Pair::new(&Config::default());
    pair.fill(0, 0..10_000);
    pair.fill(1, 0..10_000);
    pair.states[0].handle_peer_up(START, peer(1), &mut pair.rng);
    pair.states[1].peers_only(peer(0));
    pair.settle();
    assert_eq!(pair.messages, 2);
    assert!(pair.bytes < 120, "{}", pair.bytes);
    assert_eq!(pair.states[0].counts().equal_count, 1);
}

#[test]
fn scattered_differences_cost_about_500_bytes_each() {
    let mut pair = Pair::new(&Config::default());
    pair.fill(0, (0..60_000).filter(|number| number % 1_200 != 7));
    pair.fill(1, (0..60_000).filter(|number| number % 1_200 != 600));
    pair.states[0].handle_peer_up(START, peer(1), &mut pair.rng);
    pair.states[1].peers_only(peer(0));
    pair.settle();
    assert!(pair.are_equal());
    assert_eq!(pair.pushed, 100);
    assert!(pair.bytes < 100 * 500, "{}", pair.bytes);
    assert!(pair.messages <= 8, "{}", pair.messages);
}

#[test]
fn a_new_node_gets_everything_within_the_budget_of_each_second() {
    let config = Config {
        budget_bytes: 100 * WEIGHT as usize,
        push_count_max: 30,
        ranges_bytes_max: 1_024,
        ..Config::default()
    };
    let mut pair = Pair::new(&config);
    pair.fill(0, 0..1_000);
    pair.connect();
    assert!(pair.pushed <= 100);
    let mut last = pair.pushed;
    for _ in 0..60 {
        pair.pass(Duration::from_secs(1));
        assert!(pair.pushed - last <= 200, "{}", pair.pushed - last);
        last = pair.pushed;
    }
    assert!(pair.are_equal(), "{}", pair.states[1].set().len());
    assert_eq!(pair.pushed, 1_000);
}

#[test]
fn both_may_begin_at_the_same_time() {
    let mut pair = Pair::new(&Config::default());
    pair.fill(0, 0..500);
    pair.fill(1, 300..800);
    for (node, other) in [(0, 1), (1, 0)] {
        pair.states[node].handle_peer_up(START, peer(other), &mut pair.rng);
    }
    pair.settle();
    assert!(pair.are_equal());
    assert_eq!(pair.pushed, 600);
}

#[test]
fn what_is_lost_is_found_by_the_next_comparison() {
    let mut pair = Pair::new(&Config::default());
    pair.fill(0, 0..100);
    pair.serves = false;
    pair.connect();
    assert!(pair.states[1].set().is_empty() && pair.pushed > 0);
    pair.serves = true;
    pair.pass(Duration::from_secs(30));
    assert!(pair.are_equal());
}

#[test]
fn sums_that_collide_are_seen_by_the_root_and_hashed_anew() {
    let mut pair = Pair::new(&Config::default());
    for state in &mut pair.states {
        *state.set_mut() = Set::with_sums_that_collide();
    }
    // As many here as there, so that the colliding sums say that they are the same.
    pair.fill(0, (0..2_000).chain([5_001]));
    pair.fill(1, (0..2_000).chain([5_002]));
    pair.connect();
    assert_eq!(pair.pushed, 0);
    assert!(!pair.are_equal());
    pair.pass(Duration::from_secs(60));
    assert!(pair.are_equal());
    let deep: u64 = pair.states.iter().map(|it| it.counts().deep_count).sum();
    assert_eq!(deep, 1);
}

#[test]
fn what_is_below_the_floor_of_either_is_left_out() {
    for node in [0, 1] {
        let mut pair = Pair::new(&Config::default());
        pair.fill(0, 0..300);
        pair.fill(1, 900..1_200);
        pair.states[node].handle_floor(key(150).timestamp);
        pair.connect();
        pair.pass(Duration::from_secs(30));
        let lowest = |node: usize| pair.states[node].set().first();
        assert_eq!(lowest(0), (0..300).map(key).min());
        let expected = (150..300)
            .map(key)
            .filter(|it| it.timestamp >= key(150).timestamp);
        assert_eq!(lowest(1), expected.min());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_two_sets_become_one(
        a in prop::collection::btree_set(0_u64..3_000, 0..1_500),
        b in prop::collection::btree_set(0_u64..3_000, 0..1_500),
        ranges_bytes_max in 1_024_usize..8_000,
        push_count_max in 1_usize..400,
    ) {
        let config = Config { ranges_bytes_max, push_count_max, ..Config::default() };
        let mut pair = Pair::new(&config);
        pair.fill(0, a.iter().copied());
        pair.fill(1, b.iter().copied());
        pair.connect();
        pair.pass(Duration::from_secs(60));
        prop_assert!(pair.are_equal());
        let both = a.union(&b).copied().collect::<BTreeSet<u64>>();
        prop_assert_eq!(pair.states[0].set().len(), both.len());
        prop_assert_eq!(pair.pushed, a.symmetric_difference(&b).count());
    }
}
