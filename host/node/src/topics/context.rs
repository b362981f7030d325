//! What all shards share, and what they ask of the layers beside them.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Generation, NodeId, TopicName, TypeName};
use replicant_protocol::replication::{self, Message};
use replicant_protocol::version::VersionVector;
use replicant_runtime::Module;

use super::counters::Counters;
use super::indexed::BundleCache;
use super::watchers::HeldBytes;
use crate::storage::{Job, Result, Storage, StorageError, TopicNumber, Writer, generation};
use crate::vocabulary::NodeError;

/// Where modules come from.
pub trait TypeSource: Send + Sync + fmt::Debug {
    /// The module that objects of this type run on, if there is one here.
    fn module(&self, name: &TypeName) -> Option<Module>;

    /// Why there is no module that objects of this type run on.
    fn missing(&self, name: &TypeName) -> NodeError {
        NodeError::UnknownType { name: name.clone() }
    }

    /// A module of this type that reads ops of an encoding, as `name@version`.
    fn reader(&self, _name: &TypeName, _schema: u32) -> Option<String> {
        None
    }
}

/// Where what the topics have to say goes. No method waits.
pub trait Outlet: Send + Sync + fmt::Debug {
    /// Sends a message to one peer; may be lost.
    fn send(&self, peer: NodeId, message: Message);
    /// Tells everyone of a bundle of this node; may be lost.
    fn broadcast(&self, bundle: &SignedBundle);
    /// Passes on a bundle that came by broadcast and holds; may be lost.
    fn forward(&self, bundle: &SignedBundle);
    /// A peer sent what no correct node sends.
    fn penalise(&self, peer: NodeId, reason: &str);
    /// A topic's stored version changed.
    fn version_changed(&self, topic: &TopicName, version: &VersionVector);
    /// Tells everyone that an author signed two bundles for one place, if these two prove it.
    fn equivocation(&self, _first: &SignedBundle, _second: &SignedBundle) {}
}

/// Bounds and numbers; see [`NodeConfig`](crate::NodeConfig) for most of them.
#[derive(Debug, Clone)]
pub struct TopicsConfig {
    /// Shard threads.
    pub shards: usize,
    /// Commands that may wait in one shard.
    pub queued_commands_max: usize,
    /// Bytes of commands that may wait in one shard.
    pub queued_bytes_max: usize,
    /// Objects kept loaded per topic and type.
    pub loaded_objects_max: usize,
    /// Instances kept alive per shard.
    pub instances_max: usize,
    /// Reads that may wait, per shard.
    pub waiting_reads_max: usize,
    /// How long a read waits for its version.
    pub read_wait: Duration,
    /// Changes held for a slow watcher.
    pub watch_events_max: usize,
    /// Watches open at a time.
    pub watches_max: usize,
    /// Bytes of bundles, over all topics, that wait for what they depend on. Beyond, they are
    /// dropped and asked for later.
    pub buffered_bytes_max: usize,
    /// Replication of each topic.
    pub replication: replication::Config,
}

/// What all shards share.
#[derive(Debug)]
pub struct Context {
    /// Bounds and numbers.
    pub config: TopicsConfig,
    /// For reading.
    pub storage: Arc<dyn Storage>,
    /// For writing.
    pub writer: Arc<Writer>,
    /// Modules.
    pub types: Arc<dyn TypeSource>,
    /// Peers.
    pub outlet: Arc<dyn Outlet>,
    /// The node's key.
    pub identity: Arc<NodeIdentity>,
    /// The node's cluster.
    pub cluster: ClusterId,
    /// What happened so far.
    pub counters: Arc<Counters>,
    /// What is kept of all topics for watchers.
    pub(super) told_bytes: Arc<HeldBytes>,
    start: Instant,
    /// Random, and how often it was used.
    tellings: ([u8; 32], AtomicU64),
    next_topic: AtomicU32,
    generation: Mutex<Generation>,
}

impl Context {
    /// Puts together what all shards share.
    ///
    /// # Errors
    /// Storage cannot be read.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a layer; a struct of them is this one"
    )]
    pub fn new(
        config: TopicsConfig,
        storage: Arc<dyn Storage>,
        writer: Arc<Writer>,
        types: Arc<dyn TypeSource>,
        outlet: Arc<dyn Outlet>,
        identity: Arc<NodeIdentity>,
        cluster: ClusterId,
        generation: Generation,
    ) -> Result<Self> {
        let last = storage.last_topic()?.0;
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| StorageError::Failed {
            reason: format!("the system gives no random numbers: {error}"),
        })?;
        Ok(Self {
            config,
            storage,
            writer,
            types,
            outlet,
            identity,
            cluster,
            counters: Arc::default(),
            told_bytes: Arc::default(),
            start: Instant::now(),
            tellings: (random, AtomicU64::new(0)),
            next_topic: AtomicU32::new(last + 1),
            generation: Mutex::new(generation),
        })
    }

    /// A number that no topic has.
    pub(super) fn new_topic_number(&self) -> TopicNumber {
        TopicNumber(self.next_topic.fetch_add(1, Ordering::Relaxed))
    }

    /// A number that no other telling of a topic has, in this life of the node or another.
    pub(super) fn new_telling(&self) -> u64 {
        let (key, used) = &self.tellings;
        let count = used.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(key, &count.to_be_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The node's generation.
    pub(super) fn generation(&self) -> Generation {
        *self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A generation after `present`; stored before it is returned.
    pub(super) fn generation_after(&self, present: Generation) -> Result<Generation> {
        let mut latest = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *latest <= present {
            let next = Generation::new(present.get().saturating_add(1));
            self.writer.commit(Job::general(generation::record(next)))?;
            *latest = next;
        }
        Ok(*latest)
    }

    /// Monotonic time since the start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment that a monotonic time stands for.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }
}

/// What a topic uses in one round of its shard.
pub(super) struct Tools<'a> {
    pub(super) context: &'a Context,
    pub(super) cache: &'a mut BundleCache,
    /// Monotonic time of the round.
    pub(super) now: Duration,
    /// Wall clock of the round.
    pub(super) wall_ms: u64,
    /// Counts the rounds.
    pub(super) round: u64,
}
