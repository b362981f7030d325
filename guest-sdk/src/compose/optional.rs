//! A part that is there or not.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::part::PartOp;
use super::removal::{Cell, Removal};
use super::schema::{one_of, tagged};
use super::update_wins::UpdateWins;
use crate::{Context, Crdt, Events, Malformed, Random, Refusal, Stable, postcard_bytes};

/// A `T` that is there from the first update on, until it is cleared; what becomes of concurrent
/// updates then, `R` says.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Optional<T: Crdt, R: Removal = UpdateWins> {
    cell: R::Cell<T>,
}

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptionalCommand<C> {
    /// Gives a command to the part.
    Update(C),
    /// Takes the part away.
    Clear,
}

/// What is replicated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptionalOp<S, O> {
    /// The part is updated: what its author had seen, and the part's op.
    Update(S, PartOp),
    /// The part is taken away: what its author had seen.
    Clear(O),
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptionalEvent<V, E> {
    /// The part changed.
    Changed(E),
    /// Some of what was known was taken away, and this is left.
    Reset(V),
    /// The part is no longer there.
    Cleared,
}

impl<T: Crdt, R: Removal> Default for Optional<T, R> {
    fn default() -> Self {
        Self {
            cell: R::Cell::default(),
        }
    }
}

impl<T: Crdt, R: Removal> Optional<T, R> {
    /// Returns the part, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.cell.part()
    }

    fn apply_op(
        &mut self,
        context: &Context,
        op: <Self as Crdt>::Op,
        events: &mut Events<<Self as Crdt>::Event>,
    ) -> Result<(), Malformed> {
        match op {
            OptionalOp::Update(seen, op) => events.within(OptionalEvent::Changed, |events| {
                self.cell.update(context, &seen, &op, events)
            }),
            OptionalOp::Clear(observed) => {
                let was_there = self.get().is_some();
                self.cell.remove(context, &observed);
                if was_there {
                    events.emit(|| match self.get() {
                        Some(part) => OptionalEvent::Reset(part.value()),
                        None => OptionalEvent::Cleared,
                    });
                }
                Ok(())
            }
        }
    }
}

impl<T: Crdt, R: Removal> Crdt for Optional<T, R> {
    const NAME: &'static str = "optional";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A part that is there or not.";
    const WRITES: u32 = T::WRITES;
    const READS: &'static [u32] = T::READS;
    const NAMES_BY_DOT: bool = T::NAMES_BY_DOT;
    type Command = OptionalCommand<T::Command>;
    type Op = OptionalOp<<R::Cell<T> as Cell<T>>::Seen, <R::Cell<T> as Cell<T>>::Observed>;
    type Query = T::Query;
    type Answer = T::Answer;
    type Value = Option<T::Value>;
    type Event = OptionalEvent<T::Value, T::Event>;

    fn summary() -> Cow<'static, str> {
        let (removal, part) = (R::SUMMARY, T::summary());
        format!("There or not; {removal}. If it is there: {part}").into()
    }

    fn command_schema() -> Cow<'static, str> {
        let update = tagged("update", &T::command_schema());
        one_of(&[update, r#"{"const": "clear"}"#.to_owned()])
    }

    fn query_schema() -> Cow<'static, str> {
        T::query_schema()
    }

    fn value_schema() -> Cow<'static, str> {
        let null = r#"{"type": "null"}"#.to_owned();
        format!("{{\"anyOf\": [{null}, {}]}}", T::value_schema()).into()
    }

    fn event_schema() -> Cow<'static, str> {
        one_of(&[
            tagged("changed", &T::event_schema()),
            tagged("reset", &T::value_schema()),
            r#"{"const": "cleared"}"#.to_owned(),
        ])
    }

    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<Self::Op>, Refusal> {
        let OptionalCommand::Update(command) = command else {
            let clear = |_: &T| OptionalOp::Clear(self.cell.observed());
            return Ok(self.get().map(clear));
        };
        let op = match self.get() {
            Some(part) => PartOp::prepare(part, context, command)?,
            None => PartOp::prepare(&T::default(), context, command)?,
        };
        Ok(op.map(|op| OptionalOp::Update(self.cell.seen(), op)))
    }

    fn effect(&mut self, context: &Context, op: Self::Op, events: &mut Events<Self::Event>) {
        // An op of a part that cannot be read has no effect.
        let _ = self.apply_op(context, op, events);
    }

    fn value(&self) -> Self::Value {
        self.get().map(T::value)
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        if random.chance(20) {
            return OptionalCommand::Clear;
        }
        OptionalCommand::Update(match self.get() {
            Some(part) => part.sample(random),
            None => T::default().sample(random),
        })
    }

    fn query(&self, query: Self::Query) -> Result<Self::Answer, Refusal> {
        match self.get() {
            Some(part) => part.query(query),
            None => Err("there is nothing yet to ask about".into()),
        }
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        self.cell.compact(stable, floor, number)
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
