//! Circles among a few nodes: who finds whom, what is heard, and along which way.

use std::time::Duration;

use super::world::{SETTLING, World, id};
use super::*;
use crate::topics::{Rule, Rules, Who};

fn settled(seed: u64, count: u32, subscribers: std::ops::Range<u32>) -> World {
    let mut world = World::new(seed, count, Config::default());
    for number in subscribers {
        world.subscribe(number, "shop");
    }
    world.run(SETTLING);
    world
}

#[test]
fn subscribers_find_each_other_and_nobody_else_is_sent_anything() {
    for seed in 0..10 {
        let mut world = settled(seed, 40, 0..20);
        let calls: u64 = world
            .nodes
            .values()
            .map(|it| it.circles.counts().calls_count)
            .sum();
        assert!(calls <= 12, "{calls} calls for one circle");
        for node in world.nodes.values_mut() {
            node.messages_count = 0;
        }
        assert!(!world.publish(3, "shop", b"x"), "seed {seed}");
        world.run(SETTLING);
        assert_eq!(world.heard(b"x"), Vec::from_iter(0..20), "seed {seed}");
        assert_eq!(world.shared_count(), 0);
        assert!((20..40).all(|number| world.nodes[&number].messages_count == 0));
    }
}

#[test]
fn links_in_a_circle_are_bounded() {
    let world = settled(1, 60, 0..60);
    for node in world.nodes.values() {
        let (_, count) = node.circles.circles().next().unwrap();
        let max = Config::default().view.active_max;
        assert!((1..=max).contains(&count));
        assert_eq!(node.circles.held().count(), count);
    }
}

#[test]
fn who_does_not_listen_uses_the_shared_tree_until_it_found_the_circle() {
    let mut world = settled(2, 12, 0..6);
    assert!(world.publish(9, "news", b"first"));
    world.publish(9, "shop", b"sought");
    world.run(SETTLING);
    let before = world.shared_count();
    assert!(!world.publish(9, "news", b"nobody listens"));
    assert!(!world.publish(9, "shop", b"handed in"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"sought"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(world.heard(b"handed in"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(world.shared_count(), before);
}

#[test]
fn who_begins_to_listen_where_nobody_did_is_heard_of() {
    let mut world = settled(3, 8, 0..0);
    world.publish(1, "news", b"first");
    world.run(SETTLING);
    assert!(!world.publish(1, "news", b"to nobody"));
    world.subscribe(5, "news");
    world.run(Duration::from_secs(3));
    assert!(!world.publish(1, "news", b"to one"));
    world.run(Duration::from_secs(3));
    world.subscribe(6, "news");
    world.run(Duration::from_secs(3));
    world.publish(1, "news", b"to two");
    world.run(SETTLING);
    assert_eq!(world.heard(b"to one"), [5]);
    assert_eq!(world.heard(b"to two"), [5, 6]);
    assert!(world.heard(b"to nobody").is_empty());
}

#[test]
fn a_new_neighbour_that_knows_who_listens_ends_that_nobody_does() {
    let mut world = World::new(8, 6, Config::default());
    world.cut(0..3);
    world.subscribe(0, "news");
    world.publish(5, "news", b"sought");
    world.run(SETTLING);
    assert!(!world.publish(5, "news", b"to nobody"));
    world.cut_off.clear();
    // It called in its part long ago, and announces itself again in minutes.
    world.with(5, |circles, now| {
        circles.handle_neighbour_down(&id(1));
        circles.handle_neighbour_up(now, id(1));
    });
    world.run(Duration::from_secs(3));
    assert!(!world.publish(5, "news", b"found"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"found"), [0]);
}

#[test]
fn what_is_said_below_is_heard_once_by_those_that_listen_above() {
    for seed in 0..10 {
        let mut world = World::new(seed, 16, Config::default());
        for (number, name) in [(0, "a"), (1, "a"), (2, "a/b"), (3, "a/b"), (4, "a/b/c")] {
            world.subscribe(number, name);
        }
        for name in ["a", "a/b", "a/b/c"] {
            world.subscribe(5, name);
        }
        world.subscribe(6, "a/x");
        world.run(SETTLING);
        world.publish(5, "a/b/c", b"inside");
        world.publish(12, "a/b/c", b"outside");
        world.run(SETTLING);
        world.publish(12, "a/b/c", b"found");
        world.run(SETTLING);
        for said in [&b"inside"[..], b"outside", b"found"] {
            assert_eq!(world.heard(said), [0, 1, 2, 3, 4, 5], "seed {seed}");
        }
    }
}

#[test]
fn what_nobody_takes_takes_the_shared_tree() {
    let mut world = settled(4, 12, 0..3);
    world.publish(9, "shop", b"sought");
    world.run(SETTLING);
    assert!(!world.publish(9, "shop", b"handed in"));
    world.run(SETTLING);
    for number in 0..2 {
        world.crash(number);
    }
    world.unsubscribe(2, "shop");
    world.subscribe(7, "shop");
    assert!(!world.publish(9, "shop", b"to those that are gone"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"to those that are gone"), [7]);
    assert_eq!(world.nodes[&9].circles.counts().untaken_count, 1);
}

#[test]
fn beyond_the_bound_a_node_listens_outside_and_takes_the_next_place() {
    let config = Config {
        circles_max: 1,
        ..Config::default()
    };
    let mut world = World::new(5, 10, config);
    for number in 0..3 {
        world.subscribe(number, "shop");
    }
    world.subscribe(3, "news");
    world.subscribe(3, "shop");
    world.run(SETTLING);
    assert_eq!(world.nodes[&3].circles.outside().count(), 1);
    assert!(world.publish(0, "shop", b"along the shared tree"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"along the shared tree"), [0, 1, 2, 3]);
    world.unsubscribe(3, "news");
    world.run(Duration::from_secs(1_000));
    assert_eq!(world.nodes[&3].circles.outside().count(), 0);
    assert!(!world.publish(0, "shop", b"in the circle"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"in the circle"), [0, 1, 2, 3]);
}

#[test]
fn parts_of_a_circle_that_were_cut_off_become_one() {
    for seed in 0..10 {
        let mut world = World::new(seed, 24, Config::default());
        world.cut(0..12);
        for number in (0..6).chain(12..18) {
            world.subscribe(number, "shop");
        }
        world.run(SETTLING);
        world.publish(0, "shop", b"apart");
        world.run(SETTLING);
        assert_eq!(world.heard(b"apart"), [0, 1, 2, 3, 4, 5], "seed {seed}");
        world.cut_off.clear();
        world.run(Config::default().announce_interval * 4);
        world.publish(0, "shop", b"together");
        world.run(SETTLING);
        let all = Vec::from_iter((0..6).chain(12..18));
        assert_eq!(world.heard(b"together"), all, "seed {seed}");
    }
}

#[test]
fn a_circle_that_loses_a_third_of_its_nodes_stays_whole() {
    for seed in 0..10 {
        let mut world = settled(seed, 40, 0..30);
        for number in 0..10 {
            world.crash(number);
        }
        world.publish(20, "shop", b"at once");
        world.run(SETTLING);
        world.publish(21, "shop", b"later");
        world.run(SETTLING);
        for said in [&b"at once"[..], b"later"] {
            assert_eq!(world.heard(said), Vec::from_iter(10..30), "seed {seed}");
        }
    }
}

#[test]
fn who_may_not_subscribe_is_not_let_in() {
    let rule = Rule {
        topics: "secret".parse().unwrap(),
        publish: Who::Everyone,
        subscribe: Who::Only((0..4).map(id).collect()),
    };
    let config = Config {
        rules: Rules::new(vec![rule]).unwrap(),
        ..Config::default()
    };
    let mut world = World::new(6, 8, config);
    for number in 0..6 {
        world.subscribe(number, "secret");
    }
    world.run(SETTLING);
    for number in 0..6 {
        let (_, count) = world.nodes[&number].circles.circles().next().unwrap();
        assert_eq!(count > 0, number < 4, "{number}");
    }
    assert!(!world.publish(0, "secret", b"x"));
    world.run(SETTLING);
    assert_eq!(world.heard(b"x"), [0, 1, 2, 3]);
}

#[test]
fn a_node_that_leaves_a_circle_is_no_neighbour_any_more() {
    let mut world = settled(7, 8, 0..5);
    world.unsubscribe(2, "shop");
    world.run(SETTLING);
    assert_eq!(world.nodes[&2].circles.held().count(), 0);
    for number in [0, 1, 3, 4] {
        assert!(world.nodes[&number].circles.held().all(|it| *it != id(2)));
    }
    world.publish(0, "shop", b"x");
    world.run(SETTLING);
    assert_eq!(world.heard(b"x"), [0, 1, 3, 4]);
}
