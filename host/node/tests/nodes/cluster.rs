//! Several nodes: convergence, partition, restart, joining.

use std::time::Duration;

use replicant::{Node, NodeConfig, NodeError, StrategyKind};
use serde_json::json;

use crate::harness::{TestNode, config, converged, object_id, topic_name, until};

async fn three() -> [TestNode; 3] {
    let first = TestNode::start(&[]).await;
    let join = [first.address()];
    let (second, third) = tokio::join!(TestNode::start(&join), TestNode::start(&join));
    let nodes = [first, second, third];
    connected(&nodes, 2).await;
    nodes
}

async fn connected(nodes: &[TestNode], sessions: u64) {
    until("sessions are open", async || {
        nodes
            .iter()
            .all(|node| node.node.network().sessions >= sessions)
    })
    .await;
}

async fn shutdown(nodes: impl IntoIterator<Item = TestNode>) {
    for node in nodes {
        node.node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_converge_while_all_of_them_write() {
    let nodes = three().await;
    assert!(
        nodes
            .iter()
            .all(|node| node.node.cluster() == nodes[0].node.cluster())
    );
    for round in 0..10 {
        for (n, node) in nodes.iter().enumerate() {
            node.apply("t", "hits", "g-counter", json!({"increment": 1}))
                .await;
            node.apply("t", "set", "or-set", json!({"add": format!("{n}-{round}")}))
                .await;
            node.apply(
                "t",
                "map",
                "lww-map",
                json!({"set": {format!("{n}"): round}}),
            )
            .await;
            node.apply(
                "t",
                "doc",
                "text",
                json!({"insert": {"at": 0, "text": "ab"}}),
            )
            .await;
        }
    }
    converged(&[&nodes[0], &nodes[1], &nodes[2]], "t", 120).await;
    for node in &nodes {
        assert_eq!(node.value("t", "hits").await, json!(30));
        let last = json!({"0": 9, "1": 9, "2": 9});
        assert_eq!(node.value("t", "map").await, last);
        assert_eq!(node.value("t", "set").await.as_array().unwrap().len(), 30);
        assert_eq!(node.value("t", "doc").await.as_str().unwrap().len(), 60);
    }
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_with_a_token_sees_the_write_on_another_node() {
    let nodes = three().await;
    for n in 1..20 {
        let command = [json!({"increment": 1})];
        let updated = nodes[0]
            .update("t", "x", "g-counter", &command)
            .await
            .unwrap();
        let (topic, id) = (topic_name("t"), object_id("x"));
        let read = nodes[1]
            .node
            .value(topic, id, None, Some(updated.version))
            .await
            .unwrap();
        assert_eq!(crate::harness::json(&read.value), json!(n));
    }
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_come_true_is_answered_in_time() {
    let node = TestNode::start_with(&[], |c| c.read_wait = Duration::from_millis(50)).await;
    let other = TestNode::start(&[]).await;
    let command = [json!({"increment": 1})];
    let elsewhere = other
        .update("t", "x", "g-counter", &command)
        .await
        .unwrap()
        .version;
    node.apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    let (topic, id) = (topic_name("t"), object_id("x"));
    let read = node.node.value(topic, id, None, Some(elsewhere)).await;
    assert!(matches!(read, Err(NodeError::NotYet)), "{read:?}");
    shutdown([node, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_and_both_sides_that_wrote_become_equal() {
    let nodes = three().await;
    nodes[0]
        .apply(
            "t",
            "doc",
            "text",
            json!({"insert": {"at": 0, "text": "base "}}),
        )
        .await;
    converged(&[&nodes[0], &nodes[1], &nodes[2]], "t", 1).await;
    nodes[2].node.set_network(false).await;
    assert!(!nodes[2].node.network().enabled);
    for n in 0..50 {
        let text = json!({"insert": {"at": 0, "text": format!("{n} ")}});
        nodes[0].apply("t", "doc", "text", text.clone()).await;
        nodes[2].apply("t", "doc", "text", text.clone()).await;
        nodes[2].apply("only/there", "doc", "text", text).await;
    }
    converged(&[&nodes[0], &nodes[1]], "t", 51).await;
    assert_eq!(nodes[2].node.digest(topic_name("t")).await.unwrap().ops, 51);
    nodes[2].node.set_network(true).await;
    converged(&[&nodes[0], &nodes[1], &nodes[2]], "t", 101).await;
    converged(&[&nodes[0], &nodes[1], &nodes[2]], "only/there", 50).await;
    shutdown(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_catches_up_after_its_restart() {
    let [first, second, third] = three().await;
    first
        .apply("t", "hits", "g-counter", json!({"increment": 1}))
        .await;
    converged(&[&first, &second, &third], "t", 1).await;
    third.node.shutdown().await;
    for _ in 0..200 {
        second
            .apply("t", "hits", "g-counter", json!({"increment": 1}))
            .await;
    }
    // It remembers the members: no address is given.
    let third = TestNode {
        node: Node::start(config(third.folder.path(), &[])).await.unwrap(),
        ..third
    };
    converged(&[&first, &second, &third], "t", 201).await;
    third
        .apply("t", "hits", "g-counter", json!({"increment": 1}))
        .await;
    converged(&[&first, &second, &third], "t", 202).await;
    shutdown([first, second, third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_all_topics() {
    let first = TestNode::start(&[]).await;
    for n in 0..30 {
        let topic = format!("t/{}", n % 5);
        first
            .apply(
                &topic,
                &format!("o{n}"),
                "g-counter",
                json!({"increment": 1}),
            )
            .await;
    }
    let second = TestNode::start(&[first.address()]).await;
    for n in 0..5 {
        converged(&[&first, &second], &format!("t/{n}"), 6).await;
    }
    assert_eq!(second.node.topics().await.unwrap().len(), 5);
    shutdown([first, second]).await;
}

/// The first thing that a newcomer said was lost more often than not: it came before the node that
/// it joined knew of it, and was asked again ten seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_compares_once_and_has_everything() {
    let seldom = |config: &mut NodeConfig| config.sync_interval = Duration::from_secs(3_600);
    let first = TestNode::start_with(&[], seldom).await;
    first
        .apply("t", "hits", "g-counter", json!({"increment": 1}))
        .await;
    for _ in 0..10 {
        let newcomer = TestNode::start_with(&[first.address()], seldom).await;
        converged(&[&first, &newcomer], "t", 1).await;
        newcomer.node.shutdown().await;
    }
    first.node.shutdown().await;
}

/// Each topic that was found pushed out one that was being fetched: a newcomer got five hundred in
/// each comparison and forgot the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_thousands_of_topics_in_one_comparison_and_forgets_none() {
    const TOPICS: usize = 2_000;
    let seldom = |config: &mut NodeConfig| config.sync_interval = Duration::from_secs(3_600);
    let first = TestNode::start_with(&[], seldom).await;
    let write = async |number: usize| {
        let topic = format!("t/{number}");
        let command = json!({"increment": 1});
        first.apply(&topic, "hits", "g-counter", command).await;
    };
    for start in (0..TOPICS).step_by(100) {
        futures::future::join_all((start..start + 100).map(&write)).await;
    }
    let newcomer = TestNode::start_with(&[first.address()], seldom).await;
    until("all topics are there", async || {
        newcomer.node.topics().await.unwrap().len() == TOPICS
    })
    .await;
    assert_eq!(newcomer.count("strange_topics_forgotten_total"), 0);
    shutdown([first, newcomer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_refused_with_both_names() {
    let (first, other) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    let join = [first.address()];
    other.node.shutdown().await;
    let refused = Node::start(config(other.folder.path(), &join)).await;
    let Err(NodeError::OtherCluster {
        own, other: theirs, ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((own, theirs), (other.node.cluster(), first.node.cluster()));
    first.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_node_that_is_told_another_kind_of_membership_than_the_others_is_refused() {
    let (full, partial) = (StrategyKind::Swim, StrategyKind::HyParView);
    for (kind, other) in [(full, partial), (partial, full)] {
        let first = TestNode::start_with(&[], |config| config.membership = kind).await;
        let join = [first.address()];
        let known = TestNode::start_with(&join, |config| config.membership = kind).await;
        known.node.shutdown().await;
        let mut told = config(known.folder.path(), &join);
        told.membership = other;
        let refused = Node::start(told.clone()).await;
        let Err(NodeError::OtherMembership { reason }) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            reason.contains(&join[0]) && reason.contains("--membership"),
            "{reason}"
        );
        // It comes back as it was.
        told.membership = kind;
        let again = Node::start(told).await.unwrap();
        assert_eq!(again.cluster(), first.node.cluster());
        again.shutdown().await;
        first.node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_whose_seed_does_not_answer_gives_up_and_may_try_again() {
    let folder = tempfile::tempdir().unwrap();
    replicant::init(folder.path()).unwrap();
    let mut config = config(folder.path(), &["127.0.0.1:9".to_owned()]);
    config.join_wait = Duration::from_millis(200);
    let failed = Node::start(config.clone()).await;
    assert!(
        matches!(&failed, Err(NodeError::JoinFailed { .. })),
        "{failed:?}"
    );
    // The first node of a cluster is often started like the others.
    let told = failed.err().map(|error| error.to_string()).unwrap();
    assert!(told.contains("127.0.0.1:9"), "{told}");
    let hint = "the first node of a cluster is started without one to join";
    assert!(told.contains(hint), "{told}");
    config.join.clear();
    Node::start(config).await.unwrap().shutdown().await;
}
