//! Who hears whom, on virtual time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::{ClusterId, NodeId};

const CLUSTER: ClusterId = ClusterId::from_bytes([7; 32]);
const OTHER: ClusterId = ClusterId::from_bytes([8; 32]);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn address(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 7001).into()
}

fn source(number: u8) -> IpAddr {
    address(number).ip()
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn state(number: u8, cluster: Option<ClusterId>) -> State {
    let local = Local {
        node: node(number),
        cluster,
        address: address(number),
    };
    State::new(Config::default(), local, Duration::ZERO)
}

fn beacon(number: u8, cluster: Option<ClusterId>, is_alone: bool) -> Vec<u8> {
    let beacon = Beacon {
        node: node(number),
        cluster,
        address: address(number),
        is_alone,
    };
    beacon.to_bytes()
}

fn events(state: &mut State) -> Vec<OutEvent> {
    std::iter::from_fn(|| state.poll_event()).collect()
}

fn dial(number: u8) -> OutEvent {
    OutEvent::Dial {
        node: node(number),
        address: address(number),
    }
}

/// Hears a beacon of this node; gives what comes of it.
fn hear(state: &mut State, now: Duration, number: u8, beacon: &[u8]) -> Vec<OutEvent> {
    state
        .on_datagram(now, source(number), beacon, &mut rng())
        .unwrap();
    events(state)
}

#[test]
fn a_node_speaks_often_alone_and_seldom_in_company() {
    let (mut state, mut rng) = (state(1, Some(CLUSTER)), rng());
    for (is_alone, middle) in [(true, seconds(2)), (false, seconds(30))] {
        let mut now = state.next_timeout();
        state.set_alone(now, is_alone);
        state.handle_timeout(now, &mut rng);
        for _ in 0..20 {
            let sent = [OutEvent::Send(beacon(1, Some(CLUSTER), is_alone))];
            assert_eq!(events(&mut state), sent);
            let pause = state.next_timeout() - now;
            assert!(pause >= middle * 3 / 4 && pause <= middle * 5 / 4);
            now += pause;
            state.handle_timeout(now, &mut rng);
        }
        events(&mut state);
    }
}

#[test]
fn who_is_left_alone_speaks_at_once_but_not_in_a_loop() {
    let (mut state, mut rng) = (state(1, Some(CLUSTER)), rng());
    state.set_alone(Duration::ZERO, false);
    state.handle_timeout(Duration::ZERO, &mut rng);
    events(&mut state);
    for _ in 0..100 {
        state.set_alone(seconds(5), true);
        state.handle_timeout(seconds(5), &mut rng);
        state.set_alone(seconds(5), false);
    }
    assert_eq!(events(&mut state).len(), 1);
}

#[test]
fn a_new_node_dials_the_first_that_answers_and_is_not_dialed() {
    let (mut new, mut old) = (state(1, None), state(2, Some(CLUSTER)));
    let mut rng = rng();
    old.set_alone(Duration::ZERO, false);
    old.handle_timeout(Duration::ZERO, &mut rng);
    events(&mut old);
    new.handle_timeout(Duration::ZERO, &mut rng);
    let asked = events(&mut new);
    let [OutEvent::Send(question)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(hear(&mut old, seconds(1), 1, question), []);
    let answer_at = old.next_timeout();
    assert!(answer_at <= seconds(2), "soon: {answer_at:?}");
    old.handle_timeout(answer_at, &mut rng);
    let answered = events(&mut old);
    let [OutEvent::Send(answer)] = &answered[..] else {
        panic!("{answered:?}");
    };
    assert_eq!(hear(&mut new, answer_at, 2, answer), [dial(2)]);
}

#[test]
fn nodes_without_a_cluster_leave_each_other_alone() {
    let mut state = state(1, None);
    state.handle_timeout(Duration::ZERO, &mut rng());
    events(&mut state);
    let before = state.next_timeout();
    assert_eq!(hear(&mut state, seconds(1), 2, &beacon(2, None, true)), []);
    assert_eq!(state.next_timeout(), before);
}

#[test]
fn nodes_of_one_cluster_dial_each_other_and_other_clusters_are_ignored() {
    let mut state = state(1, Some(CLUSTER));
    let other = beacon(3, Some(OTHER), true);
    assert_eq!(hear(&mut state, seconds(1), 3, &other), []);
    let own = beacon(2, Some(CLUSTER), false);
    assert_eq!(hear(&mut state, seconds(1), 2, &own), [dial(2)]);
    let itself = beacon(1, Some(CLUSTER), true);
    assert_eq!(hear(&mut state, seconds(1), 1, &itself), []);
    assert_eq!(state.candidates_count(), 1);
}

#[test]
fn answers_come_once_a_second_however_many_ask() {
    let (mut state, mut rng) = (state(1, Some(CLUSTER)), rng());
    state.set_alone(Duration::ZERO, false);
    let mut sent = 0;
    for step in 0..1_000_u64 {
        let now = Duration::from_millis(step * 10);
        let question = beacon((step % 200) as u8 + 10, None, true);
        state
            .on_datagram(now, source(9), &question, &mut rng)
            .unwrap();
        state.handle_timeout(now, &mut rng);
        sent += events(&mut state).len();
    }
    assert!((8..=11).contains(&sent), "{sent} in ten seconds");
}

#[test]
fn a_candidate_is_dialed_again_after_a_while_only() {
    let mut state = state(1, Some(CLUSTER));
    let heard = beacon(2, Some(CLUSTER), false);
    assert_eq!(hear(&mut state, seconds(1), 2, &heard), [dial(2)]);
    assert_eq!(hear(&mut state, seconds(10), 2, &heard), []);
    assert_eq!(hear(&mut state, seconds(11), 2, &heard), [dial(2)]);
}

#[test]
fn candidates_and_dials_are_bounded() {
    let mut state = state(1, Some(CLUSTER));
    let config = Config::default();
    let mut dials = Vec::new();
    for step in 0..90_u64 {
        let now = Duration::from_millis(step * 100);
        for number in 10..60 {
            let number = number + 50 * (step % 4) as u8;
            let heard = beacon(number, Some(CLUSTER), false);
            let given = hear(&mut state, now, number, &heard).len();
            dials.extend(std::iter::repeat_n(now, given));
        }
        assert!(state.candidates_count() <= config.candidates_max);
    }
    assert_eq!(dials.len(), config.candidates_max, "in nine seconds");
    for first in &dials {
        let second = dials.iter().filter(|at| *at >= first);
        let second = second.filter(|at| **at < *first + seconds(1));
        assert!(second.count() <= 2 * config.dials_per_second as usize);
    }
}

#[test]
fn an_address_of_the_senders_machine_alone_is_no_candidate_elsewhere() {
    let local = Beacon {
        node: node(2),
        cluster: Some(CLUSTER),
        address: ([127, 0, 0, 1], 7001).into(),
        is_alone: false,
    };
    let mut state = state(1, Some(CLUSTER));
    assert_eq!(hear(&mut state, seconds(1), 2, &local.to_bytes()), []);
    let here = IpAddr::from([127, 0, 0, 1]);
    let heard = state.on_datagram(seconds(1), here, &local.to_bytes(), &mut rng());
    assert_eq!(heard, Ok(()));
    assert_eq!(events(&mut state).len(), 1);
}

#[test]
fn what_is_no_beacon_is_refused_with_the_reason() {
    let good = beacon(1, Some(CLUSTER), true);
    let malformed = |bytes: &[u8]| {
        let refused = Beacon::from_bytes(bytes);
        matches!(refused, Err(BeaconError::Malformed { .. }))
    };
    assert!(malformed(&[]) && malformed(&good[1..]) && malformed(&good[..good.len() - 1]));
    assert!(malformed(&[0; BEACON_BYTES_MAX + 1]));
    assert!(malformed(&[&good[..], &[0]].concat()));
    let mut foreign = good.clone();
    foreign[2] ^= 1;
    assert!(malformed(&foreign));
    let mut later = good.clone();
    let version = 2 + "replicant beacon".len();
    assert_eq!(later[version], 1);
    later[version] = 2;
    let refused = Beacon::from_bytes(&later);
    assert_eq!(refused, Err(BeaconError::Version { version: 2 }));
    for wrong in ["0.0.0.0:1", "10.0.0.1:0", "224.0.0.1:1", "[::]:1"] {
        let beacon = Beacon {
            node: node(1),
            cluster: None,
            address: wrong.parse().unwrap(),
            is_alone: true,
        };
        let refused = Beacon::from_bytes(&beacon.to_bytes());
        assert!(
            matches!(refused, Err(BeaconError::Address { .. })),
            "{wrong}"
        );
    }
}

proptest! {
    #[test]
    fn a_beacon_is_read_as_it_was_written_and_fits_its_bound(
        node in any::<[u8; 32]>(),
        cluster in any::<Option<[u8; 32]>>(),
        ip in any::<IpAddr>(),
        port in 1..=u16::MAX,
        is_alone in any::<bool>(),
    ) {
        prop_assume!(!ip.is_unspecified() && !ip.is_multicast());
        let beacon = Beacon {
            node: NodeId::from_bytes(node),
            cluster: cluster.map(ClusterId::from_bytes),
            address: (ip, port).into(),
            is_alone,
        };
        let bytes = beacon.to_bytes();
        prop_assert!(bytes.len() <= BEACON_BYTES_MAX);
        prop_assert_eq!(Beacon::from_bytes(&bytes), Ok(beacon));
    }
}
