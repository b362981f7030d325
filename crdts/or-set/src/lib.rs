//! A set in which an addition wins over a concurrent removal.
//!
//! Source: Annette Bieniusa, Marek Zawirski, Nuno Preguiça, Marc Shapiro, Carlos Baquero, Valter
//! Balegas and Sérgio Duarte, "An optimized conflict-free replicated set" (INRIA RR-8083, 2012).
//! That set keeps a version vector to tell new additions from those that were removed; here the
//! host delivers every op once and after its causes, so that nothing is kept of what was removed.
//!
//! The set itself is in [`set`]; this is the adapter.

pub mod additions;
pub mod element;
pub mod set;
pub mod trie;

use replicant_sdk::{
    Context, Crdt, Events, Malformed, Random, Refusal, Stable, cbor, postcard_bytes,
};
use serde::{Deserialize, Serialize};

use additions::Additions;
use element::Element;
use set::AddWinsSet;

/// A set of texts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct OrSet(AddWinsSet);

/// What a user asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command<E = String> {
    /// Puts an element in.
    Add(E),
    /// Takes an element out.
    Remove(E),
    /// Takes every element out.
    Clear,
}

/// What is replicated. A removal names the last addition by each replica that its author had
/// seen, so it spares those that are concurrent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Op<E = String> {
    /// Puts an element in.
    Add(E),
    /// Takes out what these additions put in of one element.
    Remove(E, Additions),
    /// Takes out what these and earlier additions put in.
    Clear(Additions),
}

/// What a user can ask.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// Is this element in the set?
    Contains(String),
    /// How many elements are there?
    Size,
}

/// The answer to a query.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Whether it is.
    Contains(bool),
    /// So many.
    Size(u64),
}

/// What changed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The element was not in the set before.
    Added(String),
    /// The element is no longer in the set.
    Removed(String),
}

impl Crdt for OrSet {
    const NAME: &'static str = "or-set";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A set of texts. If one person adds an element while another \
        removes it, it stays: a removal takes out only the additions that its author had seen.";
    const COMMAND_SCHEMA: &'static str = include_str!("../schemas/command.json");
    const QUERY_SCHEMA: &'static str = include_str!("../schemas/query.json");
    const VALUE_SCHEMA: &'static str = include_str!("../schemas/value.json");
    const EVENT_SCHEMA: &'static str = include_str!("../schemas/event.json");
    type Command = Command;
    type Op = Op;
    type Query = Query;
    type Answer = Answer;
    type Value = Vec<String>;
    type Event = Event;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        Ok(self.op_of(command))
    }

    fn effect(&mut self, context: &Context, op: Op, events: &mut Events<Event>) {
        self.effect_of(context, op, events);
    }

    fn value(&self) -> Vec<String> {
        self.0
            .elements()
            .into_iter()
            .map(Element::to_text)
            .collect()
    }

    fn query(&self, query: Query) -> Result<Answer, Refusal> {
        Ok(match query {
            Query::Contains(element) => Answer::Contains(self.0.contains(&element)),
            Query::Size => Answer::Size(self.0.len() as u64),
        })
    }

    fn sample(&self, random: &mut Random) -> Command {
        match random.below(20) {
            0 => Command::Clear,
            1..8 => Command::Remove(random.word()),
            _ => Command::Add(random.word()),
        }
    }

    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        self.0.compact(stable)
    }

    fn update_bytes(
        &mut self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Event>,
    ) -> Result<bool, Refusal> {
        if let Ok(command) = cbor::decode::<Command<&str>>(command) {
            return Ok(self.carry_out(context, command, op, events));
        }
        // Perhaps a text in pieces, which cannot be borrowed.
        let command = cbor::decode::<Command>(command);
        let command = command.map_err(|error| Self::unreadable_command(&error))?;
        Ok(self.carry_out(context, command, op, events))
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Event>,
    ) -> Result<(), Malformed> {
        self.effect_of(context, postcard_bytes::read::<Op<&str>>(op)?, events);
        Ok(())
    }
}

/// The same for elements that are owned and elements that are borrowed from a command or an op:
/// most additions put in what is there.
impl OrSet {
    #[inline]
    fn op_of<E: AsRef<str>>(&self, command: Command<E>) -> Option<Op<E>> {
        match command {
            Command::Add(element) => Some(Op::Add(element)),
            Command::Remove(element) => {
                let additions = self.0.additions(element.as_ref())?.clone();
                Some(Op::Remove(element, additions))
            }
            Command::Clear => self.0.last_additions().map(Op::Clear),
        }
    }

    #[inline]
    fn carry_out<E: AsRef<str> + Serialize>(
        &mut self,
        context: &Context,
        command: Command<E>,
        op: &mut Vec<u8>,
        events: &mut Events<Event>,
    ) -> bool {
        let Some(made) = self.op_of(command) else {
            return false;
        };
        postcard_bytes::append(&made, op);
        self.effect_of(context, made, events);
        true
    }

    #[inline]
    fn effect_of<E: AsRef<str>>(
        &mut self,
        context: &Context,
        op: Op<E>,
        events: &mut Events<Event>,
    ) {
        match op {
            Op::Add(element) => {
                if self.0.add(element.as_ref(), context.dot) {
                    events.emit(|| Event::Added(element.as_ref().to_owned()));
                }
            }
            Op::Remove(element, additions) => {
                if self.0.remove(element.as_ref(), &additions) {
                    events.emit(|| Event::Removed(element.as_ref().to_owned()));
                }
            }
            Op::Clear(additions) => {
                self.0.clear(&additions, |element| {
                    events.emit(|| Event::Removed(element.to_text()));
                });
            }
        }
    }
}

#[cfg(feature = "component")]
replicant_sdk::export!(OrSet);

#[cfg(test)]
mod tests;
