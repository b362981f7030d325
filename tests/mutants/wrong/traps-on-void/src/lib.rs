//! A list that panics when it is to put something after a character that it does not know.
//!
//! Wrong: the op that put that character in may be void; then this one has no effect. Breaks
//! `void-ops-do-not-part`.

use mutant_origins::{Edit, List, Mutant, Twist};
use replicant_sdk::{Context, Crdt, Events};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct TrapsOnVoid;

impl Twist for TrapsOnVoid {
    const NAME: &'static str = "traps-on-void";
    type Of = List;

    fn effect(mutant: &mut Mutant<Self>, context: &Context, edit: Edit, events: &mut Events<()>) {
        if let Edit::Insert(Some(after), _) = edit {
            let is_known = mutant.of.items.contains_key(&after);
            assert!(is_known, "its predecessor was delivered before");
        }
        mutant.of.effect(context, edit, events);
    }
}

replicant_sdk::export!(Mutant<TrapsOnVoid>);
