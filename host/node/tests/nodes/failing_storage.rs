//! Disks that fail under a node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use replicant::storage::{Job, RedbStorage, Result, Storage, StorageError, StorageLayer};
use replicant::{Node, NodeError};
use serde_json::json;

use crate::harness::{TestNode, config, until};

const WORKS: u8 = 0;
/// Refuses to write.
const FULL: u8 = 1;
/// Writes, and says that it did not.
const LIES: u8 = 2;

#[derive(Debug)]
struct Failing {
    inner: RedbStorage,
    mode: AtomicU8,
}

impl Failing {
    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    fn error() -> StorageError {
        StorageError::Failed {
            reason: "no space left on device".to_owned(),
        }
    }
}

impl StorageLayer for Failing {
    fn inner(&self) -> &dyn Storage {
        &self.inner
    }

    fn commit(&self, jobs: &[Job]) -> Result<()> {
        match self.mode.load(Ordering::SeqCst) {
            FULL => Err(Self::error()),
            LIES => self.inner.commit(jobs).and(Err(Self::error())),
            _ => self.inner.commit(jobs),
        }
    }

    fn failure(&self) -> Option<String> {
        let failed = self.mode.load(Ordering::SeqCst) != WORKS;
        failed.then(|| Self::error().to_string())
    }
}

async fn failing(join: &[String]) -> (TestNode, Arc<Failing>) {
    let folder = tempfile::tempdir().unwrap();
    replicant::init(folder.path()).unwrap();
    let inner = RedbStorage::open(&folder.path().join("test.redb"), 1 << 20).unwrap();
    let storage = Arc::new(Failing {
        inner,
        mode: AtomicU8::new(WORKS),
    });
    let config = config(folder.path(), join);
    let node = Node::start_with_storage(config, storage.clone())
        .await
        .unwrap();
    (
        TestNode {
            node,
            folder,
            join: join.to_vec(),
        },
        storage,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_with_the_reason_and_reads_go_on() {
    let (node, storage) = failing(&[]).await;
    node.apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    storage.set(FULL);
    for id in ["x", "new"] {
        let refused = node
            .update("t", id, "g-counter", &[json!({"increment": 5})])
            .await;
        let Err(NodeError::StorageFailed { reason }) = refused else {
            panic!("{refused:?}")
        };
        assert!(reason.contains("no space left"), "{reason}");
    }
    assert!(!node.node.status().storage.writable);
    assert_eq!(node.value("t", "x").await, json!(1));
    assert_eq!(node.value("t", "new").await, json!(null));
    storage.set(WORKS);
    node.apply("t", "x", "g-counter", json!({"increment": 2}))
        .await;
    assert_eq!(node.value("t", "x").await, json!(3));
    assert!(node.node.status().storage.writable);
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_although_the_disk_reported_an_error_counts() {
    let (node, storage) = failing(&[]).await;
    node.apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    storage.set(LIES);
    node.apply("t", "x", "g-counter", json!({"increment": 2}))
        .await;
    storage.set(WORKS);
    node.apply("t", "x", "g-counter", json!({"increment": 4}))
        .await;
    assert_eq!(node.value("t", "x").await, json!(7));
    node.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_came_while_the_disk_was_full_are_delivered_afterwards() {
    let first = TestNode::start(&[]).await;
    let (second, storage) = failing(&[first.address()]).await;
    first
        .apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    until("it arrives", async || {
        second.value("t", "x").await == json!(1)
    })
    .await;
    storage.set(FULL);
    for _ in 0..10 {
        first
            .apply("t", "x", "g-counter", json!({"increment": 1}))
            .await;
    }
    until("a storage job failed", async || {
        second.count("storage_failures_total") > 0
    })
    .await;
    assert_eq!(second.value("t", "x").await, json!(1));
    storage.set(WORKS);
    until("the rest arrives", async || {
        second.value("t", "x").await == json!(11)
    })
    .await;
    first.node.shutdown().await;
    second.node.shutdown().await;
}
