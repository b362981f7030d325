//! A register for any JSON value, whose last write wins.
//!
//! Source: Paul R. Johnson and Robert H. Thomas, "Maintenance of duplicate databases" (RFC 677,
//! 1975); Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study of
//! Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.2.1. Time is
//! a hybrid logical timestamp, so a write always wins over those that its author had seen;
//! concurrent writes of the same timestamp are ordered by replica and counter.
//!
//! The order of writes is in [`register`]; this is the adapter.

pub mod register;

use replicant_sdk::json::{Encoded, Json};
use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

use register::Register;

/// A register for any JSON value. Empty until somebody sets it, and after it is cleared.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LwwRegister(Register<Encoded>);

/// What a user asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Makes this the value.
    Set(Json),
    /// Takes the value away.
    Clear,
}

/// What is replicated: the new value, or none.
pub type Op = Option<Encoded>;

impl Crdt for LwwRegister {
    const NAME: &'static str = "lww-register";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A register for any JSON value. Of concurrent writes the one \
        with the latest timestamp wins; the others are lost. Equal timestamps are decided by \
        replica.";
    const COMMAND_SCHEMA: &'static str = include_str!("../schemas/command.json");
    type Command = Command;
    type Op = Op;
    type Query = ();
    type Answer = ();
    type Value = Json;
    type Event = Json;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        Ok(match command {
            Command::Set(value) => {
                let value = Encoded::new(&value).map_err(|error| error.to_string())?;
                Some(Some(value))
            }
            Command::Clear => self.0.value().is_some().then_some(None),
        })
    }

    fn effect(&mut self, context: &Context, op: Op, events: &mut Events<Json>) {
        if self.0.write(context.stamp(), op) {
            events.emit(|| self.value());
        }
    }

    fn value(&self) -> Json {
        self.0.value().map_or(Json::Null, Encoded::value)
    }

    fn sample(&self, random: &mut Random) -> Command {
        if random.chance(20) {
            Command::Clear
        } else {
            Command::Set(Json::sample(random))
        }
    }
}

#[cfg(feature = "component")]
replicant_sdk::export!(LwwRegister);

#[cfg(test)]
mod tests;
