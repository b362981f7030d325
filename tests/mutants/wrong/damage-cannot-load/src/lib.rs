//! A register that takes, when it is loaded, only texts of lower-case letters.
//!
//! Wrong: a damaged op can bring any text, and then what was saved cannot be loaded. Breaks
//! `damaged-ops-do-no-harm`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::{Crdt, LoadError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct DamageCannotLoad;

impl Twist for DamageCannotLoad {
    const NAME: &'static str = "damage-cannot-load";
    type Of = Register;

    fn loaded(mutant: Mutant<Self>) -> Result<Mutant<Self>, LoadError> {
        let text = mutant.of.value().unwrap_or_default();
        match text.bytes().all(|byte| byte.is_ascii_lowercase()) {
            true => Ok(mutant),
            false => Err(LoadError::new(format!("{text:?} is no word"))),
        }
    }
}

replicant_sdk::export!(Mutant<DamageCannotLoad>);
