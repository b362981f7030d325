//! Makes scripts: by living through them while they are written, so that commands make sense.

use crate::chance::Chance;
use crate::config::Config;
use crate::law::{Law, Outcome};
use crate::object::Subject;
use crate::script::{Action, Command, Script, Step, Update};
use crate::world::World;

/// Commands of one update.
const COMMANDS_MAX: u64 = 3;

/// Makes the script of one seed. Returns it also if a law was broken on the way.
pub(crate) fn script(subject: &Subject, config: &Config, seed: u64) -> (Script, Outcome<World>) {
    let mut chance = Chance::new(seed, "script", 0);
    let replicas = replica_ids(config, &mut chance);
    let mut script = Script {
        seed,
        replicas,
        steps: Vec::new(),
    };
    let mut world = match World::new(subject, seed, &script.replicas) {
        Ok(world) => world,
        Err(stop) => return (script, Err(stop)),
    };
    let habits = Habits::new(&mut chance);
    for number in 0..config.steps {
        let step = match next_step(&mut world, config, &habits, &mut chance, number) {
            Ok(step) => step,
            Err(stop) => return (script, Err(stop)),
        };
        script.steps.push(step.clone());
        if let Err(stop) = world.step(&step) {
            return (script, Err(stop));
        }
    }
    (script, Ok(world))
}

/// Small ids in half of the runs, so that reports are easy to read; large ones, in any order, in
/// the others.
fn replica_ids(config: &Config, chance: &mut Chance) -> Vec<u64> {
    // Mostly few: two are enough for most faults, and reach snapshots together more often.
    let most = config.replicas_max as u64 - 1;
    let count = 2 + chance.below(most).min(chance.below(most));
    match chance.percent(50) {
        true => (1..=count).collect(),
        // Distinct, since the lower bits are.
        false => (0..count)
            .map(|index| chance.number() << 4 | index)
            .collect(),
    }
}

/// How often steps of each kind come up in one run, of 100; the rest are deliveries. Runs differ
/// in it, since steps of one kind can hide what those of another one would show (Alex Groce et
/// al., "Swarm Testing", ISSTA 2012).
struct Habits {
    updates: u64,
    snapshots: u64,
    adoptions: u64,
}

impl Habits {
    fn new(chance: &mut Chance) -> Self {
        Self {
            updates: 5 + chance.below(50),
            snapshots: 2 + chance.below(10),
            adoptions: 5 + chance.below(20),
        }
    }
}

fn next_step(
    world: &mut World,
    config: &Config,
    habits: &Habits,
    chance: &mut Chance,
    number: u32,
) -> Outcome<Step> {
    let replica = chance.index(world.replicas.len());
    let snapshots = 7 + habits.snapshots;
    let adoptions = snapshots + habits.adoptions;
    let updates = adoptions + habits.updates;
    let action = match chance.below(100) {
        0..4 => Action::Reload,
        4..7 => Action::Restart,
        drawn if drawn < snapshots => Action::Snapshot(lag(chance)),
        drawn if drawn < adoptions => Action::Adopt,
        drawn if drawn < updates => Action::Update(update(world, config, chance, replica)?),
        _ => match chance.pick(&world.ready(replica)) {
            Some(&bundle) => Action::Deliver(world.bundles[bundle].number),
            None => Action::Update(update(world, config, chance, replica)?),
        },
    };
    Ok(Step {
        number,
        replica,
        action,
    })
}

fn lag(chance: &mut Chance) -> usize {
    match chance.percent(70) {
        true => 0,
        false => 1 + chance.index(2),
    }
}

fn update(
    world: &mut World,
    config: &Config,
    chance: &mut Chance,
    replica: usize,
) -> Outcome<Update> {
    let object = &mut world.replicas[replica].object;
    let mut commands = Vec::new();
    for _ in 0..=chance.below(COMMANDS_MAX) {
        let command = match chance.pick(&config.commands) {
            Some(command) => command.clone(),
            None => object.sample(chance.number())?,
        };
        commands.push(Command(command));
    }
    Ok(Update {
        counters_taken: chance.below(2),
        time_passed: chance.below(3),
        commands,
    })
}

/// Runs a script that is there, and checks one law.
pub(crate) fn verdict(subject: &Subject, script: &Script, law: Law) -> Outcome {
    subject.begin_anew();
    let mut world = World::live(subject, script)?;
    world.settle()?;
    crate::laws::check(law, subject, script, &mut world)
}
