//! A set that notes, in the state it saves, that an element was looked up and found.
//!
//! Wrong: reading must change nothing; here only a query of the type's own does. Breaks
//! `queries-change-nothing`.

use std::cell::Cell;

use mutant_origins::{Lookup, Mutant, Set, Twist};
use replicant_sdk::{Crdt, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct LookupLeavesTrace {
    was_found: Cell<bool>,
}

impl Twist for LookupLeavesTrace {
    const NAME: &'static str = "lookup-leaves-trace";
    type Of = Set;

    fn query(mutant: &Mutant<Self>, lookup: Lookup) -> Result<bool, Refusal> {
        let is_there = mutant.of.query(lookup)?;
        mutant.twist.was_found.update(|was| was || is_there);
        Ok(is_there)
    }
}

replicant_sdk::export!(Mutant<LookupLeavesTrace>);
