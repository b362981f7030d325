//! This node's own ops: under which name they are made, and how they become bundles.

use std::collections::BTreeSet;

use super::history::History;
use super::{State, Writer};
use crate::bundle::{Body, BundleError, Dependency, Format, LocalOp, SignedBundle, split};
use crate::clock::{ClockError, Hlc};
use crate::identity::{NodeIdentity, replica_id};
use crate::ids::{Counter, Generation, Hash, ReplicaId, SnapshotRef};
use crate::version::REPLICAS_MAX;

/// Under which name ops are to be made: what the guests are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The replica id.
    pub replica: ReplicaId,
    /// The counter of the first op; each further one has the next counter.
    pub first: Counter,
    /// The timestamp of all ops.
    pub hlc: Hlc,
}

/// Why no ops can be made now. The state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no batch under way: the driver's bug.
    #[error("begin a batch before opening a bundle")]
    NoBatch,
    /// A peer has ops of this replica that this node has lost. Begin a new generation.
    #[error("this node's history was lost: a peer knows more of it than this node")]
    HistoryAhead,
    /// The topic has as many replicas as a version can name, and this node is none of them yet.
    #[error("the topic has as many writers as it can have ({REPLICAS_MAX})")]
    TooManyReplicas,
    /// No counter is left.
    #[error("this replica has no counter left")]
    Exhausted,
    /// No timestamp is left: this node's clock is wrong.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// Why ops did not become bundles. The state is unchanged: the bundle is still open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nothing was opened: the driver's bug.
    #[error("open a bundle before sealing it")]
    NotOpen,
    /// No op, an op that is too large, or the wrong key.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Why a new generation did not begin. The state is unchanged; the driver's bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// A batch is under way.
    #[error("a generation begins between two batches")]
    Batch,
    /// Generations only grow.
    #[error("generation {asked} is not after {present}")]
    NotLater {
        /// The generation asked for.
        asked: Generation,
        /// The present one.
        present: Generation,
    },
}

#[derive(Debug)]
pub(super) struct Local {
    pub(super) writer: Writer,
    pub(super) replica: ReplicaId,
    /// A peer knows more of this replica than this node.
    pub(super) ahead: bool,
    /// Replicas whose chains grew since this node's last bundle: its next one depends on them.
    pub(super) grown: BTreeSet<ReplicaId>,
}

impl Local {
    /// Starts as if no own bundle had named any dependency: the next one names all.
    pub(super) fn new(writer: Writer, history: &History) -> Self {
        let replica = replica_id(&writer.author, writer.generation);
        let mut local = Self {
            writer,
            replica,
            ahead: false,
            grown: BTreeSet::new(),
        };
        local.forget_dependencies(history);
        local
    }

    pub(super) fn forget_dependencies(&mut self, history: &History) {
        self.grown = history
            .replicas()
            .filter(|replica| *replica != self.replica)
            .collect();
    }
}

impl State {
    /// Says under which name this node's next ops are made. All of them are sealed together; to
    /// open again before that forgets the earlier answer. A batch must be under way, so that the
    /// ops depend on everything that it delivers.
    ///
    /// # Errors
    /// [`OpenError`] says why none can be made; the state is unchanged.
    pub fn open(&mut self, wall_ms: u64) -> Result<Opened, OpenError> {
        let Some(batch) = &mut self.batch else {
            return Err(OpenError::NoBatch);
        };
        if self.local.ahead {
            return Err(OpenError::HistoryAhead);
        }
        let replica = self.local.replica;
        let is_new = self.history.chain(replica).is_none();
        if is_new && self.history.replicas_count() >= REPLICAS_MAX {
            return Err(OpenError::TooManyReplicas);
        }
        let first = self
            .history
            .last(replica)
            .checked_add(1)
            .ok_or(OpenError::Exhausted)?;
        let hlc = self.clock.tick(wall_ms)?;
        let opened = Opened {
            replica,
            first,
            hlc,
        };
        batch.opened = Some(opened);
        Ok(opened)
    }

    /// Signs the ops made since [`open`](Self::open), in their order, as one bundle, or as several
    /// if they are too many for one. They belong to the batch under way: store them with it.
    ///
    /// # Errors
    /// [`SealError`]; the state is unchanged and the bundle still open.
    pub fn seal(
        &mut self,
        identity: &NodeIdentity,
        ops: Vec<LocalOp>,
    ) -> Result<Vec<SignedBundle>, SealError> {
        let opened = self
            .batch
            .as_ref()
            .and_then(|batch| batch.opened)
            .ok_or(SealError::NotOpen)?;
        let bundles = self.sign(identity, opened, ops)?;
        self.local.grown.clear();
        for bundle in &bundles {
            self.history.advance(bundle);
        }
        if let Some(batch) = &mut self.batch {
            batch.opened = None;
            batch.local.extend_from_slice(&bundles);
        }
        Ok(bundles)
    }

    fn sign(
        &self,
        identity: &NodeIdentity,
        opened: Opened,
        ops: Vec<LocalOp>,
    ) -> Result<Vec<SignedBundle>, SealError> {
        let mut dependencies = self.dependencies();
        let mut first = opened.first;
        let mut previous = self
            .history
            .chain(opened.replica)
            .map_or(Hash::ZERO, |c| c.end.hash);
        let mut bundles = Vec::new();
        for part in split(ops, dependencies.len())? {
            let body = Body {
                format: Format,
                topic: self.topic.clone(),
                lineage: self.lineage,
                author: self.local.writer.author,
                generation: self.local.writer.generation,
                first,
                reference: SnapshotRef::START,
                dependencies: std::mem::take(&mut dependencies),
                previous,
                hlc: opened.hlc,
                objects: part.objects,
                ops: part.ops,
            };
            let bundle = SignedBundle::sign(identity, body)?;
            previous = bundle.hash();
            first = bundle.last().checked_add(1).unwrap_or(Counter::ZERO);
            bundles.push(bundle);
        }
        Ok(bundles)
    }

    /// The ends of all chains that grew since this node's last bundle.
    fn dependencies(&self) -> Vec<Dependency> {
        let ends = self.local.grown.iter().filter_map(|replica| {
            let chain = self.history.chain(*replica)?;
            Some(Dependency {
                replica: *replica,
                counter: chain.last,
                hash: chain.end.hash,
            })
        });
        ends.collect()
    }

    /// Goes on under a fresh replica id, after this node's history was lost: its old replica's
    /// bundles are delivered like anyone's, and no dot is used twice. Store the generation first.
    ///
    /// # Errors
    /// [`GenerationError`]; the state is unchanged.
    pub fn begin_generation(&mut self, generation: Generation) -> Result<(), GenerationError> {
        let present = self.local.writer.generation;
        if generation <= present {
            return Err(GenerationError::NotLater {
                asked: generation,
                present,
            });
        }
        if self.batch.is_some() {
            return Err(GenerationError::Batch);
        }
        let writer = Writer {
            author: self.local.writer.author,
            generation,
        };
        self.local = Local::new(writer, &self.history);
        Ok(())
    }
}
