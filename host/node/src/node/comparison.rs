//! Finds topics that differ from those of peers: drives
//! [`anti_entropy`](replicant_protocol::replication::anti_entropy).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::replication::anti_entropy::{Config, Counts, Message, OutEvent, State};
use replicant_protocol::version::VersionVector;
use tokio::sync::Notify;

use super::NodeError;
use crate::storage::{Storage, StorageError};

/// The comparison of this node's topics with those of its peers. Every method returns what has to
/// be done next, and none waits for anything but a moment's work of another thread.
pub(super) struct Comparison {
    start: Instant,
    inner: Mutex<(State, ChaCha8Rng)>,
    /// There is something to do before the next look at the clock.
    wake: Notify,
}

impl Comparison {
    /// Begins with what is stored.
    pub(super) fn new(storage: &dyn Storage, interval: Duration) -> Result<Self, NodeError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| NodeError::Config {
            reason: format!("the system gives no random numbers: {error}"),
        })?;
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut config = Config::default();
        config.reconciliation.compare_interval = interval;
        config.reconciliation.timeout = config.reconciliation.timeout.min(interval * 2);
        let mut state = State::new(Duration::ZERO, config, &mut rng);
        for topic in storage.topics()? {
            match storage.heads(topic.topic) {
                Ok(heads) => {
                    let ends = heads.iter().map(|end| (end.replica, end.last));
                    let version: VersionVector = ends.collect();
                    state.handle_version(&topic.name, &version);
                }
                // The others go on. Whoever asks for this one is told the same.
                Err(error @ StorageError::Corrupt { .. }) => {
                    tracing::error!(topic = %topic.name, %error, "a topic cannot be served");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            start: Instant::now(),
            inner: Mutex::new((state, rng)),
            wake: Notify::new(),
        })
    }

    pub(super) fn version_changed(&self, topic: &TopicName, version: &VersionVector) {
        if self.with(|state, _, _| state.handle_version(topic, version)) {
            self.wake.notify_one();
        }
    }

    /// Waits until [`tick`](Self::tick) has something to do early.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// What comparing came to so far.
    pub(super) fn counts(&self) -> Counts {
        self.with(|state, _, _| state.counts())
    }

    pub(super) fn peer_up(&self, peer: NodeId) -> Vec<OutEvent> {
        self.with(|state, rng, now| {
            state.handle_peer_up(now, peer, rng);
            drain(state)
        })
    }

    pub(super) fn peer_down(&self, peer: NodeId) -> Vec<OutEvent> {
        self.with(|state, rng, now| {
            state.handle_peer_down(now, peer, rng);
            drain(state)
        })
    }

    pub(super) fn message(&self, from: NodeId, message: Message) -> Vec<OutEvent> {
        self.with(|state, rng, now| {
            state.on_message(now, from, message, rng);
            drain(state)
        })
    }

    pub(super) fn tick(&self) -> Vec<OutEvent> {
        self.with(|state, rng, now| {
            if state.next_timeout().is_some_and(|next| next <= now) {
                state.handle_timeout(now, rng);
            }
            drain(state)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State, &mut ChaCha8Rng, Duration) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that time never goes back between two calls.
        let now = self.start.elapsed();
        let (state, rng) = &mut *inner;
        work(state, rng, now)
    }
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").finish_non_exhaustive()
    }
}

fn drain(state: &mut State) -> Vec<OutEvent> {
    std::iter::from_fn(|| state.poll()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tests::disk::Disk;
    use crate::storage::tests::{BOUNDARIES, alter, job};

    /// It stopped the start of the whole node.
    #[test]
    fn a_topic_that_cannot_be_read_does_not_stop_the_others() {
        let disk = Disk::new(1);
        disk.storage().unwrap().commit(&[job(1)]).unwrap();
        alter(&disk, BOUNDARIES, (1, 7, 1));
        let storage = disk.storage().unwrap();
        assert!(storage.heads(crate::storage::TopicNumber(1)).is_err());
        assert!(Comparison::new(&storage, Duration::from_secs(1)).is_ok());
    }
}
