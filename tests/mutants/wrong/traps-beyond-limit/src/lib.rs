//! A counter that panics when the sum goes beyond 30.
//!
//! Wrong: an op cannot be refused where it arrives. Breaks `never-faults`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct TrapsBeyondLimit;

impl Twist for TrapsBeyondLimit {
    const NAME: &'static str = "traps-beyond-limit";
    type Of = Counter;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, by: u64, events: &mut Events<u64>) {
        mutant.of.effect(context, by, events);
        assert!(mutant.of.0 <= 30, "too much");
    }
}

replicant_sdk::export!(Mutant<TrapsBeyondLimit>);
