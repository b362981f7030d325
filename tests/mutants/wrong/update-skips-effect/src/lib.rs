//! A counter that does not count, where it is made, an increment of 7.
//!
//! Wrong: `update` must do what applying its op does. Breaks `update-is-apply`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Events, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct UpdateSkipsEffect;

impl Twist for UpdateSkipsEffect {
    const NAME: &'static str = "update-skips-effect";
    type Of = Counter;

    fn update_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<u64>,
    ) -> Result<bool, Refusal> {
        let Some(by) = mutant.made(context, command, op)? else {
            return Ok(false);
        };
        if by != 7 {
            Self::effect(mutant, context, by, events);
        }
        Ok(true)
    }
}

replicant_sdk::export!(Mutant<UpdateSkipsEffect>);
