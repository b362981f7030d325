//! Snapshots: two groups of replicas live through the same script, one of them compacts.
//!
//! The group that compacts does it as nodes do. Snapshot *n + 1* is made from the bytes of
//! snapshot *n* by applying every op up to a cut that all replicas have reached, then `compact`.
//! Its floor is a snapshot that every op still under way refers to, or an earlier one. A replica
//! adopts it when it has reached the cut: it loads the snapshot and applies the rest of its ops
//! again. An op waits at a replica until that has adopted the snapshot that its author stood on,
//! so that authors are never more compacted than receivers.

use std::collections::BTreeMap;

use replicant_runtime::{Dot, Updated};

use crate::chance::Chance;
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::object::{Object, Subject, answer, check_readings};
use crate::script::{Action, Script, Step, Update};
use crate::world::{World, apply_in_pieces, is_next, name};

/// The agreed state at a cut.
struct Snapshot {
    /// How many bundles of each replica it contains.
    cut: Vec<usize>,
    /// The floor that it was compacted with.
    floor: usize,
    /// The compacted state.
    bytes: Vec<u8>,
}

struct Twins {
    compacted: World,
    plain: World,
    snapshots: Vec<Snapshot>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Op,
    NothingToChange,
    Refused,
}

pub(super) fn is_invisible(subject: &Subject, script: &Script) -> Outcome {
    let world = || World::new(subject, script.seed, &script.replicas);
    let first = Snapshot {
        cut: vec![0; script.replicas.len()],
        floor: 0,
        bytes: Object::new(subject)?.save()?,
    };
    let mut twins = Twins {
        compacted: world()?,
        plain: world()?,
        snapshots: vec![first],
    };
    for step in &script.steps {
        twins.step(step)?;
    }
    twins.settle()
}

impl Twins {
    fn step(&mut self, step: &Step) -> Outcome {
        let index = step.replica;
        match &step.action {
            Action::Update(update) => self.update(step.number, index, update),
            Action::Deliver(number) => match self.compacted.find(*number) {
                Some(bundle) => self.deliver(index, bundle),
                None => Ok(()),
            },
            Action::Snapshot(lag) => self.make_snapshot(*lag, step.number),
            Action::Adopt => self.adopt(index),
            // A replica that goes back would have to go back to a snapshot.
            Action::Reload | Action::Restart => self.compacted.reload(index),
        }
    }

    fn update(&mut self, number: u32, index: usize, update: &Update) -> Outcome {
        let compacted = self.compacted.update(number, index, update)?;
        let plain = self.plain.update(number, index, update)?;
        let (found, expected) = (endings(update, &compacted), endings(update, &plain));
        let differs = found
            .iter()
            .zip(&expected)
            .position(|(one, other)| one != other);
        if let Some(at) = differs {
            let what = format!(
                "after compaction a command of {} had another outcome than without",
                name(index)
            );
            return Err(Stop::broken(Law::CompactionIsInvisible, what)
                .with("command", Evidence::Data(update.commands[at].0.clone()))
                .with("compacted", Evidence::Words(found[at].words().to_owned()))
                .with(
                    "never compacted",
                    Evidence::Words(expected[at].words().to_owned()),
                ));
        }
        self.check_value(index)
    }

    /// Delivers the same bundle to a replica and its twin, if it is due.
    fn deliver(&mut self, index: usize, bundle: usize) -> Outcome {
        if !self.compacted.is_ready(index, bundle) {
            return Ok(());
        }
        self.compacted.deliver(index, bundle)?;
        self.plain.deliver(index, bundle)?;
        self.check_value(index)
    }

    /// Brings everybody to the newest snapshot and delivers everything.
    fn settle(&mut self) -> Outcome {
        for index in 0..self.compacted.replicas.len() {
            let rank = Chance::new(self.compacted.seed, "adopting", index as u64).numbers();
            loop {
                let standing = self.compacted.replicas[index].standing;
                self.adopt(index)?;
                let ready = self.compacted.ready(index).into_iter();
                let ranks = |bundle: &usize| rank(self.compacted.bundles[*bundle].number.into());
                if let Some(bundle) = ready.min_by_key(ranks) {
                    self.deliver(index, bundle)?;
                } else if self.compacted.replicas[index].standing == standing {
                    break;
                }
            }
        }
        let law = Law::CompactionIsInvisible;
        let what = "two replicas have applied the same ops and adopted the same snapshot";
        self.compacted.check_equal(law, what)?;
        let mut chance = Chance::new(self.compacted.seed, "after compaction", 0);
        let worlds = [&mut self.compacted, &mut self.plain];
        let [Some(compacted), Some(plain)] = worlds.map(|world| world.replicas.first_mut()) else {
            return Ok(());
        };
        let queries = plain.object.own_queries(&mut chance)?;
        let what = "one replica never compacted";
        let sides = ["compacted", "never compacted"];
        let (object, twin) = (&mut compacted.object, &mut plain.object);
        object.check_reads_alike(twin, &queries, law, what, sides)
    }

    /// Makes the next snapshot at the cut that all replicas have reached, twice, by way of
    /// different orders.
    fn make_snapshot(&mut self, lag: usize, step: u32) -> Outcome {
        let cut = self.cut_of_all();
        let floor = self.floor(&cut, lag);
        let stable = self.stable(&self.snapshots[floor].cut);
        let seed = self.compacted.seed;
        let mut chance = Chance::new(seed, "snapshot order", step.into());
        let (bytes, has_more) = self.replay_and_compact(&cut, &stable, floor, &mut chance)?;
        let (again, _) = self.replay_and_compact(&cut, &stable, floor, &mut chance)?;
        if bytes != again {
            let what = "the compacted state depends on the order of the ops before";
            return Err(Stop::broken(Law::CompactionIsInvisible, what)
                .with("one order", Evidence::State(bytes))
                .with("another", Evidence::State(again)));
        }
        if !has_more {
            self.check_nothing_is_left(&cut, &bytes)?;
        }
        if cut.iter().any(|bundles| *bundles > 0) {
            self.compacted.subject.count(|tally| tally.snapshots += 1);
        }
        self.snapshots.push(Snapshot { cut, floor, bytes });
        Ok(())
    }

    /// Checks that a component which has nothing more to forget forgets nothing more.
    fn check_nothing_is_left(&self, cut: &[usize], bytes: &[u8]) -> Outcome {
        let number = self.snapshots.len() as u64;
        let mut later = Object::load(&self.compacted.subject, bytes)?;
        later.compact(&self.stable(cut), number, number + 1)?;
        let after = later.save()?;
        if after == bytes {
            return Ok(());
        }
        let what = "`compact` said that nothing more can be forgotten, and then forgot more";
        Err(Stop::broken(Law::CompactionIsInvisible, what)
            .with("before", Evidence::State(bytes.to_vec()))
            .with("after", Evidence::State(after)))
    }

    fn replay_and_compact(
        &self,
        cut: &[usize],
        stable: &[Dot],
        floor: usize,
        chance: &mut Chance,
    ) -> Outcome<(Vec<u8>, bool)> {
        let number = self.snapshots.len();
        let newest = &self.snapshots[number - 1];
        let mut object = Object::load(&self.compacted.subject, &newest.bytes)?;
        let mut applied = newest.cut.clone();
        let bundles = &self.compacted.bundles;
        let rank = chance.numbers();
        loop {
            let is_wanted = |&index: &usize| {
                let author = bundles[index].author;
                applied[author] < cut[author] && is_next(&bundles[index], &applied)
            };
            let ranks = |bundle: &usize| rank(bundles[*bundle].number.into());
            let Some(index) = (0..bundles.len()).filter(is_wanted).min_by_key(ranks) else {
                break;
            };
            apply_in_pieces(&mut object, &bundles[index].run, chance)?;
            applied[bundles[index].author] += 1;
        }
        let queries = object.own_queries(chance)?;
        let before = object.readings(&queries)?;
        let has_more = object.compact(stable, floor as u64, number as u64)?;
        let after = object.readings(&queries)?;
        let what = format!("`compact` of snapshot {number} (floor {floor}) changed what is read");
        let law = Law::CompactionIsInvisible;
        check_readings(law, &what, &queries, ["before", "after"], before, after)?;
        Ok((object.save()?, has_more))
    }

    /// Moves a replica to the snapshot after its own, if it has reached that one's cut.
    fn adopt(&mut self, index: usize) -> Outcome {
        let number = self.compacted.replicas[index].standing + 1;
        let Some(snapshot) = self.snapshots.get(number) else {
            return Ok(());
        };
        let world = &mut self.compacted;
        let replica = &world.replicas[index];
        let mut reached = replica.applied.iter().zip(&snapshot.cut);
        if reached.any(|(applied, cut)| applied < cut) {
            return Ok(());
        }
        let mut object = Object::load(&world.subject, &snapshot.bytes)?;
        let place = (number as u64) << 8 | index as u64;
        let mut chance = Chance::new(world.seed, "adoption", place);
        for bundle in replica.order.iter().map(|&bundle| &world.bundles[bundle]) {
            if bundle.causes[bundle.author] > snapshot.cut[bundle.author] {
                apply_in_pieces(&mut object, &bundle.run, &mut chance)?;
            }
        }
        let replica = &mut world.replicas[index];
        (replica.object, replica.standing) = (object, number);
        self.check_value(index)
    }

    /// How many bundles of each replica everybody has.
    fn cut_of_all(&self) -> Vec<usize> {
        let replicas = &self.compacted.replicas;
        let least = |author: usize| replicas.iter().map(|replica| replica.applied[author]).min();
        let authors = 0..replicas.len();
        authors.map(|author| least(author).unwrap_or(0)).collect()
    }

    /// The highest snapshot that every op outside the cut, and every one still to be made, refers
    /// to, or one that is lower by `lag`; never one below an earlier floor.
    fn floor(&self, cut: &[usize], lag: usize) -> usize {
        let bundles = &self.compacted.bundles;
        let outside = bundles
            .iter()
            .filter(|bundle| bundle.causes[bundle.author] > cut[bundle.author])
            .map(|bundle| bundle.reference);
        let replicas = &self.compacted.replicas;
        let to_come = replicas.iter().map(|replica| replica.standing);
        let highest = to_come.chain(outside).min().unwrap_or(0);
        let lowest = self.snapshots.last().map_or(0, |newest| newest.floor);
        highest.saturating_sub(lag).max(lowest)
    }

    /// The highest counter of each replica in a cut, by replica.
    fn stable(&self, cut: &[usize]) -> Vec<Dot> {
        let mut highest = BTreeMap::new();
        for bundle in &self.compacted.bundles {
            if bundle.causes[bundle.author] <= cut[bundle.author]
                && let Some(&counter) = bundle.run.counters.last()
            {
                let known = highest.entry(bundle.run.replica).or_insert(counter);
                *known = counter.max(*known);
            }
        }
        let dots = highest.into_iter();
        dots.map(|(replica, counter)| Dot { replica, counter })
            .collect()
    }

    fn check_value(&mut self, index: usize) -> Outcome {
        let own = self.compacted.replicas[index].object.value()?;
        let twin = self.plain.replicas[index].object.value()?;
        if own == twin {
            return Ok(());
        }
        let what = format!(
            "{} reads differently from its twin that never compacted",
            name(index)
        );
        Err(Stop::broken(Law::CompactionIsInvisible, what)
            .with("compacted", answer(own))
            .with("never compacted", answer(twin)))
    }
}

impl Ending {
    fn words(self) -> &'static str {
        match self {
            Self::Op => "made an op",
            Self::NothingToChange => "had nothing to change",
            Self::Refused => "was refused",
        }
    }
}

/// How each command of an update ended.
fn endings(update: &Update, updated: &Updated) -> Vec<Ending> {
    let mut endings = vec![Ending::NothingToChange; update.commands.len()];
    for &index in &updated.commands {
        endings[index as usize] = Ending::Op;
    }
    for refusal in &updated.refusals {
        endings[refusal.command as usize] = Ending::Refused;
    }
    endings
}
