//! The state of one topic, and how to drive it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::batch::Batch;
use super::buffer::Buffer;
use super::history::History;
use super::local::Local;
use super::pull::Pull;
use super::serving::Serving;
use super::{ChainHead, Config, OutEvent, Stats};
use crate::clock::HybridClock;
use crate::identity::NodeId;
use crate::ids::{Generation, LineageId, ReplicaId, TopicName};
use crate::version::VersionVector;

/// Under which name a node makes ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// The node.
    pub author: NodeId,
    /// Its generation: stored by the node, grown whenever it discards history.
    pub generation: Generation,
}

/// What a driver gave to restore from contradicts itself: its own bug, or a damaged log. No state
/// was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A chain has no ops.
    #[error("the chain of replica {0} ends at counter 0")]
    Empty(ReplicaId),
    /// Two chains of one replica.
    #[error("replica {0} has two chains")]
    Twice(ReplicaId),
    /// Recent boundaries do not ascend, or go beyond the end.
    #[error("the boundaries of replica {0} do not ascend to its end")]
    Boundaries(ReplicaId),
    /// More replicas than a version can name.
    #[error("there are more replicas than a version can name")]
    TooMany,
}

/// Replication of one topic, as a state machine without socket, clock or storage of its own.
///
/// # How to drive it
///
/// Make it with [`new`](Self::new) for an empty topic, or with [`restore`](Self::restore) from the
/// ends of the stored chains. Then, in any order and as often as needed, give it inputs:
///
/// - [`handle_peer_up`](Self::handle_peer_up), [`handle_peer_down`](Self::handle_peer_down): a
///   session opened or closed. Only peers that are up are asked. Another session with the same
///   peer is one that closed and one that opened.
/// - [`handle_peer_differs`](Self::handle_peer_differs): the comparison of topics found that this
///   peer's version is another one ([`anti_entropy`](super::anti_entropy)).
/// - [`on_bundle`](Self::on_bundle): a bundle came by broadcast.
/// - [`on_message`](Self::on_message): a [`Message`](super::Message) came from a peer.
/// - [`handle_served`](Self::handle_served): the answer to an [`OutEvent::Serve`].
/// - [`handle_timeout`](Self::handle_timeout): the time of [`next_timeout`](Self::next_timeout)
///   has come. Early or superfluous calls do no harm.
///
/// After **every** input, call [`poll`](Self::poll) until it returns nothing and do what the events
/// say; ask `next_timeout` anew; and if [`has_deliverable`](Self::has_deliverable) is true, run a
/// batch as soon as the storage is free.
///
/// # A batch
///
/// There is at most one at a time. Inputs are accepted while it is under way; what they make
/// deliverable goes into the next one.
///
/// 1. [`begin_batch`](Self::begin_batch) returns bundles of other replicas in causal order. Apply
///    them to the objects, in this order.
/// 2. If there are commands: [`open`](Self::open) says under which replica id, from which counter
///    on and at which time this node's ops are made; the guests make them on the state that step 1
///    left; [`seal`](Self::seal) turns them into signed bundles. If no op came of it, do not call
///    `seal`. Steps 2 may be repeated.
/// 3. Store the bundles of 1, then those of 2, with everything that belongs to them, in **one**
///    transaction. Nobody may hear of them before.
/// 4. Stored: [`handle_stored`](Self::handle_stored). Refused:
///    [`handle_store_failed`](Self::handle_store_failed), which leaves the state as it was before
///    step 1; throw away what the guests made of the batch, and wait a while before the next. A
///    batch without any bundle needs no storing; end it with `handle_stored` all the same.
///
/// # Time
///
/// `now` is monotonic and never smaller than at the call before; `wall_ms` may jump. Both are only
/// ever compared with values of the same kind. The wall clock stamps this node's bundles and holds
/// back those of others that come from the future; nothing else depends on it.
///
/// # Trust
///
/// Everything from peers is checked here, signatures included; bundles may be passed in as
/// [`SignedBundle::decode`](crate::bundle::SignedBundle::decode) returned them. What
/// [`BoundaryLog`](super::BoundaryLog), `restore` and `handle_served` say is believed.
#[derive(Debug)]
pub struct State {
    pub(super) topic: TopicName,
    pub(super) lineage: LineageId,
    pub(super) config: Config,
    pub(super) clock: HybridClock,
    pub(super) local: Local,
    /// What is stored. `history` is ahead of it by the batch under way.
    pub(super) version: VersionVector,
    pub(super) history: History,
    pub(super) buffer: Buffer,
    pub(super) batch: Option<Batch>,
    pub(super) pull: Pull,
    pub(super) serving: Serving,
    /// Replicas of which a proof of equivocation was reported.
    pub(super) proven: BTreeSet<ReplicaId>,
    pub(super) out: VecDeque<OutEvent>,
    pub(super) stats: Stats,
}

impl State {
    /// Makes the state of an empty topic.
    pub fn new(topic: TopicName, lineage: LineageId, writer: Writer, config: Config) -> Self {
        let config = config.corrected();
        let history = History::new(config.boundaries_max);
        Self {
            topic,
            lineage,
            clock: HybridClock::new(config.clock_ahead_max),
            local: Local::new(writer, &history),
            version: VersionVector::new(),
            history,
            buffer: Buffer::default(),
            batch: None,
            pull: Pull::default(),
            serving: Serving::default(),
            proven: BTreeSet::new(),
            out: VecDeque::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// Makes the state of a topic from what is stored of it: the end of every replica's chain.
    ///
    /// # Errors
    /// [`RestoreError`] if the chains contradict themselves.
    pub fn restore(
        topic: TopicName,
        lineage: LineageId,
        writer: Writer,
        config: Config,
        heads: impl IntoIterator<Item = ChainHead>,
    ) -> Result<Self, RestoreError> {
        let mut state = Self::new(topic, lineage, writer, config);
        for head in heads {
            state.clock.witness(head.end.hlc);
            state.version.advance(head.replica(), head.last);
            state.history.restore(head)?;
        }
        state.local = Local::new(writer, &state.history);
        Ok(state)
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The history of the topic that this node takes part in.
    pub fn lineage(&self) -> LineageId {
        self.lineage
    }

    /// Under which replica id this node makes ops.
    pub fn replica(&self) -> ReplicaId {
        self.local.replica
    }

    /// What is delivered and stored. Grows only in [`handle_stored`](Self::handle_stored).
    pub fn version(&self) -> &VersionVector {
        &self.version
    }

    /// The ends of all chains, the batch under way included: what `restore` takes.
    pub fn heads(&self) -> impl Iterator<Item = ChainHead> + '_ {
        self.history.heads()
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        Stats {
            buffered_count: self.buffer.count(),
            buffered_bytes: self.buffer.bytes(),
            ..self.stats.clone()
        }
    }

    /// How much memory bundles take that are not delivered yet. Bounded for this topic
    /// ([`Config::buffer_bytes_max`]); whoever drives many topics bounds the sum, with
    /// [`handle_pressure`](Self::handle_pressure) on the topic that has most.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// The next thing to do, or nothing. Call until nothing comes after every input.
    pub fn poll(&mut self) -> Option<OutEvent> {
        self.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if there is no other input.
    pub fn next_timeout(&self) -> Option<Duration> {
        let waiting = self
            .buffer
            .next_timeout(self.config.gap_delay, self.config.waiting_max);
        [self.pull.next_timeout(), waiting]
            .into_iter()
            .flatten()
            .min()
    }
}
