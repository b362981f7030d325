//! Rapid broadcast, one transition at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::broadcast::Delivery;
use crate::broadcast::acknowledgement::ShortId;
use crate::chunks::CHUNK_BYTES;
use crate::ids::{Hash, NodeId};

pub(super) const NOW: Duration = Duration::from_secs(5);

pub(super) fn id(number: u16) -> NodeId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
}

pub(super) fn name(number: u16) -> ShortId {
    ShortId::from(&id(number))
}

pub(super) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

pub(super) fn view(count: u16) -> Arc<[NodeId]> {
    (0..count).map(id).collect()
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Node `own` of `count` that all know each other.
pub(super) fn node(own: u16, count: u16) -> Rapid {
    let mut rapid = Rapid::new(id(own), Config::default());
    rapid.handle_view((), view(count));
    rapid
}

pub(super) fn events(rapid: &mut Rapid) -> Vec<OutEvent> {
    std::iter::from_fn(|| rapid.poll_event()).collect()
}

/// What a node has to send: (to, message), the deliveries left out.
pub(super) fn sent(rapid: &mut Rapid) -> Vec<(NodeId, Message)> {
    let each = |event| match event {
        OutEvent::Send { to, message, .. } => {
            to.into_iter().map(|to| (to, message.clone())).collect()
        }
        _ => Vec::new(),
    };
    events(rapid).into_iter().flat_map(each).collect()
}

pub(super) fn delivery(rapid: &mut Rapid) -> Option<Delivery> {
    events(rapid).into_iter().find_map(|event| match event {
        OutEvent::Deliver((), delivery) => Some(delivery),
        _ => None,
    })
}

pub(super) fn body(length: usize) -> Arc<[u8]> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

pub(super) fn push(hops: u8, way: Option<Way>, payload: &Arc<[u8]>) -> Message {
    let payload = payload.clone();
    Message::Push { hops, way, payload }
}

pub(super) fn announce(hops: u8, payload: &[u8]) -> Message {
    Message::Announce {
        hops,
        way: None,
        id: Hash::of(payload),
        contents: Contents::of(payload).unwrap(),
    }
}

pub(super) fn way(origin: u16) -> Way {
    Way {
        origin: name(origin),
        levels: 2,
        collector: None,
        deadline_ms: 1_000,
    }
}

pub(super) fn give(rapid: &mut Rapid, now: Duration, from: u16, message: Message) {
    rapid
        .on_message(now, id(from), &(), message, &mut rng())
        .unwrap();
}

/// Chunks that a node asked for: (of whom, index).
pub(super) fn asked(rapid: &mut Rapid) -> Vec<(NodeId, u32)> {
    let each = |(to, message)| match message {
        Message::Request { index, .. } => Some((to, index)),
        _ => None,
    };
    sent(rapid).into_iter().filter_map(each).collect()
}

pub(super) fn chunk(payload: &[u8], index: u32) -> Message {
    let bytes = payload.chunks(CHUNK_BYTES).nth(index as usize).unwrap();
    Message::Chunk {
        id: Hash::of(payload),
        index,
        bytes: bytes.into(),
    }
}

#[test]
fn the_fanout_follows_from_reliability_loss_and_size() {
    let config = Config::default();
    // (ln(9,000) + ln(100)) / (0.9 · 0.95) = 16.03
    assert_eq!(config.fanout(10_000), 17);
    assert_eq!(config.fanout(100), 11);
    let sure = Config {
        reliability: 1.0,
        loss: 0.0,
        ..Config::default()
    };
    assert_eq!(sure.fanout(10_000), 14);
    let bad = Config {
        reliability: f64::NAN,
        loss: 7.0,
        miss_probability: 0.0,
        ..Config::default()
    };
    assert!(bad.within_range().fanout(usize::MAX) <= FANOUT_MAX);
}

#[test]
fn a_small_payload_goes_whole_to_as_many_as_the_fanout() {
    let mut rapid = node(0, 1_000);
    let payload = body(1_024);
    let hash = rapid.handle_broadcast(NOW, &(), payload.clone(), &mut rng());
    assert_eq!(hash, Ok(Hash::of(&payload)));
    let sent = sent(&mut rapid);
    let to: BTreeSet<NodeId> = sent.iter().map(|(to, _)| *to).collect();
    assert_eq!(to.len(), Config::default().fanout(1_000));
    assert!(!to.contains(&id(0)));
    assert!(sent.iter().all(|(_, it)| *it == push(1, None, &payload)));
    rapid
        .handle_broadcast(NOW, &(), payload, &mut rng())
        .unwrap();
    assert_eq!(events(&mut rapid), [], "the same again is no news");
}

#[test]
fn a_payload_is_passed_on_when_accepted_and_not_to_where_it_came_from() {
    let mut rapid = node(0, 5);
    let payload = body(10);
    give(&mut rapid, NOW, 3, push(4, None, &payload));
    let delivery = delivery(&mut rapid).unwrap();
    assert_eq!((delivery.from, delivery.hops), (id(3), 4));
    rapid.handle_accepted(NOW, &(), delivery, &mut rng());
    let sent = sent(&mut rapid);
    let to: Vec<NodeId> = sent.iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [id(1), id(2), id(4)]);
    assert!(sent.iter().all(|(_, it)| *it == push(5, None, &payload)));
    give(&mut rapid, NOW, 2, push(1, None, &payload));
    assert_eq!(events(&mut rapid), [], "a copy is no news");
}

#[test]
fn half_of_the_peers_are_drawn_evenly() {
    let mut drawn: BTreeMap<NodeId, usize> = BTreeMap::new();
    let count = 1_000;
    for own in 0..count {
        let mut rapid = node(own, count);
        // The generators differ, the payload does not.
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(own));
        rapid
            .handle_broadcast(NOW, &(), body(20), &mut rng)
            .unwrap();
        for (to, _) in sent(&mut rapid) {
            *drawn.entry(to).or_default() += 1;
        }
    }
    let fanout = Config::default().fanout(1_000);
    let least = drawn.values().min().copied().unwrap();
    assert_eq!(drawn.len(), 1_000);
    assert!(least >= fanout / 2, "{least} of {fanout}");
}

#[test]
fn without_a_full_view_the_peers_are_the_neighbours() {
    let mut rapid = Rapid::new(id(0), Config::default());
    (1..40).for_each(|peer| rapid.handle_neighbour_up(NOW, id(peer)));
    rapid.handle_neighbour_down(NOW, id(5));
    rapid
        .handle_broadcast(NOW, &(), body(20), &mut rng())
        .unwrap();
    let to: BTreeSet<NodeId> = sent(&mut rapid).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to.len(), Config::default().fanout(38));
    assert!(to.iter().all(|to| *to != id(0) && *to != id(5)));
}

#[test]
fn a_large_payload_is_announced_and_fetched_by_who_has_none() {
    let payload = body(5_000);
    let mut holder = node(1, 10_000);
    // Far from the sender: nobody pushes it any more.
    give(&mut holder, NOW, 3, push(6, None, &payload));
    let held = delivery(&mut holder).unwrap();
    holder.handle_accepted(NOW, &(), held, &mut rng());
    let told = sent(&mut holder);
    assert_eq!(told.len(), 2 * Config::default().fanout(10_000));
    assert!(told.iter().all(|(_, it)| *it == announce(7, &payload)));

    let mut other = node(2, 10_000);
    give(&mut other, NOW, 1, announce(7, &payload));
    assert_eq!(asked(&mut other), [(id(1), 0)]);
    let request = Message::Request {
        id: Hash::of(&payload),
        index: 0,
    };
    give(&mut holder, NOW, 2, request);
    let [(to, served)] = sent(&mut holder).try_into().unwrap();
    assert_eq!(to, id(2));
    give(&mut other, NOW, 1, served);
    let delivery = delivery(&mut other).unwrap();
    assert_eq!((delivery.hops, delivery.from), (7, id(1)));
    assert_eq!(delivery.payload, payload);
}

#[test]
fn the_first_nodes_push_a_large_payload_too() {
    let config = Config::default();
    let counts: Vec<usize> = (1..6)
        .map(|hops| config.eager_count(hops, 10_000))
        .collect();
    assert_eq!(counts, [17, 17, 17, 1, 0]);
    assert_eq!(config.eager_count(255, 10_000), 0);
}

#[test]
fn a_holder_that_does_not_serve_costs_a_timeout_and_the_next_one_is_asked() {
    let payload = body(5_000);
    let mut rapid = node(0, 100);
    give(&mut rapid, NOW, 1, announce(3, &payload));
    give(&mut rapid, NOW, 2, announce(3, &payload));
    assert_eq!(asked(&mut rapid), [(id(1), 0)]);
    let hedge = rapid.next_timeout().unwrap();
    assert_eq!(hedge, NOW + Config::default().hedge_delay);
    rapid.handle_timeout(hedge, &mut rng());
    assert_eq!(asked(&mut rapid), [(id(2), 0)]);
    // Nobody answers: the first is asked again when its time is over.
    let timeout = rapid.next_timeout().unwrap();
    assert_eq!(timeout, NOW + Config::default().pull_timeout);
    rapid.handle_timeout(timeout, &mut rng());
    assert_eq!(asked(&mut rapid), [(id(1), 0)]);
    give(&mut rapid, timeout, 2, chunk(&payload, 0));
    assert!(delivery(&mut rapid).is_some());
    assert_eq!(rapid.next_timeout(), None);
}

#[test]
fn a_payload_of_many_chunks_is_fetched_from_all_holders_and_goes_on_where_it_was() {
    let payload = body(20 * CHUNK_BYTES + 5);
    let mut rapid = node(0, 100);
    give(&mut rapid, NOW, 1, announce(3, &payload));
    let window = Config::default().requests_per_peer_max;
    let first = asked(&mut rapid);
    assert_eq!(first.len(), window);
    give(&mut rapid, NOW, 2, announce(3, &payload));
    assert_eq!(asked(&mut rapid).len(), window);
    // Half of the first window comes, then that holder is gone.
    for (_, index) in &first[..window / 2] {
        give(&mut rapid, NOW, 1, chunk(&payload, *index));
    }
    let mut now = NOW;
    let mut served = BTreeSet::new();
    for _ in 0..100 {
        for (of, index) in asked(&mut rapid) {
            if of == id(2) {
                served.insert(index);
                give(&mut rapid, now, 2, chunk(&payload, index));
            }
        }
        if let Some(delivery) = delivery(&mut rapid) {
            assert_eq!(delivery.payload, payload);
            let again = first[..window / 2]
                .iter()
                .filter(|(_, it)| served.contains(it));
            assert_eq!(again.count(), 0, "what is here is not asked for again");
            return;
        }
        now = now.max(rapid.next_timeout().unwrap());
        rapid.handle_timeout(now, &mut rng());
    }
    panic!("not fetched: {rapid:?}");
}

fn ways() -> impl Strategy<Value = Option<Way>> {
    let collector = proptest::option::of(any::<[u8; 8]>().prop_map(ShortId::from_bytes));
    let way = (any::<[u8; 8]>(), 0..=LEVELS_MAX, collector, 0..=30_000_u32);
    proptest::option::of(
        way.prop_map(|(origin, levels, collector, deadline_ms)| Way {
            origin: ShortId::from_bytes(origin),
            levels,
            collector,
            deadline_ms,
        }),
    )
}

proptest! {
    #[test]
    fn messages_are_read_back(
        hops: u8,
        way in ways(),
        bytes in proptest::collection::vec(any::<u8>(), 1..40),
        names in proptest::collection::vec(any::<[u8; 8]>(), 0..9),
        index: u32,
        chunks in 1..4_usize,
    ) {
        let payload: Arc<[u8]> = bytes.into();
        let large = body(chunks * CHUNK_BYTES);
        let id = Hash::of(&large);
        let contents = Contents::of(&large).unwrap();
        let names = names.into_iter().map(ShortId::from_bytes).collect();
        for message in [
            push(hops, way, &payload),
            Message::Announce { hops, way, id, contents },
            Message::Request { id, index },
            Message::Chunk { id, index, bytes: payload },
            Message::Acknowledge { id, names },
        ] {
            let bytes = message.to_bytes();
            prop_assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            prop_assert_eq!(Message::from_bytes(&bytes), Ok(message));
        }
    }
}
