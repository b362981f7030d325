//! A map in which, of two writes with equal timestamps, the one that is merged later wins.
//!
//! Wrong: dots must decide between equal timestamps. Breaks `merging-commutes`.

use mutant_origins::{Fields, FieldsTwist, Write};

#[derive(Default)]
struct LaterMergeWins;

impl FieldsTwist for LaterMergeWins {
    const NAME: &'static str = "later-merge-wins";

    fn wins(write: &Write, known: &Write) -> bool {
        write.0.timestamp > known.0.timestamp
            || (write.0.timestamp == known.0.timestamp && write.0 != known.0)
    }
}

replicant_sdk::export_delta!(Fields<LaterMergeWins>);
