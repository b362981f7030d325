//! Peers that do again and again what correct ones do seldom.

use replicant_protocol::broadcast::plumtree;
use replicant_protocol::ids::Hash;
use replicant_protocol::membership::{StrategyKind, hyparview};
use replicant_protocol::session::{CloseReason, View};
use replicant_protocol::wire;

use super::raw_peer::RawPeer;
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
    while node.count(Count::Penalties) == 0 {
        assert!(Instant::now() < deadline, "it is never punished");
        for _ in 0..20 {
            number += 1;
            // The session may be over already.
            let _ = peer.session.send(Duration::ZERO, &say(number).to_bytes());
        }
        peer.flush().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    let mut config = strict(1, &[]);
    // It answers no probe, and is to stay a member.
    config.membership.suspicion_multiplier = 100;
    let node = TestNode::start(config).await;
    let mut peer = RawPeer::connect(node.address(), 9).await;
    peer.introduce(9, &[]).await;
    eventually("it is a member", || node.handle.members().len() == 2).await;
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
