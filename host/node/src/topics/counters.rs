//! What the topics count, for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::vocabulary::Counter;

macro_rules! counts {
    ($($(#[doc = $doc:literal])* $name:ident => $text:literal,)*) => {
        /// Something that is counted since the start, or held at present.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Count {
            $($(#[doc = $doc])* $name,)*
        }

        impl Count {
            /// Each with its name, and what it counts: its documentation.
            const ALL: &[(Self, &'static str, &'static str)] =
                &[$((Self::$name, $text, concat!($($doc),*)),)*];
        }
    };
}

counts! {
    /// Bundles of peers that were here already: repeated, or replayed.
    BundlesDuplicate => "bundles_duplicate_total",
    /// Bundles of peers that came while something that they depend on was not here, and waited for
    /// it: many of them mean that much is lost on the way, or that a peer leaves gaps.
    BundleGaps => "bundle_gaps_total",
    /// Bundles of peers dropped since what comes before them did not come in time, or since there
    /// was no room to wait for it. They are fetched when it does.
    BundlesEarlyDropped => "bundles_early_dropped_total",
    /// Bytes of bundles that wait for what they depend on, as of the last round of each shard.
    BufferedBytes => "buffered_bytes",
    /// Bundles delivered and stored, own ones included.
    Bundles => "bundles_stored_total",
    /// Corrupt bundles of the log that are being fetched again now.
    BundlesCorrupt => "bundles_corrupt",
    /// Corrupt bundles of the log that were fetched again.
    BundlesRepaired => "bundles_repaired_total",
    /// Checkpoints of objects that were written.
    Checkpoints => "checkpoints_total",
    /// Bundles straight from their author, stamped with a time that is far from this node's.
    ClocksApart => "clocks_apart_total",
    /// Commands that made an op.
    CommandsApplied => "commands_applied_total",
    /// Commands that a type, or a fault, refused.
    CommandsRefused => "commands_refused_total",
    /// Times that waiting bundles of a topic were dropped, since all topics had too many.
    BuffersDropped => "buffers_dropped_total",
    /// Proofs that a replica signed two histories.
    Equivocations => "equivocations_total",
    /// Calls into guests that did not return.
    Faults => "guest_faults_total",
    /// Instances of modules that are alive now.
    Instances => "instances",
    /// Instances thrown away after a fault.
    InstancesLost => "instances_lost_total",
    /// Objects that are loaded now.
    ObjectsLoaded => "objects_loaded",
    /// Objects that a fault hides now.
    ObjectsFaulted => "objects_faulted",
    /// Objects made again from checkpoint and log.
    ObjectsRebuilt => "objects_rebuilt_total",
    /// Ops applied that other nodes made.
    OpsApplied => "remote_ops_applied_total",
    /// Ops without effect, since the type says it cannot read them; again each time that their
    /// object is made anew with them.
    OpsUnread => "ops_unread_total",
    /// Ops that have no effect here, since the type fails on them.
    OpsVoid => "ops_void_total",
    /// Inputs of peers that were dropped since a shard's queue was full.
    PeerInputsDropped => "peer_inputs_dropped_total",
    /// Things that peers sent and that were not accepted.
    Rejected => "rejected_total",
    /// Requests refused as busy.
    RequestsBusy => "requests_busy_total",
    /// Storage jobs that failed.
    StorageFailures => "storage_failures_total",
    /// Topics that only peers spoke of and that were forgotten, since there were too many.
    StrangersForgotten => "strange_topics_forgotten_total",
    /// Topics that are in memory now.
    Topics => "topics_loaded",
    /// Updates of objects that were answered.
    Updates => "updates_total",
}

/// All counts of one node.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    /// Adds to a count.
    pub fn add(&self, count: Count, number: u64) {
        self.0[count as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// Changes what is held at present by a difference.
    pub fn change(&self, count: Count, by: i64) {
        // Two's complement: adding the bits of a negative number subtracts.
        self.0[count as usize].fetch_add(by.cast_unsigned(), Ordering::Relaxed);
    }

    /// All counts.
    pub fn all(&self) -> Vec<Counter> {
        let all = Count::ALL.iter().map(|(count, name, about)| Counter {
            name,
            value: self.0[*count as usize].load(Ordering::Relaxed),
            about: about.trim_start(),
        });
        all.collect()
    }
}
