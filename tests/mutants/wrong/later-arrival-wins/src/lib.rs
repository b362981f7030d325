//! A register in which, of two writes with equal timestamps, the one that arrives later wins.
//!
//! Wrong: dots must decide between equal timestamps. Breaks `concurrent-ops-commute`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::{Context, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct LaterArrivalWins;

impl Twist for LaterArrivalWins {
    const NAME: &'static str = "later-arrival-wins";
    type Of = Register;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        text: String,
        events: &mut Events<String>,
    ) {
        let last = &mut mutant.of.last;
        let is_later = |(timestamp, _): &(u64, _)| *timestamp <= context.timestamp;
        if last.as_ref().is_none_or(|(stamp, _)| is_later(stamp)) {
            events.emit(|| text.clone());
            *last = Some(((context.timestamp, context.dot), text));
        }
    }
}

replicant_sdk::export!(Mutant<LaterArrivalWins>);
