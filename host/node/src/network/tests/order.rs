//! What the node hears of a peer, and in which order, also when the driver is busy.

use super::raw_peer::RawPeer;
use super::*;

/// Keeps the driver busy with a peer that comes up, until what this gives is dropped.
async fn keep_busy(node: &TestNode) -> (mpsc::Sender<()>, RawPeer) {
    let (open, gate) = mpsc::channel();
    *node.events.gate.lock().unwrap() = Some(gate);
    let peer = RawPeer::connect(node.address(), 99).await;
    eventually("the driver is busy", || {
        node.events.gate.lock().unwrap().is_none()
    })
    .await;
    (open, peer)
}

/// A message that came with the handshake was handed out before the node knew of the peer, and the
/// comparison of topics passed over it: a node that joined waited ten seconds for the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_heard_before_its_peer_is_known() {
    let a = TestNode::start(config(1, &[])).await;
    let (busy, _peer) = keep_busy(&a).await;
    let mut eager = RawPeer::dial(a.address(), 10).await;
    eager.send_topic_message(1).await;
    let last = RawPeer::connect(a.address(), 11).await;
    eventually("they are admitted", || a.handle.peers().len() == 3).await;
    drop(busy);
    eventually("it is heard", || !a.events.lock().topic_messages.is_empty()).await;
    assert_eq!(a.events.lock().early, 0);
    drop(last);
    shut_down(&[&a]).await;
}

/// The driver takes from several queues; it dropped messages of sessions that it did not know yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_floods_at_once_is_delivered() {
    let a = TestNode::start(config(1, &[])).await;
    let (busy, _peer) = keep_busy(&a).await;
    let mut peers = Vec::new();
    for number in 10..20 {
        let mut eager = RawPeer::dial(a.address(), number).await;
        eager.send_bundle(&[number]).await;
        peers.push(eager);
    }
    eventually("they are admitted", || a.handle.peers().len() == 11).await;
    drop(busy);
    eventually("all is delivered", || a.events.lock().bundles.len() == 10).await;
    shut_down(&[&a]).await;
}

/// What a peer sends in masses made others wait until all of it was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_much_does_not_make_others_wait_for_all_of_it() {
    let mut limited = config(1, &[]);
    limited.limits.inbox_messages_per_peer_max = 8;
    let a = TestNode::start(limited).await;
    let mut busy_peer = RawPeer::connect(a.address(), 10).await;
    let mut other = RawPeer::connect(a.address(), 11).await;
    eventually("they are known", || a.events.lock().up.len() == 2).await;
    let (busy, _peer) = keep_busy(&a).await;
    for number in 0..200 {
        busy_peer.send_bundle(&[number]).await;
    }
    // One more is read, and waits for a place.
    eventually("some wait", || a.count(Count::MessagesReceived) == 9).await;
    other.send_bundle(b"other").await;
    eventually("it waits too", || a.count(Count::MessagesReceived) == 10).await;
    drop(busy);
    eventually("all arrive", || a.events.lock().bundles.len() == 201).await;
    let bundles = a.events.lock().bundles.clone();
    let place = bundles.iter().position(|(_, bundle)| bundle == b"other");
    assert!(place.unwrap() <= 9, "{place:?}");
    shut_down(&[&a]).await;
}

/// The driver took the end of a session before what waited in another queue, and dropped that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_floods_before_it_leaves_is_delivered() {
    let a = TestNode::start(config(1, &[])).await;
    let mut peers = Vec::new();
    for number in 10..20 {
        peers.push(RawPeer::connect(a.address(), number).await);
    }
    eventually("they are known", || a.events.lock().up.len() == 10).await;
    let (busy, _peer) = keep_busy(&a).await;
    for (peer, number) in peers.iter_mut().zip(10..) {
        peer.send_bundle(&[number]).await;
        peer.leave().await;
    }
    eventually("they are gone", || a.handle.peers().len() == 1).await;
    drop(busy);
    eventually("all is delivered", || a.events.lock().bundles.len() == 10).await;
    eventually("they are forgotten", || a.events.lock().up.len() == 1).await;
    shut_down(&[&a]).await;
}
