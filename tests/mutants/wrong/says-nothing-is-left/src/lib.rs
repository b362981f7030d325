//! A tally that says it has nothing more to forget when it has.
//!
//! Wrong: the host would make no more snapshots, and garbage stays for ever. Breaks
//! `compaction-is-invisible`.

use mutant_origins::{Mutant, Tally, Twist};
use replicant_sdk::{Crdt, Stable};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct SaysNothingIsLeft;

impl Twist for SaysNothingIsLeft {
    const NAME: &'static str = "says-nothing-is-left";
    type Of = Tally;

    fn compact(mutant: &mut Mutant<Self>, stable: &Stable, floor: u64, number: u64) -> bool {
        mutant.of.compact(stable, floor, number);
        false
    }
}

replicant_sdk::export!(Mutant<SaysNothingIsLeft>);
