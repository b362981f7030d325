//! Trees of several nodes on a virtual clock, without sockets: what is said reaches whom it should,
//! once, and at which price.

use replicant_protocol::broadcast::plumtree;

use super::overlay_world::{SETTLED, SOON, World, in_tree};
use super::*;

fn i_have(text: &[u8]) -> plumtree::Message {
    let id = Hash::of(text);
    let items = vec![plumtree::Announced { id, hops: 1 }];
    plumtree::Message::IHave {
        is_old: false,
        items,
    }
}

#[test]
fn what_is_said_reaches_everybody_once_and_settles_on_a_tree() {
    let mut world = World::listening(12, "shop");
    world.publish(3, "shop/eu", b"first");
    world.broadcast(4, b"first bundle");
    world.run(SETTLED);
    world.gossips_count = 0;
    world.publish(5, "shop/us", b"second");
    world.broadcast(6, b"second bundle");
    world.run(SOON);
    for (index, node) in world.nodes.iter().enumerate() {
        assert_eq!(
            world.heard(index),
            [&b"first"[..], b"second"],
            "node {index}"
        );
        let expected = match index {
            4 => vec![b"second bundle".to_vec()],
            6 => vec![b"first bundle".to_vec()],
            _ => vec![b"first bundle".to_vec(), b"second bundle".to_vec()],
        };
        assert_eq!(node.delivered, expected, "node {index}");
    }
    assert_eq!(world.gossips_count, 2 * 11, "one for each receiver");
}

#[test]
fn a_link_without_a_session_is_none_and_others_lead_around() {
    let mut world = World::new(5);
    for index in 0..5 {
        world.subscribe(index, "shop");
        world.connect(index, (index + 1) % 5);
    }
    world.introduce_all();
    world.run(SETTLED);
    world.publish(0, "shop", b"round");
    world.broadcast(0, b"bundle");
    world.run(SOON);
    for index in 0..5 {
        assert_eq!(world.heard(index), [b"round"], "node {index}");
    }
    assert!(
        world.nodes[1..]
            .iter()
            .all(|node| node.delivered == [b"bundle"])
    );
}

/// A link counted whether there was a session or not: what went along it was lost, and nothing
/// was said again when there was one.
#[test]
fn a_session_that_breaks_and_comes_back_brings_what_was_said_meanwhile() {
    let mut world = World::listening(3, "shop");
    world.run(SETTLED);
    world.isolate(2);
    world.publish(0, "shop", b"meanwhile");
    world.broadcast(0, b"bundle");
    world.run(SOON);
    assert!(world.heard(2).is_empty());
    for other in [0, 1] {
        world.connect(2, other);
    }
    world.run(SOON);
    assert_eq!(world.heard(2), [b"meanwhile"]);
    assert_eq!(world.nodes[2].delivered, [b"bundle"]);
}

#[test]
fn a_node_that_starts_over_hears_what_is_said_next() {
    let mut world = World::listening(4, "shop");
    world.publish(0, "shop", b"long ago");
    world.run(SETTLED);
    world.restart(1);
    world.run(SOON);
    world.subscribe(1, "shop");
    for other in [0, 2, 3] {
        world.connect(1, other);
        world.introduce(1, other);
    }
    world.run(SOON);
    world.publish(3, "shop", b"news");
    world.publish(1, "shop", b"back");
    world.run(SOON);
    assert_eq!(world.heard(1), [&b"back"[..], b"news"]);
    for index in [0, 2] {
        let heard: BTreeSet<&[u8]> = world.heard(index).into_iter().collect();
        assert_eq!(heard, BTreeSet::from([&b"back"[..], b"long ago", b"news"]));
    }
}

#[test]
fn who_begins_to_listen_hears_what_was_said_a_moment_before_and_nothing_older() {
    let mut world = World::listening(3, "shop");
    world.run(SETTLED);
    world.unsubscribe(2, "shop");
    world.publish(0, "shop", b"older");
    world.run(Duration::from_secs(20));
    world.publish(0, "shop", b"a moment before");
    world.run(Duration::from_millis(100));
    world.subscribe(2, "shop");
    world.introduce(0, 2);
    world.introduce(1, 2);
    world.run(SOON);
    assert_eq!(world.heard(2), [b"a moment before"]);
}

#[test]
fn what_does_not_go_out_to_a_slow_peer_comes_later_and_nobody_waits() {
    let mut world = World::listening(2, "shop");
    world.run(SOON);
    world.stuck.insert(1);
    world.publish(0, "shop", b"news");
    world.broadcast(0, b"bundle");
    world.run(SOON);
    assert!(world.heard(1).is_empty() && world.nodes[1].delivered.is_empty());
    world.stuck.clear();
    world.run(SOON);
    assert_eq!(world.heard(1), [b"news"]);
    assert_eq!(world.nodes[1].delivered, [b"bundle"]);
}

#[test]
fn who_is_not_part_of_the_audience_hands_in_to_one_that_can_be_reached() {
    let mut world = World::outside(5, "shop");
    world.publish(0, "shop/eu", b"from outside");
    world.run(SOON);
    for index in 1..5 {
        assert_eq!(world.heard(index), [b"from outside"], "node {index}");
    }
    assert!(world.heard(0).is_empty());
}

/// A member that named topics opened an overlay for each, before anybody looked at what it sent.
#[test]
fn what_a_member_invents_opens_nothing() {
    let mut world = World::listening(3, "shop");
    let opened = |world: &World| world.nodes[0].overlays.topics.overlays_count();
    for number in 0..300 {
        let path = topic(&format!("shop/{number}"));
        let forged = in_tree(&said_by(9, "shop/elsewhere", b"nonsense"));
        for message in [i_have(b"news"), plumtree::Message::Prune] {
            world.hear(0, 1, Some(path.clone()), message);
        }
        // Signed, but in another topic; and by nobody that is known.
        world.hear(0, 1, Some(path.clone()), forged);
        let strange = in_tree(&said_by(200, path.as_str(), b"nonsense"));
        world.hear(0, 1, Some(path), strange);
    }
    world.run(SOON);
    assert_eq!(opened(&world), 0);
    assert_eq!(world.nodes[0].misbehaved.len(), 300);
    // What it says there in its own name is heard, and passes along the one tree that there is.
    for number in 0..10 {
        world.publish(1, &format!("shop/{number}"), &[number]);
    }
    world.run(SOON);
    assert_eq!(opened(&world), 1);
    assert_eq!(world.heard(2).len(), 10);
}

#[test]
fn whoever_speaks_of_a_subscribed_path_opens_it_if_it_hears_it_itself() {
    let mut world = World::listening(2, "shop");
    world.hear(0, 1, Some(topic("shop")), i_have(b"news"));
    assert_eq!(world.nodes[0].overlays.topics.overlays_count(), 1);
    let mut world = World::listening(3, "shop");
    world.unsubscribe(1, "shop");
    world.hear(0, 1, Some(topic("shop")), i_have(b"news"));
    assert_eq!(world.nodes[0].overlays.topics.overlays_count(), 0);
}

#[test]
fn two_that_know_of_different_subscriptions_hear_each_other_all_the_same() {
    let mut world = World::listening(4, "shop");
    // Of this subscription only node 0 has heard.
    world.subscribe(3, "shop/eu");
    world.introduce(0, 3);
    for (index, payload) in [(0, b"knows"), (1, b"lacks")] {
        world.publish(index, "shop/eu/carts", payload);
        world.run(SOON);
    }
    for index in 0..4 {
        assert_eq!(world.heard(index), [b"knows", b"lacks"], "node {index}");
    }
}

#[test]
fn what_a_newcomer_says_is_held_until_it_is_known_and_then_passed_on() {
    let mut world = World::listening(4, "shop");
    // Nobody but node 0 has a session with it, and nobody knows it.
    let signed = said_by(50, "shop/eu", b"I am new");
    let newcomer = identity(50).id();
    let now = world.now;
    let overlays = &mut world.nodes[0].overlays;
    overlays.on_hand_in(now, newcomer, signed.as_bytes());
    world.hear(1, 2, Some(topic("shop")), in_tree(&signed));
    world.run(SOON);
    assert!((0..4).all(|index| world.heard(index).is_empty()));
    world.introduce_newcomer(newcomer);
    world.run(SOON);
    for index in 0..4 {
        assert_eq!(world.heard(index), [b"I am new"], "node {index}");
    }
    assert!(world.nodes.iter().all(|node| node.counted.is_empty()));
}

#[test]
fn what_a_stranger_says_is_dropped_after_a_while_and_counted() {
    let mut world = World::listening(2, "shop");
    let signed = said_by(50, "shop", b"hello");
    let (now, from) = (world.now, world.id(1));
    let overlays = &mut world.nodes[0].overlays;
    overlays.on_hand_in(now, from, signed.as_bytes());
    world.run(Duration::from_secs(11));
    assert_eq!(world.nodes[0].counted, [Count::PublicationsOfStrangers]);
    assert!(world.heard(0).is_empty() && world.nodes[0].misbehaved.is_empty());
}

/// It was neither counted nor said.
#[test]
fn what_its_author_may_not_say_is_counted_whichever_way_it_comes_and_who_passed_it_on_is_trusted() {
    let mut world = World::listening(3, "shop");
    let author = world.id(0);
    world.nodes[2].overlays.topics.handle_revoked(author, true);
    world.publish(0, "shop", b"along the tree");
    world.run(SOON);
    let said = world.publish_rapidly(0, "shop", b"rapidly", None);
    assert_eq!(said, Ok(None));
    world.run(SOON);
    let signed = world.signed(0, "shop", b"handed in", None);
    let (from, now) = (world.id(1), world.now);
    let overlays = &mut world.nodes[2].overlays;
    overlays.on_hand_in(now, from, signed.as_bytes());
    world.run(SOON);
    let node = &world.nodes[2];
    let counted = node.counted.iter();
    let counted = counted.filter(|count| **count == Count::PublicationsForbidden);
    assert!(counted.count() >= 3, "{:?}", node.counted);
    assert!(node.misbehaved.is_empty());
    assert!(world.heard(2).is_empty());
    assert_eq!(world.heard(1), [&b"along the tree"[..], b"rapidly"]);
}
