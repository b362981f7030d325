//! What can be tuned about the replication of one topic.

use std::time::Duration;

use crate::bundle::limits::MEMORY_BYTES_MAX;
use crate::clock::HybridClock;

/// What can be tuned about the replication of one topic. Nodes may differ in all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How far ahead of this node's wall clock a bundle may be before it has to wait. Larger
    /// tolerates worse clocks, and lets one wrong clock pull everyone's time further ahead.
    pub clock_ahead_max: Duration,
    /// How many bundles may be held that are not delivered yet. Larger survives more reordering
    /// without asking again.
    pub buffer_count_max: usize,
    /// How much memory these bundles may take, in bytes. At least `peer_bytes_max`.
    pub buffer_bytes_max: usize,
    /// How many of these bundles may come from one peer, so that none can fill the buffer alone.
    /// At least `chunk_count_max`.
    pub peer_count_max: usize,
    /// How much memory bundles from one peer may take, in bytes. At least that of the largest
    /// bundle ([`MEMORY_BYTES_MAX`]).
    pub peer_bytes_max: usize,
    /// How many bundles may be held that claim the same counters of the same replica. All but one
    /// prove equivocation; the one that becomes deliverable first wins here.
    pub candidates_max: usize,
    /// How long a bundle may wait for what it depends on. Then it is dropped; synchronising brings
    /// it back when its dependencies exist. Longer keeps useless bundles longer.
    pub waiting_max: Duration,
    /// How long to wait for a missing predecessor before asking for it. A few times the usual
    /// difference between two paths through the network: shorter asks for what is under way.
    pub gap_delay: Duration,
    /// How many bundles are handed out in one batch. Larger gives fewer and longer transactions.
    pub batch_count_max: usize,
    /// How many bytes of bundles are handed out in one batch; one bundle always is.
    pub batch_bytes_max: usize,
    /// How many bytes of bundles to ask a peer for at once. One bundle always comes. Longer
    /// chunks need fewer round trips, and lose more when a session breaks.
    pub chunk_bytes_max: usize,
    /// How many bundles to ask a peer for at once.
    pub chunk_count_max: usize,
    /// How long to wait for a chunk at first; doubles with every timeout of that peer, up to
    /// `backoff_max`.
    pub request_timeout: Duration,
    /// How long to leave a peer alone that was of no use; doubles each time.
    pub backoff: Duration,
    /// Up to how long a peer is left alone.
    pub backoff_max: Duration,
    /// In this time a peer is given the same bundles again four times at most. Shorter lets a peer
    /// make this node read and send more; one that really lost them asks less often.
    pub repeat_interval: Duration,
    /// How many boundaries between bundles are remembered for each replica; older ones are looked
    /// up in the log.
    pub boundaries_max: usize,
    /// For how many replicas a proof of equivocation is reported. Beyond, it is only counted.
    pub proofs_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clock_ahead_max: HybridClock::AHEAD_MAX_DEFAULT,
            buffer_count_max: 8_192,
            buffer_bytes_max: 2 * MEMORY_BYTES_MAX,
            peer_count_max: 4_096,
            peer_bytes_max: MEMORY_BYTES_MAX,
            candidates_max: 4,
            waiting_max: Duration::from_secs(120),
            gap_delay: Duration::from_millis(200),
            batch_count_max: 4_096,
            batch_bytes_max: 8 << 20,
            chunk_bytes_max: 1 << 20,
            chunk_count_max: super::CHUNK_COUNT_MAX,
            request_timeout: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(1),
            boundaries_max: 16,
            proofs_max: 64,
        }
    }
}

impl Config {
    /// This configuration with every bound raised to what correctness needs: a buffer that holds
    /// a whole chunk, chunks and batches of at least one bundle, time between two requests.
    pub(crate) fn corrected(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.request_timeout = self.request_timeout.max(least);
        self.backoff = self.backoff.max(least);
        self.backoff_max = self.backoff_max.max(self.backoff);
        self.chunk_count_max = self.chunk_count_max.clamp(1, super::CHUNK_COUNT_MAX);
        self.chunk_bytes_max = self.chunk_bytes_max.clamp(1, super::CHUNK_BYTES_MAX);
        self.peer_count_max = self.peer_count_max.max(self.chunk_count_max);
        self.peer_bytes_max = self.peer_bytes_max.max(MEMORY_BYTES_MAX);
        self.buffer_count_max = self.buffer_count_max.max(self.peer_count_max);
        self.buffer_bytes_max = self.buffer_bytes_max.max(self.peer_bytes_max);
        self.candidates_max = self.candidates_max.max(1);
        self.batch_count_max = self.batch_count_max.max(1);
        self
    }
}
