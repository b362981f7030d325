//! A counter whose deltas say how many came since the one before, and that adds them up if they
//! are newer than what it knows.
//!
//! Wrong: a delta that comes after its successor is lost. Breaks `old-deltas-do-no-harm`.

use mutant_origins::{Share, Visits, VisitsTwist};
use replicant_sdk::Dot;

#[derive(Default)]
struct NeedsCausalOrder;

impl VisitsTwist for NeedsCausalOrder {
    const NAME: &'static str = "needs-causal-order";

    fn delta(known: Share, dot: Dot, by: u64) -> Share {
        Share {
            from: known.to,
            to: dot.counter,
            sum: by,
        }
    }

    fn merged(share: Share, known: Share) -> Share {
        if share.to <= known.to {
            known
        } else if share.from == 0 {
            share
        } else {
            Share {
                from: 0,
                to: share.to,
                sum: known.sum.wrapping_add(share.sum),
            }
        }
    }
}

replicant_sdk::export_delta!(Visits<NeedsCausalOrder>);
