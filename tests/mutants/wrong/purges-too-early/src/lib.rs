//! A tally that forgets entries whose sum is zero at the next snapshot.
//!
//! Wrong: authors that do not have the snapshot yet still name them, so an entry must wait until
//! the floor has reached its mark. Breaks `compaction-is-invisible`.

use mutant_origins::{Mutant, Tally, Twist};
use replicant_sdk::Stable;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct PurgesTooEarly;

impl Twist for PurgesTooEarly {
    const NAME: &'static str = "purges-too-early";
    type Of = Tally;

    fn compact(mutant: &mut Mutant<Self>, _: &Stable, _floor: u64, _number: u64) -> bool {
        mutant.of.entries.retain(|_, entry| entry.sum != 0);
        false
    }
}

replicant_sdk::export!(Mutant<PurgesTooEarly>);
