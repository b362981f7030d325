//! A set in which a removal takes an element out, whoever added it.
//!
//! Wrong: it must spare additions that its author had not seen. Breaks `concurrent-ops-commute`.

use mutant_origins::{Change, Mutant, Set, SetOp, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct LossyRemoval;

impl Twist for LossyRemoval {
    const NAME: &'static str = "lossy-removal";
    type Of = Set;

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: SetOp,
        events: &mut Events<Change>,
    ) {
        let op = match op {
            SetOp::Remove(element, _) => {
                let all = mutant.of.elements.get(&element).cloned();
                SetOp::Remove(element, all.unwrap_or_default())
            }
            add => add,
        };
        mutant.of.effect(context, op, events);
    }
}

replicant_sdk::export!(Mutant<LossyRemoval>);
