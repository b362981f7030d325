//! Laws of state-based types: states are a join-semilattice, and deltas are states of it.
//!
//! They are checked on states that authors were in when they made their bundles: the states of
//! bundles that knew nothing of each other are concurrent. Nothing is compacted here: what was
//! forgotten does not come again, so the laws of merging are not about it.

use super::order::{canonical_order, replayed};
use crate::chance::Chance;
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::{Object, Subject};
use crate::world::{Bundle, World};

/// How many states are taken from a history: each three of them are merged.
const STATES_MAX: usize = 6;

/// Of 100 deltas, how many come once more.
const AGAIN_PERCENT: u64 = 30;

/// A state that a history led to.
struct State {
    /// The step that led there.
    number: u32,
    bytes: Vec<u8>,
}

impl State {
    fn name(&self) -> String {
        format!("state after {}", self.number)
    }
}

/// The bundles that the author of a bundle knew when it was made, that one included.
fn past(world: &World, latest: &Bundle) -> Vec<Bundle> {
    let is_known = |bundle: &&Bundle| {
        let author = bundle.author;
        bundle.causes[author] <= latest.causes[author]
    };
    world.bundles.iter().filter(is_known).cloned().collect()
}

/// Some bundles, by number, so that they stay the same when steps are taken out of the script.
fn chosen<'a>(world: &'a World, purpose: &str) -> Vec<&'a Bundle> {
    let rank = Chance::new(world.seed, purpose, 0).numbers();
    let mut chosen: Vec<&Bundle> = world.bundles.iter().collect();
    chosen.sort_by_key(|bundle| rank(bundle.number.into()));
    chosen.truncate(STATES_MAX);
    chosen
}

fn states(world: &World, purpose: &str) -> Outcome<Vec<State>> {
    let state = |latest: &Bundle| {
        let past = past(world, latest);
        let bytes = replayed(&world.subject, &past, world.replicas.len())?.save()?;
        let number = latest.number;
        Ok(State { number, bytes })
    };
    let chosen = chosen(world, purpose);
    chosen.into_iter().map(state).collect()
}

/// The first state with the others merged into it.
fn joined(subject: &Subject, first: &[u8], others: &[&[u8]]) -> Outcome<Object> {
    let mut object = Object::load(subject, first)?;
    object.merge(others.iter().copied())?;
    Ok(object)
}

pub(super) fn merging_is_idempotent(world: &World) -> Outcome {
    let law = Law::MergingIsIdempotent;
    let states = states(world, "idempotence")?;
    for one in &states {
        for other in &states {
            let mut once = joined(&world.subject, &one.bytes, &[&other.bytes])?;
            let mut twice = once.copy()?;
            let events = twice.merge([&other.bytes[..]])?;
            let what = "a state was merged into another one, once and twice";
            let told = |stop: Stop| with_states(stop, &[one, other]);
            let same = once.check_same(&mut twice, law, what, ["once", "twice"]);
            same.map_err(told)?;
            if let Some(event) = events.iter().next() {
                let stop =
                    Stop::broken(law, "merging a state for the second time told of a change");
                return Err(told(stop.with("event", Evidence::Data(event.to_vec()))));
            }
        }
    }
    Ok(())
}

pub(super) fn merging_commutes(world: &World) -> Outcome {
    let law = Law::MergingCommutes;
    let states = states(world, "commuting")?;
    for (index, one) in states.iter().enumerate() {
        for other in &states[..index] {
            let mut there = joined(&world.subject, &one.bytes, &[&other.bytes])?;
            let mut back = joined(&world.subject, &other.bytes, &[&one.bytes])?;
            let what = "of two states, each was merged into the other";
            let same = there.check_same(&mut back, law, what, ["one way", "the other way"]);
            same.map_err(|stop| with_states(stop, &[one, other]))?;
        }
    }
    Ok(())
}

pub(super) fn merging_is_associative(world: &World) -> Outcome {
    let law = Law::MergingIsAssociative;
    let states = states(world, "associativity")?;
    let count = states.len();
    let triples = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    let triples = triples.flat_map(|(a, b)| (0..count).map(move |c| [a, b, c]));
    // Merging commutes, so the other direction of each is no other case.
    let differ = |[a, b, c]: &[usize; 3]| a != b && b != c && a < c;
    for [a, b, c] in triples.filter(differ) {
        let [a, b, c] = [&states[a], &states[b], &states[c]];
        let last_two = joined(&world.subject, &b.bytes, &[&c.bytes])?.save()?;
        let mut left = joined(&world.subject, &a.bytes, &[&b.bytes, &c.bytes])?;
        let mut right = joined(&world.subject, &a.bytes, &[&last_two])?;
        let what = "of three states, the first two were merged first, and the last two";
        let same = left.check_same(&mut right, law, what, ["first two", "last two"]);
        same.map_err(|stop| with_states(stop, &[a, b, c]))?;
    }
    Ok(())
}

pub(super) fn deltas_make_the_state(world: &World) -> Outcome {
    let law = Law::DeltasMakeTheState;
    let (subject, replicas) = (&world.subject, world.replicas.len());
    let chosen = chosen(world, "wholes");
    let states = states(world, "wholes")?;
    for count in 1..=chosen.len() {
        let known = |bundle: &&Bundle| {
            let author = bundle.author;
            let is_known = |latest: &&Bundle| bundle.causes[author] <= latest.causes[author];
            chosen[..count].iter().any(is_known)
        };
        let union: Vec<Bundle> = world.bundles.iter().filter(known).cloned().collect();
        let mut by_deltas = replayed(subject, &union, replicas)?;
        let mut by_states = Object::new(subject)?;
        by_states.merge(states[..count].iter().map(|state| &state.bytes[..]))?;
        let what = "one replica merged deltas, and another one the whole states that they led to";
        let sides = ["deltas", "whole states"];
        let same = by_deltas.check_same(&mut by_states, law, what, sides);
        same.map_err(|stop| with_states(stop, &states[..count].iter().collect::<Vec<_>>()))?;
    }
    Ok(())
}

pub(super) fn old_deltas_do_no_harm(world: &World) -> Outcome {
    // Later deltas can hide what earlier ones did: so what one author knew is looked at too.
    for latest in chosen(world, "old deltas") {
        check_any_order(world, &past(world, latest), latest.number.into())?;
    }
    check_any_order(world, &world.bundles, 0)
}

/// Merges the deltas of bundles once in causal order, and once in any order, some of them twice.
fn check_any_order(world: &World, bundles: &[Bundle], round: u64) -> Outcome {
    let law = Law::OldDeltasDoNoHarm;
    let (subject, replicas) = (&world.subject, world.replicas.len());
    let mut chance = Chance::new(world.seed, "any order", round);
    let mut deltas = Vec::new();
    for index in canonical_order(bundles, replicas) {
        for (counter, delta) in bundles[index]
            .run
            .counters
            .iter()
            .zip(bundles[index].run.ops.iter())
        {
            let name = format!("{counter} of {}", crate::world::name(bundles[index].author));
            let times = 1 + usize::from(chance.percent(AGAIN_PERCENT));
            deltas.extend(std::iter::repeat_n((name, delta), times));
        }
    }
    for index in (1..deltas.len()).rev() {
        deltas.swap(index, chance.index(index + 1));
    }
    let mut in_order = replayed(subject, bundles, replicas)?;
    let mut any = Object::new(subject)?;
    any.merge(deltas.iter().map(|(_, delta)| *delta))?;
    let order: Vec<_> = deltas.iter().map(|(name, _)| name.as_str()).collect();
    let what = "deltas were merged in causal order, and in another one, some of them twice";
    let sides = ["causal order", "the other"];
    let same = in_order.check_same(&mut any, law, what, sides);
    same.map_err(|stop| stop.with("the other order", Evidence::Words(order.join(", "))))
}

fn with_states(stop: Stop, states: &[&State]) -> Stop {
    let bytes = |state: &State| Evidence::State(state.bytes.clone());
    let add = |stop: Stop, state: &&State| stop.with(state.name(), bytes(state));
    states.iter().fold(stop, add)
}
