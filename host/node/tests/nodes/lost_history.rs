//! A node whose disk went back to an older state: a restored backup.

use std::fs;
use std::path::Path;

use replicant::Node;
use serde_json::json;

use crate::harness::{TestNode, config, converged, until};

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_restored_disk_uses_no_dot_twice_and_becomes_equal_again() {
    let first = TestNode::start(&[]).await;
    let second = TestNode::start(&[first.address()]).await;
    second
        .apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    converged(&[&first, &second], "t", 1).await;

    second.node.shutdown().await;
    let backup = tempfile::tempdir().unwrap();
    copy(second.folder.path(), backup.path());
    let second = second.restart().await;
    for _ in 0..5 {
        second
            .apply("t", "x", "g-counter", json!({"increment": 10}))
            .await;
    }
    converged(&[&first, &second], "t", 6).await;
    second.node.shutdown().await;

    let join = [first.address()];
    let node = Node::start(config(backup.path(), &join)).await.unwrap();
    let restored = TestNode {
        node,
        folder: backup,
        join: join.to_vec(),
    };
    until("what was lost comes back", async || {
        restored.value("t", "x").await == json!(51)
    })
    .await;
    for _ in 0..5 {
        restored
            .apply("t", "x", "g-counter", json!({"increment": 100}))
            .await;
    }
    converged(&[&first, &restored], "t", 11).await;
    assert_eq!(first.value("t", "x").await, json!(551));
    assert_eq!(
        first.count("equivocations_total") + restored.count("equivocations_total"),
        0
    );
    // The new name lasts.
    let restored = restored.restart().await;
    restored
        .apply("t", "x", "g-counter", json!({"increment": 1000}))
        .await;
    converged(&[&first, &restored], "t", 12).await;
    first.node.shutdown().await;
    restored.node.shutdown().await;
}

/// It would write before it has heard of what it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_started_as_such_may_write_at_once() {
    let first = TestNode::start(&[]).await;
    let second = TestNode::start(&[first.address()]).await;
    second
        .apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    converged(&[&first, &second], "t", 1).await;
    second.node.shutdown().await;
    let backup = tempfile::tempdir().unwrap();
    copy(second.folder.path(), backup.path());
    let second = second.restart().await;
    second
        .apply("t", "x", "g-counter", json!({"increment": 10}))
        .await;
    converged(&[&first, &second], "t", 2).await;
    second.node.shutdown().await;
    let address = first.address();
    // Nobody is there to be asked.
    let first_folder = first.folder;
    first.node.shutdown().await;

    let mut restored = config(backup.path(), std::slice::from_ref(&address));
    restored.restored = true;
    let node = Node::start(restored).await.unwrap();
    let restored = TestNode {
        node,
        folder: backup,
        join: vec![address],
    };
    restored
        .apply("t", "x", "g-counter", json!({"increment": 100}))
        .await;
    let join = [restored.address()];
    let node = Node::start(config(first_folder.path(), &join))
        .await
        .unwrap();
    let first = TestNode {
        node,
        folder: first_folder,
        join: join.to_vec(),
    };
    converged(&[&first, &restored], "t", 3).await;
    assert_eq!(first.value("t", "x").await, json!(111));
    assert_eq!(
        first.count("equivocations_total") + restored.count("equivocations_total"),
        0
    );
    first.node.shutdown().await;
    restored.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_database_uses_no_dot_twice_and_gets_its_history_back() {
    let first = TestNode::start(&[]).await;
    let second = TestNode::start(&[first.address()]).await;
    for _ in 0..3 {
        second
            .apply("t", "x", "g-counter", json!({"increment": 1}))
            .await;
    }
    converged(&[&first, &second], "t", 3).await;

    second.node.shutdown().await;
    fs::remove_file(second.folder.path().join("replicant.redb")).unwrap();
    let second = second.restart().await;
    // At once: perhaps before it has heard from anybody what it had.
    for _ in 0..3 {
        second
            .apply("t", "x", "g-counter", json!({"increment": 10}))
            .await;
    }
    converged(&[&first, &second], "t", 6).await;
    assert_eq!(second.value("t", "x").await, json!(33));
    assert_eq!(
        first.count("equivocations_total") + second.count("equivocations_total"),
        0
    );
    first.node.shutdown().await;
    second.node.shutdown().await;
}
