//! Starting nodes, writing and reading, waiting for a condition.

use std::path::Path;
use std::time::{Duration, Instant};

use replicant::ids::{ObjectId, TopicName, TypeName};
use replicant::{Node, NodeConfig, NodeError, ObjectRead, Outcome, Update, Updated};
use tempfile::TempDir;

/// A node in a folder of its own, which goes with it.
pub(crate) struct TestNode {
    pub(crate) node: Node,
    pub(crate) folder: TempDir,
    pub(crate) join: Vec<String>,
}

pub(crate) fn config(folder: &Path, join: &[String]) -> NodeConfig {
    let mut config = NodeConfig::new(folder, ([127, 0, 0, 1], 0).into());
    config.join = join.to_vec();
    config.shards = 2;
    config.instances_max = 8;
    config.page_cache_bytes = 16 << 20;
    config.probe_interval = Duration::from_millis(200);
    config.sync_interval = Duration::from_millis(200);
    // Compiled once for all tests.
    config.compiled_modules = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules"));
    config
}

impl TestNode {
    pub(crate) async fn start(join: &[String]) -> Self {
        Self::start_with(join, |_| {}).await
    }

    pub(crate) async fn start_with(join: &[String], change: impl Fn(&mut NodeConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        replicant::init(folder.path()).unwrap();
        let mut config = config(folder.path(), join);
        change(&mut config);
        let node = Node::start(config).await.unwrap();
        Self {
            node,
            folder,
            join: join.to_vec(),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.node.address().to_string()
    }

    /// Ends the node in order and starts it again.
    pub(crate) async fn restart(self) -> Self {
        self.node.shutdown().await;
        let node = Node::start(config(self.folder.path(), &self.join))
            .await
            .unwrap();
        Self { node, ..self }
    }

    pub(crate) async fn update(
        &self,
        topic: &str,
        id: &str,
        type_name: &str,
        commands: &[Json],
    ) -> Result<Updated, NodeError> {
        let update = Update {
            topic: topic_name(topic),
            id: object_id(id),
            type_name: Some(type_of(type_name)),
            commands: commands.iter().map(cbor).collect(),
        };
        self.node.update(update).await
    }

    /// Carries out one command that is expected to be accepted.
    pub(crate) async fn apply(&self, topic: &str, id: &str, type_name: &str, command: Json) {
        let updated = self.update(topic, id, type_name, &[command]).await.unwrap();
        assert!(
            matches!(updated.outcomes[..], [Outcome::Applied(_)]),
            "{updated:?}"
        );
    }

    pub(crate) async fn read(&self, topic: &str, id: &str) -> Result<ObjectRead, NodeError> {
        self.node
            .value(topic_name(topic), object_id(id), None, None)
            .await
    }

    /// One of the node's counters.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.node.status().counters;
        counters.iter().find(|of| of.name == name).unwrap().value
    }

    pub(crate) async fn value(&self, topic: &str, id: &str) -> Json {
        match self.read(topic, id).await {
            Ok(read) => json(&read.value),
            Err(NodeError::UnknownObject { .. }) => Json::Null,
            Err(error) => panic!("{topic} {id}: {error}"),
        }
    }
}

pub(crate) type Json = serde_json::Value;

pub(crate) fn cbor(value: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

pub(crate) fn json(bytes: &[u8]) -> Json {
    ciborium::from_reader(bytes).unwrap()
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(crate) fn object_id(id: &str) -> ObjectId {
    id.parse().unwrap()
}

pub(crate) fn type_of(name: &str) -> TypeName {
    name.parse().unwrap()
}

/// Waits until a condition holds; it is asked again and again.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until all nodes hold the same in a topic, which is `objects` objects.
pub(crate) async fn converged(nodes: &[&TestNode], topic: &str, ops: u64) {
    until(&format!("{topic} is equal everywhere"), async || {
        let mut digests = Vec::new();
        for node in nodes {
            let digest = node.node.digest(topic_name(topic)).await.unwrap();
            digests.push((digest.ops, digest.digest, digest.version));
        }
        digests[0].0 == ops && digests.iter().all(|digest| *digest == digests[0])
    })
    .await;
}
