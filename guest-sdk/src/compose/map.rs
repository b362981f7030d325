//! A part for each key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::ask::{PartAnswer, PartQuery, ask};
use super::key::Key;
use super::part::PartOp;
use super::removal::{Cell, Removal};
use super::schema::{object, one_of, tagged};
use super::update_wins::UpdateWins;
use crate::{Context, Crdt, Events, Malformed, Random, Refusal, Stable, postcard_bytes};

/// How many keys a map may have when one is added. Maps that are updated concurrently can have
/// more.
pub const KEYS_MAX: usize = 100_000;

/// A map in which each key has a `V` of its own. It is there from the first update on, until it is
/// removed; what becomes of concurrent updates then, `R` says.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Map<K: Key, V: Crdt, R: Removal = UpdateWins> {
    cells: BTreeMap<K, R::Cell<V>>,
}

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapCommand<K, C> {
    /// Gives a command to the part of a key.
    Update {
        /// The key.
        key: K,
        /// The part's command.
        command: C,
    },
    /// Removes a key.
    Remove(K),
}

/// What is replicated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapOp<K, S, O> {
    /// The part of a key is updated: what its author had seen, and the part's op.
    Update(K, S, PartOp),
    /// A key is removed: what its author had seen.
    Remove(K, O),
}

/// What a user asks about the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapQuery<K, Q> {
    /// The value of a key; null if it is not there.
    Get(K),
    /// Whether a key is there.
    Contains(K),
    /// The keys that are there.
    Keys,
    /// How many keys are there.
    Size,
    /// Asks the part of a key.
    Ask {
        /// The key.
        key: K,
        /// The part's query.
        query: Q,
    },
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MapAnswer<K, V, A> {
    /// The value.
    Get(Option<V>),
    /// Whether it is.
    Contains(bool),
    /// The keys.
    Keys(Vec<K>),
    /// So many.
    Size(u64),
    /// The part's answer.
    Ask(A),
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapEvent<K, V, E> {
    /// The part of a key changed.
    Changed {
        /// The key.
        key: K,
        /// The part's event.
        event: E,
    },
    /// Some of what was known of a key was taken away, and this is left.
    Reset {
        /// The key.
        key: K,
        /// Its value now.
        value: V,
    },
    /// The key is no longer there.
    Removed(K),
}

type Op<K, V, R> = MapOp<
    K,
    <<R as Removal>::Cell<V> as Cell<V>>::Seen,
    <<R as Removal>::Cell<V> as Cell<V>>::Observed,
>;
type Event<K, V> = MapEvent<K, <V as Crdt>::Value, <V as Crdt>::Event>;

impl<K: Key, V: Crdt, R: Removal> Default for Map<K, V, R> {
    fn default() -> Self {
        Self {
            cells: BTreeMap::new(),
        }
    }
}

impl<K: Key, V: Crdt, R: Removal> Map<K, V, R> {
    /// Returns the part of a key, if it is there.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.cells.get(key)?.part()
    }

    /// Returns the keys that are there with their parts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.cells
            .iter()
            .filter_map(|(key, cell)| Some((key, cell.part()?)))
    }

    fn update_op(
        &self,
        context: &Context,
        key: K,
        command: V::Command,
    ) -> Result<Option<Op<K, V, R>>, Refusal> {
        let new;
        let (seen, part) = match self.cells.get(&key) {
            Some(cell) => (cell.seen(), cell.part()),
            None => (R::Cell::<V>::default().seen(), None),
        };
        let part = match part {
            Some(part) => part,
            None => {
                key.check()?;
                // A cell that only remembers a removal is no key.
                if self.cells.len() >= KEYS_MAX && self.iter().count() >= KEYS_MAX {
                    return Err(format!("there are {KEYS_MAX} keys: remove some first").into());
                }
                new = V::default();
                &new
            }
        };
        let op = PartOp::prepare(part, context, command)
            .map_err(|refusal| Refusal::new(format!("{}: {refusal}", key.to_text())))?;
        Ok(op.map(|op| MapOp::Update(key, seen, op)))
    }

    fn apply_op(
        &mut self,
        context: &Context,
        op: Op<K, V, R>,
        events: &mut Events<Event<K, V>>,
    ) -> Result<(), Malformed> {
        let (MapOp::Update(key, ..) | MapOp::Remove(key, _)) = &op;
        let key = key.clone();
        let cell = self.cells.entry(key.clone()).or_default();
        let done = match op {
            MapOp::Update(_, seen, op) => {
                let wrap = |event| MapEvent::Changed {
                    key: key.clone(),
                    event,
                };
                events.within(wrap, |events| cell.update(context, &seen, &op, events))
            }
            MapOp::Remove(_, observed) => {
                let was_there = cell.part().is_some();
                cell.remove(context, &observed);
                if was_there {
                    events.emit(|| removed(key.clone(), cell.part()));
                }
                Ok(())
            }
        };
        if cell.is_empty() {
            self.cells.remove(&key);
        }
        done
    }
}

fn removed<K, V: Crdt>(key: K, left: Option<&V>) -> Event<K, V> {
    match left {
        Some(part) => MapEvent::Reset {
            key,
            value: part.value(),
        },
        None => MapEvent::Removed(key),
    }
}

impl<K: Key, V: Crdt, R: Removal> Crdt for Map<K, V, R> {
    const NAME: &'static str = "map";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A map with a part for each key.";
    const WRITES: u32 = V::WRITES;
    const READS: &'static [u32] = V::READS;
    const NAMES_BY_DOT: bool = V::NAMES_BY_DOT;
    type Command = MapCommand<K, V::Command>;
    type Op = Op<K, V, R>;
    type Query = MapQuery<K, PartQuery<V::Query>>;
    type Answer = MapAnswer<K, V::Value, PartAnswer<V::Value, V::Answer>>;
    type Value = BTreeMap<String, V::Value>;
    type Event = Event<K, V>;

    fn summary() -> Cow<'static, str> {
        format!("A map; {}. For each key: {}", R::SUMMARY, V::summary()).into()
    }

    fn command_schema() -> Cow<'static, str> {
        let update = object(&[("key", K::SCHEMA), ("command", &V::command_schema())]);
        one_of(&[tagged("update", &update), tagged("remove", K::SCHEMA)])
    }

    fn query_schema() -> Cow<'static, str> {
        let ask = object(&[("key", K::SCHEMA), ("query", &V::query_schema())]);
        one_of(&[
            tagged("get", K::SCHEMA),
            tagged("contains", K::SCHEMA),
            tagged("ask", &ask),
            r#"{"enum": ["keys", "size", "value"]}"#.to_owned(),
        ])
    }

    fn value_schema() -> Cow<'static, str> {
        let values = V::value_schema();
        format!("{{\"type\": \"object\", \"additionalProperties\": {values}}}").into()
    }

    fn event_schema() -> Cow<'static, str> {
        let changed = object(&[("key", K::SCHEMA), ("event", &V::event_schema())]);
        let reset = object(&[("key", K::SCHEMA), ("value", &V::value_schema())]);
        one_of(&[
            tagged("changed", &changed),
            tagged("reset", &reset),
            tagged("removed", K::SCHEMA),
        ])
    }

    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<Self::Op>, Refusal> {
        match command {
            MapCommand::Update { key, command } => self.update_op(context, key, command),
            MapCommand::Remove(key) => Ok(self
                .cells
                .get(&key)
                .filter(|cell| cell.part().is_some())
                .map(|cell| MapOp::Remove(key, cell.observed()))),
        }
    }

    fn effect(&mut self, context: &Context, op: Self::Op, events: &mut Events<Self::Event>) {
        // An op of a part that cannot be read has no effect.
        let _ = self.apply_op(context, op, events);
    }

    fn value(&self) -> Self::Value {
        let entry = |(key, part): (&K, &V)| (key.to_text(), part.value());
        self.iter().map(entry).collect()
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        let key = K::sample(random);
        if random.chance(20) {
            return MapCommand::Remove(key);
        }
        let command = match self.get(&key) {
            Some(part) => part.sample(random),
            None => V::default().sample(random),
        };
        MapCommand::Update { key, command }
    }

    fn query(&self, query: Self::Query) -> Result<Self::Answer, Refusal> {
        Ok(match query {
            MapQuery::Get(key) => MapAnswer::Get(self.get(&key).map(V::value)),
            MapQuery::Contains(key) => MapAnswer::Contains(self.get(&key).is_some()),
            MapQuery::Keys => MapAnswer::Keys(self.iter().map(|(key, _)| key.clone()).collect()),
            MapQuery::Size => MapAnswer::Size(self.iter().count() as u64),
            MapQuery::Ask { key, query } => match self.get(&key) {
                Some(part) => MapAnswer::Ask(ask(part, query)?),
                None => return Err(format!("{} is not there", key.to_text()).into()),
            },
        })
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        let mut has_more = false;
        self.cells.retain(|_, cell| {
            has_more |= cell.compact(stable, floor, number);
            !cell.is_empty()
        });
        has_more
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Self::Event>,
    ) -> Result<(), Malformed> {
        self.apply_op(context, postcard_bytes::read(op)?, events)
    }
}
