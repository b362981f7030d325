//! A balance whose `sample` pays out what may not be there.
//!
//! Wrong: a checker would try little but refusals. Breaks `samples-are-valid`.

use mutant_origins::{Balance, Mutant, Payment, Twist};
use replicant_sdk::Random;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct SampleIsRefused;

impl Twist for SampleIsRefused {
    const NAME: &'static str = "sample-is-refused";
    type Of = Balance;

    fn sample(_: &Mutant<Self>, random: &mut Random) -> Payment {
        match random.chance(50) {
            true => Payment::In(random.below(10)),
            false => Payment::Out(random.below(10)),
        }
    }
}

replicant_sdk::export!(Mutant<SampleIsRefused>);
