//! A register whose `sample` makes a text as often as not that no node takes.
//!
//! Wrong: what is tried says nothing about what can happen. Breaks `samples-are-valid`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::Random;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct SampleIsHuge;

impl Twist for SampleIsHuge {
    const NAME: &'static str = "sample-is-huge";
    type Of = Register;

    fn sample(_: &Mutant<Self>, random: &mut Random) -> String {
        match random.chance(50) {
            true => "x".repeat(17 << 20),
            false => random.word(),
        }
    }
}

replicant_sdk::export!(Mutant<SampleIsHuge>);
