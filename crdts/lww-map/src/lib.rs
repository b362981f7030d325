//! A map from texts to any JSON values, in which the last write of a key wins; state-based.
//!
//! Source: the register of Paul R. Johnson and Robert H. Thomas, "Maintenance of duplicate
//! databases" (RFC 677, 1975), one for each key, in the state-based form of Marc Shapiro, Nuno
//! Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study of Convergent and
//! Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.2.1; deltas after Paulo
//! Sérgio Almeida, Ali Shoker and Carlos Baquero, "Delta state replicated data types" (2018). Time
//! is a hybrid logical timestamp, so a write wins over those that its author had seen.
//!
//! A removed key leaves a tombstone, since an older write of it may still come. It is forgotten
//! once the removal is stable: every write from then on is made by somebody who had seen it, and
//! so is later. The map is in [`entries`]; this is the adapter.

pub mod entries;

use replicant_sdk::json::{Encoded, Json};
use replicant_sdk::{Context, DeltaCrdt, Events, Random, Refusal, Stable};
use serde::{Deserialize, Serialize};

use entries::Entries;

/// A map from texts to JSON values; also what one command changes in it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LwwMap(Entries<Encoded>);

/// What a user asks for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Sets these keys to these values; the others stay.
    Set(Fields),
    /// Removes a key.
    Remove(Box<str>),
    /// Removes all keys.
    Clear,
}

/// Keys with values.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Fields(std::collections::BTreeMap<Box<str>, Json>);

/// What a user asks about the map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The value of a key; null if it has none.
    Get(Box<str>),
    /// Whether a key is there.
    Contains(Box<str>),
    /// How many keys are there.
    Size,
}

/// The answer to a query.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The value.
    Get(Json),
    /// Whether it is.
    Contains(bool),
    /// So many.
    Size(u64),
}

/// What changed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The key has this value now.
    Set {
        /// The key.
        key: Box<str>,
        /// The value.
        value: Json,
    },
    /// The key is no longer there.
    Removed(Box<str>),
}

impl DeltaCrdt for LwwMap {
    const NAME: &'static str = "lww-map";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A map from texts to JSON values. Of concurrent writes of one \
        key the one with the latest timestamp wins, a removal being a write too; writes of \
        different keys all count. Equal timestamps are decided by replica.";
    const COMMAND_SCHEMA: &'static str = include_str!("../schemas/command.json");
    const QUERY_SCHEMA: &'static str = include_str!("../schemas/query.json");
    const VALUE_SCHEMA: &'static str = r#"{"type": "object"}"#;
    const EVENT_SCHEMA: &'static str = include_str!("../schemas/event.json");
    type Command = Command;
    type Query = Query;
    type Answer = Answer;
    type Value = Json;
    type Event = Event;

    fn mutate(&self, context: &Context, command: Command) -> Result<Option<Self>, Refusal> {
        let mut delta = Entries::default();
        let stamp = context.stamp();
        match command {
            Command::Set(Fields(fields)) => {
                for (key, value) in fields {
                    let value = Encoded::new(&value).map_err(|error| error.to_string())?;
                    delta.write(key, stamp, Some(value));
                }
            }
            Command::Remove(key) => {
                if self.0.get(&key).is_some() {
                    delta.write(key, stamp, None);
                }
            }
            Command::Clear => self.0.iter().for_each(|(key, _)| {
                delta.write(key.into(), stamp, None);
            }),
        }
        Ok((!delta.is_empty()).then_some(Self(delta)))
    }

    fn merge(&mut self, delta: Self, events: &mut Events<Event>) {
        self.0.merge(delta.0, |key, value, is_known| match value {
            Some(value) => events.emit(|| Event::Set {
                key: key.into(),
                value: value.value(),
            }),
            None if is_known => events.emit(|| Event::Removed(key.into())),
            None => {}
        });
    }

    fn value(&self) -> Json {
        let entry = |(key, value): (&str, &Encoded)| (key.into(), value.value());
        Json::map(self.0.iter().map(entry).collect())
    }

    fn query(&self, query: Query) -> Result<Answer, Refusal> {
        Ok(match query {
            Query::Get(key) => Answer::Get(self.0.get(&key).map_or(Json::Null, Encoded::value)),
            Query::Contains(key) => Answer::Contains(self.0.get(&key).is_some()),
            Query::Size => Answer::Size(self.0.iter().count() as u64),
        })
    }

    fn sample(&self, random: &mut Random) -> Command {
        match random.below(20) {
            0 => Command::Clear,
            1..7 => Command::Remove(random.word().into()),
            _ => {
                let mut field = |_| (random.word().into(), Json::sample(random));
                Command::Set(Fields((0..2).map(&mut field).collect()))
            }
        }
    }

    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        self.0.forget(stable)
    }
}

#[cfg(feature = "component")]
replicant_sdk::export_delta!(LwwMap);

#[cfg(test)]
mod tests;
