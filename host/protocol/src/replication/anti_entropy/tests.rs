use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::repairs::{UNDER_WAY_MAX, WAITING_MAX};
use super::*;
use crate::ids::{Counter, ReplicaId};

const START: Duration = Duration::from_secs(100);

fn node(number: usize) -> NodeId {
    NodeId::from_bytes([number as u8 + 1; 32])
}

fn topic(number: usize) -> TopicName {
    format!("t/{number:06}").parse().unwrap()
}

/// So many ops of one replica, or of another one.
fn version(ops_count: u64, replica: u64) -> VersionVector {
    let counter = Counter::new(ops_count);
    [(ReplicaId::new(replica).unwrap(), counter)]
        .into_iter()
        .collect()
}

fn digest(number: usize, ops_count: u64) -> TopicDigest {
    TopicDigest {
        topic: topic(number),
        version: version(ops_count, 1).hash(),
        ops_count,
    }
}

/// Two nodes and the session between them. What is found to differ is fetched at once, unless it
/// is said that nothing is.
struct Pair {
    states: [State; 2],
    topics: [std::collections::BTreeMap<TopicName, VersionVector>; 2],
    now: Duration,
    rng: ChaCha8Rng,
    fetches: bool,
    found: [Vec<TopicName>; 2],
    bytes: usize,
    messages: usize,
}

impl Pair {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let states = [0, 1].map(|_| State::new(START, Config::default(), &mut rng));
        Self {
            states,
            topics: Default::default(),
            now: START,
            rng,
            fetches: true,
            found: Default::default(),
            bytes: 0,
            messages: 0,
        }
    }

    fn set(&mut self, of: usize, topic: TopicName, version: VersionVector) {
        self.states[of].handle_version(&topic, &version);
        self.topics[of].insert(topic, version);
    }

    fn connect(&mut self) {
        for of in [0, 1] {
            self.states[of].handle_peer_up(self.now, node(1 - of), &mut self.rng);
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let events = [0, 1].map(|of| self.states[of].poll());
            let is_over = events.iter().all(Option::is_none);
            for (of, event) in events.into_iter().enumerate() {
                if let Some(event) = event {
                    self.handle(of, event);
                }
            }
            let due = [0, 1].map(|of| self.states[of].next_timeout());
            let is_due = |next: &Option<Duration>| next.is_some_and(|next| next <= self.now);
            if is_over && !due.iter().any(is_due) {
                return;
            }
            if is_over {
                for state in &mut self.states {
                    state.handle_timeout(self.now, &mut self.rng);
                }
            }
        }
    }

    fn handle(&mut self, of: usize, event: OutEvent) {
        match event {
            OutEvent::Send { message, .. } => {
                let bytes = message.to_bytes();
                (self.bytes, self.messages) = (self.bytes + bytes.len(), self.messages + 1);
                let message = Message::from_bytes(&bytes).unwrap();
                self.states[1 - of].on_message(self.now, node(of), message, &mut self.rng);
            }
            OutEvent::Differs { topic, .. } => {
                self.found[of].push(topic.clone());
                if self.fetches {
                    self.fetch(of, topic);
                }
            }
        }
    }

    /// As replication does it: the question shows its receiver what that lacks.
    fn fetch(&mut self, of: usize, topic: TopicName) {
        let merged = self.topics.iter().filter_map(|topics| topics.get(&topic));
        let merged = merged.fold(VersionVector::new(), |mut all, version| {
            all.merge(version);
            all
        });
        for of in [of, 1 - of] {
            self.set(of, topic.clone(), merged.clone());
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = self.states.iter().filter_map(State::next_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = next.max(self.now);
            for state in &mut self.states {
                state.handle_timeout(self.now, &mut self.rng);
            }
            self.settle();
        }
        self.now = end;
    }

    fn are_equal(&self) -> bool {
        self.topics[0] == self.topics[1]
    }
}

#[test]
fn equal_nodes_say_a_few_words_however_many_topics_they_have() {
    let mut pair = Pair::new();
    for number in 0..5_000 {
        pair.set(0, topic(number), version(3, 1));
        pair.set(1, topic(number), version(3, 1));
    }
    pair.connect();
    assert_eq!(pair.found, [vec![], vec![]]);
    assert!(pair.messages <= 4 && pair.bytes < 300, "{}", pair.bytes);
}

#[test]
fn one_topic_of_many_that_differs_costs_little() {
    let mut pair = Pair::new();
    for number in 0..20_000 {
        pair.set(0, topic(number), version(3, 1));
        pair.set(1, topic(number), version(3, 1));
    }
    pair.set(1, topic(777), version(4, 1));
    pair.connect();
    assert_eq!(pair.found, [vec![topic(777)], vec![]]);
    assert!(pair.are_equal());
    assert!(pair.bytes < 2_000, "{}", pair.bytes);
}

#[test]
fn whoever_has_fewer_ops_asks_and_with_as_many_both_do() {
    let mut pair = Pair::new();
    pair.fetches = false;
    pair.set(0, topic(1), version(2, 1));
    pair.set(1, topic(1), version(9, 1));
    pair.set(0, topic(2), version(5, 1));
    pair.set(1, topic(2), version(5, 2));
    pair.set(0, topic(3), version(1, 1));
    pair.set(1, topic(4), version(1, 1));
    pair.connect();
    pair.found.iter_mut().for_each(|found| found.sort());
    assert_eq!(pair.found[0], [topic(1), topic(2), topic(4)]);
    assert_eq!(pair.found[1], [topic(2), topic(3)]);
}

/// Lost once: each topic that was found pushed out one that was being fetched, and a node that came
/// to twenty thousand got five hundred of them in each comparison.
#[test]
fn a_new_node_gets_many_topics_a_few_at_a_time_and_each_once() {
    let mut pair = Pair::new();
    pair.fetches = false;
    (0..20_000).for_each(|number| pair.set(0, topic(number), version(1, 1)));
    pair.connect();
    let (mut fetched, mut most) = (0, 0);
    while fetched < 20_000 {
        let under_way = std::mem::take(&mut pair.found[1]);
        assert!(!under_way.is_empty(), "it stands still at {fetched}");
        (fetched, most) = (fetched + under_way.len(), most.max(under_way.len()));
        for topic in under_way {
            assert!(!pair.topics[1].contains_key(&topic), "asked for twice");
            pair.set(1, topic, version(1, 1));
        }
        pair.settle();
        // What is pushed has a budget for each second.
        if pair.found[1].is_empty() {
            pair.pass(Duration::from_secs(2));
        }
    }
    assert!(pair.are_equal());
    assert_eq!(most, UNDER_WAY_MAX);
    let counts = pair.states[1].counts();
    assert_eq!((counts.repairs_count, counts.late_count), (20_000, 0));
    assert_eq!(counts.surplus_count, 0);
    let told = pair.states[0].counts().reconciliation.pushed_count;
    assert!(told < 22_000, "{told} were told of 20,000");
}

#[test]
fn while_many_topics_of_one_peer_wait_others_are_compared_with() {
    let mut pair = Pair::new();
    pair.fetches = false;
    (0..3_000).for_each(|number| pair.set(0, topic(number), version(1, 1)));
    pair.connect();
    pair.found = Default::default();
    let state = &mut pair.states[1];
    state.handle_peer_up(START, node(5), &mut pair.rng);
    let sends_to = |state: &mut State| -> BTreeSet<NodeId> {
        let events = std::iter::from_fn(|| state.poll());
        let to = events.filter_map(|event| match event {
            OutEvent::Send { peer, .. } => Some(peer),
            OutEvent::Differs { .. } => None,
        });
        to.collect()
    };
    assert_eq!(sends_to(state), [node(5)].into());
}

/// Each of them was asked for each topic.
#[test]
fn what_several_peers_have_is_asked_of_one_of_them() {
    let mut pair = Pair::new();
    let (state, rng) = (&mut pair.states[0], &mut pair.rng);
    let peers: Vec<NodeId> = (3..13).map(node).collect();
    let topics: Vec<TopicDigest> = (0..900).map(|number| digest(number, 1)).collect();
    for peer in &peers {
        state.handle_peer_up(START, *peer, rng);
        for topics in topics.chunks(DIGESTS_MAX).map(<[_]>::to_vec) {
            state.on_message(START, *peer, Message::Digests { topics }, rng);
        }
    }
    let (mut asked, mut under_way) = (BTreeSet::new(), Vec::new());
    loop {
        while let Some(event) = state.poll() {
            if let OutEvent::Differs { topic, .. } = event {
                assert!(asked.insert(topic.clone()), "{topic} is asked for twice");
                under_way.push(topic);
            }
        }
        assert!(under_way.len() <= peers.len() * UNDER_WAY_MAX);
        let Some(topic) = under_way.pop() else {
            break;
        };
        state.handle_version(&topic, &version(1, 1));
        let mut rounds_count = 0;
        while state.next_timeout() <= Some(START) {
            state.handle_timeout(START, rng);
            rounds_count += 1;
            assert!(rounds_count < 100, "it does not come to rest");
        }
    }
    assert_eq!(asked.len(), topics.len());
}

#[test]
fn what_one_peer_never_serves_is_asked_of_another() {
    let mut pair = Pair::new();
    let (state, rng) = (&mut pair.states[0], &mut pair.rng);
    let topics: Vec<TopicDigest> = (0..10).map(|number| digest(number, 1)).collect();
    for peer in [node(3), node(4)] {
        state.handle_peer_up(START, peer, rng);
        let topics = topics.clone();
        state.on_message(START, peer, Message::Digests { topics }, rng);
    }
    let asked = |state: &mut State| -> BTreeSet<NodeId> {
        let events = std::iter::from_fn(|| state.poll());
        let peers = events.filter_map(|event| match event {
            OutEvent::Differs { peer, .. } => Some(peer),
            OutEvent::Send { .. } => None,
        });
        peers.collect()
    };
    assert_eq!(asked(state), [node(3)].into());
    state.handle_timeout(START + Config::default().repair_timeout, rng);
    assert_eq!(asked(state), [node(4)].into());
}

#[test]
fn what_is_never_served_gives_way_and_is_found_again() {
    let mut pair = Pair::new();
    pair.fetches = false;
    (0..100).for_each(|number| pair.set(0, topic(number), version(1, 1)));
    pair.connect();
    assert_eq!(pair.found[1].len(), UNDER_WAY_MAX);
    pair.pass(Config::default().repair_timeout);
    assert_eq!(pair.found[1].len(), 100);
    assert_eq!(pair.states[1].counts().late_count, UNDER_WAY_MAX as u64);
    pair.fetches = true;
    pair.pass(Duration::from_secs(40));
    assert!(pair.are_equal());
}

#[test]
fn topics_that_a_liar_names_are_bounded_and_counted() {
    let (mut pair, liar) = (Pair::new(), node(7));
    let state = &mut pair.states[0];
    state.handle_peer_up(START, liar, &mut pair.rng);
    for start in (0..WAITING_MAX + 10 * DIGESTS_MAX).step_by(DIGESTS_MAX) {
        let topics = (start..start + DIGESTS_MAX).map(|of| digest(of, 9));
        let topics = topics.collect();
        state.on_message(START, liar, Message::Digests { topics }, &mut pair.rng);
    }
    let events = std::iter::from_fn(|| state.poll());
    let is_asked = |event: &OutEvent| matches!(event, OutEvent::Differs { .. });
    assert_eq!(events.filter(is_asked).count(), UNDER_WAY_MAX);
    let surplus = 10 * DIGESTS_MAX - UNDER_WAY_MAX;
    assert_eq!(state.counts().surplus_count, surplus as u64);
    // With its session all of it goes.
    state.handle_peer_down(START, liar, &mut pair.rng);
    assert_eq!(state.next_timeout(), None);
}

#[test]
fn topics_of_somebody_without_a_session_are_ignored() {
    let mut pair = Pair::new();
    let topics = vec![digest(1, 1)];
    let state = &mut pair.states[0];
    state.on_message(START, node(9), Message::Digests { topics }, &mut pair.rng);
    assert_eq!(state.poll(), None);
    assert_eq!(state.next_timeout(), None);
}

/// Lost once: the first message of a peer can overtake the news of its session. Its request was
/// dropped, and the peer waited for ten seconds.
#[test]
fn a_comparison_that_overtakes_the_news_of_its_session_costs_no_interval() {
    for first in [0, 1] {
        let mut pair = Pair::new();
        pair.set(0, topic(1), version(1, 1));
        let second = 1 - first;
        pair.states[first].handle_peer_up(START, node(second), &mut pair.rng);
        pair.settle();
        assert!(!pair.are_equal());
        pair.states[second].handle_peer_up(START, node(first), &mut pair.rng);
        pair.pass(Duration::from_secs(2));
        assert!(pair.are_equal());
    }
}

#[test]
fn a_session_that_is_replaced_begins_anew() {
    let mut pair = Pair::new();
    pair.fetches = false;
    (0..100).for_each(|number| pair.set(0, topic(number), version(1, 1)));
    pair.connect();
    pair.found = Default::default();
    pair.connect();
    assert_eq!(pair.found[1].len(), UNDER_WAY_MAX);
}

#[test]
fn versions_that_change_all_the_time_are_found_nevertheless() {
    let mut pair = Pair::new();
    pair.connect();
    for round in 1..200 {
        pair.set(0, topic(1), version(round, 1));
        if round % 7 == 0 {
            pair.pass(Duration::from_secs(3));
        }
    }
    pair.pass(Duration::from_secs(30));
    assert!(pair.are_equal());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_two_nodes_come_to_have_the_same(
        a in prop::collection::btree_map(0_usize..2_000, (1_u64..4, 1_u64..3), 0..700),
        b in prop::collection::btree_map(0_usize..2_000, (1_u64..4, 1_u64..3), 0..700),
    ) {
        let mut pair = Pair::new();
        for (of, topics) in [a, b].into_iter().enumerate() {
            for (number, (ops_count, replica)) in topics {
                pair.set(of, topic(number), version(ops_count, replica));
            }
        }
        pair.connect();
        pair.pass(Duration::from_secs(40));
        prop_assert!(pair.are_equal());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
