//! Parts to compose: one whose ops stand by themselves, one whose ops name others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Context, Crdt, Dot, Events, Random, Refusal};

/// A counter that refuses zero.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Counter(u64);

impl Crdt for Counter {
    const NAME: &'static str = "counter";
    const VERSION: &'static str = "0.3.0";
    const SUMMARY: &'static str = "A counter.";
    const COMMAND_SCHEMA: &'static str = r#"{"type": "integer"}"#;
    const VALUE_SCHEMA: &'static str = r#"{"type": "integer"}"#;
    const WRITES: u32 = 4;
    const READS: &'static [u32] = &[4];
    type Command = u64;
    type Op = u64;
    type Query = u64;
    type Answer = bool;
    type Value = u64;
    type Event = u64;

    fn prepare(&self, _: &Context, by: u64) -> Result<Option<u64>, Refusal> {
        match by {
            0 => Err("zero changes nothing".into()),
            _ => Ok(Some(by)),
        }
    }

    fn effect(&mut self, context: &Context, by: u64, events: &mut Events<u64>) {
        assert_eq!(context.schema, 4, "a part's ops have the part's schema");
        self.0 = self.0.wrapping_add(by);
        events.emit(|| by);
    }

    fn value(&self) -> u64 {
        self.0
    }

    fn sample(&self, random: &mut Random) -> u64 {
        1 + random.below(9)
    }

    fn query(&self, least: u64) -> Result<bool, Refusal> {
        Ok(self.0 >= least)
    }
}

/// A set of small numbers; removing one takes away the additions that were seen, if they are there.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Tags(BTreeMap<Dot, u8>);

/// What is asked of a set, and what becomes of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Change<R> {
    Add(u8),
    Remove(R),
}

impl Crdt for Tags {
    const NAME: &'static str = "tags";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "A set.";
    type Command = Change<u8>;
    type Op = Change<BTreeSet<Dot>>;
    type Query = ();
    type Answer = ();
    type Value = BTreeSet<u8>;
    type Event = ();

    fn prepare(&self, _: &Context, command: Change<u8>) -> Result<Option<Self::Op>, Refusal> {
        Ok(match command {
            Change::Add(tag) => Some(Change::Add(tag)),
            Change::Remove(tag) => {
                let seen = self.0.iter().filter(|(_, added)| **added == tag);
                let seen: BTreeSet<Dot> = seen.map(|(dot, _)| *dot).collect();
                (!seen.is_empty()).then_some(Change::Remove(seen))
            }
        })
    }

    fn effect(&mut self, context: &Context, op: Self::Op, events: &mut Events<()>) {
        match op {
            Change::Add(tag) => {
                self.0.insert(context.dot, tag);
                events.emit(|| ());
            }
            Change::Remove(seen) => {
                for dot in seen {
                    if self.0.remove(&dot).is_some() {
                        events.emit(|| ());
                    }
                }
            }
        }
    }

    fn value(&self) -> BTreeSet<u8> {
        self.0.values().copied().collect()
    }

    fn sample(&self, random: &mut Random) -> Change<u8> {
        let tag = random.below(3) as u8;
        match random.chance(60) {
            true => Change::Add(tag),
            false => Change::Remove(tag),
        }
    }
}
