//! A register that panics on an op that it cannot decode.
//!
//! Wrong: such an op has no effect. Breaks `damaged-ops-do-no-harm`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::{Context, Events, Malformed, postcard_bytes};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct TrapsOnDamage;

impl Twist for TrapsOnDamage {
    const NAME: &'static str = "traps-on-damage";
    type Of = Register;

    fn apply_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: &[u8],
        events: &mut Events<String>,
    ) -> Result<(), Malformed> {
        let text = postcard_bytes::read(op).expect("ops are what was sent");
        Self::effect(mutant, context, text, events);
        Ok(())
    }
}

replicant_sdk::export!(Mutant<TrapsOnDamage>);
