//! Neighbours that lie, and what it costs.

use std::time::Duration;

use super::tests::{NOW, beacon, config, gossip, hear, i_have, id, payload, rooted, sent, tree};
use super::*;
use crate::broadcast::{Broadcast as _, OutEvent};
use crate::ids::Hash;

#[test]
fn announcements_that_are_never_served_are_bounded_by_neighbour_and_counted() {
    let config = Config {
        missing_max: 30,
        ..config()
    };
    let mut tree = rooted(config.clone(), 2);
    for number in 0..1_000 {
        hear(&mut tree, NOW, 2, i_have(false, &number.to_string(), 1));
    }
    assert_eq!(tree.missing.len(), 10, "a third of all");
    assert_eq!(tree.offences(&id(2)).excess_announced_count, 990);
    hear(&mut tree, NOW, 3, i_have(false, "true", 1));
    assert_eq!(tree.missing.len(), 11, "others have their share");
    for round in 1..20 {
        let now = NOW + config.graft_timeout + config.graft_retry * round;
        tree.handle_timeout(now);
    }
    assert_eq!(tree.missing.len(), 0);
    assert_eq!(tree.offences(&id(2)).unserved_count, 10);
}

#[test]
fn a_payload_is_served_to_a_neighbour_twice_at_most() {
    let mut tree = rooted(config(), 2);
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    sent(&mut tree, NOW);
    for _ in 0..100 {
        let (wanted, is_link) = (Some(Hash::of(b"news")), true);
        hear(
            &mut tree,
            NOW,
            3,
            Message::Graft {
                id: wanted,
                is_link,
            },
        );
    }
    assert_eq!(sent(&mut tree, NOW).len(), 2);
    assert_eq!(tree.offences(&id(3)).excess_grafts_count, 98);
}

#[test]
fn grafts_are_served_up_to_a_rate_of_bytes() {
    let config = Config {
        serve_bytes_max: 1_000,
        ..config()
    };
    let mut tree = rooted(config, 2);
    let texts: Vec<String> = (0..50).map(|number| format!("{number:0100}")).collect();
    for text in &texts {
        tree.handle_broadcast(NOW, payload(text)).unwrap();
    }
    sent(&mut tree, NOW);
    for text in &texts {
        let (id, is_link) = (Some(Hash::of(text.as_bytes())), false);
        hear(&mut tree, NOW, 3, Message::Graft { id, is_link });
    }
    assert_eq!(sent(&mut tree, NOW).len(), 10, "a thousand bytes");
    assert_eq!(tree.offences(&id(3)).excess_grafts_count, 40);
}

#[test]
fn flapping_links_are_told_of_young_payloads_within_the_same_rate() {
    let config = Config {
        serve_bytes_max: 100,
        ..config()
    };
    let mut tree = rooted(config, 2);
    tree.handle_broadcast(NOW, payload("news")).unwrap();
    sent(&mut tree, NOW);
    for _ in 0..1_000 {
        let (id, is_link) = (None, true);
        hear(&mut tree, NOW, 3, Message::Graft { id, is_link });
        hear(&mut tree, NOW, 3, Message::Prune);
    }
    assert_eq!(sent(&mut tree, NOW).len(), 3, "a hundred bytes");
}

#[test]
fn a_spread_that_is_too_large_is_cut_to_ones_own() {
    let config = Config {
        spread_count: 2,
        ..config()
    };
    let mut tree = rooted(config, 2);
    hear(&mut tree, NOW, 1, gossip(1, u16::MAX, "news"));
    for (_, message) in sent(&mut tree, NOW) {
        assert!(matches!(message, Message::Gossip { spread: 0, .. }));
    }
}

#[test]
fn beacons_in_quick_succession_are_ignored_and_counted() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(0, 1, 1));
    sent(&mut tree, NOW);
    for sequence in 2..1_000 {
        hear(&mut tree, NOW, 1, beacon(0, sequence, 1));
    }
    assert_eq!(sent(&mut tree, NOW), []);
    assert_eq!(tree.offences(&id(1)).excess_beacons_count, 998);
}

#[test]
fn a_root_that_claims_the_last_number_is_followed_no_longer_than_it_beacons() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(0, u64::MAX, 1));
    sent(&mut tree, NOW);
    let later = NOW + config().beacon_interval * 4;
    hear(&mut tree, later, 2, beacon(5, 1, 1));
    assert!(sent(&mut tree, later).contains(&(id(1), beacon(5, 1, 2))));
}

#[test]
fn a_node_is_not_told_that_it_is_the_root() {
    let mut tree = tree(config());
    hear(&mut tree, NOW, 1, beacon(9, 1, 1));
    assert_eq!(sent(&mut tree, NOW), []);
}

#[test]
fn strangers_change_nothing_but_may_bring_payloads() {
    let mut tree = tree(config());
    let before = tree.eager_count();
    hear(&mut tree, NOW, 7, beacon(0, 1, 1));
    hear(&mut tree, NOW, 7, i_have(true, "x", 1));
    hear(&mut tree, NOW, 7, Message::Prune);
    assert_eq!((tree.poll_event(), tree.eager_count()), (None, before));
    hear(&mut tree, NOW, 7, gossip(1, 0, "news"));
    assert!(matches!(tree.poll_event(), Some(OutEvent::Deliver(_))));
}

#[test]
fn payloads_that_are_never_accepted_are_neither_kept_nor_passed_on() {
    let config = Config {
        events_max: 4,
        ..config()
    };
    let mut tree = tree(config);
    for number in 0..100 {
        hear(&mut tree, NOW, 1, gossip(1, 0, &number.to_string()));
        assert!(matches!(tree.poll_event(), Some(OutEvent::Deliver(_))));
    }
    assert!(tree.pending.len() <= 4);
    assert_eq!(tree.cache.newest().count(), 0);
}

#[test]
fn what_is_kept_is_bounded_in_number_bytes_and_time() {
    let config = Config {
        cache_count_max: 5,
        cache_bytes_max: 300,
        ..config()
    };
    let mut tree = tree(config.clone());
    let say = |tree: &mut Plumtree, text: &str| {
        tree.handle_broadcast(NOW, payload(text)).unwrap();
    };
    (0..20).for_each(|number| say(&mut tree, &format!("{number}")));
    assert_eq!(tree.cache.newest().count(), 5);
    (0..20).for_each(|number| say(&mut tree, &format!("{number:0100}")));
    assert_eq!(tree.cache.newest().count(), 3);
    say(&mut tree, &"x".repeat(301));
    assert_eq!(tree.cache.newest().count(), 3, "larger than all room");
    let end = NOW + config.cache_retention + Duration::from_secs(1);
    tree.handle_timeout(end);
    assert_eq!(tree.cache.newest().count(), 0);
}

#[test]
fn announcements_that_wait_are_bounded_and_the_oldest_give_way() {
    let config = Config {
        i_have_queue_max: 3,
        ..config()
    };
    let mut tree = rooted(config, 2);
    for number in 0..10 {
        let text = payload(&number.to_string());
        tree.handle_broadcast(NOW, text).unwrap();
    }
    assert_eq!(tree.counts().dropped_i_haves_count, 2 * 7);
}

#[test]
fn who_repeats_what_is_being_looked_at_takes_no_memory() {
    let mut tree = rooted(config(), 2);
    hear(&mut tree, NOW, 2, gossip(1, 0, "news"));
    for _ in 0..1_000 {
        hear(&mut tree, NOW, 2, gossip(1, 0, "news"));
        hear(&mut tree, NOW, 3, i_have(false, "news", 1));
    }
    let pending = &tree.pending[&Hash::of(b"news")];
    assert_eq!(pending.holders, [id(2), id(3)]);
}
