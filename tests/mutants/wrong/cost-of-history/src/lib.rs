//! A counter that keeps every increment and adds them all up at each op.
//!
//! Wrong: an op costs the more the longer history is. Breaks `cost-is-bounded`.

use std::collections::BTreeMap;

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Dot, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CostOfHistory {
    increments: BTreeMap<Dot, u64>,
}

impl Twist for CostOfHistory {
    const NAME: &'static str = "cost-of-history";
    type Of = Counter;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, by: u64, events: &mut Events<u64>) {
        let increments = &mut mutant.twist.increments;
        increments.insert(context.dot, by);
        let sum = |sum: u64, by: &u64| sum.saturating_add(*by);
        mutant.of = Counter(increments.values().fold(0, sum));
        events.emit(|| mutant.of.value());
    }
}

replicant_sdk::export!(Mutant<CostOfHistory>);
