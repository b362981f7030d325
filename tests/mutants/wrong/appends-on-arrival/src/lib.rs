//! A register that keeps what was written before: each write is appended to it.
//!
//! Wrong: concurrent writes are appended in the order of their arrival. Breaks
//! `concurrent-ops-commute`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::{Context, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct AppendsOnArrival;

impl Twist for AppendsOnArrival {
    const NAME: &'static str = "appends-on-arrival";
    type Of = Register;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        text: String,
        events: &mut Events<String>,
    ) {
        let stamp = (context.timestamp, context.dot);
        let (last, all) = mutant.of.last.get_or_insert_default();
        *last = stamp.max(*last);
        all.push_str(&text);
        events.emit(|| all.clone());
    }
}

replicant_sdk::export!(Mutant<AppendsOnArrival>);
