//! A map that forgets tombstones whenever it compacts.
//!
//! Wrong: an older write of the key may still come. Breaks `compaction-is-invisible`.

use mutant_origins::{Fields, FieldsTwist};
use replicant_sdk::{Stable, Stamp};

#[derive(Default)]
struct ForgetsTombstonesEarly;

impl FieldsTwist for ForgetsTombstonesEarly {
    const NAME: &'static str = "forgets-tombstones-early";

    fn is_forgotten(_: Stamp, _: &Stable) -> bool {
        true
    }
}

replicant_sdk::export_delta!(Fields<ForgetsTombstonesEarly>);
