//! A set that keeps, when it is loaded, only the last addition of each element.
//!
//! Wrong: what users read is still right, but a removal may name the others. Breaks
//! `saved-states-come-back`.

use mutant_origins::{Mutant, Set, Twist};
use replicant_sdk::LoadError;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct ForgetsWhenLoaded;

impl Twist for ForgetsWhenLoaded {
    const NAME: &'static str = "forgets-when-loaded";
    type Of = Set;

    fn loaded(mut mutant: Mutant<Self>) -> Result<Mutant<Self>, LoadError> {
        for additions in mutant.of.elements.values_mut() {
            if let Some(last) = additions.pop_last() {
                *additions = [last].into();
            }
        }
        Ok(mutant)
    }
}

replicant_sdk::export!(Mutant<ForgetsWhenLoaded>);
