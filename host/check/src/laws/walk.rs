//! Looks at the states that a history leads through.

use replicant_runtime::Context;

use super::order::canonical_order;
use crate::chance::Chance;
use crate::law::Outcome;
use crate::object::Object;
use crate::world::World;

/// Of 100 states, how many are looked at: a look costs as much as tens of ops.
const LOOKS_PERCENT: u64 = 12;

/// A state to look at.
pub(super) struct Place<'a> {
    /// The object. What a law does to it must be undone: it goes on to live.
    pub(super) object: &'a mut Object,
    /// The context of an op that could be made here.
    pub(super) next: Context,
    /// Chance for this look.
    pub(super) chance: Chance,
}

/// Replays a history canonically and looks at some of the states on the way, always at the first
/// and the last.
pub(super) fn states(
    world: &World,
    purpose: &str,
    mut look: impl FnMut(Place<'_>) -> Outcome,
) -> Outcome {
    let mut object = Object::new(&world.subject)?;
    let mut place = |object: &mut Object, author: usize, number: u64| {
        look(Place {
            object,
            next: next_context(world, author),
            chance: Chance::new(world.seed, purpose, number),
        })
    };
    place(&mut object, 0, u64::MAX)?;
    let order = canonical_order(&world.bundles, world.replicas.len());
    for (at, &index) in order.iter().enumerate() {
        let bundle = &world.bundles[index];
        object.apply(&bundle.run, false)?;
        let number = bundle.number.into();
        let is_looked_at = Chance::new(world.seed, "look", number).percent(LOOKS_PERCENT);
        if is_looked_at || at + 1 == order.len() {
            place(&mut object, bundle.author, number)?;
        }
    }
    Ok(())
}

/// A context that is later than everything that happened.
fn next_context(world: &World, author: usize) -> Context {
    let newest = world
        .replicas
        .iter()
        .map(|replica| replica.context().timestamp);
    Context {
        timestamp: newest.max().unwrap_or_default(),
        ..world.replicas[author].context()
    }
}
