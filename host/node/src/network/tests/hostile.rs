//! Whoever sends nonsense, lies about itself, or holds connections open.

use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::circles;
use replicant_protocol::membership::{StrategyKind, hyparview};
use replicant_protocol::session::{CloseReason, View};
use replicant_protocol::wire::{self, Payload};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::raw_peer::{RawPeer, is_closed};
use super::*;
use crate::vocabulary::Strategy;

fn partial_config(number: u8, seeds: &[SocketAddr]) -> NetworkConfig {
    NetworkConfig {
        strategy: StrategyKind::HyParView,
        ..config(number, seeds)
    }
}

async fn with_partial_views(number: u8) -> TestNode {
    TestNode::start(partial_config(number, &[])).await
}

/// Sends bytes and waits until the connection is closed.
async fn shout(at: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    assert!(is_closed(&mut stream).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_refused() {
    let a = TestNode::start(config(1, &[])).await;
    let other = ClusterId::from_bytes([8; 32]);
    let b = TestNode::start_in(config(2, &[a.address()]), other).await;
    eventually("both notice", || {
        a.count(Count::HandshakeCluster) > 0 && b.count(Count::HandshakeCluster) > 0
    })
    .await;
    assert!(a.handle.peers().is_empty() && b.handle.peers().is_empty());
    assert_eq!((a.events.lock().ups, b.events.lock().ups), (0, 0));
    assert_eq!(a.handle.members().len(), 1);
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_at_the_address_of_a_known_member_is_refused() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    let address = b.address();
    drop(b);
    let mut impostor = config(3, &[]);
    impostor.listen = address;
    let bound = loop {
        if let Ok(bound) = BoundNetwork::bind(impostor.clone()).await {
            break bound;
        }
        tokio::task::yield_now().await;
    };
    let events = Arc::new(Recorder::default());
    let handle = bound.start(CLUSTER, events.clone()).unwrap();
    eventually("it is noticed", || a.count(Count::HandshakeUnexpected) > 0).await;
    assert!(a.handle.peers().is_empty());
    assert_eq!(events.lock().ups, 0);
    handle.shutdown().await;
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_truncated_and_oversize_handshakes_are_counted_and_the_node_serves_on() {
    let mut lenient = config(1, &[]);
    lenient.limits.offences_max = 1_000;
    let a = TestNode::start(lenient).await;
    shout(a.address(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // The largest length there is, and one below the least.
    shout(a.address(), &[0xff; 70_000]).await;
    shout(a.address(), &[1, 0, 0]).await;
    // A low-order point as the ephemeral key.
    shout(a.address(), &[[32, 0].as_slice(), &[0; 32]].concat()).await;
    eventually("they are counted", || a.count(Count::HandshakeInvalid) == 4).await;
    let mut truncated = TcpStream::connect(a.address()).await.unwrap();
    truncated.write_all(&[32, 0, 1, 2, 3]).await.unwrap();
    drop(truncated);
    eventually("it is counted", || a.count(Count::HandshakeBroken) == 1).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_offends_too_often_is_refused_for_a_while() {
    let mut strict = config(1, &[]);
    strict.limits.offences_max = 3;
    strict.limits.penalty_time = Duration::from_secs(3_600);
    let a = TestNode::start(strict).await;
    for _ in 0..3 {
        shout(a.address(), b"nonsense nonsense nonsense nonsense").await;
    }
    eventually("it is refused", || a.count(Count::Penalties) == 1).await;
    shout(a.address(), b"").await;
    assert_eq!(a.count(Count::RefusedPenalty), 1);
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_a_session_is_not_refused_for_what_others_there_do() {
    let mut strict = config(1, &[]);
    strict.limits.offences_max = 1;
    let a = TestNode::start(strict).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    shout(a.address(), b"nonsense nonsense nonsense nonsense").await;
    let c = TestNode::start(config(3, &[a.address()])).await;
    converge(&[&a, &b, &c]).await;
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_half_open_connections_are_bounded_and_honest_nodes_get_in() {
    let mut patient = config(1, &[]);
    patient.session.handshake_timeout = Duration::from_secs(3_600);
    patient.limits.half_open_max = 40;
    patient.limits.half_open_per_source_max = 20;
    let a = TestNode::start(patient).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(a.address()).await.unwrap();
        let _ = stream.write_all(&[32]).await;
        held.push(stream);
    }
    eventually("all were accepted", || {
        a.count(Count::HalfOpenEvicted) == 180
    })
    .await;
    assert_eq!(a.handle.statistics().half_open, 20);
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    assert!(a.handle.statistics().half_open <= 20);
    shut_down(&[&a, &b]).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_not_finished_in_time_is_given_up() {
    let mut hasty = config(1, &[]);
    hasty.session.handshake_timeout = Duration::from_millis(50);
    let a = TestNode::start(hasty).await;
    let mut stream = TcpStream::connect(a.address()).await.unwrap();
    assert!(is_closed(&mut stream).await);
    eventually("it is counted", || a.count(Count::HandshakeTimeout) == 1).await;
    assert_eq!(a.handle.statistics().half_open, 0);
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_nonsense_loses_its_session_and_is_refused() {
    let a = TestNode::start(config(1, &[])).await;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    peer.send(&[200, 1, 2, 3]).await;
    let reason = peer.read_to_end().await;
    assert!(
        matches!(reason, Some(CloseReason::Misbehaviour) | None),
        "{reason:?}"
    );
    eventually("it is counted", || a.count(Count::SessionsMalicious) == 1).await;
    let mut again = RawPeer::connect(a.address(), 9).await;
    assert_eq!(again.read_to_end().await, Some(CloseReason::Misbehaviour));
    assert_eq!(a.count(Count::RefusedPenalty), 1);
    let other = RawPeer::connect(a.address(), 10).await;
    eventually("others are not", || a.handle.peers() == [identity(10).id()]).await;
    drop(other);
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_about_a_circle_ends_a_session_between_full_views() {
    let a = TestNode::start(config(1, &[])).await;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    let path = "shop".parse().unwrap();
    let message = wire::Message::Circle(path, circles::Message::Ask);
    peer.send(&message.to_bytes()).await;
    assert_eq!(peer.read_to_end().await, Some(CloseReason::Misbehaviour));
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_passes_a_forged_call_on_loses_its_session() {
    let a = with_partial_views(1).await;
    let mut peer = RawPeer::connect_with(a.address(), 9, View::Partial).await;
    let address = peer.join().await;
    let call = |by: u8| circles::Call {
        caller: hyparview::Entry {
            node: identity(by).id(),
            address,
        },
        start: 1,
        number: 1,
        wish: circles::Wish::Listens,
        paths: vec!["shop".parse().unwrap()],
    };
    let gossip = |call: &[u8]| {
        let payload = Payload::Call(call).to_bytes().into();
        let (hops, spread) = (1, 0);
        wire::Message::from(plumtree::Message::Gossip {
            hops,
            spread,
            payload,
        })
    };
    let signed = call(8).sign(&identity(8));
    peer.send(&gossip(&signed).to_bytes()).await;
    let forged = call(7).sign(&identity(8));
    peer.send(&gossip(&forged).to_bytes()).await;
    assert_eq!(peer.read_to_end().await, Some(CloseReason::Misbehaviour));
    let again = a
        .handle
        .publish("shop".parse().unwrap(), vec![1], Strategy::Tree);
    again.await.unwrap();
    eventually("the call that was signed counts", || {
        a.count(Count::CircleHandedIn) == 1
    })
    .await;
    shut_down(&[&a]).await;
}

/// What nodes with full views say to each other, in a topic.
fn of_full_views() -> [wire::Message; 4] {
    let payload = said_by(9, "shop", b"hello").as_bytes().clone();
    let (hops, way) = (1, None);
    let push = |payload| rapid::Message::Push { hops, way, payload };
    let gossip = plumtree::Message::Gossip {
        hops,
        spread: 0,
        payload: payload.clone(),
    };
    let handed_in = wire::Application::HandIn(payload.to_vec());
    [
        wire::Message::Rapid(Some(topic("shop")), push(payload)),
        wire::Message::Rapid(None, push(Payload::Fact(b"a fact").to_bytes().into())),
        wire::Message::Topic(topic("shop"), gossip),
        wire::Message::from(handed_in),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_rapidly_or_in_trees_of_topics_ends_a_session_between_partial_views() {
    let a = with_partial_views(1).await;
    for (number, message) in (20..).zip(of_full_views()) {
        let mut peer = RawPeer::connect_with(a.address(), number, View::Partial).await;
        peer.join().await;
        peer.send(&message.to_bytes()).await;
        let reason = peer.read_to_end().await;
        assert_eq!(reason, Some(CloseReason::Misbehaviour), "{message:?}");
    }
    assert_eq!(a.count(Count::Penalties), 4);
    assert!(a.events.lock().heard.is_empty());
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_partial_views_it_is_dropped_and_counted_if_it_comes_from_no_neighbour() {
    let a = with_partial_views(1).await;
    let neighbour = TestNode::start(partial_config(2, &[a.address()])).await;
    eventually("they are neighbours", || a.is_peer_of(&neighbour)).await;
    let mut peer = RawPeer::connect_with(a.address(), 9, View::Partial).await;
    for message in of_full_views() {
        peer.send(&message.to_bytes()).await;
    }
    eventually("all are counted", || a.count(Count::NotOfNeighbours) == 4).await;
    assert_eq!(a.count(Count::Penalties), 0);
    assert!(a.events.lock().heard.is_empty());
    shut_down(&[&a, &neighbour]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_frame_ends_the_session() {
    let a = TestNode::start(config(1, &[])).await;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    eventually("it is a peer", || a.handle.peers().len() == 1).await;
    let forged = [&[100, 0][..], &[0xaa; 100]].concat();
    peer.stream.write_all(&forged).await.unwrap();
    eventually("it is not any more", || a.handle.peers().is_empty()).await;
    eventually("it is counted", || a.count(Count::SessionsMalicious) == 1).await;
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_bound_of_sessions_further_peers_are_refused() {
    let mut small = config(1, &[]);
    small.limits.sessions_max = 2;
    let a = TestNode::start(small).await;
    let mut peers = Vec::new();
    for number in 10..12 {
        peers.push(RawPeer::connect(a.address(), number).await);
    }
    eventually("they are peers", || a.handle.peers().len() == 2).await;
    let mut third = RawPeer::connect(a.address(), 12).await;
    assert_eq!(third.read_to_end().await, Some(CloseReason::Refused));
    assert_eq!(a.count(Count::RefusedFull), 1);
    shut_down(&[&a]).await;
}
