//! A broadcast tree, one transition at a time.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::broadcast::{Broadcast as _, BroadcastError, Delivery, OutEvent};
use crate::environment::Environment;
use crate::ids::{Hash, NodeId};

pub(super) const NOW: Duration = Duration::from_secs(100);

pub(super) fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

pub(super) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

pub(super) fn payload(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

pub(super) fn gossip(hops: u8, spread: u16, text: &str) -> Message {
    let payload = payload(text);
    Message::Gossip {
        hops,
        spread,
        payload,
    }
}

pub(super) fn beacon(root: u8, sequence: u64, hops: u8) -> Message {
    let root = id(root);
    Message::Beacon {
        root,
        sequence,
        hops,
    }
}

pub(super) fn i_have(is_old: bool, text: &str, hops: u8) -> Message {
    let id = Hash::of(text.as_bytes());
    let items = vec![Announced { id, hops }];
    Message::IHave { is_old, items }
}

/// No copies beside the tree.
pub(super) fn config() -> Config {
    Config {
        spread_count: 0,
        ..Config::default()
    }
}

/// Node 9 with the neighbours 1, 2, 3.
pub(super) fn tree(config: Config) -> Plumtree {
    let mut tree = Plumtree::new(config, id(9), NOW, &mut rng());
    (1..=3).for_each(|number| tree.handle_neighbour_up(NOW, id(number)));
    tree
}

pub(super) fn hear(tree: &mut Plumtree, now: Duration, from: u8, message: Message) {
    tree.on_message(now, id(from), message).unwrap();
}

/// What was sent, one line for each receiver; deliveries are accepted.
pub(super) fn sent(tree: &mut Plumtree, now: Duration) -> Vec<(NodeId, Message)> {
    let mut all = Vec::new();
    while let Some(event) = tree.poll_event() {
        match event {
            OutEvent::Send { to, message } => {
                all.extend(to.into_iter().map(|to| (to, message.clone())));
            }
            OutEvent::Deliver(delivery) => tree.handle_accepted(now, delivery),
        }
    }
    all
}

fn delivery(tree: &mut Plumtree) -> Delivery {
    match tree.poll_event() {
        Some(OutEvent::Deliver(delivery)) => delivery,
        other => panic!("not a delivery, but {other:?}"),
    }
}

/// Neighbour 1 is the way to the root, 0 hops further; 2 and 3 are lazy.
pub(super) fn rooted(config: Config, hops: u8) -> Plumtree {
    let mut tree = tree(config);
    hear(&mut tree, NOW, 1, beacon(0, 1, hops));
    (2..=3).for_each(|number| hear(&mut tree, NOW, number, Message::Prune));
    flushed(&mut tree, NOW + Duration::from_millis(60));
    tree
}

/// What waited is sent, and what came out of it.
fn flushed(tree: &mut Plumtree, now: Duration) -> Vec<(NodeId, Message)> {
    tree.handle_timeout(now);
    sent(tree, now)
}

#[test]
fn without_a_tree_payloads_go_to_all_and_not_back() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, gossip(1, 0, "news"));
    let delivery = delivery(&mut tree);
    assert_eq!((delivery.from, delivery.hops), (id(1), 1));
    assert_eq!(tree.poll_event(), None, "not before it was accepted");
    tree.handle_accepted(NOW, delivery);
    let on = gossip(2, 0, "news");
    assert_eq!(sent(&mut tree, NOW), [(id(2), on.clone()), (id(3), on)]);
}

#[test]
fn a_payload_is_delivered_once_and_duplicates_leave_the_tree_as_it_is() {
    let mut tree = tree(config());
    (1..=3).for_each(|from| hear(&mut tree, NOW, from, gossip(1, 0, "news")));
    assert_eq!(tree.counts().delivered_count, 1);
    assert_eq!(tree.counts().duplicate_count, 2);
    assert_eq!(sent(&mut tree, NOW), [], "all neighbours have it");
    assert_eq!(tree.eager_count().0, 3);
}

#[test]
fn a_beacon_over_a_second_link_makes_that_link_lazy() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(0, 1, 2));
    let on = beacon(0, 1, 3);
    assert_eq!(sent(&mut tree, NOW), [(id(2), on.clone()), (id(3), on)]);
    hear(&mut tree, NOW, 2, beacon(0, 1, 2));
    assert_eq!(sent(&mut tree, NOW), [(id(2), Message::Prune)]);
    assert!(tree.is_eager(&id(1)) && !tree.is_eager(&id(2)));
}

#[test]
fn a_beacon_on_a_shorter_way_moves_the_parent() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(0, 1, 5));
    sent(&mut tree, NOW);
    hear(&mut tree, NOW, 2, beacon(0, 1, 3));
    assert_eq!(sent(&mut tree, NOW), [(id(1), Message::Prune)]);
    assert_eq!(tree.eager_count(), (2, 3));
}

#[test]
fn an_announced_beacon_on_a_shorter_way_is_grafted_after_the_back_off() {
    let mut tree = rooted(config(), 5);
    let later = NOW + config().prune_backoff + Duration::from_secs(6);
    hear(&mut tree, later, 1, beacon(0, 2, 5));
    sent(&mut tree, later);
    let Message::Beacon { .. } = beacon(0, 2, 3) else {
        return;
    };
    let announced = tree.root.id;
    let items = vec![Announced {
        id: announced,
        hops: 3,
    }];
    let is_old = false;
    hear(&mut tree, later, 2, Message::IHave { is_old, items });
    let (id_none, is_link) = (None, true);
    let graft = Message::Graft {
        id: id_none,
        is_link,
    };
    assert_eq!(
        sent(&mut tree, later),
        [(id(2), graft), (id(1), Message::Prune)]
    );
    assert_eq!(tree.eager_count(), (1, 3));
}

#[test]
fn payloads_go_along_the_tree_and_are_announced_elsewhere() {
    let mut tree = rooted(config(), 2);
    let at = NOW + Duration::from_secs(1);
    tree.handle_broadcast(at, payload("news")).unwrap();
    assert_eq!(sent(&mut tree, at), [(id(1), gossip(1, 0, "news"))]);
    let at = at + config().i_have_interval;
    let announced = i_have(false, "news", 1);
    assert_eq!(
        flushed(&mut tree, at),
        [(id(2), announced.clone()), (id(3), announced)]
    );
}

#[test]
fn near_the_sender_a_payload_is_copied_beside_the_tree_within_its_budget() {
    let config = Config {
        spread_count: 8,
        ..Config::default()
    };
    let mut tree = rooted(config, 2);
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    let copies = sent(&mut tree, NOW);
    // Two of the eight went over lazy links; the other six are shared by three copies.
    let expected = [1, 2, 3].map(|number| (id(number), gossip(1, 2, "news")));
    assert_eq!(copies.len(), 3);
    assert!(expected.iter().all(|copy| copies.contains(copy)));
}

#[test]
fn what_was_announced_and_does_not_come_is_asked_for_one_after_the_other() {
    let mut tree = rooted(config(), 2);
    let start = NOW + Duration::from_secs(1);
    hear(&mut tree, start, 2, i_have(false, "news", 2));
    hear(&mut tree, start, 3, i_have(false, "news", 2));
    assert_eq!(sent(&mut tree, start), []);
    let (wanted, is_link) = (Some(Hash::of(b"news")), true);
    let graft = Message::Graft {
        id: wanted,
        is_link,
    };
    let first = start + config().graft_timeout;
    assert_eq!(flushed(&mut tree, first), [(id(2), graft.clone())]);
    let second = first + config().graft_retry;
    assert_eq!(flushed(&mut tree, second), [(id(3), graft)]);
    assert_eq!(tree.offences(&id(2)).unserved_count, 1);
    let third = second + config().graft_retry;
    assert_eq!(flushed(&mut tree, third), []);
    assert_eq!(tree.counts().given_up_count, 1);
}

#[test]
fn what_comes_in_time_is_not_asked_for() {
    let mut tree = rooted(config(), 2);
    hear(&mut tree, NOW, 2, i_have(false, "news", 2));
    hear(&mut tree, NOW, 1, gossip(3, 0, "news"));
    assert_eq!(
        sent(&mut tree, NOW).len(),
        0,
        "2 has it, 3 hears of it later"
    );
    let later = NOW + config().graft_timeout * 2;
    let sent = flushed(&mut tree, later);
    assert!(
        sent.iter()
            .all(|(_, it)| !matches!(it, Message::Graft { .. }))
    );
}

#[test]
fn what_is_old_is_fetched_at_once_and_leaves_the_tree_as_it_is() {
    let mut tree = rooted(config(), 2);
    hear(&mut tree, NOW, 2, i_have(true, "news", 4));
    let (wanted, is_link) = (Some(Hash::of(b"news")), false);
    let graft = Message::Graft {
        id: wanted,
        is_link,
    };
    assert_eq!(sent(&mut tree, NOW), [(id(2), graft)]);
    assert!(!tree.is_eager(&id(2)));
}

#[test]
fn a_graft_is_answered_with_the_payload_and_makes_the_link_eager() {
    let mut tree = rooted(config(), 2);
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    sent(&mut tree, NOW);
    let (wanted, is_link) = (Some(Hash::of(b"news")), true);
    let graft = Message::Graft {
        id: wanted,
        is_link,
    };
    hear(&mut tree, NOW, 3, graft);
    assert_eq!(sent(&mut tree, NOW), [(id(3), gossip(1, 0, "news"))]);
    assert!(tree.is_eager(&id(3)));
}

#[test]
fn a_new_neighbour_hears_of_what_was_said_lately() {
    let mut tree = rooted(config(), 2);
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    flushed(&mut tree, NOW + Duration::from_secs(1));
    let later = NOW + Duration::from_secs(9);
    tree.handle_neighbour_up(later, id(4));
    let told = flushed(&mut tree, later + config().i_have_interval);
    assert!(told.contains(&(id(4), i_have(true, "news", 1))));
    let gone = NOW + config().cache_retention + Duration::from_secs(9);
    flushed(&mut tree, gone);
    tree.handle_neighbour_up(gone, id(5));
    let told = flushed(&mut tree, gone + config().i_have_interval);
    assert!(!told.contains(&(id(5), i_have(true, "news", 1))));
}

#[test]
fn a_lost_parent_is_replaced_by_a_neighbour_that_is_nearer_to_the_root() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(0, 1, 3));
    hear(&mut tree, NOW, 2, beacon(0, 1, 5));
    hear(&mut tree, NOW, 3, beacon(0, 1, 3));
    sent(&mut tree, NOW);
    tree.handle_neighbour_down(NOW, id(1));
    let (nothing, is_link) = (None, true);
    let graft = Message::Graft {
        id: nothing,
        is_link,
    };
    assert_eq!(sent(&mut tree, NOW), [(id(3), graft)]);
}

#[test]
fn who_hears_no_beacon_begins_and_yields_to_a_smaller_root() {
    let mut tree = tree(config());
    let begins = tree
        .next_timeout()
        .unwrap()
        .max(NOW + config().beacon_interval * 7);
    let begun = flushed(&mut tree, begins);
    assert!(begun.contains(&(id(1), beacon(9, 1, 1))));
    hear(&mut tree, begins, 2, beacon(10, 7, 1));
    assert_eq!(sent(&mut tree, begins), [], "a larger root is none");
    hear(&mut tree, begins, 2, beacon(3, 7, 1));
    assert!(sent(&mut tree, begins).contains(&(id(1), beacon(3, 7, 2))));
    let next = begins + config().beacon_interval;
    assert_eq!(flushed(&mut tree, next), [], "another is the root now");
}

#[test]
fn empty_and_oversize_payloads_and_impossible_hops_are_refused() {
    let config = Config {
        payload_bytes_max: 4,
        hops_max: 3,
        ..config()
    };
    let mut tree = tree(config);
    for text in ["", "12345"] {
        let (length, max) = (text.len(), 4);
        let refused = tree.handle_broadcast(NOW, payload(text));
        assert_eq!(refused, Err(BroadcastError::PayloadLength { length, max }));
        let refused = tree.on_message(NOW, id(1), gossip(1, 0, text));
        assert_eq!(refused, Err(MessageError::PayloadLength { length, max }));
    }
    for hops in [0, 4] {
        for message in [gossip(hops, 0, "x"), beacon(0, 1, hops)] {
            let refused = tree.on_message(NOW, id(1), message);
            assert_eq!(refused, Err(MessageError::Hops { hops, max: 3 }));
        }
    }
    hear(&mut tree, NOW, 1, gossip(3, 0, "far"));
    assert_eq!(sent(&mut tree, NOW), [], "its hops are used up");
}

#[test]
fn messages_are_read_back_and_are_as_the_document_has_them() {
    let (wanted, is_link) = (Some(Hash::of(b"x")), true);
    let messages = [
        gossip(3, 400, "news"),
        beacon(4, u64::MAX, 1),
        i_have(true, "news", 3),
        Message::Graft {
            id: wanted,
            is_link,
        },
        Message::Graft { id: None, is_link },
        Message::Prune,
    ];
    for message in messages {
        assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
    }
    assert_eq!(Message::Prune.to_bytes(), [0x82, 4, 0x80]);
    assert_eq!(
        gossip(1, 2, "x").to_bytes(),
        [0x82, 0, 0x83, 1, 2, 0x41, b'x']
    );
    let lie = [0x82, 2, 0x82, 0xf4, 0x9a, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(Message::from_bytes(&lie), Err(MessageError::Malformed));
}

#[test]
fn the_defaults_are_those_of_ten_thousand_nodes() {
    let env = Environment {
        round_trip: Duration::from_millis(100),
        expected_size: 10_000,
        ..Environment::lan()
    };
    assert_eq!(Config::from(&env.parameters().plumtree), Config::default());
}

#[test]
fn what_did_not_go_out_is_announced_later() {
    let mut tree = tree(config());
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    let lost = sent(&mut tree, NOW);
    let (to, message) = &lost[0];
    tree.handle_unsent(NOW, *to, message);
    let later = NOW + config().i_have_interval;
    tree.handle_timeout(later);
    assert_eq!(sent(&mut tree, later), [(*to, i_have(false, "news", 1))]);
    // It may ask for it now.
    let (wanted, is_link) = (Some(Hash::of(b"news")), true);
    let id = wanted;
    hear(&mut tree, later, 1, Message::Graft { id, is_link });
    assert_eq!(sent(&mut tree, later).len(), 1);
}

#[test]
fn announcements_to_a_new_neighbour_wait_until_it_may_know_of_the_link() {
    let config = Config {
        new_link_quiet: Duration::from_secs(1),
        ..config()
    };
    let mut tree = tree(config.clone());
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    sent(&mut tree, NOW);
    tree.handle_neighbour_up(NOW, id(4));
    let soon = NOW + config.i_have_interval;
    tree.handle_timeout(soon);
    assert_eq!(sent(&mut tree, soon), []);
    let later = NOW + config.new_link_quiet;
    tree.handle_timeout(later);
    assert_eq!(sent(&mut tree, later), [(id(4), i_have(false, "news", 1))]);
}

#[test]
fn what_came_another_way_is_announced_and_served_and_not_delivered_again() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 3, i_have(false, "news", 2));
    tree.handle_held(NOW, payload("news"));
    tree.handle_held(NOW, payload("news"));
    assert_eq!(sent(&mut tree, NOW), [], "nothing is pushed");
    let later = NOW + config().graft_timeout;
    tree.handle_timeout(later);
    let told = sent(&mut tree, later);
    let expected = [1, 2].map(|peer| (id(peer), i_have(false, "news", 1)));
    assert_eq!(
        told, expected,
        "to those that did not say that they have it"
    );
    let graft = Message::Graft {
        id: Some(Hash::of(b"news")),
        is_link: false,
    };
    hear(&mut tree, later, 2, graft);
    assert_eq!(sent(&mut tree, later).len(), 1);
    hear(&mut tree, later, 1, gossip(1, 0, "news"));
    assert_eq!(tree.poll_event(), None);
    // What came along the tree went on along it.
    hear(&mut tree, later, 1, gossip(1, 0, "other"));
    sent(&mut tree, later);
    tree.handle_held(later, payload("other"));
    assert_eq!(sent(&mut tree, later), []);
}
