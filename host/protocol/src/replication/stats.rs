//! What has happened to a topic, in numbers.

use std::collections::BTreeMap;

/// What has happened to a topic since its state was made, in numbers. All but the first two only
/// grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bundles held now that are not delivered yet.
    pub buffered_count: usize,
    /// Their bytes.
    pub buffered_bytes: usize,
    /// Bundles of other replicas that were delivered and stored.
    pub delivered: u64,
    /// Ops in these.
    pub delivered_ops: u64,
    /// Bundles of this node that were stored.
    pub sealed: u64,
    /// Bundles that were here already.
    pub duplicates: u64,
    /// Bundles that came while something that they depend on was not here, and waited for it.
    pub gaps: u64,
    /// Bundles dropped because the buffer was full.
    pub dropped_full: u64,
    /// Bundles dropped because what they depend on did not come.
    pub dropped_expired: u64,
    /// Bundles that contradicted their replica's history.
    pub equivocations: u64,
    /// What was not accepted, by [`RejectReason::name`](super::RejectReason::name).
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests that were sent to peers.
    pub sync_requests: u64,
    /// Requests that were not answered in time.
    pub sync_timeouts: u64,
    /// Answers that brought nothing although there was something.
    pub sync_useless: u64,
    /// Answers that nobody waited for (any more).
    pub sync_unsolicited: u64,
    /// Chunks that were sent to peers.
    pub chunks_served: u64,
    /// Requests of peers that were ignored, since one of theirs was being served, or was for the
    /// same as one that had just been served.
    pub serves_refused: u64,
    /// Batches that the storage refused.
    pub store_failures: u64,
}
