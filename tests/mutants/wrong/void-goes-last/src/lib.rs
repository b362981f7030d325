//! A list that puts a character whose predecessor it does not know after the newest one.
//!
//! Wrong: which one is the newest depends on the order of arrival. Breaks `void-ops-do-not-part`.

use mutant_origins::{Edit, List, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct VoidGoesLast;

impl Twist for VoidGoesLast {
    const NAME: &'static str = "void-goes-last";
    type Of = List;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, edit: Edit, events: &mut Events<()>) {
        let items = &mutant.of.items;
        match edit {
            Edit::Insert(Some(after), text) if !items.contains_key(&after) => {
                let newest = items.keys().next_back().copied();
                mutant.of.insert(context, newest, text);
            }
            edit => mutant.of.effect(context, edit, events),
        }
    }
}

replicant_sdk::export!(Mutant<VoidGoesLast>);
