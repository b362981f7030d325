//! Laws of delivery: the order of ops, and where runs of them are cut.

use replicant_runtime::Packed;

use crate::chance::Chance;
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::{Object, Subject};
use crate::world::{Bundle, World, apply_in_pieces, is_next, packed, piece};

/// How many other orders are tried.
const ORDERS: u64 = 3;

/// How many ops are made void, one at a time.
const VOID_OPS: u64 = 4;

/// Every causal order, bundles in the order of canonical replay: always the one with the least
/// (timestamp, replica, counter) of those whose dependencies are done.
pub(super) fn canonical_order(bundles: &[Bundle], replicas: usize) -> Vec<usize> {
    let key = |index: &usize| {
        let run = &bundles[*index].run;
        (run.timestamp, run.replica, run.counters.first().copied())
    };
    causal_order(bundles, replicas, |ready| {
        ready.iter().copied().min_by_key(key)
    })
}

/// Any causal order.
pub(super) fn random_order(bundles: &[Bundle], replicas: usize, chance: &mut Chance) -> Vec<usize> {
    let rank = chance.numbers();
    causal_order(bundles, replicas, |ready| {
        let ranks = |index: &usize| rank(bundles[*index].number.into());
        ready.iter().copied().min_by_key(ranks)
    })
}

/// An order in which one of the bundles that are ready is chosen until none is.
fn causal_order(
    bundles: &[Bundle],
    replicas: usize,
    mut choose: impl FnMut(&[usize]) -> Option<usize>,
) -> Vec<usize> {
    let mut applied = vec![0; replicas];
    let mut order = Vec::with_capacity(bundles.len());
    let mut rest: Vec<usize> = (0..bundles.len()).collect();
    loop {
        let is_ready = |&&index: &&usize| is_next(&bundles[index], &applied);
        let ready: Vec<usize> = rest.iter().filter(is_ready).copied().collect();
        let Some(next) = choose(&ready) else {
            return order;
        };
        applied[bundles[next].author] += 1;
        rest.retain(|index| *index != next);
        order.push(next);
    }
}

/// A fresh object that was given all bundles in canonical order, each in one call.
pub(super) fn replayed(subject: &Subject, bundles: &[Bundle], replicas: usize) -> Outcome<Object> {
    let mut object = Object::new(subject)?;
    for index in canonical_order(bundles, replicas) {
        object.apply(&bundles[index].run, false)?;
    }
    Ok(object)
}

pub(super) fn run_boundaries_do_not_matter(world: &World) -> Outcome {
    let (bundles, replicas) = (&world.bundles, world.replicas.len());
    let mut whole = replayed(&world.subject, bundles, replicas)?;
    let mut single = Object::new(&world.subject)?;
    for index in canonical_order(bundles, replicas) {
        let run = &bundles[index].run;
        for op in 0..run.counters.len() {
            single.apply(&piece(run, op, op + 1), false)?;
        }
    }
    let what = "the same ops were applied in the same order, in whole runs and one by one";
    let sides = ["whole runs", "one by one"];
    whole.check_same(&mut single, Law::RunBoundariesDoNotMatter, what, sides)
}

pub(super) fn concurrent_ops_commute(world: &World) -> Outcome {
    let what = "the same ops were applied in two causal orders";
    let bundles = &world.bundles;
    for round in 0..ORDERS {
        // Later ops can hide what earlier ones did: so orders of some first ones are compared too.
        let mut chance = Chance::new(world.seed, "order", round);
        let count = match bundles.last() {
            Some(last) if round > 0 => {
                let end = chance.below(last.number.into());
                bundles.partition_point(|bundle| u64::from(bundle.number) <= end)
            }
            _ => bundles.len(),
        };
        compare_orders(
            world,
            &bundles[..count],
            Law::ConcurrentOpsCommute,
            what,
            &mut chance,
        )?;
    }
    Ok(())
}

pub(super) fn void_ops_do_not_part(world: &World) -> Outcome {
    for round in 0..VOID_OPS {
        let mut chance = Chance::new(world.seed, "void", round);
        let Some((chosen, number)) = void_op(world, &mut chance) else {
            return Ok(());
        };
        let mut bundles = world.bundles.clone();
        let run = &mut bundles[chosen].run;
        let counter = run.counters.remove(number);
        run.ops = without(&run.ops, number);
        let what = format!(
            "op {counter} of {} is void, and the other ops were applied in two causal orders",
            crate::world::name(bundles[chosen].author),
        );
        compare_orders(world, &bundles, Law::VoidOpsDoNotPart, &what, &mut chance)?;
    }
    Ok(())
}

/// The bundle and the index in it of an op that is to be void.
fn void_op(world: &World, chance: &mut Chance) -> Option<(usize, usize)> {
    // By number, so that it stays the same op when steps are taken out of the script.
    let rank = chance.numbers();
    let ranks = |index: &usize| rank(world.bundles[*index].number.into());
    let chosen = (0..world.bundles.len()).min_by_key(ranks)?;
    Some((
        chosen,
        chance.index(world.bundles[chosen].run.counters.len()),
    ))
}

fn without(ops: &Packed, left_out: usize) -> Packed {
    let kept = ops
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != left_out);
    packed(kept.map(|(_, op)| op))
}

/// Gives the bundles to two fresh objects, in canonical order and in another one.
fn compare_orders(
    world: &World,
    bundles: &[Bundle],
    law: Law,
    what: &str,
    chance: &mut Chance,
) -> Outcome {
    let (subject, replicas) = (&world.subject, world.replicas.len());
    let order = random_order(bundles, replicas, chance);
    let when = |stop: Stop| stop.with("when", Evidence::Words(what.to_owned()));
    let mut canonical = replayed(subject, bundles, replicas).map_err(when)?;
    let mut other = Object::new(subject)?;
    for bundle in order.iter().map(|&index| &bundles[index]) {
        let mut chance = Chance::new(world.seed, "pieces", bundle.number.into());
        apply_in_pieces(&mut other, &bundle.run, &mut chance).map_err(when)?;
    }
    let sides = [
        told(bundles, &canonical_order(bundles, replicas)),
        told(bundles, &order),
    ];
    canonical.check_same(&mut other, law, what, [&sides[0], &sides[1]])
}

/// An order, as the names of the bundles' steps.
fn told(bundles: &[Bundle], order: &[usize]) -> String {
    let numbers = order.iter().map(|&index| bundles[index].number.to_string());
    format!("in the order {}", numbers.collect::<Vec<_>>().join(", "))
}
