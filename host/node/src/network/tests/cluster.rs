//! Nodes find each other and exchange messages.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_become_members_of_each_other() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    assert_eq!(a.handle.members().len(), 2);
    assert_eq!(a.events.lock().known.get(&b.id()), Some(&b.address()));
    assert_eq!(b.events.lock().known.get(&a.id()), Some(&a.address()));
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_node_learns_of_the_others_through_gossip() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    let c = TestNode::start(config(3, &[b.address()])).await;
    converge(&[&a, &b, &c]).await;
    let ids = [&a, &b, &c].map(|node| {
        let members = node.handle.members();
        members.iter().map(|member| member.node).collect::<Vec<_>>()
    });
    assert_eq!(ids[0].len(), 3);
    assert!(ids[0] == ids[1] && ids[1] == ids[2]);
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_the_peer_that_it_is_for() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    let c = TestNode::start(config(3, &[a.address()])).await;
    assert!(!a.handle.send(NodeId::from_bytes([9; 32]), message(1)));
    assert_eq!(a.count(Count::DroppedNoSession), 1);
    converge(&[&a, &b, &c]).await;
    assert!(a.send(&b, 1) && b.send(&c, 2) && c.send(&a, 3));
    eventually("the messages arrive", || {
        b.has_message(&a, 1) && c.has_message(&b, 2) && a.has_message(&c, 3)
    })
    .await;
    assert!(!c.has_message(&a, 1));
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_peer_keep_their_order() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    for number in 0..=255 {
        assert!(a.send(&b, number));
    }
    eventually("all arrive", || b.events.lock().topic_messages.len() == 256).await;
    let expected: Vec<_> = (0..=255).map(|number| (a.id(), message(number))).collect();
    assert_eq!(b.events.lock().topic_messages, expected);
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooded_bundle_reaches_everybody_once() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    let c = TestNode::start(config(3, &[a.address()])).await;
    converge(&[&a, &b, &c]).await;
    let bundle = vec![5; 100_000];
    assert!(a.handle.broadcast(bundle.clone()));
    let has = |node: &TestNode| !node.events.lock().bundles.is_empty();
    eventually("both get it", || has(&b) && has(&c)).await;
    assert!(b.handle.forward(bundle.clone()));
    assert!(b.send(&c, 1));
    eventually("what was sent after it arrives", || c.has_message(&b, 1)).await;
    for node in [&b, &c] {
        assert_eq!(node.events.lock().bundles, [(a.id(), bundle.clone())]);
    }
    assert!(a.events.lock().bundles.is_empty());
    shut_down(&[&a, &b, &c]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_goes_round_where_there_is_no_direct_way_once_it_is_found_valid() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    let c = TestNode::start(config(3, &[a.address()])).await;
    converge(&[&a, &b, &c]).await;
    a.handle.penalise(c.id());
    eventually("they part", || !a.is_peer_of(&c) && !c.is_peer_of(&a)).await;
    assert!(a.handle.broadcast(vec![5; 10]));
    eventually("the neighbour gets it", || {
        b.events.lock().bundles.len() == 1
    })
    .await;
    assert!(c.events.lock().bundles.is_empty());
    assert!(b.handle.forward(vec![5; 10]));
    eventually("it is passed on", || c.events.lock().bundles.len() == 1).await;
    assert_eq!(c.events.lock().bundles[0].0, b.id());
    shut_down(&[&a, &b, &c]).await;
}
