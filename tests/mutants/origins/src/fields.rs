//! A state-based map whose last write wins, per key; see `crdts/lww-map`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use replicant_sdk::{Context, DeltaCrdt, Events, Random, Refusal, Stable, Stamp};
use serde::{Deserialize, Serialize};

/// What a mutant does otherwise; by default it is honest.
pub trait FieldsTwist: 'static {
    /// The name of the type.
    const NAME: &'static str;
    /// Whether a removed key leaves a tombstone.
    const KEEPS_TOMBSTONES: bool = true;

    /// Whether a write wins over the one that is there.
    fn wins(write: &Write, known: &Write) -> bool {
        write.0 > known.0
    }

    /// Whether a tombstone can be forgotten.
    fn is_forgotten(removed: Stamp, stable: &Stable) -> bool {
        stable.contains(removed.dot)
    }
}

/// When a key was written, and its value, if it was not removed.
pub type Write = (Stamp, Option<u64>);

/// For each key its last write.
#[derive(Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Fields<T> {
    writes: BTreeMap<String, Write>,
    #[serde(skip)]
    twist: PhantomData<T>,
}

/// What a user asks for.
#[derive(Serialize, Deserialize)]
pub enum Setting {
    Set(String, u64),
    Remove(String),
}

impl<T: FieldsTwist + Default> Fields<T> {
    fn get(&self, key: &str) -> Option<u64> {
        self.writes.get(key)?.1
    }
}

impl<T: FieldsTwist + Default> DeltaCrdt for Fields<T> {
    const NAME: &'static str = T::NAME;
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A map. The last write of a key wins.";
    type Command = Setting;
    type Query = ();
    type Answer = ();
    type Value = BTreeMap<String, u64>;
    type Event = (String, Option<u64>);

    fn mutate(&self, context: &Context, command: Setting) -> Result<Option<Self>, Refusal> {
        let (key, value) = match command {
            Setting::Set(key, value) => (key, Some(value)),
            Setting::Remove(key) if self.get(&key).is_some() => (key, None),
            Setting::Remove(_) => return Ok(None),
        };
        let mut delta = Self::default();
        delta.writes.insert(key, (context.stamp(), value));
        Ok(Some(delta))
    }

    fn merge(&mut self, delta: Self, events: &mut Events<Self::Event>) {
        for (key, write) in delta.writes {
            let known = self.writes.get(&key);
            if known.is_some_and(|known| !T::wins(&write, known)) {
                continue;
            }
            let before = known.and_then(|(_, value)| *value);
            if before.is_some() || write.1.is_some() {
                events.emit(|| (key.clone(), write.1));
            }
            if write.1.is_some() || T::KEEPS_TOMBSTONES {
                self.writes.insert(key, write);
            } else {
                self.writes.remove(&key);
            }
        }
    }

    fn value(&self) -> BTreeMap<String, u64> {
        let live = |(key, (_, value)): (&String, &Write)| Some((key.clone(), (*value)?));
        self.writes.iter().filter_map(live).collect()
    }

    fn sample(&self, random: &mut Random) -> Setting {
        let key = ["a", "b"][random.index(2)].to_owned();
        match random.below(4) {
            0 => Setting::Remove(key),
            _ => Setting::Set(key, random.below(10)),
        }
    }

    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        let is_kept = |(stamp, value): &Write| value.is_some() || !T::is_forgotten(*stamp, stable);
        self.writes.retain(|_, write| is_kept(write));
        self.writes.values().any(|(_, value)| value.is_none())
    }
}

/// The map without a twist.
#[derive(Default)]
pub struct HonestFields;

impl FieldsTwist for HonestFields {
    const NAME: &'static str = "fields";
}
