//! A counter that grows and shrinks.
//!
//! Source: Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study
//! of Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.1.3, in
//! the op-based form. The sum is exact, whatever the order of increments and decrements, and only
//! what is shown ends at the ends of 64 bits: a sum that stopped there would not commute.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The sum of all changes. No history is so long that it needs more than 128 bits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PnCounter(i128);

/// What a user asks for; also what is replicated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds so much.
    Increment(u64),
    /// Subtracts so much.
    Decrement(u64),
}

impl PnCounter {
    fn after(&self, change: Command) -> i128 {
        match change {
            Command::Increment(by) => self.0.wrapping_add(by.into()),
            Command::Decrement(by) => self.0.wrapping_sub(by.into()),
        }
    }
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

    /// Refuses a change that nobody could see: one beyond the numbers that are shown. Changes that
    /// are concurrent may lead there all the same.
    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Command>, Refusal> {
        let after = self.after(command);
        let (is_shown, by) = match command {
            Command::Increment(by) => (after <= i64::MAX.into(), by),
            Command::Decrement(by) => (after >= i64::MIN.into(), by),
        };
        if !is_shown {
            let (least, most) = (i64::MIN, i64::MAX);
            return Err(format!("{by} is too much: this counts from {least} to {most}").into());
        }
        Ok(Some(command).filter(|_| by > 0))
    }

    fn effect(&mut self, _: &Context, op: Command, events: &mut Events<i64>) {
        self.0 = self.after(op);
        events.emit(|| self.value());
    }

    fn value(&self) -> i64 {
        self.0.clamp(i64::MIN.into(), i64::MAX.into()) as i64
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

#[cfg(feature = "component")]
replicant_sdk::export!(PnCounter);

#[cfg(test)]
mod tests;
