//! A register whose value says at what time it last heard of a write.
//!
//! Wrong: that is the time of the last op to arrive, a clock in the value. Breaks
//! `concurrent-ops-commute`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct ShowsLastArrival {
    heard: u64,
}

impl Twist for ShowsLastArrival {
    const NAME: &'static str = "shows-last-arrival";
    type Of = Register;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        text: String,
        events: &mut Events<String>,
    ) {
        mutant.twist.heard = context.timestamp;
        mutant.of.effect(context, text, events);
    }

    fn shown(mutant: &Mutant<Self>) -> Option<u64> {
        Some(mutant.twist.heard)
    }
}

replicant_sdk::export!(Mutant<ShowsLastArrival>);
