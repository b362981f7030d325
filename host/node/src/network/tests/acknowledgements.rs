//! Who has a publication: several nodes on a virtual clock, and real networks on loopback.

use replicant_protocol::broadcast::acknowledgement::{
    Ask, AskError, DEADLINE_MAX, ShortId, Wanted,
};
use replicant_protocol::scores::Excess;

use super::overlay_world::{ASKED_FOR, SETTLED, SOON, World, ask};
use super::topics::three_that_listen;
use super::*;
use crate::vocabulary::Strategy;

fn names(world: &World, indices: &[usize]) -> Vec<ShortId> {
    let ids = indices.iter().map(|index| world.id(*index));
    ids.map(|id| ShortId::from(&id)).collect()
}

#[test]
fn all_of_the_audience_are_counted_on_the_way_back_along_the_tree() {
    let mut world = World::listening(12, "shop");
    world.run(SETTLED);
    let id = world.ask(3, "shop/eu", ask(Wanted::All)).unwrap();
    world.run(SOON);
    let said = world.told(3);
    assert_eq!((said.id, said.count, said.is_enough), (id, 11, true));
    assert_eq!(said.missing, Some(vec![]));
    assert!((0..12).all(|index| world.heard(index) == [b"asked"]));
    // One of each leaf; of the others one more for each 50 ms in which something came.
    let count = world.acknowledgements_count;
    assert!((11..=3 * 11).contains(&count), "{count}");
    let silent = world.nodes.iter().all(|node| node.counted.is_empty());
    assert!(silent, "nothing came that nobody waited for");
}

#[test]
fn what_does_not_ask_is_not_acknowledged() {
    let mut world = World::listening(4, "shop");
    world.publish(0, "shop", b"news");
    world.run(ASKED_FOR);
    assert_eq!(world.acknowledgements_count, 0);
}

#[test]
fn a_quorum_is_told_as_soon_as_it_is_there_and_counts_who_says_it() {
    let mut world = World::listening(5, "shop");
    world.stuck.extend([3, 4]);
    world.ask(0, "shop", ask(Wanted::Quorum(3))).unwrap();
    world.run(Duration::from_secs(1));
    let said = world.told(0);
    assert_eq!(
        (said.count, said.is_enough),
        (2, true),
        "two others and itself"
    );
    // Whoever does not listen does not count.
    world.stuck.clear();
    world.run(SETTLED);
    world.unsubscribe(0, "shop");
    world.ask(0, "shop", ask(Wanted::Quorum(5))).unwrap();
    world.run(SOON);
    let said = world.told(0);
    assert_eq!(
        (said.count, said.is_enough),
        (4, false),
        "there are no more"
    );
}

#[test]
fn from_outside_the_audience_it_comes_back_to_whoever_handed_it_in() {
    let mut world = World::outside(6, "shop");
    world.ask(0, "shop/eu", ask(Wanted::All)).unwrap();
    world.run(SOON);
    let said = world.told(0);
    assert_eq!((said.count, said.is_enough), (5, true));
}

#[test]
fn who_is_cut_off_is_missing_at_the_deadline_and_not_before() {
    let mut world = World::listening(4, "shop");
    world.run(SETTLED);
    world.isolate(3);
    world.ask(0, "shop", ask(Wanted::All)).unwrap();
    world.run(ASKED_FOR - Duration::from_millis(1));
    assert!(world.nodes[0].acknowledged.is_empty());
    world.run(Duration::from_millis(1));
    let said = world.told(0);
    assert_eq!((said.count, said.is_enough), (2, false));
    assert_eq!(said.missing, Some(vec![world.id(3)]));
}

#[test]
fn a_member_that_is_gone_is_missing_and_nobody_waits_for_it() {
    let mut world = World::listening(4, "shop");
    world.run(SETTLED);
    world.isolate(3);
    world.ask(0, "shop", ask(Wanted::All)).unwrap();
    let (gone, now) = (world.id(3), world.now);
    world.nodes[0].overlays.handle_member_gone(now, gone);
    world.run(Duration::from_secs(1));
    let said = world.told(0);
    assert_eq!((said.count, said.is_enough), (2, false));
    assert_eq!(said.missing, Some(vec![gone]));
}

/// A line of nodes, along which a publication came to all, and nothing was told yet.
fn line_that_asked() -> World {
    let mut world = World::new(3);
    for index in 0..3 {
        world.subscribe(index, "shop");
    }
    world.connect(0, 1);
    world.connect(1, 2);
    world.introduce_all();
    world.run(SETTLED);
    world.ask(0, "shop", ask(Wanted::All)).unwrap();
    world.run(Duration::from_millis(30));
    assert_eq!(world.heard(2), [b"asked"]);
    world
}

#[test]
fn if_the_way_back_breaks_the_author_is_told_if_there_is_a_session() {
    let mut world = line_that_asked();
    world.disconnect(1, 2);
    world.connect(0, 2);
    world.run(Duration::from_secs(1));
    assert!(world.told(0).is_enough);
}

/// It was only ever told to the author from then on, with whom there may never be a session.
#[test]
fn a_session_that_is_replaced_leads_back_as_before() {
    let mut world = line_that_asked();
    world.disconnect(1, 2);
    world.run(Duration::from_millis(200));
    assert!(world.nodes[0].acknowledged.is_empty());
    world.connect(1, 2);
    world.run(Duration::from_secs(1));
    assert!(world.told(0).is_enough);
}

#[test]
fn what_does_not_go_out_to_a_slow_peer_goes_later() {
    let mut world = World::listening(3, "shop");
    world.run(SETTLED);
    world.ask(0, "shop", ask(Wanted::All)).unwrap();
    world.run(Duration::from_millis(30));
    world.stuck.insert(0);
    world.run(Duration::from_secs(1));
    assert!(world.nodes[0].acknowledged.is_empty());
    world.stuck.clear();
    world.run(Duration::from_secs(1));
    assert!(world.told(0).is_enough);
}

#[test]
fn forged_and_doubled_acknowledgements_count_only_members_of_the_audience_each_once() {
    let mut world = World::listening(4, "shop");
    world.run(SETTLED);
    // A member, but not of the audience.
    world.subscribe(3, "news");
    world.unsubscribe(3, "shop");
    world.isolate(0);
    let id = world.ask(0, "shop", ask(Wanted::Count)).unwrap();
    for _ in 0..3 {
        let named = names(&world, &[0, 1, 3, 1]);
        world.acknowledge(0, id, named);
        let invented = vec![ShortId::from_bytes([7; 8]); 9];
        world.acknowledge(0, id, invented);
    }
    world.run(ASKED_FOR);
    let said = world.told(0);
    assert_eq!((said.count, said.missing), (1, Some(vec![world.id(2)])));
    assert_eq!(world.nodes[0].counted, [Count::AcknowledgementsIgnored; 3]);
    let excess = Excess { count: 3 };
    let offenders = world.nodes[0].overlays.offenders.take();
    assert_eq!(offenders, [(world.id(3), excess)].into());
    // Too late, and for what nobody asked: that happens to correct nodes too.
    let named = names(&world, &[2]);
    world.acknowledge(0, id, named.clone());
    world.acknowledge(0, Hash::of(b"never said"), named);
    world.run(Duration::ZERO);
    assert_eq!(world.nodes[0].counted, [Count::AcknowledgementsIgnored; 5]);
    assert!(world.nodes[0].overlays.offenders.take().is_empty());
    assert!(world.nodes[0].acknowledged.is_empty());
}

#[test]
fn what_is_asked_at_once_is_bounded_and_there_is_room_again_after_the_deadline() {
    let mut world = World::listening(2, "shop");
    world.disconnect(0, 1);
    let wanted = Ask {
        deadline: DEADLINE_MAX * 9,
        ..ask(Wanted::All)
    };
    for _ in 0..256 {
        world.ask(0, "shop", wanted).unwrap();
    }
    let refused = world.ask(0, "shop", wanted).unwrap_err();
    assert_eq!(refused, AskError::Asked { max: 256 });
    assert!(
        refused.to_string().contains("256 messages wait"),
        "{refused}"
    );
    world.run(DEADLINE_MAX);
    assert_eq!(world.nodes[0].acknowledged.len(), 256);
    world.ask(0, "shop", wanted).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_networks_tell_who_has_it_and_who_is_missing() {
    let [a, b, c] = three_that_listen().await;
    let topic = topic("shop/eu/carts");
    let wanted = |wanted| Ask {
        wanted,
        deadline: Duration::from_secs(30),
    };
    for node in [&a, &b, &c] {
        let asked = wanted(Wanted::All);
        let said =
            node.handle
                .publish_acknowledged(topic.clone(), b"1".to_vec(), Strategy::Tree, asked);
        let said = said.await.unwrap();
        let told = (said.audience, said.count, said.is_enough);
        assert_eq!(told, (Some(3), 3, true));
        assert!(said.missing.is_empty());
    }
    c.handle.set_enabled(false).await;
    let asked = wanted(Wanted::Quorum(2));
    let said = a
        .handle
        .publish_acknowledged(topic.clone(), b"2".to_vec(), Strategy::Tree, asked);
    let said = said.await.unwrap();
    assert_eq!((said.count, said.is_enough), (2, true));
    assert!(said.missing.is_empty(), "the third was not waited for");
    // It hears nobody, and is told so once it gives them up.
    let asked = wanted(Wanted::All);
    let said = c
        .handle
        .publish_acknowledged(topic, b"3".to_vec(), Strategy::Tree, asked);
    let said = said.await.unwrap();
    let missing = said.missing.len();
    assert_eq!((said.count, said.audience), (1, Some(1 + missing)));
    assert_eq!(said.is_enough, missing == 0);
    shut_down(&[&a, &b, &c]).await;
}
