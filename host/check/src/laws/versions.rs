//! The law of versions: what an older one saved, the newer one loads.

use replicant_runtime::{Context, Run};

use super::order::canonical_order;
use crate::chance::Chance;
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::{Object, Subject};
use crate::world::{World, packed};

/// Of 100 states, how many are loaded.
const LOADS_PERCENT: u64 = 20;

/// Ops of the older version that come after the change.
const BUNDLES_AFTER_MAX: usize = 8;

/// Loads states of a history of the older version with the newer one. They must be what the same
/// ops make there, and stay so with further ops of both.
pub(super) fn older_states_load(world: &World) -> Outcome {
    let Some(newer) = world.subject.successor() else {
        return Ok(());
    };
    let writes = world.subject.writes();
    if !newer.reads().contains(&writes) {
        let what = format!("it does not read op encoding {writes}, which the older version writes");
        return Err(Stop::broken(Law::OlderStatesLoad, what));
    }
    let order = canonical_order(&world.bundles, world.replicas.len());
    let mut older = Object::new(&world.subject)?;
    let mut replayed = Object::new(&newer)?;
    check_change(world, &mut older, &mut replayed, &order)?;
    for (at, &index) in order.iter().enumerate() {
        let bundle = &world.bundles[index];
        older.apply(&bundle.run, false)?;
        replayed.apply(&bundle.run, false)?;
        let mut chance = Chance::new(world.seed, "change", bundle.number.into());
        if chance.percent(LOADS_PERCENT) || at + 1 == order.len() {
            check_change(world, &mut older, &mut replayed, &order[at + 1..])?;
        }
    }
    Ok(())
}

/// Changes to the newer version here: `rest` are the bundles that come later.
fn check_change(
    world: &World,
    older: &mut Object,
    replayed: &mut Object,
    rest: &[usize],
) -> Outcome {
    let law = Law::OlderStatesLoad;
    let saved = older.save()?;
    let newer = replayed.subject().clone();
    let mut loaded = Object::load_from(&newer, &saved, world.subject.version())?;
    let sides = ["loaded", "ops applied"];
    let what = "the older version's state was loaded, and its ops were applied to another object";
    let show = |stop: Stop| stop.with("the older version saved", Evidence::State(saved.clone()));
    loaded
        .check_same(replayed, law, what, sides)
        .map_err(show)?;
    let mut other = replayed.copy()?;
    go_on(world, &newer, rest, [&mut loaded, &mut other]).map_err(show)?;
    let what = "both then got the same further ops, of both versions";
    loaded
        .check_same(&mut other, law, what, sides)
        .map_err(show)
}

/// Gives both objects what was under way, and what a replica does that runs the newer version.
fn go_on(
    world: &World,
    newer: &Subject,
    rest: &[usize],
    [loaded, other]: [&mut Object; 2],
) -> Outcome {
    let ids = || world.replicas.iter().map(|replica| replica.id);
    let newest = world.replicas.iter().map(|of| of.context().timestamp);
    let mut next = Context {
        replica: (1..).find(|id| ids().all(|of| of != *id)).unwrap_or(1),
        counter: 1,
        timestamp: newest.max().unwrap_or_default(),
    };
    let mut chance = Chance::new(world.seed, "after the change", rest.len() as u64);
    let coming = rest.iter().map(Some).take(BUNDLES_AFTER_MAX);
    for bundle in coming.chain([None]) {
        let command = loaded.sample(chance.number())?;
        let updated = loaded.update(next, &packed([&command[..]]), false)?;
        if !updated.ops.is_empty() {
            let made = updated.ops.len() as u64;
            let run = Run {
                replica: next.replica,
                timestamp: next.timestamp,
                schema: newer.writes(),
                counters: (next.counter..next.counter + made).collect(),
                ops: updated.ops,
            };
            other.apply(&run, false)?;
            next.counter += made;
            next.timestamp += 1;
        }
        if let Some(&index) = bundle {
            loaded.apply(&world.bundles[index].run, false)?;
            other.apply(&world.bundles[index].run, false)?;
        }
    }
    Ok(())
}
