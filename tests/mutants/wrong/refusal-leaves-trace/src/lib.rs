//! A balance that counts the payments it has refused.
//!
//! Wrong: a refusal is not replicated, so it must leave no trace. Breaks
//! `refusals-change-nothing`.

use mutant_origins::{Balance, Mutant, Twist};
use replicant_sdk::{Context, Events, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct RefusalLeavesTrace {
    refused: u64,
}

impl Twist for RefusalLeavesTrace {
    const NAME: &'static str = "refusal-leaves-trace";
    type Of = Balance;

    fn update_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<i64>,
    ) -> Result<bool, Refusal> {
        let outcome = mutant.update_honestly(context, command, op, events);
        mutant.twist.refused += u64::from(outcome.is_err());
        outcome
    }
}

replicant_sdk::export!(Mutant<RefusalLeavesTrace>);
