//! What a shard is asked to do.

use std::time::Instant;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{NodeId, ObjectId, TopicName, TypeName};
use replicant_protocol::replication::Message;
use replicant_protocol::version::VersionVector;
use tokio::sync::oneshot;

use super::watchers::Reader;
use crate::vocabulary::{
    DigestInfo, Missed, NodeError, ObjectRead, QueryAnswer, Update, Updated, WatchToken,
};

/// Where an answer goes. Whoever asked may have gone away; then it is dropped.
pub(super) type Reply<T> = oneshot::Sender<Result<T, NodeError>>;

/// An update and who waits for it.
#[derive(Debug)]
pub(super) struct UpdateRequest {
    pub(super) update: Update,
    pub(super) reply: Reply<Updated>,
}

impl UpdateRequest {
    pub(super) fn size_bytes(&self) -> usize {
        self.update.commands.iter().map(Vec::len).sum()
    }
}

/// A read of one topic, which may have to wait for a version.
#[derive(Debug)]
pub(super) struct ReadRequest {
    pub(super) topic: TopicName,
    /// The version to wait for.
    pub(super) after: Option<VersionVector>,
    /// Until when.
    pub(super) deadline: Instant,
    pub(super) read: Read,
}

impl ReadRequest {
    /// About how much memory it holds.
    pub(super) fn size_bytes(&self) -> usize {
        const FIXED_BYTES: usize = 256;
        const REPLICA_BYTES: usize = 32;
        let replicas = self.after.as_ref().map_or(0, VersionVector::replicas_count);
        let query = match &self.read {
            Read::Query { query, .. } => query.len(),
            Read::Value { .. } | Read::Digest { .. } | Read::Watch { .. } | Read::State { .. } => 0,
        };
        FIXED_BYTES + replicas * REPLICA_BYTES + query
    }
}

/// What is read.
#[derive(Debug)]
pub(super) enum Read {
    Value {
        id: ObjectId,
        type_name: Option<TypeName>,
        reply: Reply<ObjectRead>,
    },
    Query {
        id: ObjectId,
        type_name: Option<TypeName>,
        query: Vec<u8>,
        reply: Reply<QueryAnswer>,
    },
    Digest {
        reply: Reply<DigestInfo>,
    },
    /// Who reads from where on, if that is still known.
    Watch {
        from: Option<WatchToken>,
        reply: Reply<(Reader, Option<u64>)>,
    },
    /// The state of an object, or of the topic, for whoever missed changes.
    State {
        id: Option<ObjectId>,
        reply: Reply<Missed>,
    },
}

impl Read {
    /// Answers with an error.
    pub(super) fn refuse(self, error: NodeError) {
        // Whoever no longer waits does not need the answer.
        match self {
            Self::Value { reply, .. } => drop(reply.send(Err(error))),
            Self::Query { reply, .. } => drop(reply.send(Err(error))),
            Self::Digest { reply } => drop(reply.send(Err(error))),
            Self::Watch { reply, .. } => drop(reply.send(Err(error))),
            Self::State { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Value { reply, .. } => reply.is_closed(),
            Self::Query { reply, .. } => reply.is_closed(),
            Self::Digest { reply } => reply.is_closed(),
            Self::Watch { reply, .. } => reply.is_closed(),
            Self::State { reply, .. } => reply.is_closed(),
        }
    }
}

/// Something from a peer.
#[derive(Debug)]
pub(super) enum PeerInput {
    /// A bundle that came by broadcast.
    Bundle { from: NodeId, bundle: SignedBundle },
    /// A message about one topic.
    Message { from: NodeId, message: Message },
    /// The peer's version of the topic is another one.
    Differs { peer: NodeId, topic: TopicName },
}

impl PeerInput {
    pub(super) fn topic(&self) -> &TopicName {
        match self {
            Self::Bundle { bundle, .. } => &bundle.body().topic,
            Self::Message { message, .. } => message.topic(),
            Self::Differs { topic, .. } => topic,
        }
    }

    pub(super) fn peer(&self) -> NodeId {
        match self {
            Self::Bundle { from, .. } | Self::Message { from, .. } => *from,
            Self::Differs { peer, .. } => *peer,
        }
    }

    /// About how much memory it holds.
    pub(super) fn size_bytes(&self) -> usize {
        const FIXED_BYTES: usize = 128;
        FIXED_BYTES
            + match self {
                Self::Bundle { bundle, .. } => bundle.memory_bytes(),
                Self::Message {
                    message: Message::SyncRequest(request),
                    ..
                } => request.version.replicas_count() * 16,
                Self::Message {
                    message: Message::SyncChunk(chunk),
                    ..
                } => {
                    let bundles: usize = chunk.bundles.iter().map(|bytes| bytes.0.len()).sum();
                    bundles + chunk.version.replicas_count() * 16
                }
                Self::Differs { .. } => 0,
            }
    }
}
