//! A counter that notes, in the state it saves, that it was read.
//!
//! Wrong: reading must change nothing; here no answer tells. Breaks `queries-change-nothing`.

use std::cell::Cell;

use mutant_origins::{Counter, Mutant, Twist};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct QueryLeavesTrace {
    was_read: Cell<bool>,
}

impl Twist for QueryLeavesTrace {
    const NAME: &'static str = "query-leaves-trace";
    type Of = Counter;

    fn shown(mutant: &Mutant<Self>) -> Option<u64> {
        mutant.twist.was_read.set(true);
        None
    }
}

replicant_sdk::export!(Mutant<QueryLeavesTrace>);
