//! A tally that panics when it is compacted with a floor that is not the snapshot before.
//!
//! Wrong: the floor stays behind as long as somebody is away. Breaks `compaction-is-invisible`.

use mutant_origins::{Mutant, Tally, Twist};
use replicant_sdk::{Crdt, Stable};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CompactTraps;

impl Twist for CompactTraps {
    const NAME: &'static str = "compact-traps";
    type Of = Tally;

    fn compact(mutant: &mut Mutant<Self>, stable: &Stable, floor: u64, number: u64) -> bool {
        assert_eq!(floor + 1, number, "nobody is away");
        mutant.of.compact(stable, floor, number)
    }
}

replicant_sdk::export!(Mutant<CompactTraps>);
