//! A tally that still names entries that a snapshot has marked.
//!
//! Wrong: they go when all authors have that snapshot, whatever is under way. Breaks
//! `compaction-is-invisible`.

use mutant_origins::{Addition, Mutant, Tally, TallyOp, Twist};
use replicant_sdk::{Context, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct NamesWhatIsMarked;

impl Twist for NamesWhatIsMarked {
    const NAME: &'static str = "names-what-is-marked";
    type Of = Tally;

    fn prepare(
        mutant: &Mutant<Self>,
        _: &Context,
        addition: Addition,
    ) -> Result<Option<TallyOp>, Refusal> {
        let mut entries = mutant.of.entries.iter();
        let known = entries.find(|(_, entry)| entry.name == addition.name);
        Ok(match known {
            _ if addition.by == 0 => None,
            Some((dot, _)) => Some(TallyOp::Add(*dot, addition.by)),
            None => Some(TallyOp::Begin(addition)),
        })
    }
}

replicant_sdk::export!(Mutant<NamesWhatIsMarked>);
