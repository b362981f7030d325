//! A combinator with a name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    Context, Crdt, Events, LoadError, Malformed, Random, Refusal, Stable, postcard_bytes, version,
};

/// A type that is made of others, and what it is called.
pub trait Compose: 'static {
    /// The name of the type; see [`Crdt::NAME`].
    const NAME: &'static str;
    /// The version of the type. Raise it when a part gets a new version, by as much as that.
    const VERSION: &'static str;
    /// What the type is for. What it means is said by its parts, and added.
    const SUMMARY: &'static str;
    /// The type: combinators of parts.
    type Of: Crdt;
    /// The op encoding; see [`Crdt::WRITES`]. A map and an optional part have that of their part. A
    /// pair has 1: raise it here when one of its parts writes another one, or older versions take
    /// its ops for malformed.
    const WRITES: u32 = <Self::Of as Crdt>::WRITES;
    /// The op encodings that it reads; see [`Crdt::READS`].
    const READS: &'static [u32] = <Self::Of as Crdt>::READS;

    /// Says whether states that a version saved can be read: those of compatible versions. Override
    /// it where only parts have changed, which read what older versions of them saved.
    fn reads_state_of(version: &str) -> bool {
        version::check_compatible(Self::NAME, Self::VERSION, version).is_ok()
    }
}

/// The type that `C` describes, ready to be exported.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Composed<C: Compose>(C::Of);

impl<C: Compose> Composed<C> {
    /// Returns the state.
    pub fn state(&self) -> &C::Of {
        &self.0
    }
}

impl<C: Compose> Default for Composed<C> {
    fn default() -> Self {
        Self(C::Of::default())
    }
}

impl<C: Compose> Crdt for Composed<C> {
    const NAME: &'static str = C::NAME;
    const VERSION: &'static str = C::VERSION;
    const SUMMARY: &'static str = C::SUMMARY;
    const WRITES: u32 = C::WRITES;
    const READS: &'static [u32] = C::READS;
    const NAMES_BY_DOT: bool = C::Of::NAMES_BY_DOT;
    type Command = <C::Of as Crdt>::Command;
    type Op = <C::Of as Crdt>::Op;
    type Query = <C::Of as Crdt>::Query;
    type Answer = <C::Of as Crdt>::Answer;
    type Value = <C::Of as Crdt>::Value;
    type Event = <C::Of as Crdt>::Event;

    fn summary() -> Cow<'static, str> {
        format!("{} {}", C::SUMMARY, C::Of::summary()).into()
    }

    fn command_schema() -> Cow<'static, str> {
        C::Of::command_schema()
    }

    fn query_schema() -> Cow<'static, str> {
        C::Of::query_schema()
    }

    fn value_schema() -> Cow<'static, str> {
        C::Of::value_schema()
    }

    fn event_schema() -> Cow<'static, str> {
        C::Of::event_schema()
    }

    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<Self::Op>, Refusal> {
        self.0.prepare(context, command)
    }

    fn effect(&mut self, context: &Context, op: Self::Op, events: &mut Events<Self::Event>) {
        self.0.effect(context, op, events);
    }

    fn value(&self) -> Self::Value {
        self.0.value()
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        self.0.sample(random)
    }

    fn query(&self, query: Self::Query) -> Result<Self::Answer, Refusal> {
        self.0.query(query)
    }

    fn load(saved: &[u8], from_version: &str) -> Result<Self, LoadError> {
        if !C::reads_state_of(from_version) {
            return Err(LoadError::new(format!(
                "{} {} does not read what {from_version} saved",
                C::NAME,
                C::VERSION
            )));
        }
        postcard_bytes::read(saved).map_err(|error| {
            LoadError::new(format!(
                "these bytes are no saved state of {}: {error}",
                C::NAME
            ))
        })
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        self.0.compact(stable, floor, number)
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Self::Event>,
    ) -> Result<(), Malformed> {
        self.0.apply_bytes(context, op, events)
    }
}
