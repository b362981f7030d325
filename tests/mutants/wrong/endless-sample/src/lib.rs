//! A counter whose `sample` has no end once there is something to count.
//!
//! Wrong: whoever asks for a command waits until the fuel is used up. Breaks `never-faults`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Crdt, Random};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct EndlessSample;

impl Twist for EndlessSample {
    const NAME: &'static str = "endless-sample";
    type Of = Counter;

    fn sample(mutant: &Mutant<Self>, random: &mut Random) -> u64 {
        while mutant.of.0 > 0 {
            std::hint::black_box(mutant);
        }
        mutant.of.sample(random)
    }
}

replicant_sdk::export!(Mutant<EndlessSample>);
