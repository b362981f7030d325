//! A counter that tells those who watch of ops from elsewhere only.
//!
//! Wrong: `update` must tell of the same events as applying its op. Breaks `update-is-apply`.

use mutant_origins::{Counter, Mutant, Twist};
use replicant_sdk::{Context, Events, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct UpdateIsSilent;

impl Twist for UpdateIsSilent {
    const NAME: &'static str = "update-is-silent";
    type Of = Counter;

    fn update_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        _: &mut Events<u64>,
    ) -> Result<bool, Refusal> {
        mutant.update_honestly(context, command, op, &mut Events::ignored())
    }
}

replicant_sdk::export!(Mutant<UpdateIsSilent>);
