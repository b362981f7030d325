//! A counter for each name. A name is sent once; later ops name the entry that it made.
//!
//! An entry whose sum is zero can be forgotten, but in two steps, as authors may still name it:
//! a snapshot marks it, and from then on authors that have the snapshot send the name again; once
//! all authors have it, the entry goes. An op that names an entry takes its mark away.

use std::collections::BTreeMap;

use replicant_sdk::{Context, Crdt, Dot, Events, Random, Refusal, Stable};
use serde::{Deserialize, Serialize};

/// The entries, each by the op that made it; concurrent ops may have made several for one name.
#[derive(Default, Serialize, Deserialize)]
pub struct Tally {
    pub entries: BTreeMap<Dot, Entry>,
}

#[derive(Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub sum: i64,
    /// The snapshot that marked it.
    pub mark: Option<u64>,
}

/// What a user asks for: adds a number to the sum of a name.
#[derive(Serialize, Deserialize)]
pub struct Addition {
    pub name: String,
    pub by: i64,
}

/// What is replicated.
#[derive(Serialize, Deserialize)]
pub enum TallyOp {
    /// Makes an entry.
    Begin(Addition),
    /// Adds to an entry.
    Add(Dot, i64),
}

impl Crdt for Tally {
    const NAME: &'static str = "tally";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A counter for each name. Concurrent additions all count.";
    type Command = Addition;
    type Op = TallyOp;
    type Query = ();
    type Answer = ();
    type Value = BTreeMap<String, i64>;
    type Event = ();

    fn prepare(&self, _: &Context, addition: Addition) -> Result<Option<TallyOp>, Refusal> {
        let is_it = |entry: &Entry| entry.name == addition.name && entry.mark.is_none();
        let known = self.entries.iter().find(|(_, entry)| is_it(entry));
        Ok(match known {
            _ if addition.by == 0 => None,
            Some((dot, _)) => Some(TallyOp::Add(*dot, addition.by)),
            None => Some(TallyOp::Begin(addition)),
        })
    }

    fn effect(&mut self, context: &Context, op: TallyOp, _: &mut Events<()>) {
        match op {
            TallyOp::Begin(Addition { name, by: sum }) => {
                let mark = None;
                self.entries.insert(context.dot, Entry { name, sum, mark });
            }
            TallyOp::Add(dot, by) => {
                if let Some(entry) = self.entries.get_mut(&dot) {
                    entry.sum = entry.sum.wrapping_add(by);
                    entry.mark = None;
                }
            }
        }
    }

    fn value(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for entry in self.entries.values() {
            let sum: &mut i64 = sums.entry(entry.name.clone()).or_default();
            *sum = sum.wrapping_add(entry.sum);
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    fn sample(&self, random: &mut Random) -> Addition {
        let entries: Vec<&Entry> = self.entries.values().collect();
        match random.pick(&entries) {
            Some(entry) if random.chance(40) => Addition {
                name: entry.name.clone(),
                by: entry.sum.wrapping_neg(),
            },
            _ => Addition {
                name: random.word(),
                by: 1 + random.below(3) as i64,
            },
        }
    }

    fn compact(&mut self, _stable: &Stable, floor: u64, number: u64) -> bool {
        self.entries
            .retain(|_, entry| entry.mark.is_none_or(|mark| mark > floor));
        for entry in self.entries.values_mut().filter(|entry| entry.sum == 0) {
            entry.mark.get_or_insert(number);
        }
        self.entries.values().any(|entry| entry.mark.is_some())
    }
}
