//! A counter whose deltas say how many came, and that adds what it merges.
//!
//! Wrong: what comes twice counts twice. Breaks `merging-is-idempotent`.

use mutant_origins::{Share, Visits, VisitsTwist};
use replicant_sdk::Dot;

#[derive(Default)]
struct AddsWhenMerged;

impl VisitsTwist for AddsWhenMerged {
    const NAME: &'static str = "adds-when-merged";

    fn delta(_: Share, _: Dot, by: u64) -> Share {
        Share {
            sum: by,
            ..Share::default()
        }
    }

    fn merged(share: Share, known: Share) -> Share {
        Share {
            sum: known.sum.wrapping_add(share.sum),
            ..known
        }
    }
}

replicant_sdk::export_delta!(Visits<AddsWhenMerged>);
