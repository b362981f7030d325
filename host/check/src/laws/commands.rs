//! Laws of commands: what `sample` makes, what a refusal leaves, what `update` does.

use replicant_runtime::{Context, Packed, Run};

use super::walk::{self, Place};
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::Object;
use crate::world::{World, packed};

/// How many commands are tried on one state.
const TRIES: usize = 6;

/// Checks that commands of `sample` end in no trap and at no limit.
pub(super) fn samples_never_fault(world: &mut World) -> Outcome {
    match try_samples(world) {
        // Whether they are refused comes later.
        Err(Stop::Broken(seen)) if seen.law != Law::NeverFaults => {
            world.samples_tried = Some(Err(Stop::Broken(seen)));
            Ok(())
        }
        outcome => {
            world.samples_tried = Some(Ok(()));
            outcome
        }
    }
}

pub(super) fn samples_are_valid(world: &mut World) -> Outcome {
    match world.samples_tried.take() {
        Some(seen) => seen,
        None => try_samples(world),
    }
}

fn try_samples(world: &World) -> Outcome {
    walk::states(world, "samples", |place| {
        let Place {
            object,
            next,
            mut chance,
        } = place;
        let saved = object.save()?;
        for _ in 0..TRIES {
            let seed = chance.number();
            let command = object.sample(seed)?;
            let mut copy = Object::load(&world.subject, &saved)?;
            let updated = copy.update(next, &single(&command), false)?;
            if let Some(refusal) = updated.refusals.into_iter().next() {
                let what = format!("`sample` with seed {seed} makes a command that is refused");
                return Err(Stop::broken(Law::SamplesAreValid, what)
                    .with("command", Evidence::Data(command))
                    .with("the component says", Evidence::Words(refusal.message)));
            }
            if object.sample(seed)? != command {
                let what = format!("`sample` with seed {seed} gives another command each time");
                return Err(Stop::broken(Law::SamplesAreValid, what)
                    .with("command", Evidence::Data(command)));
            }
        }
        Ok(())
    })
}

/// Gives commands that may make no sense: of an object in its first state, and damaged ones.
pub(super) fn refusals_change_nothing(world: &World) -> Outcome {
    let mut first = Object::new(&world.subject)?;
    walk::states(world, "refusals", |place| {
        let Place {
            object,
            next,
            mut chance,
        } = place;
        let before = object.save()?;
        for _ in 0..TRIES {
            let source = if chance.percent(50) {
                &mut first
            } else {
                &mut *object
            };
            let mut command = source.sample(chance.number())?;
            if chance.percent(70) {
                chance.damage(&mut command);
            }
            let mut copy = Object::load(&world.subject, &before)?;
            let updated = copy.update(next, &single(&command), true)?;
            if !updated.ops.is_empty() {
                continue;
            }
            let after = copy.save()?;
            if after != before {
                let what = "a command made no op, but changed the state";
                return Err(broken(what, &command)
                    .with("before", Evidence::State(before))
                    .with("after", Evidence::State(after)));
            }
            let valid = object.sample(chance.number())?;
            let copies = [(); 2].map(|()| Object::load(&world.subject, &before));
            check_in_batch(copies, next, &valid, &command)?;
        }
        Ok(())
    })
}

/// Checks that a command without an op leaves no trace in a batch either.
fn check_in_batch(
    [with, without]: [Outcome<Object>; 2],
    next: Context,
    valid: &[u8],
    void: &[u8],
) -> Outcome {
    let (mut with, mut without) = (with?, without?);
    let between = with.update(next, &packed([valid, void, valid]), false)?;
    if between.commands.contains(&1) {
        // After the first command it makes sense.
        return Ok(());
    }
    let alone = without.update(next, &packed([valid, valid]), false)?;
    if between.ops != alone.ops {
        let what = "a command that made no op changed what the next command of its batch did";
        return Err(broken(what, void).with("next", Evidence::Data(valid.to_vec())));
    }
    let what = "two batches differ in a command that made no op";
    let sides = ["with it", "without it"];
    with.check_same(&mut without, Law::RefusalsChangeNothing, what, sides)
}

fn broken(what: &str, command: &[u8]) -> Stop {
    Stop::broken(Law::RefusalsChangeNothing, what).with("command", Evidence::Data(command.to_vec()))
}

pub(super) fn update_is_apply(world: &World) -> Outcome {
    let law = Law::UpdateIsApply;
    let writes = world.subject.writes();
    walk::states(world, "updates", |place| {
        let Place {
            object,
            next,
            mut chance,
        } = place;
        let mut commands = Vec::new();
        for _ in 0..=chance.below(3) {
            commands.push(object.sample(chance.number())?);
        }
        let saved = object.save()?;
        let copy = || Object::load(&world.subject, &saved);
        let (mut batch, mut single, mut remote) = (copy()?, copy()?, copy()?);
        let updated = batch.update(next, &packed(commands.iter().map(Vec::as_slice)), true)?;
        let mut context = next;
        for command in &commands {
            let updated = single.update(context, &self::single(command), false)?;
            context.counter += updated.ops.len() as u64;
        }
        let what = "the same commands were given, in one batch and one by one";
        batch.check_same(&mut single, law, what, ["batch", "one by one"])?;
        if updated.ops.is_empty() {
            return Ok(());
        }
        let run = Run {
            replica: next.replica,
            timestamp: next.timestamp,
            schema: writes,
            counters: (next.counter..).take(updated.ops.len()).collect(),
            ops: updated.ops,
        };
        let events = remote.apply(&run, true)?;
        let what = "commands were carried out by `update`, and their ops applied elsewhere";
        batch.check_same(&mut remote, law, what, ["update", "apply"])?;
        if events == updated.events {
            return Ok(());
        }
        Err(events_differ(&updated.events, &events))
    })
}

fn events_differ(update: &Packed, apply: &Packed) -> Stop {
    let what = "`update` told of other events than applying its ops";
    let mut stop = Stop::broken(Law::UpdateIsApply, what);
    for (side, events) in [("update", update), ("apply", apply)] {
        for event in events.iter() {
            stop = stop.with(side, Evidence::Data(event.to_vec()));
        }
        if events.is_empty() {
            stop = stop.with(side, Evidence::Words("no events".to_owned()));
        }
    }
    stop
}

fn single(command: &[u8]) -> Packed {
    packed([command])
}
