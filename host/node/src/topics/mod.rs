//! Topics: objects, in the order of their ops, on a fixed number of threads.
//!
//! Guarantee: an update is answered, and anyone hears of it, only after it is durable here; what a
//! read shows is what the durable log says. Whatever a guest does costs its instance at most.
//!
//! ```text
//! request, peer ──▶ inbox (bounded) ──▶ shard: round ──▶ engine of the topic ──▶ slot of the type
//!                                         │                                         │ instance
//!                                         └─── one job a round ──▶ storage writer   ▼ objects
//! ```
//!
//! Inputs: the methods of [`Topics`], none of which waits except for its answer. Outputs: answers,
//! [`Outlet`]. Every topic belongs to one shard, by hash of its name; a shard does one thing at a
//! time, so within a topic everything has an order.
//!
//! Objects are made when they are needed, from checkpoint and log, and dropped when they are not
//! used: an object that nobody uses costs no memory. Ops of a type whose module is not here are
//! stored; the objects appear when it comes.
//!
//! Not here: sessions and frames ([`network`](crate::network)), which modules there are
//! ([`modules`](crate::modules)), bytes on disk ([`storage`](crate::storage)), what causal delivery
//! means ([`replicant_protocol::replication`]).

mod batch;
mod commands;
mod context;
mod counters;
mod damage;
mod engine;
mod inbox;
mod indexed;
mod input;
mod peers;
mod progress;
mod reads;
mod rebuild;
mod shard;
mod slot;
mod staged;
mod strangers;
mod upkeep;
mod watch;
mod watchers;

#[cfg(test)]
mod tests;

pub use context::{Context, Outlet, TopicsConfig, TypeSource};
pub use counters::Counters;
pub use shard::INSTANCES_STEP;
pub use watch::Watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{NodeId, ObjectId, TopicName, TypeName};
use replicant_protocol::replication::Message;
use tokio::sync::{Semaphore, oneshot};

use crate::vital::Vital;
use crate::vocabulary::{
    DigestInfo, NodeError, ObjectRead, QueryAnswer, Update, Updated, VersionToken, WatchToken,
};
use counters::Count;
use inbox::{Inbox, InboxLimits, Peers, Refused, Sessions};
use input::{PeerInput, Read, ReadRequest, UpdateRequest};
use shard::Shard;

/// Inputs of peers that may wait in one shard; beyond, they are dropped and synchronised later.
const PEER_INPUTS_MAX: usize = 8_192;

/// Bytes of inputs of peers that may wait in one shard.
const PEER_BYTES_MAX: usize = 64 << 20;

/// The topics of a node.
#[derive(Debug)]
pub struct Topics {
    context: Arc<Context>,
    shards: Vec<Arc<Inbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    watches: Arc<Semaphore>,
    sessions: Mutex<Sessions>,
    vital: Vital,
}

/// Goes with a shard's thread, however that ends: nobody waits for one that is gone.
struct Left(Arc<Inbox>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Topics {
    /// Starts the shards.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(context: Context) -> std::io::Result<Self> {
        let context = Arc::new(context);
        let config = &context.config;
        let limits = InboxLimits {
            commands_max: config.queued_commands_max,
            command_bytes_max: config.queued_bytes_max,
            reads_max: config.waiting_reads_max,
            read_bytes_max: config.queued_bytes_max,
            peer_inputs_max: PEER_INPUTS_MAX,
            peer_bytes_max: PEER_BYTES_MAX,
        };
        let watches = Arc::new(Semaphore::new(config.watches_max));
        let vital = Vital::new("topics");
        let mut shards = Vec::new();
        let mut threads = Vec::new();
        for number in 0..config.shards {
            let inbox = Arc::new(Inbox::new(limits.clone()));
            let shard = (context.clone(), inbox.clone());
            let guard = vital.guard();
            let thread = std::thread::Builder::new()
                .name(format!("shard-{number}"))
                .stack_size(4 << 20)
                .spawn(move || {
                    let _guard = guard;
                    let _left = Left(shard.1.clone());
                    Shard::new(shard.0, shard.1).run();
                })?;
            shards.push(inbox);
            threads.push(thread);
        }
        let (threads, sessions) = (Mutex::new(threads), Mutex::default());
        Ok(Self {
            context,
            shards,
            threads,
            watches,
            sessions,
            vital,
        })
    }

    /// Whether all shards still live.
    pub(crate) fn vital(&self) -> &Vital {
        &self.vital
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.context.counters
    }

    /// Carries out an update; answers once it is durable.
    ///
    /// # Errors
    /// As [`Node::update`](crate::Node::update).
    pub async fn update(&self, update: Update) -> Result<Updated, NodeError> {
        let (reply, answer) = oneshot::channel();
        let inbox = self.shard(&update.topic);
        match inbox.push_update(UpdateRequest { update, reply }) {
            Ok(()) => answer.await.map_err(|_| NodeError::ShuttingDown)?,
            Err(refused) => Err(self.refused(&refused, "updates")),
        }
    }

    /// Reads an object's value.
    ///
    /// # Errors
    /// As [`Node::value`](crate::Node::value).
    pub async fn value(
        &self,
        topic: TopicName,
        id: ObjectId,
        type_name: Option<TypeName>,
        after: Option<VersionToken>,
    ) -> Result<ObjectRead, NodeError> {
        self.read(topic, after, |reply| Read::Value {
            id,
            type_name,
            reply,
        })
        .await
    }

    /// Asks an object a query.
    ///
    /// # Errors
    /// As [`Node::query`](crate::Node::query).
    pub async fn query(
        &self,
        topic: TopicName,
        id: ObjectId,
        type_name: Option<TypeName>,
        query: Vec<u8>,
        after: Option<VersionToken>,
    ) -> Result<QueryAnswer, NodeError> {
        self.read(topic, after, |reply| Read::Query {
            id,
            type_name,
            query,
            reply,
        })
        .await
    }

    /// Hashes a topic's objects.
    ///
    /// # Errors
    /// As [`Node::digest`](crate::Node::digest).
    pub async fn digest(&self, topic: TopicName) -> Result<DigestInfo, NodeError> {
        self.read(topic, None, |reply| Read::Digest { reply }).await
    }

    /// Follows a topic's changes.
    ///
    /// # Errors
    /// As [`Node::watch`](crate::Node::watch).
    pub async fn watch(
        &self,
        topic: TopicName,
        id: Option<ObjectId>,
        from: Option<WatchToken>,
    ) -> Result<Watch, NodeError> {
        let permit = self.watches.clone().try_acquire_owned();
        let permit = permit.map_err(|_| {
            self.context.counters.add(Count::RequestsBusy, 1);
            NodeError::Busy { queue: "watches" }
        })?;
        let reading = self.read(topic.clone(), None, |reply| Read::Watch { from, reply });
        let beginning = reading.await?;
        let inbox = Arc::clone(self.shard(&topic));
        Ok(Watch::new((topic, id), beginning, inbox, permit))
    }

    async fn read<T>(
        &self,
        topic: TopicName,
        after: Option<VersionToken>,
        read: impl FnOnce(oneshot::Sender<Result<T, NodeError>>) -> Read,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        let inbox = self.shard(&topic);
        let request = ReadRequest {
            topic,
            after: after.map(|token| token.version().clone()),
            deadline: Instant::now() + self.context.config.read_wait,
            read: read(reply),
        };
        match inbox.push_read(request) {
            Ok(()) => answer.await.map_err(|_| NodeError::ShuttingDown)?,
            Err(refused) => Err(self.refused(&refused, "reads")),
        }
    }

    fn refused(&self, refused: &Refused, queue: &'static str) -> NodeError {
        match refused {
            Refused::Closed => NodeError::ShuttingDown,
            Refused::Full => {
                self.context.counters.add(Count::RequestsBusy, 1);
                NodeError::Busy { queue }
            }
        }
    }

    /// A session opened; also after a break.
    pub fn handle_peer_up(&self, peer: NodeId) {
        self.change_peers(|sessions| sessions.open(peer));
    }

    /// A session closed.
    pub fn handle_peer_down(&self, peer: NodeId) {
        self.change_peers(|sessions| sessions.close(peer));
    }

    fn change_peers(&self, change: impl FnOnce(&mut Sessions) -> Arc<Peers>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = change(&mut sessions);
        self.shards
            .iter()
            .for_each(|inbox| inbox.set_peers(peers.clone()));
    }

    /// A bundle came by broadcast. False if it is dropped.
    pub fn handle_bundle(&self, from: NodeId, bundle: SignedBundle) -> bool {
        self.push_peer(PeerInput::Bundle { from, bundle })
    }

    /// A peer sent a message about a topic. False if it is dropped.
    pub fn handle_message(&self, from: NodeId, message: Message) -> bool {
        self.push_peer(PeerInput::Message { from, message })
    }

    /// A peer's version of a topic is another one. False if it is dropped.
    pub fn handle_differs(&self, peer: NodeId, topic: TopicName) -> bool {
        self.push_peer(PeerInput::Differs { peer, topic })
    }

    fn push_peer(&self, input: PeerInput) -> bool {
        let is_taken = self.shard(input.topic()).push_peer(input);
        if !is_taken {
            self.context.counters.add(Count::PeerInputsDropped, 1);
        }
        is_taken
    }

    /// Another module is active for a type, or the first.
    pub fn handle_type_changed(&self, name: &TypeName) {
        self.shards
            .iter()
            .for_each(|inbox| inbox.change_type(name.clone()));
    }

    /// Lets the shards finish what they have, and ends them. Blocks; may be called more than once.
    pub fn shutdown(&self) {
        self.shards.iter().for_each(|inbox| inbox.close());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a shard panicked");
            }
        }
    }

    /// The shard that a topic belongs to. Local: nodes need not agree on it.
    fn shard(&self, topic: &TopicName) -> &Arc<Inbox> {
        let hash = blake3::hash(topic.as_str().as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        let index = u64::from_le_bytes(number) % self.shards.len() as u64;
        &self.shards[index as usize]
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.shutdown();
    }
}
