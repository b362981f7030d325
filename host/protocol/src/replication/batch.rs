//! Batches: what is handed out for storing, and what comes of it.

use std::time::Duration;

use super::admission::Placement;
use super::buffer::{Entry, Wait};
use super::{BoundaryLog, Opened, OutEvent, State};
use crate::bundle::SignedBundle;

/// A call that does not fit to the batch under way: the driver's bug. The state is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The previous batch has not ended.
    #[error("a batch is under way already")]
    UnderWay,
    /// There is no batch to end.
    #[error("no batch is under way")]
    None,
}

/// What was handed out and is not known to be stored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) remote: Vec<Entry>,
    pub(super) local: Vec<SignedBundle>,
    pub(super) opened: Option<Opened>,
}

impl State {
    /// Whether a batch would deliver something.
    pub fn has_deliverable(&self) -> bool {
        self.buffer.has_ready()
    }

    /// Whether a batch is under way.
    pub fn is_storing(&self) -> bool {
        self.batch.is_some()
    }

    /// Begins a batch: hands out bundles of other replicas in causal order, as many as there are
    /// and the bounds allow; possibly none. They count as delivered for everything that follows in
    /// this batch.
    ///
    /// # Errors
    /// [`BatchError::UnderWay`].
    pub fn begin_batch(
        &mut self,
        now: Duration,
        wall_ms: u64,
        log: &dyn BoundaryLog,
    ) -> Result<Vec<SignedBundle>, BatchError> {
        if self.batch.is_some() {
            return Err(BatchError::UnderWay);
        }
        let mut batch = Batch::default();
        let mut bytes_left = self.config.batch_bytes_max;
        while batch.remote.len() < self.config.batch_count_max {
            let Some(entry) = self.buffer.first_ready() else {
                break;
            };
            let size = entry.bundle.as_bytes().len();
            if size > bytes_left && !batch.remote.is_empty() {
                break;
            }
            bytes_left = bytes_left.saturating_sub(size);
            batch.remote.extend(self.stage_first(now, wall_ms, log));
        }
        let bundles = batch
            .remote
            .iter()
            .map(|entry| entry.bundle.clone())
            .collect();
        self.batch = Some(batch);
        Ok(bundles)
    }

    /// Takes the first ready bundle out of the buffer into the history, and looks again at what
    /// waited for it. None if another bundle has taken its place meanwhile.
    fn stage_first(&mut self, now: Duration, wall_ms: u64, log: &dyn BoundaryLog) -> Option<Entry> {
        let entry = self.buffer.take_first_ready()?;
        if self.place_in_chain(&entry.bundle) != Placement::Wait(Wait::Ready) {
            self.place_new(now, wall_ms, entry, log);
            return None;
        }
        let end = entry.bundle.end();
        self.history.advance(&entry.bundle);
        self.clock.witness(entry.bundle.hlc());
        if end.replica != self.local.replica {
            self.local.grown.insert(end.replica);
        }
        for key in self.buffer.wake(end) {
            self.place_again(now, wall_ms, key, log);
        }
        Some(entry)
    }

    /// The batch is stored: its bundles are delivered, and this node's own are for everyone.
    ///
    /// # Errors
    /// [`BatchError::None`].
    pub fn handle_stored(&mut self, now: Duration) -> Result<(), BatchError> {
        let batch = self.batch.take().ok_or(BatchError::None)?;
        self.history.commit();
        for entry in &batch.remote {
            self.version
                .advance(entry.bundle.replica(), entry.bundle.last());
            self.stats.delivered += 1;
            self.stats.delivered_ops += entry.bundle.body().ops.len() as u64;
            self.pull.delivered(entry.via);
        }
        for bundle in batch.local {
            self.version.advance(bundle.replica(), bundle.last());
            self.stats.sealed += 1;
            self.out.push_back(OutEvent::Broadcast(bundle));
        }
        self.settle(now);
        Ok(())
    }

    /// The storage refused the batch: everything is as before it. The bundles of others are ready
    /// again; this node's own never existed, and their counters are free.
    ///
    /// # Errors
    /// [`BatchError::None`].
    pub fn handle_store_failed(
        &mut self,
        now: Duration,
        wall_ms: u64,
        log: &dyn BoundaryLog,
    ) -> Result<(), BatchError> {
        let batch = self.batch.take().ok_or(BatchError::None)?;
        self.stats.store_failures += 1;
        self.history.undo();
        self.local.forget_dependencies(&self.history);
        for key in self.buffer.ready_again() {
            self.place_again(now, wall_ms, key, log);
        }
        for mut entry in batch.remote {
            entry.dependencies_met = 0;
            self.place_new(now, wall_ms, entry, log);
        }
        self.make_room(now);
        self.settle(now);
        Ok(())
    }
}
