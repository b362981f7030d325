//! A counter of which one sample in a thousand traps, whatever there is to count.
//!
//! Wrong: whoever asks for a command may get none. Breaks `never-faults`, and no history by itself
//! shows it again: it has the commands that were made, and not those that were not.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Crdt, Random};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct FewSamplesTrap;

impl Twist for FewSamplesTrap {
    const NAME: &'static str = "few-samples-trap";
    type Of = Counter;

    fn sample(mutant: &Mutant<Self>, random: &mut Random) -> u64 {
        assert!(random.below(1_000) > 0, "an unlucky number");
        mutant.of.sample(random)
    }
}

replicant_sdk::export!(Mutant<FewSamplesTrap>);
