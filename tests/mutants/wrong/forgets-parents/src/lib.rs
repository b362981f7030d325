//! A list that forgets deleted characters as soon as all authors have seen the deletion.
//!
//! Wrong: the characters that were put after them hang on them, and are lost with them. Breaks
//! `compaction-is-invisible`.

use mutant_origins::{List, Mutant, Twist};
use replicant_sdk::Stable;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct ForgetsParents;

impl Twist for ForgetsParents {
    const NAME: &'static str = "forgets-parents";
    type Of = List;

    fn compact(mutant: &mut Mutant<Self>, stable: &Stable, _floor: u64, _number: u64) -> bool {
        let items = &mut mutant.of.items;
        let is_gone = |dot| stable.contains(dot);
        items.retain(|_, item| !item.deleted_by.is_some_and(is_gone));
        items.values().any(|item| item.deleted_by.is_some())
    }
}

replicant_sdk::export!(Mutant<ForgetsParents>);
