//! Disks that fail under a node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use replicant::api::{ApiConfig, ApiServer};
use replicant::storage::{Job, RedbStorage, Result, Storage, StorageError, StorageLayer};
use replicant::{Node, NodeError};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{TestNode, config, until};

const WORKS: u8 = 0;
/// Refuses to write.
const FULL: u8 = 1;
/// Writes, and says that it did not.
const LIES: u8 = 2;
/// Has a fault where it writes.
const PANICS: u8 = 3;

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
            PANICS => panic!("on purpose"),
            _ => self.inner.commit(jobs),
        }
    }

    fn failure(&self) -> Option<String> {
        let failed = [FULL, LIES].contains(&self.mode.load(Ordering::SeqCst));
        failed.then(|| Self::error().to_string())
    }
}

/// What the API says of whether the node is ready.
async fn readiness(api: SocketAddr) -> String {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
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

/// Half a node went on that said it was well.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_ends_by_a_fault_of_the_program_is_told_and_loses_nothing_acknowledged() {
    let (node, storage) = failing(&[]).await;
    let api = ApiConfig::new(([127, 0, 0, 1], 0).into());
    let api = ApiServer::start(node.node.clone(), api).await.unwrap();
    node.apply("t", "x", "g-counter", json!({"increment": 1}))
        .await;
    assert_eq!(node.node.failed_part(), None);
    assert!(readiness(api.address()).await.starts_with("HTTP/1.1 200"));
    storage.set(PANICS);
    let refused = node
        .update("t", "x", "g-counter", &[json!({"increment": 5})])
        .await;
    assert!(
        matches!(refused, Err(NodeError::ShuttingDown)),
        "{refused:?}"
    );
    assert_eq!(node.node.failed().await, "storage");
    let reply = readiness(api.address()).await;
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(reply.contains("storage"), "{reply}");
    storage.set(WORKS);
    api.shutdown().await;
    node.node.shutdown().await;
    let again = config(node.folder.path(), &[]);
    let node = TestNode {
        node: Node::start_with_storage(again, storage).await.unwrap(),
        ..node
    };
    assert_eq!(node.value("t", "x").await, json!(1));
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
