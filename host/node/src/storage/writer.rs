//! Group commit: one thread that merges all jobs that wait into one durable transaction.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{General, Job, Result, Storage, StorageError};
use crate::vital::Vital;

/// Jobs that may wait. Each shard waits for its own job, so this is more than ever do; beyond,
/// whoever submits waits for a place.
const WAITING_JOBS_MAX: usize = 256;

/// Jobs in one transaction.
const MERGED_JOBS_MAX: usize = 256;

/// A transaction takes further jobs while it is below this size.
const MERGED_BYTES_MAX: usize = 32 << 20;

/// How often a failed storage is tried again when nobody writes.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

struct Waiting {
    job: Job,
    reply: oneshot::Sender<Result<()>>,
}

/// The thread that writes, and the way to it. Jobs of one sender are committed in their order.
#[derive(Debug)]
pub struct Writer {
    sender: Mutex<Option<SyncSender<Waiting>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    vital: Vital,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StorageError::Failed`] if the system gives no thread.
    pub fn start(storage: Arc<dyn Storage>) -> Result<Self> {
        let (sender, receiver) = sync_channel(WAITING_JOBS_MAX);
        let vital = Vital::new("storage");
        let guard = vital.guard();
        let thread = std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || {
                let _guard = guard;
                run(storage.as_ref(), &receiver);
            })
            .map_err(|error| StorageError::Failed {
                reason: error.to_string(),
            })?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            vital,
        })
    }

    /// Whether the thread still lives.
    pub(crate) fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Makes a job durable; waits on this thread until it is. Not to be called from async code.
    ///
    /// # Errors
    /// [`StorageError::Failed`], [`StorageError::Closed`].
    pub fn commit(&self, job: Job) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let sender = self.sender()?;
        sender
            .send(Waiting { job, reply })
            .map_err(|_| StorageError::Closed)?;
        answer.blocking_recv().map_err(|_| StorageError::Closed)?
    }

    /// Makes a job durable; waits without holding a thread.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_async(&self, job: Job) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = Waiting { job, reply };
        loop {
            match self.sender()?.try_send(waiting) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(StorageError::Closed),
                Err(TrySendError::Full(back)) => waiting = back,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        answer.await.map_err(|_| StorageError::Closed)?
    }

    /// Commits what waits, then ends the thread. Later jobs are refused.
    pub fn close(&self) {
        drop(
            self.sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the storage thread panicked");
        }
    }

    fn sender(&self) -> Result<SyncSender<Waiting>> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.clone().ok_or(StorageError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(storage: &dyn Storage, receiver: &Receiver<Waiting>) {
    loop {
        match receiver.recv_timeout(PROBE_INTERVAL) {
            Ok(first) => commit_group(storage, collect(first, receiver)),
            Err(RecvTimeoutError::Timeout) => probe(storage),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Takes what waits, up to the size of a transaction.
fn collect(first: Waiting, receiver: &Receiver<Waiting>) -> Vec<Waiting> {
    let mut size_bytes = first.job.size_bytes();
    let mut group = vec![first];
    while group.len() < MERGED_JOBS_MAX && size_bytes < MERGED_BYTES_MAX {
        let Ok(next) = receiver.try_recv() else { break };
        size_bytes += next.job.size_bytes();
        group.push(next);
    }
    group
}

fn commit_group(storage: &dyn Storage, group: Vec<Waiting>) {
    let (jobs, replies): (Vec<_>, Vec<_>) = group
        .into_iter()
        .map(|waiting| (waiting.job, waiting.reply))
        .unzip();
    let result = storage.commit(&jobs);
    for reply in replies {
        // Whoever no longer waits does not need the answer.
        let _ = reply.send(result.clone());
    }
}

/// Finds out whether a failed storage takes writes again.
fn probe(storage: &dyn Storage) {
    if storage.failure().is_some() {
        let probe = Job::general(General::Meta("probe", vec![0; 4096]));
        if storage.commit(&[probe]).is_ok() {
            tracing::info!("storage takes writes again");
        }
    }
}
