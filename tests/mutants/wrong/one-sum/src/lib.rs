//! A balance with one sum, which never goes below zero.
//!
//! Wrong: where a payment stops at zero depends on what came before it. Breaks
//! `concurrent-ops-commute`.

use mutant_origins::{Balance, Mutant, Payment, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct OneSum;

impl Twist for OneSum {
    const NAME: &'static str = "one-sum";
    type Of = Balance;

    fn effect(mutant: &mut Mutant<Self>, _: &Context, payment: Payment, events: &mut Events<i64>) {
        let sum = &mut mutant.of.paid_in;
        *sum = match payment {
            Payment::In(by) => sum.saturating_add(by),
            Payment::Out(by) => sum.saturating_sub(by),
        };
        events.emit(|| mutant.of.value());
    }
}

replicant_sdk::export!(Mutant<OneSum>);
