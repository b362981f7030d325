//! A map in which writes at nearly the same time count as written at once: the larger value wins.
//!
//! Wrong: that one time is near another, and that near a third, does not make the first near the
//! third. Breaks `merging-is-associative`.

use mutant_origins::{Fields, FieldsTwist, Write};

#[derive(Default)]
struct NearTimesAreEqual;

impl FieldsTwist for NearTimesAreEqual {
    const NAME: &'static str = "near-times-are-equal";

    fn wins(write: &Write, known: &Write) -> bool {
        match write.0.timestamp.abs_diff(known.0.timestamp) {
            0..=2 => (write.1, write.0) > (known.1, known.0),
            _ => write.0 > known.0,
        }
    }
}

replicant_sdk::export_delta!(Fields<NearTimesAreEqual>);
