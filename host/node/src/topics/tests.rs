//! Topics with real storage and a real component; peers are played by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use replicant_protocol::bundle::{LocalOp, SignedBundle};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Generation, LineageId, NodeId, TopicName, TypeName};
use replicant_protocol::replication::{
    self, BoundaryLog, LogUnavailable, Message, RequestId, SyncRequest,
};
use replicant_protocol::version::VersionVector;
use replicant_runtime::{Limits, Module, Runtime, RuntimeConfig};
use tempfile::TempDir;

use super::*;
use crate::storage::{RedbStorage, Storage, Writer};
use crate::vocabulary::Outcome;

/// What the topics said.
#[derive(Debug, Default)]
struct Heard {
    sent: Mutex<Vec<(NodeId, Message)>>,
    broadcast: Mutex<Vec<SignedBundle>>,
    forwarded: Mutex<Vec<SignedBundle>>,
    penalised: Mutex<Vec<NodeId>>,
}

impl Outlet for Heard {
    fn send(&self, peer: NodeId, message: Message) {
        self.sent.lock().unwrap().push((peer, message));
    }

    fn broadcast(&self, bundle: &SignedBundle) {
        self.broadcast.lock().unwrap().push(bundle.clone());
    }

    fn forward(&self, bundle: &SignedBundle) {
        self.forwarded.lock().unwrap().push(bundle.clone());
    }

    fn penalise(&self, peer: NodeId, _: &str) {
        self.penalised.lock().unwrap().push(peer);
    }

    fn version_changed(&self, _: &TopicName, _: &VersionVector) {}
}

/// One module, which may come later.
#[derive(Debug, Default)]
struct OneType(Mutex<Option<Module>>);

impl TypeSource for OneType {
    fn module(&self, _: &TypeName) -> Option<Module> {
        self.0.lock().unwrap().clone()
    }
}

struct Bed {
    topics: Topics,
    storage: Arc<RedbStorage>,
    heard: Arc<Heard>,
    types: Arc<OneType>,
    _folder: TempDir,
}

const CLUSTER: ClusterId = ClusterId::from_bytes([1; 32]);

fn counter_module() -> Module {
    let bytes = replicant_crdts::find("g-counter").unwrap().bytes;
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    runtime.load(bytes, Limits::default()).unwrap()
}

fn bed(change: impl Fn(&mut TopicsConfig)) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.redb");
    let storage = Arc::new(RedbStorage::open(&file, 1 << 20).unwrap());
    let (heard, types) = (Arc::new(Heard::default()), Arc::new(OneType::default()));
    *types.0.lock().unwrap() = Some(counter_module());
    let mut config = TopicsConfig {
        shards: 1,
        queued_commands_max: 100,
        queued_bytes_max: 1 << 20,
        loaded_objects_max: 100,
        instances_max: 4,
        waiting_reads_max: 2,
        read_wait: Duration::from_secs(60),
        watch_events_max: 16,
        watches_max: 2,
        replication: replication::Config::default(),
    };
    change(&mut config);
    let context = Context::new(
        config,
        storage.clone(),
        Arc::new(Writer::start(storage.clone()).unwrap()),
        types.clone(),
        heard.clone(),
        Arc::new(NodeIdentity::from_secret(&[1; 32])),
        CLUSTER,
        Generation::new(0),
    );
    let topics = Topics::start(context.unwrap()).unwrap();
    Bed {
        topics,
        storage,
        heard,
        types,
        _folder: folder,
    }
}

fn topic() -> TopicName {
    "t".parse().unwrap()
}

fn cbor(value: &serde_json::Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn increment(by: u64) -> Update {
    Update {
        topic: topic(),
        id: "x".parse().unwrap(),
        type_name: Some("g-counter".parse().unwrap()),
        commands: vec![cbor(&serde_json::json!({ "increment": by }))],
    }
}

impl Bed {
    async fn value(&self) -> Option<u64> {
        let read = self
            .topics
            .value(topic(), "x".parse().unwrap(), None, None)
            .await;
        read.ok()
            .map(|read| ciborium::from_reader(read.value.as_slice()).unwrap())
    }

    async fn until_value(&self, expected: u64) {
        eventually(async || (self.value().await == Some(expected)).then_some(())).await;
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.topics.counters().all();
        counters.iter().find(|(of, _)| *of == name).unwrap().1
    }
}

/// Asks again and again until there is an answer.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute");
}

struct NoLog;

impl BoundaryLog for NoLog {
    fn boundary(
        &self,
        _: replicant_protocol::ids::ReplicaId,
        _: replicant_protocol::ids::Counter,
    ) -> Result<Option<replication::Boundary>, LogUnavailable> {
        Ok(None)
    }
}

/// Another node, as far as it makes bundles.
struct Author {
    identity: NodeIdentity,
    state: replication::State,
}

impl Author {
    fn new(secret: u8) -> Self {
        let identity = NodeIdentity::from_secret(&[secret; 32]);
        let writer = replication::Writer {
            author: identity.id(),
            generation: Generation::new(0),
        };
        let lineage = LineageId::first(&CLUSTER, &topic());
        let state = replication::State::new(topic(), lineage, writer, Default::default());
        Self { identity, state }
    }

    /// A bundle of one op that a g-counter understands: taken from a bundle of its own kind.
    fn bundle(&mut self, like: &SignedBundle) -> SignedBundle {
        let (object, op) = (&like.body().objects[0], &like.body().ops[0]);
        let op = LocalOp {
            object: object.key(),
            schema: object.schema,
            bytes: op.bytes.clone(),
        };
        self.state
            .begin_batch(Duration::ZERO, wall_ms(), &NoLog)
            .unwrap();
        self.state.open(wall_ms()).unwrap();
        let bundle = self.state.seal(&self.identity, vec![op]).unwrap().remove(0);
        self.state.handle_stored(Duration::ZERO).unwrap();
        bundle
    }
}

#[tokio::test]
async fn an_update_is_durable_before_anyone_hears_of_it() {
    let bed = bed(|_| {});
    let updated = bed.topics.update(increment(3)).await.unwrap();
    assert!(matches!(updated.outcomes[..], [Outcome::Applied(_)]));
    let broadcast = bed.heard.broadcast.lock().unwrap().remove(0);
    let stored = bed.storage.topic(&topic()).unwrap().unwrap();
    let bytes = bed
        .storage
        .bundle(stored.topic, stored.counters.last)
        .unwrap()
        .unwrap();
    assert_eq!(bytes, broadcast.as_bytes());
    let commands = bed
        .storage
        .commands(stored.topic, broadcast.replica(), broadcast.first());
    let command = &commands.unwrap().unwrap()[0].command;
    assert_eq!(*command, increment(3).commands[0]);
}

#[tokio::test]
async fn a_bundle_of_a_peer_is_applied_and_passed_on_and_given_to_those_who_lack_it() {
    let bed = bed(|_| {});
    bed.topics.update(increment(3)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let (from, asking) = (NodeId::from_bytes([8; 32]), NodeId::from_bytes([9; 32]));
    bed.topics.handle_peer_up(from);
    bed.topics.handle_peer_up(asking);
    let bundle = Author::new(2).bundle(&like);
    assert!(bed.topics.handle_bundle(from, bundle.clone()));
    bed.until_value(6).await;
    assert_eq!(*bed.heard.forwarded.lock().unwrap(), vec![bundle.clone()]);

    // A peer that has the other bundle asks.
    let mut version = VersionVector::new();
    version.advance(like.replica(), like.last());
    let request = RequestId(7);
    let asked = Message::SyncRequest(SyncRequest {
        topic: topic(),
        request,
        version,
        bundle_bytes_max: 1 << 20,
        bundle_count_max: 10,
    });
    assert!(bed.topics.handle_message(asking, asked));
    let chunk = eventually(async || {
        let sent = bed.heard.sent.lock().unwrap();
        sent.iter().find_map(|(to, message)| match message {
            Message::SyncChunk(chunk) if *to == asking && chunk.request == request => {
                Some(chunk.clone())
            }
            _ => None,
        })
    })
    .await;
    assert_eq!((chunk.bundles.len(), chunk.more), (1, false));
    assert_eq!(chunk.bundles[0].0, bundle.as_bytes());
}

#[tokio::test]
async fn two_histories_of_one_replica_are_proven_and_counted() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let from = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(from);
    let first = Author::new(2).bundle(&like);
    bed.topics.handle_bundle(from, first.clone());
    bed.until_value(2).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = Author::new(2).bundle(&like);
    assert_ne!(first, second);
    bed.topics.handle_bundle(from, second.clone());
    let proofs = eventually(async || {
        let proofs = bed.storage.proofs().unwrap();
        (!proofs.is_empty()).then_some(proofs)
    })
    .await;
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].replica, first.replica());
    let kept = [&proofs[0].first, &proofs[0].second];
    assert!(kept.iter().any(|kept| kept.as_slice() == first.as_bytes()));
    assert!(kept.iter().any(|kept| kept.as_slice() == second.as_bytes()));
}

#[tokio::test]
async fn ops_without_a_module_are_kept_and_appear_with_it() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let other = self::bed(|_| {});
    let module = other.types.0.lock().unwrap().take();
    let from = NodeId::from_bytes([8; 32]);
    other.topics.handle_peer_up(from);
    other.topics.handle_bundle(from, like);
    let unknown = loop {
        match other
            .topics
            .value(topic(), "x".parse().unwrap(), None, None)
            .await
        {
            Err(NodeError::UnknownObject { .. }) => tokio::task::yield_now().await,
            answer => break answer,
        }
    };
    assert!(
        matches!(unknown, Err(NodeError::UnknownType { .. })),
        "{unknown:?}"
    );
    let digest = other.topics.digest(topic()).await.unwrap();
    assert_eq!((digest.ops, digest.objects, digest.unavailable), (1, 1, 1));
    *other.types.0.lock().unwrap() = module;
    other
        .topics
        .handle_type_changed(&"g-counter".parse().unwrap());
    assert_eq!(other.value().await, Some(1));
}

#[tokio::test]
async fn what_waits_is_bounded_and_further_requests_are_told_so() {
    let bed = bed(|_| {});
    let token = {
        let author = Author::new(3);
        let mut version = VersionVector::new();
        version.advance(
            author.state.replica(),
            replicant_protocol::ids::Counter::new(1),
        );
        VersionToken::from(&version)
    };
    let read = || {
        bed.topics
            .value(topic(), "x".parse().unwrap(), None, Some(token.clone()))
    };
    let waiting = futures::future::join(read(), read());
    tokio::pin!(waiting);
    let busy = async {
        loop {
            // The two are in the shard's hands once a third is refused there.
            let third = tokio::time::timeout(Duration::from_millis(20), read()).await;
            if let Ok(answer) = third {
                break answer;
            }
        }
    };
    let answer = tokio::select! {
        _ = &mut waiting => panic!("the version cannot come"),
        answer = busy => answer,
    };
    assert!(matches!(answer, Err(NodeError::Busy { .. })), "{answer:?}");

    // Abandoned reads may fill the queue for a moment.
    let watch = || {
        eventually(async || match bed.topics.watch(topic(), None).await {
            Err(NodeError::Busy { queue: "reads" }) => None,
            answer => Some(answer),
        })
    };
    let watches = [watch().await.unwrap(), watch().await.unwrap()];
    let busy = watch().await;
    assert!(matches!(busy, Err(NodeError::Busy { queue: "watches" })));
    drop(watches);
    assert!(watch().await.is_ok());
}

#[tokio::test]
async fn reading_topics_that_nobody_has_leaves_nothing_in_memory() {
    let bed = bed(|_| {});
    for n in 0..100 {
        let name: TopicName = format!("t/{n}").parse().unwrap();
        assert!(
            bed.topics
                .value(name, "x".parse().unwrap(), None, None)
                .await
                .is_err()
        );
    }
    // The last is forgotten after it was answered.
    eventually(async || (bed.count("topics_loaded") == 0).then_some(())).await;
}
