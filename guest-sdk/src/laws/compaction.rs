//! Snapshots: two groups of replicas live through the same history, one of them compacts.
//!
//! The group that compacts does it as nodes do. A snapshot `n + 1` is made from the bytes of
//! snapshot `n` by applying every op up to a cut that all replicas have reached, then `compact`.
//! Its floor is a snapshot that every op still under way refers to, or an earlier one than that. A
//! replica adopts it when it has reached the cut: it loads the snapshot and applies the rest of
//! its ops again. An op waits at a replica until that has adopted the snapshot that its author
//! stood on.

use super::Case;
use super::cluster::{Bundle, Cluster, apply_in_pieces, is_next, read};
use super::diagnostic::diagnostic;
use super::faithful::same_value;
use crate::{Crdt, Dot, Object, Random, Stable};

/// The agreed state at a cut.
struct Snapshot {
    /// How many bundles of each replica it contains.
    cut: Vec<usize>,
    /// The floor that it was compacted with.
    floor: usize,
    /// The compacted state.
    bytes: Vec<u8>,
}

struct Twins<T> {
    compacted: Cluster<T>,
    plain: Cluster<T>,
    snapshots: Vec<Snapshot>,
}

pub(super) fn check<T: Crdt>(random: &mut Random) -> Case {
    let seed = random.number();
    let compacted = Cluster::<T>::new(&mut Random::new(seed));
    let plain = Cluster::<T>::new(&mut Random::new(seed));
    let cut = vec![0; plain.replicas.len()];
    let first = Snapshot {
        cut,
        floor: 0,
        bytes: Object::<T>::new().save(),
    };
    let mut twins = Twins {
        compacted,
        plain,
        snapshots: vec![first],
    };
    for _ in 0..70 {
        let index = random.index(twins.plain.replicas.len());
        match random.below(20) {
            0 | 1 => twins.make_snapshot(random)?,
            2..5 => twins.adopt(index, random)?,
            5..11 => twins.update(index, random)?,
            _ => twins.deliver(index, random)?,
        }
    }
    twins.settle(random)
}

impl<T: Crdt> Twins<T> {
    /// Gives the same commands to a replica and its twin.
    fn update(&mut self, index: usize, random: &mut Random) -> Case {
        let commands = self.compacted.sample_commands(index, random);
        let seed = random.number();
        let outcomes = self
            .compacted
            .update(index, &commands, &mut Random::new(seed));
        let expected = self.plain.update(index, &commands, &mut Random::new(seed));
        if outcomes != expected {
            return Err(self.fails(
                "after compaction these commands had another outcome than without it (0 applied, \
                 1 nothing to change, 2 refused)",
                &format!("{outcomes:?} instead of {expected:?}"),
            ));
        }
        self.check_value(index)
    }

    /// Delivers the same bundle to a replica and its twin.
    fn deliver(&mut self, index: usize, random: &mut Random) -> Case {
        let Some(&bundle) = random.pick(&self.compacted.ready(index)) else {
            return Ok(());
        };
        let seed = random.number();
        self.compacted
            .deliver(index, bundle, &mut Random::new(seed));
        self.plain.deliver(index, bundle, &mut Random::new(seed));
        self.check_value(index)
    }

    /// Brings everybody to the newest snapshot and delivers everything.
    fn settle(&mut self, random: &mut Random) -> Case {
        for index in 0..self.plain.replicas.len() {
            loop {
                let (standing, behind) = (self.standing(index), self.compacted.ready(index).len());
                self.adopt(index, random)?;
                self.deliver(index, random)?;
                if behind == 0 && self.standing(index) == standing {
                    break;
                }
            }
        }
        self.compacted.check_equal()
    }

    fn standing(&self, index: usize) -> usize {
        self.compacted.replicas[index].standing
    }

    /// Makes the next snapshot at the cut that all replicas have reached, twice, by way of
    /// different orders.
    fn make_snapshot(&mut self, random: &mut Random) -> Case {
        let number = self.snapshots.len();
        let cut = self.cut_of_all();
        let floor = self.floor(&cut, random);
        let stable = self.stable(floor);
        self.compacted.tell(format!(
            "snapshot {number} is made at {cut:?} with floor {floor}"
        ));
        let (bytes, has_more) = self.replay_and_compact(&cut, &stable, floor, random)?;
        if (bytes.clone(), has_more) != self.replay_and_compact(&cut, &stable, floor, random)? {
            return Err(self.fails("the compacted state depends on the order of the ops", ""));
        }
        if !has_more {
            let later = self.stable_at(&cut);
            let mut again = self.load(&bytes)?;
            again.compact(&later, number as u64, number as u64 + 1);
            if again.save() != bytes {
                return Err(self.fails(
                    "compact said that nothing was left to forget, and forgot",
                    "",
                ));
            }
        }
        self.snapshots.push(Snapshot { cut, floor, bytes });
        Ok(())
    }

    fn replay_and_compact(
        &self,
        cut: &[usize],
        stable: &Stable,
        floor: usize,
        random: &mut Random,
    ) -> Result<(Vec<u8>, bool), String> {
        let newest = &self.snapshots[self.snapshots.len() - 1];
        let mut object = self.load(&newest.bytes)?;
        let mut applied = newest.cut.clone();
        loop {
            let is_wanted = |bundle: &&Bundle| {
                applied[bundle.author] < cut[bundle.author] && is_next(bundle, &applied)
            };
            let next: Vec<&Bundle> = self.compacted.bundles.iter().filter(is_wanted).collect();
            let Some(bundle) = random.pick(&next) else {
                break;
            };
            apply_in_pieces(&mut object, &bundle.run, random);
            applied[bundle.author] += 1;
        }
        let before = read(&object);
        let has_more = object.compact(stable, floor as u64, self.snapshots.len() as u64);
        let after = read(&object);
        if before != after {
            let values = format!("{}\n    {}", diagnostic(&before), diagnostic(&after));
            return Err(self.fails("compact changed the value", &values));
        }
        Ok((object.save(), has_more))
    }

    /// Moves a replica to the snapshot after its own, if it has reached that one's cut.
    fn adopt(&mut self, index: usize, random: &mut Random) -> Case {
        let number = self.standing(index) + 1;
        let Some(snapshot) = self.snapshots.get(number) else {
            return Ok(());
        };
        let replica = &self.compacted.replicas[index];
        if replica
            .applied
            .iter()
            .zip(&snapshot.cut)
            .any(|(applied, cut)| applied < cut)
        {
            return Ok(());
        }
        let mut object = self.load(&snapshot.bytes)?;
        for bundle in replica
            .order
            .iter()
            .map(|&bundle| &self.compacted.bundles[bundle])
        {
            if bundle.causes[bundle.author] > snapshot.cut[bundle.author] {
                apply_in_pieces(&mut object, &bundle.run, random);
            }
        }
        let replica = &mut self.compacted.replicas[index];
        (replica.object, replica.standing) = (object, number);
        self.compacted
            .tell(format!("replica {index} adopts snapshot {number}"));
        self.check_value(index)
    }

    /// How many bundles of each replica everybody has.
    fn cut_of_all(&self) -> Vec<usize> {
        let replicas = &self.compacted.replicas;
        let least = |author: usize| replicas.iter().map(|replica| replica.applied[author]).min();
        (0..replicas.len())
            .map(|author| least(author).unwrap_or(0))
            .collect()
    }

    /// A snapshot that no op outside the cut, and none that is still to be made, precedes.
    fn floor(&self, cut: &[usize], random: &mut Random) -> usize {
        let to_come = self
            .compacted
            .replicas
            .iter()
            .map(|replica| replica.standing);
        let outside = self.compacted.bundles.iter();
        let outside = outside.filter(|bundle| bundle.causes[bundle.author] > cut[bundle.author]);
        let highest = to_come
            .chain(outside.map(|bundle| bundle.reference))
            .min()
            .unwrap_or(0);
        let lowest = self.snapshots[self.snapshots.len() - 1].floor;
        if random.chance(70) {
            highest
        } else {
            lowest + random.index(highest - lowest + 1)
        }
    }

    fn stable(&self, floor: usize) -> Stable {
        self.stable_at(&self.snapshots[floor].cut)
    }

    /// The highest counter of each replica in a cut.
    fn stable_at(&self, cut: &[usize]) -> Stable {
        let is_in = |bundle: &&Bundle| bundle.causes[bundle.author] <= cut[bundle.author];
        let dots = self
            .compacted
            .bundles
            .iter()
            .filter(is_in)
            .filter_map(|bundle| {
                let counter = *bundle.run.counters.last()?;
                Some(Dot {
                    replica: bundle.run.replica,
                    counter,
                })
            });
        Stable::new(dots)
    }

    fn load(&self, bytes: &[u8]) -> Result<Object<T>, String> {
        let loaded = Object::load(bytes, T::VERSION);
        loaded.map_err(|error| self.fails("what was saved cannot be read", &error.to_string()))
    }

    fn check_value(&self, index: usize) -> Case {
        let (own, plain) = (&self.compacted.replicas[index], &self.plain.replicas[index]);
        let reason =
            format!("replica {index} reads differently from its twin that never compacted");
        same_value(&own.object, &plain.object, &reason).map_err(|why| self.fails(&why, ""))
    }

    fn fails(&self, reason: &str, details: &str) -> String {
        self.compacted.fails(&format!("{reason}\n    {details}"))
    }
}
