//! A counter whose sum is in a static variable.
//!
//! Wrong: all objects of an instance share it, and an object that is loaded again has none of it.
//! Breaks `no-hidden-state`.

use std::sync::atomic::{AtomicU64, Ordering};

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

static SUM: AtomicU64 = AtomicU64::new(0);

#[derive(Default, Serialize, Deserialize)]
struct SharedSum;

impl Twist for SharedSum {
    const NAME: &'static str = "shared-sum";
    type Of = Counter;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, by: u64, events: &mut Events<u64>) {
        mutant.of.effect(context, by, events);
        mutant.of.0 = SUM.fetch_add(by, Ordering::Relaxed).wrapping_add(by);
    }
}

replicant_sdk::export!(Mutant<SharedSum>);
