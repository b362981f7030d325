//! A few replicas of one object that live through a script.

use std::collections::BTreeMap;

use replicant_runtime::{Context, Packed, Run, Updated};

use crate::chance::Chance;
use crate::law::{Law, Outcome, Stop, Violation};
use crate::object::{Object, Subject};
use crate::script::{Action, Script, Step, Update};

/// Ops that were made together: what a node would sign and send.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    /// The step that made it.
    pub(crate) number: u32,
    /// The replica that made it, by index.
    pub(crate) author: usize,
    /// How many bundles of each replica its author had applied, this one included.
    pub(crate) causes: Vec<usize>,
    /// The newest snapshot that its author stood on.
    pub(crate) reference: usize,
    /// The ops.
    pub(crate) run: Run,
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) id: u64,
    pub(crate) object: Object,
    /// How many bundles of each replica it has applied.
    pub(crate) applied: Vec<usize>,
    /// The bundles that it has applied, by index, in that order.
    pub(crate) order: Vec<usize>,
    /// The newest snapshot that it stands on.
    pub(crate) standing: usize,
    /// What it saved last, and how many bundles it had applied then.
    checkpoint: Option<(Vec<u8>, usize)>,
    counter: u64,
    timestamp: u64,
}

/// All replicas, and every bundle that they made.
pub(crate) struct World {
    pub(crate) subject: Subject,
    pub(crate) seed: u64,
    pub(crate) replicas: Vec<Replica>,
    /// In an order that is causal.
    pub(crate) bundles: Vec<Bundle>,
    by_number: BTreeMap<u32, usize>,
    /// What was seen when a replica restarted and was not as before. A matter of
    /// [`Law::ReplicasConverge`], when its turn comes: nearly every other law says better why.
    restarted_otherwise: Option<Box<Violation>>,
    /// What was seen when samples were tried, once that was done.
    pub(crate) samples_tried: Option<Outcome>,
}

impl World {
    /// Replicas in the state that every object starts from.
    pub(crate) fn new(subject: &Subject, seed: u64, ids: &[u64]) -> Outcome<Self> {
        let replica = |id: &u64| {
            Ok(Replica {
                id: *id,
                object: Object::new(subject)?,
                applied: vec![0; ids.len()],
                order: Vec::new(),
                standing: 0,
                checkpoint: None,
                counter: 0,
                timestamp: 1 << 16,
            })
        };
        Ok(Self {
            subject: subject.clone(),
            seed,
            replicas: ids.iter().map(replica).collect::<Outcome<_>>()?,
            bundles: Vec::new(),
            by_number: BTreeMap::new(),
            restarted_otherwise: None,
            samples_tried: None,
        })
    }

    /// Lives through a whole script.
    pub(crate) fn live(subject: &Subject, script: &Script) -> Outcome<Self> {
        let mut world = Self::new(subject, script.seed, &script.replicas)?;
        for step in &script.steps {
            world.step(step)?;
        }
        Ok(world)
    }

    /// Does what a step says, if it is possible. Snapshots are not: they are what the law of
    /// compaction is about.
    pub(crate) fn step(&mut self, step: &Step) -> Outcome {
        let index = step.replica;
        match &step.action {
            Action::Update(update) => {
                let updated = self.update(step.number, index, update)?;
                self.subject
                    .count(|tally| tally.commands.note(update, &updated));
            }
            Action::Deliver(number) => {
                if let Some(bundle) = self.find(*number)
                    && self.is_ready(index, bundle)
                {
                    self.deliver(index, bundle)?;
                }
            }
            Action::Reload => self.reload(index)?,
            Action::Restart => self.restart(index)?,
            Action::Snapshot(_) | Action::Adopt => {}
        }
        Ok(())
    }

    /// The bundle that a step made.
    pub(crate) fn find(&self, number: u32) -> Option<usize> {
        self.by_number.get(&number).copied()
    }

    /// Gives commands to a replica.
    pub(crate) fn update(
        &mut self,
        number: u32,
        index: usize,
        update: &Update,
    ) -> Outcome<Updated> {
        let commands = packed(update.commands.iter().map(|command| &command.0[..]));
        let writes = self.subject.writes();
        let has_events = Chance::new(self.seed, "update events", number.into()).percent(50);
        let replica = &mut self.replicas[index];
        replica.counter += update.counters_taken;
        replica.timestamp += update.time_passed;
        let context = replica.context();
        let updated = replica.object.update(context, &commands, has_events)?;
        let made = updated.ops.len() as u64;
        if made == 0 {
            return Ok(updated);
        }
        replica.counter += made;
        replica.timestamp += 1;
        replica.applied[index] += 1;
        replica.order.push(self.bundles.len());
        self.by_number.insert(number, self.bundles.len());
        self.bundles.push(Bundle {
            number,
            author: index,
            causes: replica.applied.clone(),
            reference: replica.standing,
            run: Run {
                replica: context.replica,
                timestamp: context.timestamp,
                schema: writes,
                counters: (context.counter..context.counter + made).collect(),
                ops: updated.ops.clone(),
            },
        });
        Ok(updated)
    }

    /// Whether a replica could apply a bundle next.
    pub(crate) fn is_ready(&self, index: usize, bundle: usize) -> bool {
        let (replica, bundle) = (&self.replicas[index], &self.bundles[bundle]);
        bundle.reference <= replica.standing && is_next(bundle, &replica.applied)
    }

    /// The bundles that a replica could apply next, by index.
    pub(crate) fn ready(&self, index: usize) -> Vec<usize> {
        let all = 0..self.bundles.len();
        all.filter(|&bundle| self.is_ready(index, bundle)).collect()
    }

    /// Applies a bundle on a replica.
    pub(crate) fn deliver(&mut self, index: usize, bundle: usize) -> Outcome {
        let Bundle {
            author,
            run,
            number,
            ..
        } = &self.bundles[bundle];
        let place = u64::from(*number) << 8 | index as u64;
        let mut chance = Chance::new(self.seed, "delivery", place);
        let replica = &mut self.replicas[index];
        apply_in_pieces(&mut replica.object, run, &mut chance)?;
        replica.applied[*author] += 1;
        replica.order.push(bundle);
        replica.timestamp = replica.timestamp.max(run.timestamp + 1);
        Ok(())
    }

    /// Saves a replica and loads it into another instance.
    pub(crate) fn reload(&mut self, index: usize) -> Outcome {
        let replica = &mut self.replicas[index];
        let saved = replica.object.save()?;
        replica.object = Object::load(&self.subject, &saved)?;
        replica.checkpoint = Some((saved, replica.order.len()));
        Ok(())
    }

    /// Takes a replica back to its checkpoint, and gives it all ops since then once more.
    fn restart(&mut self, index: usize) -> Outcome {
        let replica = &mut self.replicas[index];
        let (mut object, from) = match &replica.checkpoint {
            Some((saved, count)) => (Object::load(&self.subject, saved)?, *count),
            None => (Object::new(&self.subject)?, 0),
        };
        for &bundle in &replica.order[from..] {
            object.apply(&self.bundles[bundle].run, false)?;
        }
        let what = "a replica that restarted has applied the same ops as before";
        let sides = ["before", "after the restart"];
        let law = Law::ReplicasConverge;
        match replica.object.check_same(&mut object, law, what, sides) {
            Err(Stop::Broken(violation)) if violation.law == law => {
                self.restarted_otherwise.get_or_insert(violation);
            }
            outcome => outcome?,
        }
        replica.object = object;
        Ok(())
    }

    /// Delivers everything to everybody.
    pub(crate) fn settle(&mut self) -> Outcome {
        for index in 0..self.replicas.len() {
            let rank = Chance::new(self.seed, "settling", index as u64).numbers();
            loop {
                let ready = self.ready(index).into_iter();
                let ranks = |bundle: &usize| rank(self.bundles[*bundle].number.into());
                let Some(next) = ready.min_by_key(ranks) else {
                    break;
                };
                self.deliver(index, next)?;
            }
        }
        Ok(())
    }

    /// Checks that all replicas read the same and have the same bytes, and that those which
    /// restarted had them too.
    pub(crate) fn check_equal(&mut self, law: Law, what: &str) -> Outcome {
        if let Some(violation) = self.restarted_otherwise.take() {
            return Err(Stop::Broken(violation));
        }
        let [first, others @ ..] = &mut self.replicas[..] else {
            return Ok(());
        };
        for (index, other) in others.iter_mut().enumerate() {
            let sides = [&name(0)[..], &name(index + 1)];
            first
                .object
                .check_same(&mut other.object, law, what, sides)?;
        }
        Ok(())
    }
}

impl Replica {
    /// The context of the next op.
    pub(crate) fn context(&self) -> Context {
        Context {
            replica: self.id,
            counter: self.counter + 1,
            timestamp: self.timestamp,
        }
    }
}

/// What a replica is called in reports.
pub(crate) fn name(index: usize) -> String {
    let letter = u8::try_from(index).ok().filter(|index| *index < 26);
    match letter {
        Some(index) => format!("replica {}", char::from(b'a' + index)),
        None => format!("replica {index}"),
    }
}

/// Whether a replica that has applied so many bundles of each can apply this one next.
pub(crate) fn is_next(bundle: &Bundle, applied: &[usize]) -> bool {
    let mut needed = bundle.causes.iter().zip(applied).enumerate();
    needed.all(|(author, (&count, &has))| match author == bundle.author {
        true => has + 1 == count,
        false => has >= count,
    })
}

/// Applies a run, cut at random places.
pub(crate) fn apply_in_pieces(object: &mut Object, run: &Run, chance: &mut Chance) -> Outcome {
    let mut start = 0;
    while start < run.counters.len() {
        let end = start + 1 + chance.index(run.counters.len() - start);
        object.apply(&piece(run, start, end), chance.percent(50))?;
        start = end;
    }
    Ok(())
}

/// The ops of a run from one index to another.
pub(crate) fn piece(run: &Run, start: usize, end: usize) -> Run {
    if (start, end) == (0, run.counters.len()) {
        return run.clone();
    }
    Run {
        counters: run.counters[start..end].to_vec(),
        ops: packed(run.ops.iter().skip(start).take(end - start)),
        ..*run
    }
}

/// Packs items that came out of a `Packed`, or are commands, each far below 4 GiB.
pub(crate) fn packed<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Packed {
    Packed::from_items(items).unwrap_or_default()
}
