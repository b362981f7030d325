//! A counter that only grows.
//!
//! Source: Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study of
//! Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.1.1, in its
//! op-based form: every op is added exactly once on every replica, so the state is the sum.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The sum of all increments, which stops at the largest number.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct GCounter(u64);

/// What a user asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds so much.
    Increment(u64),
}

/// What a user can ask.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The sum.
    Value,
}

impl Crdt for GCounter {
    const NAME: &'static str = "g-counter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A counter that only grows; concurrent increments all count.";
    type Command = Command;
    type Op = u64;
    type Query = Query;
    type Answer = u64;
    type Value = u64;
    type Event = u64;

    fn prepare(
        &self,
        _: &Context,
        Command::Increment(by): Command,
    ) -> Result<Option<u64>, Refusal> {
        Ok((by > 0).then_some(by))
    }

    fn effect(&mut self, _: &Context, by: u64, events: &mut Events<u64>) {
        self.0 = self.0.saturating_add(by);
        events.emit(|| self.0);
    }

    fn value(&self) -> u64 {
        self.0
    }

    fn query(&self, Query::Value: Query) -> Result<u64, Refusal> {
        Ok(self.0)
    }

    fn sample(&self, random: &mut Random) -> Command {
        Command::Increment(random.below(10))
    }
}

replicant_sdk::export!(GCounter);
