//! A counter that only grows; see `crdts/g-counter`.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The sum of all increments.
#[derive(Default, Serialize, Deserialize)]
pub struct Counter(pub u64);

impl Crdt for Counter {
    const NAME: &'static str = "counter";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A counter that only grows.";
    type Command = u64;
    type Op = u64;
    type Query = ();
    type Answer = ();
    type Value = u64;
    type Event = u64;

    fn prepare(&self, _: &Context, by: u64) -> Result<Option<u64>, Refusal> {
        Ok(Some(by).filter(|by| *by > 0))
    }

    fn effect(&mut self, _: &Context, by: u64, events: &mut Events<u64>) {
        self.0 = self.0.saturating_add(by);
        events.emit(|| self.0);
    }

    fn value(&self) -> u64 {
        self.0
    }

    fn sample(&self, random: &mut Random) -> u64 {
        random.below(10)
    }
}
