//! A counter that notes when it last changed, as it makes the event that says so.
//!
//! Wrong: events are only made where somebody watches. Breaks `no-hidden-state`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CountsIfWatched {
    newest: u64,
}

impl Twist for CountsIfWatched {
    const NAME: &'static str = "counts-if-watched";
    type Of = Counter;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, by: u64, events: &mut Events<u64>) {
        mutant.of.effect(context, by, &mut Events::ignored());
        events.emit(|| {
            mutant.twist.newest = context.timestamp.max(mutant.twist.newest);
            mutant.of.0
        });
    }
}

replicant_sdk::export!(Mutant<CountsIfWatched>);
