//! A map that takes a removed key out and keeps no tombstone.
//!
//! Wrong: who merges its state does not learn of the removal. Breaks `deltas-make-the-state`.

use mutant_origins::{Fields, FieldsTwist};

#[derive(Default)]
struct RemovalLeavesNothing;

impl FieldsTwist for RemovalLeavesNothing {
    const NAME: &'static str = "removal-leaves-nothing";
    const KEEPS_TOMBSTONES: bool = false;
}

replicant_sdk::export_delta!(Fields<RemovalLeavesNothing>);
