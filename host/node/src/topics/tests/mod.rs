//! Topics with real storage and real components; peers and disks are played by the test.

mod bounds;
mod chaos;
mod checkpoints;
mod damage;
mod disks;
mod peers;
mod versions;
mod watching;
mod writing;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use replicant_protocol::bundle::{LocalOp, SignedBundle};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Generation, LineageId, NodeId, TopicName, TypeName};
use replicant_protocol::replication::{self, BoundaryLog, LogUnavailable, Message};
use replicant_protocol::version::VersionVector;
use replicant_runtime::{Limits, Module, Runtime, RuntimeConfig};

use super::*;
use crate::storage::tests::disk::Disk;
use crate::storage::{RedbStorage, Storage, Writer};
use crate::vocabulary::Outcome;
use crate::wall_clock::wall_ms;

/// What the topics said.
#[derive(Debug, Default)]
struct Heard {
    sent: Mutex<Vec<(NodeId, Message)>>,
    broadcast: Mutex<Vec<SignedBundle>>,
    forwarded: Mutex<Vec<SignedBundle>>,
    penalised: Mutex<Vec<NodeId>>,
    /// It has a fault.
    panics: AtomicBool,
}

impl Outlet for Heard {
    fn send(&self, peer: NodeId, message: Message) {
        self.sent.lock().unwrap().push((peer, message));
    }

    fn broadcast(&self, bundle: &SignedBundle) {
        assert!(!self.panics.load(Ordering::SeqCst), "on purpose");
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

/// Modules by type, which may come later.
#[derive(Debug, Default)]
struct Types(Mutex<BTreeMap<TypeName, Module>>);

impl TypeSource for Types {
    fn module(&self, name: &TypeName) -> Option<Module> {
        self.0.lock().unwrap().get(name).cloned()
    }
}

struct Bed {
    topics: Topics,
    storage: Arc<RedbStorage>,
    writer: Arc<Writer>,
    heard: Arc<Heard>,
    types: Arc<Types>,
    disk: Disk,
}

const CLUSTER: ClusterId = ClusterId::from_bytes([1; 32]);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(RuntimeConfig::small()).unwrap());

fn module(name: &str) -> Module {
    static LOADED: Mutex<BTreeMap<String, Module>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap();
    let module = loaded.entry(name.to_owned()).or_insert_with(|| {
        let bytes = replicant_crdts::find(name).unwrap().bytes;
        RUNTIME.load(bytes, Limits::default()).unwrap()
    });
    module.clone()
}

fn test_config() -> TopicsConfig {
    TopicsConfig {
        shards: 1,
        queued_commands_max: 100,
        queued_bytes_max: 1 << 20,
        loaded_objects_max: 100,
        instances_max: 4,
        waiting_reads_max: 2,
        read_wait: Duration::from_secs(5),
        watch_events_max: 16,
        watches_max: 2,
        buffered_bytes_max: 64 << 20,
        replication: replication::Config::default(),
    }
}

fn bed(change: impl Fn(&mut TopicsConfig)) -> Bed {
    let mut config = test_config();
    change(&mut config);
    let disk = Disk::new(1);
    // Made whole before anything is under test; see `RedbStorage::open`.
    drop(disk.storage().unwrap());
    Bed::on(disk, config, 1, &["g-counter"])
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
    increment_of("x", by)
}

fn increment_of(id: &str, by: u64) -> Update {
    Update {
        topic: topic(),
        id: id.parse().unwrap(),
        type_name: Some("g-counter".parse().unwrap()),
        commands: vec![cbor(&serde_json::json!({ "increment": by }))],
    }
}

impl Bed {
    /// A node on a disk, with the key that the number stands for and these types.
    fn on(disk: Disk, config: TopicsConfig, secret: u8, types: &[&str]) -> Self {
        let storage = Arc::new(disk.storage().unwrap());
        let writer = Arc::new(Writer::start(storage.clone()).unwrap());
        let modules = types
            .iter()
            .map(|name| (name.parse().unwrap(), module(name)));
        let types = Arc::new(Types(Mutex::new(modules.collect())));
        let heard = Arc::new(Heard::default());
        let generation = crate::storage::generation::read(storage.as_ref()).unwrap();
        let context = Context::new(
            config,
            storage.clone(),
            writer.clone(),
            types.clone(),
            heard.clone(),
            Arc::new(NodeIdentity::from_secret(&[secret; 32])),
            CLUSTER,
            generation,
        );
        Self {
            topics: Topics::start(context.unwrap()).unwrap(),
            storage,
            writer,
            heard,
            types,
            disk,
        }
    }

    /// Ends the node in order and starts it again on the same disk.
    fn restart(self, config: TopicsConfig, secret: u8, types: &[&str]) -> Self {
        let disk = self.disk.clone();
        self.end();
        Self::on(disk, config, secret, types)
    }

    /// Ends the node and closes its storage.
    fn end(self) {
        self.topics.shutdown();
        self.writer.close();
    }

    async fn value_of(&self, id: &str) -> Option<u64> {
        let read = self
            .topics
            .value(topic(), id.parse().unwrap(), None, None)
            .await;
        read.ok()
            .map(|read| ciborium::from_reader(read.value.as_slice()).unwrap())
    }

    async fn value(&self) -> Option<u64> {
        self.value_of("x").await
    }

    async fn until_value(&self, expected: u64) {
        eventually(async || (self.value().await == Some(expected)).then_some(())).await;
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.topics.counters().all();
        counters.iter().find(|of| of.name == name).unwrap().value
    }
}

/// Asks again and again until there is an answer.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
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
    topic: TopicName,
}

impl Author {
    fn new(secret: u8) -> Self {
        Self::in_topic(secret, topic())
    }

    fn in_topic(secret: u8, topic: TopicName) -> Self {
        let identity = NodeIdentity::from_secret(&[secret; 32]);
        let writer = replication::Writer {
            author: identity.id(),
            generation: Generation::new(0),
        };
        let lineage = LineageId::first(&CLUSTER, &topic);
        let state = replication::State::new(topic.clone(), lineage, writer, Default::default());
        Self {
            identity,
            state,
            topic,
        }
    }

    /// A bundle of one op that a g-counter understands: taken from a bundle of its own kind.
    fn bundle(&mut self, like: &SignedBundle) -> SignedBundle {
        self.bundle_at(like, wall_ms())
    }

    /// The same, made when this author's clock shows `wall_ms`.
    fn bundle_at(&mut self, like: &SignedBundle, wall_ms: u64) -> SignedBundle {
        let (object, op) = (&like.body().objects[0], &like.body().ops[0]);
        let op = LocalOp {
            object: object.key(),
            schema: object.schema,
            bytes: op.bytes.clone(),
        };
        self.bundle_with(op, wall_ms)
    }

    /// An op of another encoding on the same object.
    fn bundle_of(&mut self, like: &SignedBundle, schema: u32, bytes: Vec<u8>) -> SignedBundle {
        let object = like.body().objects[0].key();
        let op = LocalOp {
            object,
            schema,
            bytes,
        };
        self.bundle_with(op, wall_ms())
    }

    fn bundle_with(&mut self, op: LocalOp, wall_ms: u64) -> SignedBundle {
        self.state
            .begin_batch(Duration::ZERO, wall_ms, &NoLog)
            .unwrap();
        self.state.open(wall_ms).unwrap();
        let bundle = self.state.seal(&self.identity, vec![op]).unwrap().remove(0);
        self.state.handle_stored(Duration::ZERO).unwrap();
        assert_eq!(bundle.body().topic, self.topic);
        bundle
    }
}

/// A bundle to take ops from: a g-counter's increment by one.
async fn sample() -> SignedBundle {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    bed.heard.broadcast.lock().unwrap().remove(0)
}
