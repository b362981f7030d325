//! A counter whose first increment traps if it comes later than an object's first moments.
//!
//! Wrong: a valid command may come at any time. Hardly any history has such a command, but `sample`
//! makes one whenever it is asked. Breaks `never-faults`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Refusal};
use serde::{Deserialize, Serialize};

/// The timestamps that the first moments have.
const FIRST: u64 = (1 << 16) + 4;

#[derive(Default, Serialize, Deserialize)]
struct TrapsWhenLate;

impl Twist for TrapsWhenLate {
    const NAME: &'static str = "traps-when-late";
    type Of = Counter;

    fn prepare(
        mutant: &Mutant<Self>,
        context: &Context,
        by: u64,
    ) -> Result<Option<u64>, Refusal> {
        assert!(mutant.of.0 > 0 || context.timestamp <= FIRST, "too late");
        mutant.of.prepare(context, by)
    }
}

replicant_sdk::export!(Mutant<TrapsWhenLate>);
