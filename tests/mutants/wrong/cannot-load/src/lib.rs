//! A balance that is not loaded when it is below zero.
//!
//! Wrong: concurrent payments can bring it there, and then it cannot be loaded. Breaks
//! `saved-states-come-back`.

use mutant_origins::{Balance, Mutant, Twist};
use replicant_sdk::{Crdt, LoadError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct CannotLoad;

impl Twist for CannotLoad {
    const NAME: &'static str = "cannot-load";
    type Of = Balance;

    fn loaded(mutant: Mutant<Self>) -> Result<Mutant<Self>, LoadError> {
        match mutant.of.value() {
            0.. => Ok(mutant),
            below => Err(LoadError::new(format!("{below} is below zero"))),
        }
    }
}

replicant_sdk::export!(Mutant<CannotLoad>);
