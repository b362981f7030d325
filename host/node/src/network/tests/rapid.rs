//! What is said rapidly, by several nodes on a virtual clock, and on real networks.

use replicant_protocol::broadcast::acknowledgement::{Ask, ShortId, Wanted};
use replicant_protocol::broadcast::rapid;
use replicant_protocol::topics;
use replicant_protocol::wire::{self, Payload};

use super::overlay_world::{ASKED_FOR, SOON, World, ask, in_tree};
use super::raw_peer::RawPeer;
use super::topics::three_that_listen;
use super::*;
use crate::vocabulary::Strategy;

/// Larger than what is pushed; larger than a chunk.
const SIZES: [usize; 3] = [100, 5_000, 200_000];

/// Nodes that all listen to a path, where every third session is missing.
fn thinned(count: u8) -> World {
    let mut world = World::listening(count, "shop");
    for a in 0..usize::from(count) {
        for b in 0..a {
            if (a * 7 + b * 5) % 3 == 0 {
                world.disconnect(a, b);
            }
        }
    }
    world
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn push(signed: &SignedPublication) -> rapid::Message {
    let (hops, way) = (1, None);
    let payload = signed.as_bytes().clone();
    rapid::Message::Push { hops, way, payload }
}

fn announce(payload: &[u8]) -> rapid::Message {
    rapid::Message::Announce {
        hops: 1,
        way: None,
        id: Hash::of(payload),
        contents: rapid::Contents::of(payload).unwrap(),
    }
}

#[test]
fn everybody_hears_it_once_also_where_a_third_of_the_sessions_is_missing() {
    for length in SIZES {
        let mut world = thinned(40);
        let said = payload(length);
        world.publish_rapidly(7, "shop/eu", &said, None).unwrap();
        world.run(SOON);
        for index in 0..40 {
            assert_eq!(world.heard(index), [&said[..]], "node {index}");
        }
        assert!(world.nodes.iter().all(|node| node.misbehaved.is_empty()));
        let bodies = world.bodies_count;
        let per_node = bodies / 40;
        match length {
            100 => assert!((5..=25).contains(&per_node), "{bodies}"),
            // Fetched: each chunk about once. The first nodes push what is no larger than one.
            5_000 => assert!(bodies <= 3 * 40, "{bodies}"),
            _ => assert!(bodies <= 5 * 40, "{bodies}"),
        }
        assert_eq!(world.gossips_count, 0, "the tree has nothing to mend");
    }
}

#[test]
fn what_is_for_all_members_comes_to_each_once() {
    for length in SIZES {
        let mut world = thinned(30);
        let fact = payload(length.min(60_000));
        world.broadcast_rapidly(3, &fact);
        world.run(SOON);
        for (index, node) in world.nodes.iter().enumerate() {
            let expected_count = usize::from(index != 3);
            assert_eq!(node.delivered.len(), expected_count, "node {index}");
            assert!(node.delivered.iter().all(|delivered| *delivered == fact));
        }
    }
}

#[test]
fn all_are_counted_and_who_is_cut_off_is_named_at_the_deadline() {
    for length in SIZES {
        let mut world = thinned(40);
        let said = world.publish_rapidly(7, "shop/eu", &payload(length), Some(ask(Wanted::All)));
        world.run(Duration::from_secs(1));
        let all = world.told(7);
        assert_eq!((Some(all.id), all.count), (said.unwrap(), 39), "{length}");
        assert_eq!((all.is_enough, all.missing), (true, Some(vec![])));
        world.isolate(39);
        let said = world.publish_rapidly(8, "shop", &payload(length), Some(ask(Wanted::All)));
        said.unwrap();
        world.run(ASKED_FOR - Duration::from_millis(1));
        assert!(world.nodes[8].acknowledged.is_empty());
        world.run(Duration::from_millis(1));
        let lacking = world.told(8);
        assert_eq!((lacking.count, lacking.is_enough), (38, false));
        assert_eq!(lacking.missing, Some(vec![world.id(39)]));
        assert!(world.nodes.iter().all(|node| node.misbehaved.is_empty()));
    }
}

#[test]
fn a_member_that_is_gone_is_missing_and_nobody_waits_for_it() {
    let mut world = World::listening(5, "shop");
    world.isolate(4);
    let said = world.publish_rapidly(0, "shop", b"news", Some(ask(Wanted::All)));
    said.unwrap();
    let (gone, now) = (world.id(4), world.now);
    world.nodes[0].overlays.handle_member_gone(now, gone);
    world.run(Duration::from_secs(1));
    let lacking = world.told(0);
    assert_eq!((lacking.count, lacking.is_enough), (3, false));
    assert_eq!(lacking.missing, Some(vec![gone]));
}

#[test]
fn a_quorum_counts_who_says_it_and_what_nobody_asks_is_not_acknowledged() {
    let mut world = World::listening(5, "shop");
    let said = world.publish_rapidly(0, "shop", b"asked", Some(ask(Wanted::Quorum(3))));
    said.unwrap();
    world.run(SOON);
    assert!(world.told(0).is_enough);
    let before = world.acknowledgements_count;
    world.publish_rapidly(1, "shop", b"news", None).unwrap();
    world.run(ASKED_FOR);
    assert_eq!(world.acknowledgements_count, before);
}

#[test]
fn from_outside_the_audience_it_is_said_to_all_of_it_and_they_acknowledge() {
    let mut world = World::new(12);
    for index in 1..12 {
        world.subscribe(index, "shop");
        for other in 0..index {
            world.connect(index, other);
        }
    }
    world.introduce_all();
    for length in SIZES {
        let said = world.publish_rapidly(0, "shop/eu", &payload(length), Some(ask(Wanted::All)));
        said.unwrap();
        world.run(SOON);
        let all = world.told(0);
        assert_eq!((all.count, all.is_enough), (11, true), "{length}");
        for index in 1..12 {
            assert_eq!(world.heard(index).last().unwrap().len(), length);
        }
        assert_eq!(world.nodes[0].overlays.topics.overlays_count(), 0);
    }
}

#[test]
fn who_reaches_nobody_of_the_audience_hands_it_in_and_nobody_hears_what_nobody_listens_to() {
    let mut world = World::new(4);
    for index in 2..4 {
        world.subscribe(index, "shop");
    }
    world.connect(2, 3);
    world.introduce_all();
    let said = world.publish_rapidly(0, "shop", b"lost", Some(ask(Wanted::All)));
    said.unwrap();
    world.run(ASKED_FOR);
    let lacking = world.told(0);
    assert_eq!((lacking.count, lacking.is_enough), (0, false));
    assert_eq!(lacking.missing.unwrap().len(), 2);
    let said = world.publish_rapidly(0, "elsewhere", b"nobody", Some(ask(Wanted::All)));
    said.unwrap();
    world.run(Duration::ZERO);
    assert!(world.told(0).is_enough);
}

/// The tree keeps what was said rapidly for as long as what it says itself.
#[test]
fn who_had_no_session_hears_it_from_the_tree_when_there_is_one() {
    let mut world = World::listening(4, "shop");
    world.isolate(3);
    for length in [100, 200_000] {
        let said = payload(length);
        world.publish_rapidly(0, "shop", &said, None).unwrap();
    }
    world.run(SOON);
    assert!(world.heard(3).is_empty());
    world.connect(3, 1);
    world.run(SOON);
    let heard: BTreeSet<usize> = world.heard(3).iter().map(|said| said.len()).collect();
    assert_eq!(heard, BTreeSet::from([100, 200_000]));
    assert!((0..3).all(|index| world.heard(index).len() == 2));
}

/// Its names went to the one that kept it, which had passed it on rapidly and knew of no child.
#[test]
fn who_hears_it_from_the_tree_is_counted_too() {
    let mut world = World::listening(4, "shop");
    world.isolate(3);
    let said = world.publish_rapidly(0, "shop", b"news", Some(ask(Wanted::All)));
    said.unwrap();
    world.run(SOON);
    world.connect(3, 1);
    world.run(Duration::from_secs(2));
    assert!(world.told(0).is_enough);
}

#[test]
fn what_comes_by_both_ways_is_heard_once() {
    let mut world = World::listening(3, "shop");
    let signed = world.signed(1, "shop", b"news", None);
    let shop = Some(topic("shop"));
    world.hear_rapidly(0, 1, &shop, push(&signed)).unwrap();
    world.run(Duration::ZERO);
    world.hear(0, 1, shop.clone(), in_tree(&signed));
    world.hear(2, 1, shop.clone(), in_tree(&signed));
    world.run(Duration::ZERO);
    world.hear_rapidly(2, 1, &shop, push(&signed)).unwrap();
    world.run(SOON);
    for index in [0, 2] {
        assert_eq!(world.heard(index), [b"news"], "node {index}");
    }
    assert!(world.nodes.iter().all(|node| node.misbehaved.is_empty()));
}

#[test]
fn what_no_correct_node_passes_on_is_blamed_and_goes_no_further() {
    let mut world = World::listening(4, "shop");
    world.subscribe(0, "news");
    let shop = Some(topic("shop"));
    let mut forged = said_by(2, "shop", b"signed").as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = rapid::Message::Push {
        hops: 1,
        way: None,
        payload: forged.into(),
    };
    let elsewhere = push(&said_by(2, "news", b"in another topic"));
    let junk = rapid::Message::Push {
        hops: 1,
        way: None,
        payload: b"junk".as_slice().into(),
    };
    for message in [forged, elsewhere, junk] {
        world.hear_rapidly(0, 1, &shop, message).unwrap();
        world.run(SOON);
        let blamed = std::mem::take(&mut world.nodes[0].misbehaved);
        assert_eq!(blamed, [world.id(1)]);
    }
    // Larger than any publication.
    let endless = announce(&vec![0; topics::PUBLICATION_BYTES_MAX + 1]);
    assert!(world.hear_rapidly(0, 1, &shop, endless).is_err());
    assert!((0..4).all(|index| world.heard(index).is_empty()));
    assert_eq!(world.bodies_count, 0);
}

#[test]
fn what_is_not_for_this_node_is_ignored_whatever_paths_are_invented() {
    let mut world = World::listening(3, "shop");
    for number in 0..300 {
        let path = Some(topic(&format!("elsewhere/{number}")));
        let strange = push(&said_by(2, &format!("elsewhere/{number}"), b"x"));
        world.hear_rapidly(0, 1, &path, strange).unwrap();
        let of_nothing = announce(format!("nobody has this {number}").as_bytes());
        world.hear_rapidly(0, 1, &path, of_nothing).unwrap();
    }
    world.run(SOON);
    assert!(world.nodes[0].misbehaved.is_empty() && world.heard(0).is_empty());
    // Below a path that it listens to: what is never served is fetched for a while, in bounds.
    for number in 0..300 {
        let path = Some(topic(&format!("shop/{number}")));
        let of_nothing = announce(format!("nobody has this {number}").as_bytes());
        world.hear_rapidly(0, 1, &path, of_nothing).unwrap();
    }
    let counts = world.nodes[0].overlays.rapids.take_counts();
    assert_eq!(counts.announcements_ignored_count, 300 - 16);
    assert_eq!(world.nodes[0].overlays.topics.overlays_count(), 0);
    world.run(Duration::from_secs(15));
    world
        .publish_rapidly(1, "shop", &payload(5_000), None)
        .unwrap();
    world.run(SOON);
    assert_eq!(world.heard(0).len(), 1, "there is room again");
}

#[test]
fn what_a_newcomer_says_is_held_until_it_is_known_and_then_passed_on() {
    let mut world = World::listening(4, "shop");
    let signed = said_by(50, "shop/eu", b"I am new");
    let shop = Some(topic("shop"));
    world.hear_rapidly(0, 1, &shop, push(&signed)).unwrap();
    world.run(SOON);
    assert!((0..4).all(|index| world.heard(index).is_empty()));
    world.introduce_newcomer(identity(50).id());
    world.run(SOON);
    for index in 0..4 {
        assert_eq!(world.heard(index), [b"I am new"], "node {index}");
    }
}

#[test]
fn forged_acknowledgements_count_only_the_audience_and_unasked_ones_are_counted() {
    let mut world = World::listening(4, "shop");
    world.isolate(0);
    world.connect(0, 1);
    let id = world.publish_rapidly(0, "shop", b"asked", Some(ask(Wanted::Count)));
    let id = id.unwrap().unwrap();
    // Before it has come to anybody.
    world.disconnect(0, 1);
    let shop = Some(topic("shop"));
    let acknowledge = |id, names| rapid::Message::Acknowledge { id, names };
    let invented = vec![ShortId::from_bytes([7; 8]); 9];
    let named = [0, 2, 2].map(|index| ShortId::from(&world.id(index)));
    for names in [invented, named.to_vec()] {
        world
            .hear_rapidly(0, 1, &shop, acknowledge(id, names))
            .unwrap();
    }
    let unasked = acknowledge(Hash::of(b"never said"), named.to_vec());
    world.hear_rapidly(0, 1, &shop, unasked).unwrap();
    world.run(ASKED_FOR);
    let said = world.told(0);
    assert_eq!(said.count, 1);
    assert_eq!(said.missing.map(|missing| missing.len()), Some(2));
    let counts = world.nodes[0].overlays.rapids.take_counts();
    assert_eq!(counts.acknowledgements_ignored_count, 1);
}

/// The way that acknowledgements take is not signed: whoever passed something on could have made
/// everybody acknowledge it, to whom it liked.
#[test]
fn what_its_author_does_not_ask_is_not_acknowledged_whoever_says_so() {
    let mut world = World::listening(4, "shop");
    let signed = world.signed(1, "shop", b"news", None);
    let way = rapid::Way {
        origin: ShortId::from(&world.id(2)),
        levels: 1,
        collector: None,
        deadline_ms: 30_000,
    };
    let (hops, way) = (1, Some(way));
    let payload = signed.as_bytes().clone();
    let lie = rapid::Message::Push { hops, way, payload };
    world.hear_rapidly(0, 1, &Some(topic("shop")), lie).unwrap();
    world.run(ASKED_FOR);
    assert_eq!(world.heard(3), [b"news"]);
    assert_eq!(world.acknowledgements_count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_networks_say_it_rapidly_and_tell_who_has_it() {
    let [a, b, c] = three_that_listen().await;
    let name = topic("shop/eu/carts");
    let asked = Ask {
        wanted: Wanted::All,
        deadline: Duration::from_secs(30),
    };
    for (node, length) in [&a, &b, &c].into_iter().zip([10, 5_000, 1_000_000]) {
        let (name, said) = (name.clone(), payload(length));
        let rapidly = Strategy::Rapid;
        let said = node
            .handle
            .publish_acknowledged(name, said, rapidly, asked)
            .await;
        let said = said.unwrap();
        assert_eq!(
            (said.audience, said.count, said.is_enough),
            (Some(3), 3, true)
        );
    }
    let delivered = |node: &TestNode| node.handle.statistics().get(Count::RapidDelivered);
    assert_eq!([&a, &b, &c].map(delivered), [2; 3]);
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_something_else_than_a_fact_rapidly_to_all_is_sent_away() {
    let node = TestNode::start(config(1, &[])).await;
    let bundle = Payload::Bundle(b"a bundle").to_bytes();
    let (hops, way) = (1, None);
    let payload = bundle.into();
    let said = rapid::Message::Push { hops, way, payload };
    let messages = [
        wire::Message::Rapid(None, said).to_bytes(),
        wire::Message::Rapid(None, announce(&vec![0; 70_000])).to_bytes(),
        vec![8, 0, 0, 0xff],
    ];
    for (number, message) in (1..).zip(messages) {
        let mut peer = RawPeer::connect(node.address(), 20 + number).await;
        peer.send(&message).await;
        let is_counted = || node.count(Count::SessionsMalicious) == u64::from(number);
        eventually("it is counted", is_counted).await;
    }
    shut_down(&[&node]).await;
}
