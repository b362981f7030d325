//! A few replicas that exchange ops in random causal orders.

use std::collections::BTreeSet;

use super::Case;
use super::diagnostic::diagnostic;
use super::faithful::Probe;
use crate::{Context, Crdt, Dot, Object, Packed, Random, Run};

/// Ops that were made together: what a node would sign and send.
pub(super) struct Bundle {
    /// The index of the replica that made it.
    pub(super) author: usize,
    /// How many bundles of each replica its author had applied, its own included.
    pub(super) causes: Vec<usize>,
    /// The newest snapshot that its author stood on.
    pub(super) reference: usize,
    /// The ops.
    pub(super) run: Run,
}

/// One replica.
pub(super) struct Replica<T> {
    /// The number that it writes under.
    pub(super) id: u64,
    /// Its state.
    pub(super) object: Object<T>,
    /// How many bundles of each replica it has applied.
    pub(super) applied: Vec<usize>,
    /// The indices of the bundles that it has applied, in that order.
    pub(super) order: Vec<usize>,
    /// The newest snapshot that it stands on.
    pub(super) standing: usize,
    counter: u64,
    timestamp: u64,
}

/// Several replicas of one object, and every bundle that they made.
pub(super) struct Cluster<T> {
    /// The replicas.
    pub(super) replicas: Vec<Replica<T>>,
    /// Every bundle, in an order that is causal.
    pub(super) bundles: Vec<Bundle>,
    void: BTreeSet<(usize, u64)>,
    story: Vec<String>,
}

impl<T: Crdt> Cluster<T> {
    /// Makes two to four replicas with the state that every object starts from.
    pub(super) fn new(random: &mut Random) -> Self {
        let count = 2 + random.index(3);
        let is_small = random.chance(50);
        let replica = |index: u64| Replica {
            id: if is_small {
                index + 1
            } else {
                random.number() | 1
            },
            object: Object::new(),
            applied: vec![0; count],
            order: Vec::new(),
            standing: 0,
            counter: 0,
            timestamp: 1 << 16,
        };
        let replicas = (0..count as u64).map(replica).collect();
        Self {
            replicas,
            bundles: Vec::new(),
            void: BTreeSet::new(),
            story: Vec::new(),
        }
    }

    /// Lets `steps` random things happen: commands, deliveries, restarts.
    pub(super) fn live(&mut self, random: &mut Random, steps: u64) -> Case {
        for _ in 0..steps {
            let replica = random.index(self.replicas.len());
            match random.below(10) {
                0 => self.restart(replica)?,
                1..5 => {
                    let commands = self.sample_commands(replica, random);
                    self.update(replica, &commands, random);
                }
                _ => {
                    let ready = self.ready(replica);
                    if let Some(&bundle) = random.pick(&ready) {
                        self.deliver(replica, bundle, random);
                    }
                }
            }
        }
        Ok(())
    }

    /// Delivers everything to everybody.
    pub(super) fn settle(&mut self, random: &mut Random) -> Case {
        for replica in 0..self.replicas.len() {
            while let Some(&bundle) = random.pick(&self.ready(replica)) {
                self.deliver(replica, bundle, random);
            }
        }
        Ok(())
    }

    /// Makes one to three commands for the present state of a replica, in CBOR.
    pub(super) fn sample_commands(&self, replica: usize, random: &mut Random) -> Packed {
        let mut commands = Packed::default();
        for _ in 0..=random.below(3) {
            commands.push(&self.replicas[replica].object.sample(random.number()));
        }
        commands
    }

    /// Gives commands to a replica. Returns what became of each: 0 applied, 1 nothing to change,
    /// 2 refused.
    pub(super) fn update(
        &mut self,
        index: usize,
        commands: &Packed,
        random: &mut Random,
    ) -> Vec<u8> {
        for command in commands.iter() {
            self.tell(format!("replica {index} is told {}", diagnostic(command)));
        }
        let replica = &mut self.replicas[index];
        // Ops on other objects of the topic take counters too.
        replica.counter += random.below(2);
        replica.timestamp += random.below(2);
        let context = replica.context();
        let updated = replica.object.update(&context, commands, random.chance(50));
        let mut outcomes = vec![1; commands.len()];
        updated
            .commands
            .iter()
            .for_each(|&command| outcomes[command as usize] = 0);
        updated
            .refusals
            .iter()
            .for_each(|(command, _)| outcomes[*command as usize] = 2);
        if !updated.ops.is_empty() {
            self.record(index, &context, updated.ops);
        }
        outcomes
    }

    fn record(&mut self, index: usize, context: &Context, ops: Packed) {
        let replica = &mut self.replicas[index];
        let first = context.dot.counter;
        replica.counter += ops.len() as u64;
        replica.applied[index] += 1;
        replica.order.push(self.bundles.len());
        let run = Run {
            replica: replica.id,
            timestamp: context.timestamp,
            schema: context.schema,
            counters: (first..first + ops.len() as u64).collect(),
            ops,
        };
        replica.timestamp += 1;
        let (causes, reference) = (replica.applied.clone(), replica.standing);
        self.bundles.push(Bundle {
            author: index,
            causes,
            reference,
            run,
        });
    }

    /// The bundles that a replica could apply next, by index.
    pub(super) fn ready(&self, index: usize) -> Vec<usize> {
        let replica = &self.replicas[index];
        let is_ready = |bundle: &Bundle| {
            bundle.reference <= replica.standing && is_next(bundle, &replica.applied)
        };
        (0..self.bundles.len())
            .filter(|&bundle| is_ready(&self.bundles[bundle]))
            .collect()
    }

    /// Applies a bundle on a replica, in pieces.
    pub(super) fn deliver(&mut self, index: usize, bundle: usize, random: &mut Random) {
        let Bundle { author, run, .. } = &self.bundles[bundle];
        let (author, numbers) = (*author, format!("{:?}", run.counters));
        let replica = &mut self.replicas[index];
        apply_in_pieces(&mut replica.object, run, random);
        replica.applied[author] += 1;
        replica.order.push(bundle);
        replica.timestamp = replica.timestamp.max(run.timestamp + 1);
        self.tell(format!(
            "replica {index} applies the ops {numbers} of replica {author}"
        ));
    }

    fn restart(&mut self, index: usize) -> Case {
        self.tell(format!("replica {index} is saved and loaded"));
        let saved = self.replicas[index].object.save();
        let loaded = Object::load(&saved, T::VERSION);
        self.replicas[index].object = loaded
            .map_err(|error| self.fails(&format!("what was saved cannot be read: {error}")))?;
        Ok(())
    }

    /// Checks that all replicas have the same value and the same bytes.
    pub(super) fn check_equal(&self) -> Case {
        let first = &self.replicas[0].object;
        for (index, replica) in self.replicas.iter().enumerate().skip(1) {
            let (value, own) = (read(first), read(&replica.object));
            if value != own {
                return Err(self.fails(&format!(
                    "replicas 0 and {index} have applied the same ops, but have different values:\
                     \n    {}\n    {}",
                    diagnostic(&value),
                    diagnostic(&own),
                )));
            }
            if first.save() != replica.object.save() {
                return Err(self.fails(&format!(
                    "replicas 0 and {index} have applied the same ops and have the same value, but \
                     different saved bytes:\n    {:02x?}\n    {:02x?}",
                    first.save(),
                    replica.object.save(),
                )));
            }
        }
        Ok(())
    }

    /// Gives the whole history to fresh replicas, each in an order of its own, and compares them.
    pub(super) fn check_replays(&mut self, random: &mut Random) -> Case {
        for index in 0..self.replicas.len() {
            self.tell(format!("replica {index} starts anew"));
            let count = self.replicas.len();
            let replica = &mut self.replicas[index];
            replica.object = Object::new();
            replica.applied = vec![0; count];
        }
        for bundle in &mut self.bundles {
            let Run { counters, ops, .. } = &mut bundle.run;
            let is_void = |counter: &u64| self.void.contains(&(bundle.author, *counter));
            let (mut kept, mut kept_ops) = (Vec::new(), Packed::default());
            for (counter, op) in counters.iter().zip(ops.iter()) {
                if !is_void(counter) {
                    kept.push(*counter);
                    kept_ops.push(op);
                }
            }
            if kept.len() < counters.len() {
                (*counters, *ops) = (kept, kept_ops);
            }
        }
        self.settle(random)?;
        self.check_equal()
    }

    /// Chooses an op that no replica will apply any more.
    pub(super) fn make_one_void(&mut self, random: &mut Random) {
        let picked = random.pick(&self.bundles);
        let Some((author, run)) = picked.map(|bundle| (bundle.author, &bundle.run)) else {
            return;
        };
        let Some(&counter) = random.pick(&run.counters) else {
            return;
        };
        self.void.insert((author, counter));
        self.tell(format!("op {counter} of replica {author} is void"));
    }

    /// Looks closely at the state of one replica.
    pub(super) fn probe(
        &self,
        random: &mut Random,
        check: impl FnOnce(&Probe<'_, T>, &mut Random) -> Case,
    ) -> Case {
        let replica = &self.replicas[random.index(self.replicas.len())];
        let other = &self.replicas[random.index(self.replicas.len())];
        let probe = Probe {
            object: &replica.object,
            other: &other.object,
            next: replica.context(),
        };
        check(&probe, random).map_err(|reason| self.fails(&reason))
    }

    /// Notes what happens, for the report.
    pub(super) fn tell(&mut self, event: String) {
        self.story.push(event);
    }

    /// Makes the report of a failure.
    pub(super) fn fails(&self, reason: &str) -> String {
        let ids = self
            .replicas
            .iter()
            .map(|replica| replica.id)
            .collect::<Vec<_>>();
        let mut report = format!("history of the replicas {ids:?} (0, 1, …):\n");
        for event in &self.story {
            report.push_str("    ");
            report.push_str(event);
            report.push('\n');
        }
        report.push_str(reason);
        report
    }
}

impl<T: Crdt> Replica<T> {
    /// The context of the next op.
    fn context(&self) -> Context {
        let dot = Dot {
            replica: self.id,
            counter: self.counter + 1,
        };
        Context {
            dot,
            timestamp: self.timestamp,
            schema: T::WRITES,
        }
    }
}

/// Says whether a replica that has applied so many bundles of each can apply this one next.
pub(super) fn is_next(bundle: &Bundle, applied: &[usize]) -> bool {
    let needed = bundle.causes.iter().enumerate();
    applied[bundle.author] + 1 == bundle.causes[bundle.author]
        && needed
            .into_iter()
            .all(|(author, &count)| author == bundle.author || applied[author] >= count)
}

/// Applies a run, cut at random places.
pub(super) fn apply_in_pieces<T: Crdt>(object: &mut Object<T>, run: &Run, random: &mut Random) {
    let items: Vec<_> = run.counters.iter().zip(run.ops.iter()).collect();
    let mut rest = &items[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + random.index(rest.len()));
        let mut part = Run {
            counters: Vec::new(),
            ops: Packed::default(),
            ..*run
        };
        for (counter, op) in piece {
            part.counters.push(**counter);
            part.ops.push(op);
        }
        object.apply(&part, random.chance(50));
        rest = after;
    }
}

/// The value, in CBOR.
pub(super) fn read<T: Crdt>(object: &Object<T>) -> Vec<u8> {
    object
        .query(None)
        .unwrap_or_else(|refusal| refusal.into_message().into_bytes())
}
