//! A counter that only grows.
//!
//! Source: Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study
//! of Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.1.1. As
//! every op is applied exactly once, the sum alone is the state.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The sum of all increments. It stops at the largest number, which still commutes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct GCounter(u64);

/// Adds `increment` to the counter.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    increment: u64,
}

impl Crdt for GCounter {
    const NAME: &'static str = "g-counter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A counter that only grows. Concurrent increments all count.";
    const COMMAND_SCHEMA: &'static str = include_str!("../schemas/command.json");
    const VALUE_SCHEMA: &'static str = r#"{"type": "integer", "minimum": 0}"#;
    const EVENT_SCHEMA: &'static str = Self::VALUE_SCHEMA;
    type Command = Command;
    type Op = u64;
    type Query = ();
    type Answer = ();
    type Value = u64;
    type Event = u64;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<u64>, Refusal> {
        Ok(Some(command.increment).filter(|by| *by > 0))
    }

    fn effect(&mut self, _: &Context, by: u64, events: &mut Events<u64>) {
        self.0 = self.0.saturating_add(by);
        events.emit(|| self.0);
    }

    fn value(&self) -> u64 {
        self.0
    }

    fn sample(&self, random: &mut Random) -> Command {
        Command {
            increment: random.below(10),
        }
    }
}

#[cfg(feature = "component")]
replicant_sdk::export!(GCounter);

#[cfg(test)]
mod tests;
