//! Laws on single states: saving, reading, and what an instance might hide.

use super::order::{canonical_order, random_order, replayed};
use super::walk::{self, Place};
use crate::chance::Chance;
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::{Answer, Object, answer};
use crate::world::World;

/// How many damaged ops are tried on one state.
const TRIES: usize = 6;

/// After how many of 100 runs an object is saved and loaded.
const MOVES_PERCENT: u64 = 25;

pub(super) fn no_hidden_state(world: &World) -> Outcome {
    let (subject, bundles) = (&world.subject, &world.bundles);
    let replicas = world.replicas.len();
    let mut plain = replayed(subject, bundles, replicas)?;
    let order = canonical_order(bundles, replicas);

    let runs: Vec<_> = order
        .iter()
        .map(|&index| bundles[index].run.clone())
        .collect();
    let mut crowded = Object::beside(&subject.with_more_fuel(), &runs[..runs.len() / 2])?;
    for run in &runs {
        crowded.apply(run, true)?;
    }
    let what = "the same ops were applied in the same order, once beside another object, with \
                more fuel, and watched";
    let sides = ["alone", "beside another object"];
    let law = Law::NoHiddenState;
    plain.check_same(&mut crowded, law, what, sides)?;
    let queries = plain.own_queries(&mut Chance::new(world.seed, "hidden", 0))?;
    plain.check_reads_alike(&mut crowded, &queries, law, what, sides)
}

pub(super) fn saved_states_come_back(world: &World) -> Outcome {
    let law = Law::SavedStatesComeBack;
    walk::states(world, "saving", |place| {
        let Place {
            object, mut chance, ..
        } = place;
        let (mut copy, what) = (object.copy()?, "a state was saved and loaded");
        let sides = ["saved", "loaded"];
        object.check_same(&mut copy, law, what, sides)?;
        let queries = object.own_queries(&mut chance)?;
        object.check_reads_alike(&mut copy, &queries, law, what, sides)
    })?;
    goes_on_alike(world)
}

/// Checks that an object which is saved and loaded now and then is no other than one that is not,
/// in an order that is not canonical: there, newer ops come before older ones.
fn goes_on_alike(world: &World) -> Outcome {
    let law = Law::SavedStatesComeBack;
    let what = "the same ops were applied in the same order, once with saving and loading between";
    let mut chance = Chance::new(world.seed, "moves", 0);
    let mut kept = Object::new(&world.subject)?;
    let mut moved = Object::new(&world.subject)?;
    for index in random_order(&world.bundles, world.replicas.len(), &mut chance) {
        let run = &world.bundles[index].run;
        kept.apply(run, false)?;
        moved.apply(run, false)?;
        if chance.percent(MOVES_PERCENT) {
            kept.check_same(&mut moved, law, what, ["kept", "saved and loaded"])?;
            moved = moved.copy()?;
        }
    }
    kept.check_same(&mut moved, law, what, ["kept", "saved and loaded"])
}

pub(super) fn queries_change_nothing(world: &World) -> Outcome {
    walk::states(world, "queries", |place| {
        let Place {
            object, mut chance, ..
        } = place;
        let before = object.save()?;
        if object.save()? != before {
            // Then it is not queries that make the difference.
            return Ok(());
        }
        let whole = object.value()?;
        ask(object, None, &before, whole)?;
        for query in object.all_queries(&mut chance)? {
            let first = object.query(Some(&query.data))?;
            let is_answered = first.is_ok();
            world
                .subject
                .count(|tally| tally.asked.note(&query, is_answered));
            ask(object, Some(&query.data), &before, first)?;
        }
        Ok(())
    })
}

/// Asks a query again and checks that nothing has changed.
fn ask(object: &mut Object, query: Option<&[u8]>, before: &[u8], first: Answer) -> Outcome {
    let again = object.query(query)?;
    let broken = |what: &str| {
        let asked = match query {
            None => Evidence::Words("the value".to_owned()),
            Some(query) => Evidence::Data(query.to_vec()),
        };
        Stop::broken(Law::QueriesChangeNothing, what).with("query", asked)
    };
    if first != again {
        return Err(
            broken("the same query was answered differently at once after")
                .with("first", answer(first))
                .with("then", answer(again)),
        );
    }
    let after = object.save()?;
    if after == before {
        return Ok(());
    }
    Err(broken("a query changed the state")
        .with("before", Evidence::State(before.to_vec()))
        .with("after", Evidence::State(after)))
}

pub(super) fn damaged_ops_do_no_harm(world: &World) -> Outcome {
    let some_run = |place: &mut Place<'_>| {
        let bundle = place.chance.pick(&world.bundles)?;
        Some(bundle.run.clone())
    };
    walk::states(world, "damage", |mut place| {
        let Some(mut run) = some_run(&mut place) else {
            return Ok(());
        };
        let chance = &mut place.chance;
        run.replica = place.next.replica;
        run.timestamp = place.next.timestamp;
        let mut counters = place.next.counter..;
        let mut object = place.object.copy()?;
        for _ in 0..TRIES {
            let damaged = run.ops.iter().map(|op| {
                let mut op = op.to_vec();
                chance.damage(&mut op);
                op
            });
            let damaged: Vec<Vec<u8>> = damaged.collect();
            run.ops = crate::world::packed(damaged.iter().map(Vec::as_slice));
            // No two ops have the same dot.
            run.counters = counters.by_ref().take(damaged.len()).collect();
            object.apply(&run, true).map_err(|stop| {
                stop.with("the first of the ops", Evidence::State(damaged[0].clone()))
            })?;
        }
        object.copy().map(drop)
    })
}
