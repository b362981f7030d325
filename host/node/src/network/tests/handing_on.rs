//! Listeners that cannot reach each other, and others that reach both: several nodes on a virtual
//! clock.

use replicant_protocol::broadcast::acknowledgement::Wanted;

use super::overlay_world::{SOON, World, ask};
use super::*;

/// Nodes 0 and 1 listen; 2 and 3 do not, and have sessions with both and each other.
fn two_apart() -> World {
    let mut world = World::new(4);
    world.subscribe(0, "shop");
    world.subscribe(1, "shop");
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        world.connect(a, b);
    }
    world.introduce_all();
    world
}

fn handed_on_count(world: &World, index: usize) -> usize {
    let counted = world.nodes[index].counted.iter();
    let counted = counted.filter(|count| **count == Count::PublicationsHandedOn);
    counted.count()
}

#[test]
fn two_listeners_without_a_session_hear_each_other_through_those_that_reach_both() {
    let mut world = two_apart();
    world.publish(0, "shop/eu", b"to one");
    world.run(SOON);
    world.publish(1, "shop", b"to zero");
    world.run(SOON);
    for index in [0, 1] {
        assert_eq!(world.heard(index), [&b"to one"[..], b"to zero"]);
    }
    for index in [2, 3] {
        assert!(world.heard(index).is_empty());
        assert_eq!(handed_on_count(&world, index), 2);
    }
}

#[test]
fn what_is_said_rapidly_is_handed_on_too() {
    let mut world = two_apart();
    world.publish_rapidly(0, "shop", b"now", None).unwrap();
    world.run(SOON);
    assert_eq!(world.heard(1), [b"now"]);
}

/// There are three sessions on each side, so what is said rapidly reaches somebody.
#[test]
fn two_halves_of_an_audience_hear_each_other_through_one_that_reaches_both() {
    let mut world = World::new(7);
    for index in 0..6 {
        world.subscribe(index, "shop");
        world.connect(index, 6);
    }
    for half in [[0, 1, 2], [3, 4, 5]] {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            world.connect(half[a], half[b]);
        }
    }
    world.introduce_all();
    world.publish(0, "shop", b"along the tree");
    world.run(SOON);
    world.publish_rapidly(3, "shop", b"rapidly", None).unwrap();
    world.run(SOON);
    for index in 0..6 {
        assert_eq!(world.heard(index), [&b"along the tree"[..], b"rapidly"]);
    }
}

#[test]
fn acknowledgements_come_back_through_whoever_handed_it_on() {
    let mut world = two_apart();
    world.ask(0, "shop", ask(Wanted::All)).unwrap();
    world.run(SOON);
    let said = world.told(0);
    assert_eq!((said.count, said.is_enough), (1, true));
    let asked = ask(Wanted::All);
    world
        .publish_rapidly(1, "shop", b"now", Some(asked))
        .unwrap();
    world.run(SOON);
    let said = world.told(1);
    assert_eq!((said.count, said.is_enough), (1, true));
}

#[test]
fn an_author_outside_of_the_audience_that_reaches_none_of_it_has_it_handed_on() {
    let mut world = two_apart();
    world.disconnect(2, 0);
    world.disconnect(2, 1);
    world.publish(2, "shop", b"from outside");
    world.run(SOON);
    for index in [0, 1] {
        assert_eq!(world.heard(index), [b"from outside"]);
    }
}

#[test]
fn nothing_is_handed_on_where_everybody_is_reached() {
    let mut world = two_apart();
    world.connect(0, 1);
    world.publish(0, "shop", b"news");
    world.run(SOON);
    assert_eq!(world.heard(1), [b"news"]);
    assert_eq!([2, 3].map(|index| handed_on_count(&world, index)), [0, 0]);
}

#[test]
fn only_an_author_itself_has_its_words_handed_on_and_each_once() {
    let mut world = two_apart();
    let (author, other, now) = (world.id(0), world.id(3), world.now);
    let signed = world.signed(0, "shop", b"news", None);
    let forged = said_by(200, "shop", b"nonsense");
    let stranger = identity(200).id();
    let overlays = &mut world.nodes[2].overlays;
    // Somebody else's words, and those of nobody that is known.
    overlays.on_hand_in(now, other, signed.as_bytes());
    overlays.on_hand_in(now, stranger, forged.as_bytes());
    world.run(SOON);
    assert_eq!(handed_on_count(&world, 2), 0);
    for _ in 0..3 {
        let overlays = &mut world.nodes[2].overlays;
        overlays.on_hand_in(now, author, signed.as_bytes());
    }
    world.run(SOON);
    assert_eq!(handed_on_count(&world, 2), 1);
    assert_eq!(world.heard(1), [b"news"]);
    assert!(world.nodes[2].misbehaved.is_empty());
}

#[test]
fn what_was_tampered_with_or_is_not_allowed_is_not_handed_on() {
    let mut world = two_apart();
    let (author, now) = (world.id(0), world.now);
    let mut tampered = world.signed(0, "shop", b"news", None).as_bytes().to_vec();
    *tampered.last_mut().unwrap() ^= 1;
    let overlays = &mut world.nodes[2].overlays;
    overlays.on_hand_in(now, author, &tampered);
    world.run(SOON);
    assert_eq!(world.nodes[2].misbehaved, [author]);
    let topics = &mut world.nodes[2].overlays.topics;
    topics.handle_revoked(author, true);
    let signed = world.signed(0, "shop", b"more", None);
    let overlays = &mut world.nodes[2].overlays;
    overlays.on_hand_in(now, author, signed.as_bytes());
    world.run(SOON);
    assert_eq!(world.nodes[2].counted, [Count::PublicationsForbidden]);
    assert!(world.heard(1).is_empty());
}
