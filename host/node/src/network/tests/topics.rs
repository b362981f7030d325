//! Messages in topics, between real networks on loopback.

use replicant_protocol::broadcast::plumtree;
use replicant_protocol::wire;
use tokio::sync::watch;

use super::raw_peer::RawPeer;
use super::*;
use crate::vocabulary::Strategy;

/// A node at which somebody listens to some paths.
pub(super) async fn listening(number: u8, seeds: &[SocketAddr], paths: &[&str]) -> TestNode {
    let mut config = config(number, seeds);
    let paths = paths.iter().map(|path| topic(path)).collect();
    // The sender is not needed any more: nothing changes.
    config.subscriptions = watch::Sender::new(paths).subscribe();
    TestNode::start(config).await
}

/// Three nodes, two at which somebody listens to `shop` and one to `shop/eu`, that know so.
pub(super) async fn three_that_listen() -> [TestNode; 3] {
    let a = listening(1, &[], &["shop"]).await;
    let b = listening(2, &[a.address()], &["shop"]).await;
    let c = listening(3, &[a.address()], &["shop/eu"]).await;
    converge(&[&a, &b, &c]).await;
    eventually("all know who listens", || {
        let knows = |node: &&TestNode| node.knows("shop", 2) && node.knows("shop/eu", 1);
        [&a, &b, &c].iter().all(knows)
    })
    .await;
    [a, b, c]
}

impl TestNode {
    fn heard(&self) -> Vec<(Option<String>, Vec<u8>)> {
        let recorded = self.events.lock();
        let heard = recorded.heard.iter();
        heard
            .map(|heard| {
                let topic = heard.topic.as_ref().map(ToString::to_string);
                (topic, heard.payload.to_vec())
            })
            .collect()
    }

    fn knows(&self, path: &str, subscribers: usize) -> bool {
        let subscriptions = self.handle.subscriptions();
        let mut known = subscriptions.iter();
        known.any(|known| known.topic.as_str() == path && known.subscribers == Some(subscribers))
    }
}

fn hand_in(bytes: &[u8]) -> Vec<u8> {
    wire::Message::from(wire::Application::HandIn(bytes.to_vec())).to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_listens_hears_what_is_said_once_the_speaker_too() {
    let a = listening(1, &[], &["shop"]).await;
    let b = listening(2, &[a.address()], &["shop/eu", "shop"]).await;
    let c = listening(3, &[a.address()], &[]).await;
    converge(&[&a, &b, &c]).await;
    eventually("all know who listens", || {
        [&a, &b, &c].iter().all(|node| node.knows("shop", 2))
    })
    .await;
    for (speaker, payload) in [(&a, b"from a"), (&c, b"from c")] {
        let said = speaker
            .handle
            .publish(topic("shop/eu/carts"), payload.to_vec(), Strategy::Tree);
        assert_eq!(said.await.unwrap().audience, Some(2));
        eventually("it is heard", || {
            [&a, &b].iter().all(|node| {
                let last = node.heard().last().cloned();
                last.is_some_and(|(_, heard)| heard == payload)
            })
        })
        .await;
    }
    assert_eq!(
        (a.heard().len(), b.heard().len(), c.heard().len()),
        (2, 2, 0)
    );
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_to_one_node_is_heard_there_alone() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    assert!(b.handle.say_to(a.id(), b"hello".to_vec()));
    eventually("it is heard", || a.heard() == [(None, b"hello".to_vec())]).await;
    assert!(!b.handle.say_to(identity(99).id(), b"hello".to_vec()));
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_not_heard_again() {
    let a = listening(1, &[], &["shop"]).await;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    peer.introduce(8, &[]).await;
    peer.introduce(7, &[]).await;
    let said = said_by(8, "shop", b"once");
    for _ in 0..3 {
        peer.send(&hand_in(said.as_bytes())).await;
    }
    let last = said_by(7, "shop", b"last");
    peer.send(&hand_in(last.as_bytes())).await;
    eventually("the last is heard", || {
        a.heard().last().is_some_and(|(_, heard)| heard == b"last")
    })
    .await;
    assert_eq!(a.heard().len(), 2);
    assert_eq!(a.handle.peers(), [identity(9).id()]);
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_passes_on_what_nobody_signed_loses_the_session() {
    let a = listening(1, &[], &["shop"]).await;
    let mut forged = said_by(8, "shop", b"hello").as_bytes().to_vec();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    peer.send(&hand_in(&forged)).await;
    eventually("it is counted", || a.count(Count::SessionsMalicious) == 1).await;
    let said = said_by(8, "elsewhere", b"hello");
    let mut peer = RawPeer::connect(a.address(), 10).await;
    let payload = said.as_bytes().clone();
    let message = plumtree::Message::Gossip {
        hops: 1,
        spread: 0,
        payload,
    };
    let moved = wire::Message::Topic(topic("shop"), message);
    peer.send(&moved.to_bytes()).await;
    // What nobody signed counted too.
    eventually("it is counted", || a.count(Count::TopicMisbehaviour) == 2).await;
    assert!(a.heard().is_empty());
    shut_down(&[&a]).await;
}
