//! Flooding, one transition at a time and over random networks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::ZERO;

fn id(number: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn payload(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

fn message(hops: u8, text: &str) -> Message {
    Message {
        hops,
        payload: payload(text),
    }
}

/// A node with the neighbours 1, 2 and 3.
fn flood(config: Config) -> Flood {
    let mut flood = Flood::new(config);
    (1..=3).for_each(|number| flood.handle_neighbour_up(NOW, id(number)));
    flood
}

fn delivery(flood: &mut Flood) -> Option<Delivery> {
    match flood.poll_event() {
        Some(OutEvent::Deliver(delivery)) => Some(delivery),
        None => None,
        other => panic!("not a delivery, but {other:?}"),
    }
}

fn sent_to(flood: &mut Flood) -> Vec<NodeId> {
    match flood.poll_event() {
        Some(OutEvent::Send { to, .. }) => to,
        None => Vec::new(),
        other => panic!("not sent, but {other:?}"),
    }
}

#[test]
fn what_this_node_says_goes_to_all_neighbours_once() {
    let mut flood = flood(Config::default());
    let hash = flood.handle_broadcast(NOW, payload("news")).unwrap();
    assert_eq!(hash, Hash::of(b"news"));
    assert_eq!(sent_to(&mut flood), [id(1), id(2), id(3)]);
    flood.handle_broadcast(NOW, payload("news")).unwrap();
    assert_eq!(flood.poll_event(), None);
    flood.on_message(NOW, id(1), message(1, "news")).unwrap();
    assert_eq!(flood.poll_event(), None, "an echo is no news");
}

#[test]
fn a_payload_is_passed_on_when_accepted_and_not_to_where_it_came_from() {
    let mut flood = flood(Config::default());
    flood.on_message(NOW, id(2), message(4, "news")).unwrap();
    let delivery = delivery(&mut flood).unwrap();
    assert_eq!((delivery.from, delivery.hops), (id(2), 4));
    assert_eq!(flood.poll_event(), None, "not before it was accepted");
    flood.handle_accepted(NOW, delivery);
    let expected = OutEvent::Send {
        to: vec![id(1), id(3)],
        message: message(5, "news"),
    };
    assert_eq!(flood.poll_event(), Some(expected));
}

#[test]
fn a_payload_that_comes_again_is_counted_and_dropped() {
    let mut flood = flood(Config::default());
    for from in [1, 2, 1, 3] {
        flood.on_message(NOW, id(from), message(1, "news")).unwrap();
    }
    assert!(delivery(&mut flood).is_some());
    assert_eq!(flood.poll_event(), None);
    let counts = flood.counts();
    assert_eq!((counts.delivered_count, counts.duplicate_count), (1, 3));
}

#[test]
fn a_payload_ends_at_its_last_hop() {
    let config = Config {
        hops_max: 3,
        ..Config::default()
    };
    let mut flood = flood(config);
    flood.on_message(NOW, id(1), message(3, "far")).unwrap();
    let last = delivery(&mut flood).unwrap();
    flood.handle_accepted(NOW, last);
    assert_eq!(flood.poll_event(), None);
    for hops in [0, 4, 255] {
        let error = flood
            .on_message(NOW, id(1), message(hops, "x"))
            .unwrap_err();
        assert_eq!(error, MessageError::Hops { hops, max: 3 });
        assert!(error.malicious());
    }
}

#[test]
fn empty_and_oversize_payloads_are_refused_from_both_sides() {
    let config = Config {
        payload_bytes_max: 4,
        ..Config::default()
    };
    let mut flood = flood(config);
    for text in ["", "12345"] {
        let (length, max) = (text.len(), 4);
        let refused = flood.handle_broadcast(NOW, payload(text));
        assert_eq!(refused, Err(BroadcastError::PayloadLength { length, max }));
        let refused = flood.on_message(NOW, id(1), message(1, text));
        assert_eq!(refused, Err(MessageError::PayloadLength { length, max }));
    }
    assert!(flood.handle_broadcast(NOW, payload("1234")).is_ok());
    assert!(flood.poll_event().is_some());
    assert_eq!(flood.poll_event(), None);
}

#[test]
fn the_last_hashes_are_remembered_and_no_more_than_twice_as_many() {
    let config = Config {
        seen_max: 10,
        ..Config::default()
    };
    let mut flood = flood(config);
    for number in 0..100 {
        flood
            .on_message(NOW, id(1), message(1, &number.to_string()))
            .unwrap();
        assert!(delivery(&mut flood).is_some());
    }
    for number in (90..100).rev() {
        flood
            .on_message(NOW, id(2), message(1, &number.to_string()))
            .unwrap();
        assert_eq!(flood.poll_event(), None, "{number} is remembered");
    }
    flood.on_message(NOW, id(2), message(1, "79")).unwrap();
    assert!(delivery(&mut flood).is_some(), "79 is forgotten");
}

#[test]
fn what_the_driver_has_no_room_for_is_dropped_and_may_come_again() {
    let config = Config {
        events_max: 2,
        ..Config::default()
    };
    let mut flood = flood(config);
    for text in ["a", "b", "c"] {
        flood.on_message(NOW, id(1), message(1, text)).unwrap();
    }
    assert_eq!(flood.counts().dropped_count, 1);
    while flood.poll_event().is_some() {}
    flood.on_message(NOW, id(2), message(1, "c")).unwrap();
    assert_eq!(delivery(&mut flood).unwrap().payload, payload("c"));
}

#[test]
fn a_neighbour_that_is_gone_gets_nothing() {
    let mut flood = flood(Config::default());
    flood.handle_neighbour_down(NOW, id(2));
    flood.handle_broadcast(NOW, payload("news")).unwrap();
    assert_eq!(sent_to(&mut flood), [id(1), id(3)]);
    assert_eq!(flood.next_timeout(), None);
}

/// A network of floods; edges as given. Says something at node 0 and gives who got it, and how many
/// transmissions that took.
fn spread(count: usize, edges: &BTreeSet<(usize, usize)>) -> (BTreeMap<usize, usize>, usize) {
    let mut floods: Vec<Flood> = (0..count).map(|_| Flood::new(Config::default())).collect();
    for (a, b) in edges {
        floods[*a].handle_neighbour_up(NOW, id(*b));
        floods[*b].handle_neighbour_up(NOW, id(*a));
    }
    floods[0].handle_broadcast(NOW, payload("news")).unwrap();
    let (mut got, mut sent) = (BTreeMap::new(), 0);
    let mut queue = VecDeque::from([0]);
    while let Some(number) = queue.pop_front() {
        while let Some(event) = floods[number].poll_event() {
            match event {
                OutEvent::Deliver(delivery) => {
                    *got.entry(number).or_default() += 1;
                    floods[number].handle_accepted(NOW, delivery);
                }
                OutEvent::Send { to, message } => {
                    for peer in to {
                        sent += 1;
                        let peer = (0..count).find(|other| id(*other) == peer).unwrap();
                        let bytes = message.to_bytes();
                        let message = Message::from_bytes(&bytes).unwrap();
                        floods[peer].on_message(NOW, id(number), message).unwrap();
                        queue.push_back(peer);
                    }
                }
            }
        }
    }
    (got, sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everyone_in_reach_gets_it_once(
        count in 2usize..12,
        more in proptest::collection::vec((0usize..12, 0usize..12), 0..30),
    ) {
        let mut edges: BTreeSet<(usize, usize)> = (1..count).map(|n| (n / 2, n)).collect();
        edges.extend(more.into_iter().filter(|(a, b)| a < b && *b < count));
        let (got, sent) = spread(count, &edges);
        prop_assert_eq!(got, (1..count).map(|number| (number, 1)).collect());
        prop_assert_eq!(sent, 2 * edges.len() + 1 - count);
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    // [1, a byte string of 2^32 - 1 bytes].
    let lie = [0x82, 0x01, 0x5a, 0xff, 0xff, 0xff, 0xff, 0x00];
    assert_eq!(Message::from_bytes(&lie), Err(MessageError::Malformed));
    let too_long = vec![0; PAYLOAD_BYTES_MAX + 100];
    assert!(matches!(
        Message::from_bytes(&too_long),
        Err(MessageError::PayloadLength { .. })
    ));
}
