//! A counter that grows and shrinks.
//!
//! Source: Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study
//! of Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.1.3, in
//! the op-based form. Increments and decrements are summed apart, so that a sum that has reached
//! the largest number stays there whatever comes in which order; one sum would not commute there.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// All increments and all decrements. Neither sum goes beyond [`SUM_MAX`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PnCounter {
    increments: u64,
    decrements: u64,
}

/// The largest sum: with it, the difference of two sums is always an `i64`.
pub const SUM_MAX: u64 = i64::MAX as u64;

/// What a user asks for; also what is replicated.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds so much.
    Increment(u64),
    /// Subtracts so much.
    Decrement(u64),
}

impl Crdt for PnCounter {
    const NAME: &'static str = "pn-counter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A counter that grows and shrinks. Concurrent increments and \
        decrements all count; it may go below zero.";
    const COMMAND_SCHEMA: &'static str = include_str!("../schemas/command.json");
    const VALUE_SCHEMA: &'static str = r#"{"type": "integer"}"#;
    const EVENT_SCHEMA: &'static str = Self::VALUE_SCHEMA;
    type Command = Command;
    type Op = Command;
    type Query = ();
    type Answer = ();
    type Value = i64;
    type Event = i64;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Command>, Refusal> {
        let (Command::Increment(by) | Command::Decrement(by)) = command;
        if by > SUM_MAX {
            return Err(format!("{by} is too much: at most {SUM_MAX}").into());
        }
        Ok(Some(command).filter(|_| by > 0))
    }

    fn effect(&mut self, _: &Context, op: Command, events: &mut Events<i64>) {
        let (sum, by) = match op {
            Command::Increment(by) => (&mut self.increments, by),
            Command::Decrement(by) => (&mut self.decrements, by),
        };
        *sum = sum.saturating_add(by).min(SUM_MAX);
        events.emit(|| self.value());
    }

    fn value(&self) -> i64 {
        self.increments as i64 - self.decrements as i64
    }

    fn sample(&self, random: &mut Random) -> Command {
        let by = random.below(10);
        if random.chance(50) {
            Command::Increment(by)
        } else {
            Command::Decrement(by)
        }
    }
}

replicant_sdk::export!(PnCounter);

#[cfg(test)]
mod tests;
