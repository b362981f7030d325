//! A counter that panics when it is released after more than three increments.
//!
//! Wrong: a node releases objects that nobody uses. Breaks `never-faults`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct DropTraps {
    increments: u64,
}

impl Drop for DropTraps {
    fn drop(&mut self) {
        assert!(self.increments <= 3, "there is nothing left to give back");
    }
}

impl Twist for DropTraps {
    const NAME: &'static str = "drop-traps";
    type Of = Counter;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, by: u64, events: &mut Events<u64>) {
        mutant.twist.increments += 1;
        mutant.of.effect(context, by, events);
    }
}

replicant_sdk::export!(Mutant<DropTraps>);
