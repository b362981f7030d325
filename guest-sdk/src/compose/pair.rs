//! Two parts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ask::{PartAnswer, PartQuery, ask};
use super::part::{PartOp, Saved};
use super::schema::{object, one_of, tagged};
use crate::{Context, Crdt, Events, Malformed, Random, Refusal, Stable, postcard_bytes};

/// An `A` and a `B` that know nothing of each other.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Pair<A: Crdt, B: Crdt> {
    first: Saved<A>,
    second: Saved<B>,
}

/// What a user asks for: a command for one of the parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairCommand<A, B> {
    /// For the first part.
    First(A),
    /// For the second part.
    Second(B),
}

/// What is replicated: an op of one of the parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PairOp {
    /// Of the first part.
    First(PartOp),
    /// Of the second part.
    Second(PartOp),
}

/// What a user asks about one of the parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairQuery<A, B> {
    /// The first part is asked.
    First(A),
    /// The second part is asked.
    Second(B),
}

/// The answer of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PairAnswer<A, B> {
    /// The first part's.
    First(A),
    /// The second part's.
    Second(B),
}

/// What changed in one of the parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairEvent<A, B> {
    /// In the first part.
    First(A),
    /// In the second part.
    Second(B),
}

/// What a user reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairValue<A, B> {
    /// The first part's value.
    pub first: A,
    /// The second part's value.
    pub second: B,
}

impl<A: Crdt, B: Crdt> Default for Pair<A, B> {
    fn default() -> Self {
        Self {
            first: Saved(A::default()),
            second: Saved(B::default()),
        }
    }
}

impl<A: Crdt, B: Crdt> Pair<A, B> {
    /// Returns the first part.
    pub fn first(&self) -> &A {
        &self.first.0
    }

    /// Returns the second part.
    pub fn second(&self) -> &B {
        &self.second.0
    }

    fn apply_op(
        &mut self,
        context: &Context,
        op: &PairOp,
        events: &mut Events<<Self as Crdt>::Event>,
    ) -> Result<(), Malformed> {
        match op {
            PairOp::First(op) => events.within(PairEvent::First, |events| {
                op.apply(&mut self.first.0, context, events)
            }),
            PairOp::Second(op) => events.within(PairEvent::Second, |events| {
                op.apply(&mut self.second.0, context, events)
            }),
        }
    }
}

/// What is said of both parts.
fn both(of_first: &str, of_second: &str) -> Cow<'static, str> {
    one_of(&[tagged("first", of_first), tagged("second", of_second)])
}

impl<A: Crdt, B: Crdt> Crdt for Pair<A, B> {
    const NAME: &'static str = "pair";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "Two parts that know nothing of each other.";
    const NAMES_BY_DOT: bool = A::NAMES_BY_DOT && B::NAMES_BY_DOT;
    type Command = PairCommand<A::Command, B::Command>;
    type Op = PairOp;
    type Query = PairQuery<PartQuery<A::Query>, PartQuery<B::Query>>;
    type Answer = PairAnswer<PartAnswer<A::Value, A::Answer>, PartAnswer<B::Value, B::Answer>>;
    type Value = PairValue<A::Value, B::Value>;
    type Event = PairEvent<A::Event, B::Event>;

    fn summary() -> Cow<'static, str> {
        format!(
            "Two parts. First: {} Second: {}",
            A::summary(),
            B::summary()
        )
        .into()
    }

    fn command_schema() -> Cow<'static, str> {
        both(&A::command_schema(), &B::command_schema())
    }

    fn query_schema() -> Cow<'static, str> {
        both(&A::query_schema(), &B::query_schema())
    }

    fn value_schema() -> Cow<'static, str> {
        let (first, second) = (A::value_schema(), B::value_schema());
        object(&[("first", &first), ("second", &second)]).into()
    }

    fn event_schema() -> Cow<'static, str> {
        both(&A::event_schema(), &B::event_schema())
    }

    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<PairOp>, Refusal> {
        Ok(match command {
            PairCommand::First(command) => {
                PartOp::prepare(self.first(), context, command)?.map(PairOp::First)
            }
            PairCommand::Second(command) => {
                PartOp::prepare(self.second(), context, command)?.map(PairOp::Second)
            }
        })
    }

    fn effect(&mut self, context: &Context, op: PairOp, events: &mut Events<Self::Event>) {
        // An op of a part that cannot be read has no effect.
        let _ = self.apply_op(context, &op, events);
    }

    fn value(&self) -> Self::Value {
        PairValue {
            first: self.first().value(),
            second: self.second().value(),
        }
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        match random.chance(50) {
            true => PairCommand::First(self.first().sample(random)),
            false => PairCommand::Second(self.second().sample(random)),
        }
    }

    fn query(&self, query: Self::Query) -> Result<Self::Answer, Refusal> {
        Ok(match query {
            PairQuery::First(query) => PairAnswer::First(ask(self.first(), query)?),
            PairQuery::Second(query) => PairAnswer::Second(ask(self.second(), query)?),
        })
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        let of_first = self.first.0.compact(stable, floor, number);
        self.second.0.compact(stable, floor, number) || of_first
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Self::Event>,
    ) -> Result<(), Malformed> {
        self.apply_op(context, &postcard_bytes::read(op)?, events)
    }
}
