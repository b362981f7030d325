//! What is said before anybody is known to listen.

use super::overlay_world::{SOON, World};
use super::*;
use crate::vocabulary::Strategy;

/// Lost once: a listener had begun, but the news of it came after the message was said.
#[test]
fn whoever_turns_out_to_listen_soon_after_hears_it_once() {
    for is_rapid in [false, true] {
        let mut world = World::listening(4, "elsewhere");
        match is_rapid {
            true => assert_eq!(
                world.publish_rapidly(0, "shop/eu", b"early", None),
                Ok(None)
            ),
            false => world.publish(0, "shop/eu", b"early"),
        }
        world.run(SOON);
        assert!((0..4).all(|index| world.heard(index).is_empty()));
        world.subscribe(2, "shop");
        world.introduce_all();
        world.subscribe(3, "shop/eu");
        for _ in 0..2 {
            world.introduce_all();
            world.run(SOON);
        }
        for index in [2, 3] {
            assert_eq!(world.heard(index), [b"early"], "{index}, {is_rapid}");
        }
        assert!(world.heard(1).is_empty());
    }
}

#[test]
fn whoever_begins_to_listen_later_does_not_hear_it() {
    let mut world = World::listening(3, "elsewhere");
    world.publish(0, "shop", b"long ago");
    world.run(Duration::from_secs(11));
    world.subscribe(2, "shop");
    world.introduce_all();
    world.run(SOON);
    assert!(world.heard(2).is_empty());
}

#[test]
fn no_more_than_the_last_256_are_kept() {
    let mut world = World::listening(3, "elsewhere");
    for number in 0..300_u16 {
        world.publish(0, "shop", &number.to_be_bytes());
    }
    world.subscribe(2, "shop");
    world.introduce_all();
    world.run(SOON);
    let heard: BTreeSet<&[u8]> = world.heard(2).into_iter().collect();
    let last = (44..300_u16).map(u16::to_be_bytes).collect::<Vec<_>>();
    assert_eq!(heard, last.iter().map(|bytes| &bytes[..]).collect());
}

/// It had said that nobody listens, and nobody heard: it did not know yet whom it knew before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_says_first_thing_after_a_restart_is_heard() {
    let a = topics::listening(1, &[], &["shop"]).await;
    let mut config = config(2, &[]);
    config.remembered = vec![(a.id(), a.address())];
    let b = TestNode::start(config).await;
    let said = b
        .handle
        .publish(topic("shop"), b"back".into(), Strategy::Tree);
    assert_eq!(said.await.unwrap().audience, Some(1));
    eventually("it is heard", || {
        a.events
            .lock()
            .heard
            .iter()
            .any(|heard| &heard.payload[..] == b"back")
    })
    .await;
    shut_down(&[&a, &b]).await;
}
