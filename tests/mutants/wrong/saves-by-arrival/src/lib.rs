//! A set that saves its elements in the order in which they came.
//!
//! Wrong: that order is not the same on every replica; what users read is sorted and looks right.
//! Breaks `concurrent-ops-commute`.

use mutant_origins::{Change, Mutant, Set, SetOp, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct SavesByArrival {
    order: Vec<String>,
}

impl Twist for SavesByArrival {
    const NAME: &'static str = "saves-by-arrival";
    type Of = Set;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: SetOp,
        events: &mut Events<Change>,
    ) {
        mutant.of.effect(context, op, events);
        let order = &mut mutant.twist.order;
        order.retain(|element| mutant.of.elements.contains_key(element));
        for element in mutant.of.elements.keys() {
            if !order.contains(element) {
                order.push(element.clone());
            }
        }
    }
}

replicant_sdk::export!(Mutant<SavesByArrival>);
