//! A counter that counts the runs in which ops came. It knows a new run by where its ops lie in
//! memory: not right behind the op before.
//!
//! Wrong: where runs begin and end is not the same everywhere. Breaks
//! `run-boundaries-do-not-matter`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Events, Malformed, postcard_bytes};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CountsRuns {
    runs: u64,
    #[serde(skip)]
    next_address: usize,
}

impl Twist for CountsRuns {
    const NAME: &'static str = "counts-runs";
    type Of = Counter;

    fn apply_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: &[u8],
        events: &mut Events<u64>,
    ) -> Result<(), Malformed> {
        let by = postcard_bytes::read(op)?;
        let address = op.as_ptr().addr();
        mutant.twist.runs += u64::from(address != mutant.twist.next_address);
        mutant.twist.next_address = address + op.len();
        Self::effect(mutant, context, by, events);
        Ok(())
    }
}

replicant_sdk::export!(Mutant<CountsRuns>);
