//! A set that counts additions in a `HashMap`, and saves that as it lies in memory.
//!
//! Wrong: its order depends on what else the instance has allocated and hashed. Breaks
//! `no-hidden-state`.

use std::collections::HashMap;

use mutant_origins::{Change, Mutant, Set, SetOp, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct HashMapOrder {
    counts: HashMap<String, u64>,
}

impl Twist for HashMapOrder {
    const NAME: &'static str = "hash-map-order";
    type Of = Set;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: SetOp,
        events: &mut Events<Change>,
    ) {
        if let SetOp::Add(element) = &op {
            *mutant.twist.counts.entry(element.clone()).or_default() += 1;
        }
        mutant.of.effect(context, op, events);
    }
}

replicant_sdk::export!(Mutant<HashMapOrder>);
