//! Peers that do again and again what correct ones do seldom.

use replicant_protocol::broadcast::acknowledgement::ShortId;
use replicant_protocol::broadcast::{acknowledging, plumtree};
use replicant_protocol::facts::{self, Fact, SignedFact};
use replicant_protocol::ids::Hash;
use replicant_protocol::membership::{
    Accusation, Message, Rumour, Status, StrategyKind, hyparview,
};
use replicant_protocol::session::{CloseReason, View};
use replicant_protocol::wire;

use super::raw_peer::{RawPeer, record};
use super::*;

/// Says something again and again until the node closes the session; then it is not let in.
async fn is_kept_out(
    node: &TestNode,
    mut peer: RawPeer,
    view: View,
    mut say: impl FnMut(u64) -> wire::Message,
) {
    let deadline = Instant::now() + DEADLINE;
    let mut number = 0;
    let mut bad_seconds = 0;
    while node.count(Count::Penalties) == 0 {
        assert!(Instant::now() < deadline, "it is never punished");
        for _ in 0..20 {
            number += 1;
            // The session may be over already.
            let _ = peer.session.send(Duration::ZERO, &say(number).to_bytes());
        }
        peer.flush().await;
        let behaviour = node.handle.behaviour();
        bad_seconds = bad_seconds.max(behaviour.bad_seconds(&identity(9).id()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        bad_seconds, 1,
        "one was seen before the second was too many"
    );
    eventually("its session is closed", || {
        !node.handle.peers().contains(&identity(9).id())
    })
    .await;
    let mut again = RawPeer::connect_with(node.address(), 9, view).await;
    assert_eq!(again.read_to_end().await, Some(CloseReason::Misbehaviour));
    assert_eq!(node.count(Count::RefusedPenalty), 1);
}

fn strict(number: u8, seeds: &[SocketAddr]) -> NetworkConfig {
    let mut config = config(number, seeds);
    config.limits.bad_seconds_max = 2;
    config
}

/// Nobody asked it anything, and it goes on answering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_answering_what_nobody_asked_is_kept_out_of_partial_views() {
    let partial = |number, seeds: &[SocketAddr]| NetworkConfig {
        strategy: StrategyKind::HyParView,
        ..strict(number, seeds)
    };
    let node = TestNode::start(partial(1, &[])).await;
    let honest = TestNode::start(partial(2, &[node.address()])).await;
    // A node that is alone joins through whoever comes, and would ask.
    eventually("they are neighbours", || node.is_peer_of(&honest)).await;
    let peer = RawPeer::connect_with(node.address(), 9, View::Partial).await;
    let answer = wire::Message::Views(hyparview::Message::NeighbourReply {
        is_accepted: true,
        entries: Vec::new(),
    });
    is_kept_out(&node, peer, View::Partial, |_| answer.clone()).await;
    assert!(node.is_peer_of(&honest), "nobody else is punished for it");
    shut_down(&[&node, &honest]).await;
}

/// It announces what it never sends, in the tree of all members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_announcing_what_does_not_come_is_kept_out_with_a_full_view() {
    let node = patient_node().await;
    let peer = member_of(&node).await;
    let announce = |number: u64| {
        let id = Hash::of(&number.to_be_bytes());
        let items = vec![plumtree::Announced { id, hops: 1 }];
        wire::Message::from(plumtree::Message::IHave {
            is_old: true,
            items,
        })
    };
    is_kept_out(&node, peer, View::Full, announce).await;
    shut_down(&[&node]).await;
}

/// It answers no probe, and is to stay a member.
async fn patient_node() -> TestNode {
    let mut config = strict(1, &[]);
    config.membership.suspicion_multiplier = 100;
    TestNode::start(config).await
}

/// A peer that the node takes for a member.
async fn member_of(node: &TestNode) -> RawPeer {
    let mut peer = RawPeer::connect(node.address(), 9).await;
    peer.introduce(9, &[]).await;
    eventually("it is a member", || node.handle.members().len() == 2).await;
    peer
}

/// A storm of suspicion: it says of more members than it can have probed that they do not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_accusing_everybody_is_kept_out() {
    let node = patient_node().await;
    let mut peer = RawPeer::connect(node.address(), 9).await;
    let others = 20..40;
    for number in others.clone().chain([9]) {
        peer.introduce(number, &[]).await;
    }
    eventually("all are members", || node.handle.members().len() == 22).await;
    let accuse = |number: u8| {
        let record = record(number, &[]);
        let accusation = Accusation::sign(&identity(9), record.node, record.incarnation);
        Rumour {
            record,
            status: Status::Suspect,
            accusations: vec![accusation],
        }
    };
    let storm: Vec<Rumour> = others.map(accuse).collect();
    let message = wire::Message::from(Message::Gossip { gossip: storm });
    is_kept_out(&node, peer, View::Full, |_| message.clone()).await;
    assert!(node.count(Count::AccusationsIgnored) >= 50);
    shut_down(&[&node]).await;
}

/// It says that nodes have heard something that listen to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_inventing_listeners_is_kept_out() {
    let node = patient_node().await;
    let peer = member_of(&node).await;
    let invent = |number: u64| {
        let message = acknowledging::Message {
            id: Hash::of(&number.to_be_bytes()),
            names: vec![ShortId::from_bytes(number.to_be_bytes())],
        };
        wire::Message::Application(wire::Application::Acknowledge(message))
    };
    is_kept_out(&node, peer, View::Full, invent).await;
    shut_down(&[&node]).await;
}

/// It publishes facts of a kind that nobody declared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_publishing_facts_that_are_refused_is_kept_out() {
    let node = patient_node().await;
    let peer = member_of(&node).await;
    let publish = |number: u64| {
        let fact = Fact {
            kind: "weather".parse().unwrap(),
            body: number.to_be_bytes().to_vec(),
            issuer: identity(9).id(),
            issued_at_ms: crate::wall_clock::wall_ms(),
            ttl_ms: 60_000,
        };
        let fact = SignedFact::sign(fact, &identity(9)).unwrap();
        let items = vec![fact.as_bytes().to_vec()];
        wire::Message::Facts(facts::Message::Facts { items })
    };
    is_kept_out(&node, peer, View::Full, publish).await;
    shut_down(&[&node]).await;
}
