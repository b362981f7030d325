//! A set of which a query of its own is refused once it was compacted.
//!
//! Wrong: no query may tell; here the value does not. Breaks `compaction-is-invisible`.

use mutant_origins::{Lookup, Mutant, Set, Twist};
use replicant_sdk::{Crdt, Refusal, Stable};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct LookupSeesCompaction {
    is_compacted: bool,
}

impl Twist for LookupSeesCompaction {
    const NAME: &'static str = "lookup-sees-compaction";
    type Of = Set;

    fn compact(mutant: &mut Mutant<Self>, _: &Stable, _: u64, _: u64) -> bool {
        mutant.twist.is_compacted = true;
        false
    }

    fn query(mutant: &Mutant<Self>, lookup: Lookup) -> Result<bool, Refusal> {
        match mutant.twist.is_compacted {
            true => Err(Refusal::new("that was forgotten")),
            false => mutant.of.query(lookup),
        }
    }
}

replicant_sdk::export!(Mutant<LookupSeesCompaction>);
