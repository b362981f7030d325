//! A combinator with a name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Context, Crdt, Events, Malformed, Random, Refusal, Stable};

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
    const WRITES: u32 = C::Of::WRITES;
    const READS: &'static [u32] = C::Of::READS;
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
