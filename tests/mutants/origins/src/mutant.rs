//! A type that does one thing otherwise.

use std::borrow::Cow;

use replicant_sdk::{
    Context, Crdt, Events, LoadError, Malformed, Random, Refusal, Stable, cbor, postcard_bytes,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

type Command<T> = <<T as Twist>::Of as Crdt>::Command;
type Op<T> = <<T as Twist>::Of as Crdt>::Op;
type Event<T> = <<T as Twist>::Of as Crdt>::Event;
type Query<T> = <<T as Twist>::Of as Crdt>::Query;
type Answer<T> = <<T as Twist>::Of as Crdt>::Answer;

/// What a mutant does otherwise. The implementing struct is what it keeps besides the state of the
/// honest type; each method does, by default, what the honest type does.
pub trait Twist: Default + Serialize + DeserializeOwned + 'static {
    /// The name of the mutant.
    const NAME: &'static str;
    /// The honest type.
    type Of: Crdt;

    fn prepare(
        mutant: &Mutant<Self>,
        context: &Context,
        command: Command<Self>,
    ) -> Result<Option<Op<Self>>, Refusal> {
        mutant.of.prepare(context, command)
    }

    fn effect(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: Op<Self>,
        events: &mut Events<Event<Self>>,
    ) {
        mutant.of.effect(context, op, events);
    }

    /// A number that the value shows besides that of the honest type.
    fn shown(mutant: &Mutant<Self>) -> Option<u64> {
        let _ = mutant;
        None
    }

    fn sample(mutant: &Mutant<Self>, random: &mut Random) -> Command<Self> {
        mutant.of.sample(random)
    }

    fn query(mutant: &Mutant<Self>, query: Query<Self>) -> Result<Answer<Self>, Refusal> {
        mutant.of.query(query)
    }

    fn compact(mutant: &mut Mutant<Self>, stable: &Stable, floor: u64, number: u64) -> bool {
        mutant.of.compact(stable, floor, number)
    }

    fn save(mutant: &Mutant<Self>) -> Vec<u8> {
        mutant.save_honestly()
    }

    /// Sees what was loaded before anybody else does.
    fn loaded(mutant: Mutant<Self>) -> Result<Mutant<Self>, LoadError> {
        Ok(mutant)
    }

    fn update_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Event<Self>>,
    ) -> Result<bool, Refusal> {
        mutant.update_honestly(context, command, op, events)
    }

    fn apply_bytes(
        mutant: &mut Mutant<Self>,
        context: &Context,
        op: &[u8],
        events: &mut Events<Event<Self>>,
    ) -> Result<(), Malformed> {
        Self::effect(mutant, context, postcard_bytes::read(op)?, events);
        Ok(())
    }
}

/// An honest type with a twist.
#[derive(Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Mutant<T: Twist> {
    /// The state of the honest type.
    pub of: T::Of,
    /// What is kept besides.
    pub twist: T,
}

impl<T: Twist> Mutant<T> {
    /// What [`Crdt::save`] does if nobody says otherwise.
    pub fn save_honestly(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        postcard_bytes::append(self, &mut bytes);
        bytes
    }

    /// What [`Crdt::update_bytes`] does if nobody says otherwise.
    pub fn update_honestly(
        &mut self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Event<T>>,
    ) -> Result<bool, Refusal> {
        let Some(made) = self.made(context, command, op)? else {
            return Ok(false);
        };
        T::effect(self, context, made, events);
        Ok(true)
    }

    /// Turns a command into an op and appends it to `op`.
    pub fn made(
        &self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
    ) -> Result<Option<Op<T>>, Refusal> {
        let command = cbor::decode(command).map_err(|error| Self::unreadable_command(&error))?;
        let made = T::prepare(self, context, command)?;
        if let Some(made) = &made {
            postcard_bytes::append(made, op);
        }
        Ok(made)
    }
}

impl<T: Twist> Crdt for Mutant<T> {
    const NAME: &'static str = T::NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A type that is wrong on purpose.";
    type Command = Command<T>;
    type Op = Op<T>;
    type Query = Query<T>;
    type Answer = Answer<T>;
    type Value = (<T::Of as Crdt>::Value, Option<u64>);
    type Event = Event<T>;

    fn query_schema() -> Cow<'static, str> {
        T::Of::query_schema()
    }

    fn prepare(&self, context: &Context, command: Command<T>) -> Result<Option<Op<T>>, Refusal> {
        T::prepare(self, context, command)
    }

    fn effect(&mut self, context: &Context, op: Op<T>, events: &mut Events<Event<T>>) {
        T::effect(self, context, op, events);
    }

    fn value(&self) -> Self::Value {
        (self.of.value(), T::shown(self))
    }

    fn sample(&self, random: &mut Random) -> Command<T> {
        T::sample(self, random)
    }

    fn query(&self, query: Query<T>) -> Result<Answer<T>, Refusal> {
        T::query(self, query)
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        T::compact(self, stable, floor, number)
    }

    fn save(&self) -> Vec<u8> {
        T::save(self)
    }

    fn load(saved: &[u8], _: &str) -> Result<Self, LoadError> {
        let loaded = postcard_bytes::read(saved);
        T::loaded(loaded.map_err(|error| LoadError::new(error.to_string()))?)
    }

    fn update_bytes(
        &mut self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Event<T>>,
    ) -> Result<bool, Refusal> {
        T::update_bytes(self, context, command, op, events)
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Event<T>>,
    ) -> Result<(), Malformed> {
        T::apply_bytes(self, context, op, events)
    }
}
