//! A counter whose value says how often it was read.
//!
//! Wrong: reading must change nothing. Breaks `queries-change-nothing`.

use std::cell::Cell;

use mutant_origins::{Counter, Mutant, Twist};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CountsQueries {
    queries: Cell<u64>,
}

impl Twist for CountsQueries {
    const NAME: &'static str = "counts-queries";
    type Of = Counter;

    fn shown(mutant: &Mutant<Self>) -> Option<u64> {
        mutant.twist.queries.update(|count| count + 1);
        Some(mutant.twist.queries.get())
    }
}

replicant_sdk::export!(Mutant<CountsQueries>);
