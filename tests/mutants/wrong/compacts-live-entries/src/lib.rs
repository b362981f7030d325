//! A tally that forgets entries whose sum is not above zero.
//!
//! Wrong: sums below zero are shown. Breaks `compaction-is-invisible`.

use mutant_origins::{Mutant, Tally, Twist};
use replicant_sdk::{Crdt, Stable};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CompactsLiveEntries;

impl Twist for CompactsLiveEntries {
    const NAME: &'static str = "compacts-live-entries";
    type Of = Tally;

    fn compact(mutant: &mut Mutant<Self>, stable: &Stable, floor: u64, number: u64) -> bool {
        mutant.of.entries.retain(|_, entry| entry.sum >= 0);
        mutant.of.compact(stable, floor, number)
    }
}

replicant_sdk::export!(Mutant<CompactsLiveEntries>);
