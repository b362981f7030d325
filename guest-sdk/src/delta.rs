//! State-based types: the trait that they implement, and what makes them look like op-based ones.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Context, Crdt, Events, LoadError, Malformed, Object, Packed, Random, Refusal, Run, Stable,
    postcard_bytes, version,
};

/// A state-based CRDT with deltas. The implementing struct is the state of one object, and just as
/// well a *delta*: a small state that says what one command changes. `Default` is the state that
/// every object starts from, and changes nothing that it is merged into.
///
/// Two functions make such a type: [`mutate`](Self::mutate) turns a command into a delta, and
/// [`merge`](Self::merge) merges a delta, or a whole state. All that is left to the type: merging
/// is idempotent, commutative and associative. Then replicas converge, whatever comes twice, late
/// or in another order; [`delta_laws!`](crate::delta_laws!) tests that.
///
/// A state must be canonical, as for [`Crdt`]: the same deltas lead to the same saved bytes.
///
/// Source: Paulo Sérgio Almeida, Ali Shoker and Carlos Baquero, "Delta state replicated data
/// types" (Journal of Parallel and Distributed Computing 111, 2018), sections 4 and 5. A deviation:
/// here all deltas come to every replica once and in causal order, as ops do, so there is no
/// algorithm of anti-entropy in a type; only [`compact`](Self::compact) relies on that.
///
/// Everything from [`query`](Self::query) on has a default that fits most types. Constants and
/// the functions that [`Crdt`] has too mean the same as there.
pub trait DeltaCrdt: Default + Serialize + DeserializeOwned + 'static {
    /// The name of the type; see [`Crdt::NAME`].
    const NAME: &'static str;
    /// The version of the type (Semantic Versioning).
    const VERSION: &'static str;
    /// What the type means, in one paragraph: above all how concurrent updates combine.
    const SUMMARY: &'static str;
    /// JSON Schema (2020-12) of a command.
    const COMMAND_SCHEMA: &'static str = "{}";
    /// JSON Schema of a query.
    const QUERY_SCHEMA: &'static str = r#"{"const": "value"}"#;
    /// JSON Schema of the value.
    const VALUE_SCHEMA: &'static str = "{}";
    /// JSON Schema of an event.
    const EVENT_SCHEMA: &'static str = "{}";
    /// The version of the encoding of deltas that this version of the type writes.
    const WRITES: u32 = 1;
    /// The versions of the encoding that it reads. A delta of another one has no effect.
    const READS: &'static [u32] = &[1];

    /// What a user asks for.
    type Command: Serialize + DeserializeOwned;
    /// What a user can ask about the state beyond `"value"`; `()` if nothing.
    type Query: DeserializeOwned;
    /// The answer to a query; `()` if there are none.
    type Answer: Serialize;
    /// What a user reads.
    type Value: Serialize;
    /// What somebody who watches the object is told; `()` if nothing.
    type Event: Serialize;

    /// Turns a command into the delta that carries it out, without changing anything.
    ///
    /// The delta contains all that [`merge`](Self::merge) needs, the dot or the timestamp of
    /// `context` too if the type orders by them. Returns none if there is nothing to change.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the command makes no sense in the present state; its sender reads why.
    fn mutate(&self, context: &Context, command: Self::Command) -> Result<Option<Self>, Refusal>;

    /// Merges a delta or a whole state: afterwards this is the least state that contains both.
    /// What is contained already changes nothing and leads to no event.
    fn merge(&mut self, delta: Self, events: &mut Events<Self::Event>);

    /// Returns what users read.
    fn value(&self) -> Self::Value;

    /// Makes a command that is valid in the present state, for the checkers.
    fn sample(&self, random: &mut Random) -> Self::Command;

    /// Answers a query. The default has no answers.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the query has no answer; its sender reads why.
    fn query(&self, query: Self::Query) -> Result<Self::Answer, Refusal> {
        let _ = query;
        Err(Refusal::new(format!(
            "{} answers no query but \"value\"",
            Self::NAME
        )))
    }

    /// Forgets what no future delta can need, and says whether more can be forgotten later; see
    /// [`Crdt::compact`]. This is the one place where it counts that the host delivers every delta
    /// once and in causal order: what is forgotten here does not come again.
    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        let _ = (stable, floor, number);
        false
    }

    /// Makes a state from saved bytes, which are postcard of the struct.
    ///
    /// The default reads what a compatible version saved; see [`Crdt::load`].
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the bytes are of an incompatible version, or damaged.
    fn load(saved: &[u8], from_version: &str) -> Result<Self, LoadError> {
        version::check_compatible(Self::NAME, Self::VERSION, from_version)?;
        postcard_bytes::read(saved).map_err(|error| {
            LoadError::new(format!(
                "these bytes are no saved state of {}: {error}",
                Self::NAME
            ))
        })
    }

    /// Reads a delta, which is a state as it is saved. `schema` is one of [`READS`](Self::READS);
    /// override this to read what older versions of the type wrote.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the bytes are no delta.
    fn read_delta(bytes: &[u8], schema: u32) -> Result<Self, Malformed> {
        let _ = schema;
        postcard_bytes::read(bytes)
    }
}

/// A state-based type as an op-based one: the delta is the op, and merging it the effect.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Delta<T>(pub T);

impl<T: DeltaCrdt> Crdt for Delta<T> {
    const NAME: &'static str = T::NAME;
    const VERSION: &'static str = T::VERSION;
    const SUMMARY: &'static str = T::SUMMARY;
    const COMMAND_SCHEMA: &'static str = T::COMMAND_SCHEMA;
    const QUERY_SCHEMA: &'static str = T::QUERY_SCHEMA;
    const VALUE_SCHEMA: &'static str = T::VALUE_SCHEMA;
    const EVENT_SCHEMA: &'static str = T::EVENT_SCHEMA;
    const WRITES: u32 = T::WRITES;
    const READS: &'static [u32] = T::READS;
    type Command = T::Command;
    type Op = T;
    type Query = T::Query;
    type Answer = T::Answer;
    type Value = T::Value;
    type Event = T::Event;

    fn prepare(&self, context: &Context, command: T::Command) -> Result<Option<T>, Refusal> {
        self.0.mutate(context, command)
    }

    fn effect(&mut self, _: &Context, delta: T, events: &mut Events<T::Event>) {
        self.0.merge(delta, events);
    }

    fn value(&self) -> T::Value {
        self.0.value()
    }

    fn sample(&self, random: &mut Random) -> T::Command {
        self.0.sample(random)
    }

    fn query(&self, query: T::Query) -> Result<T::Answer, Refusal> {
        self.0.query(query)
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        self.0.compact(stable, floor, number)
    }

    fn load(saved: &[u8], from_version: &str) -> Result<Self, LoadError> {
        T::load(saved, from_version).map(Self)
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        delta: &[u8],
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed> {
        self.0.merge(T::read_delta(delta, context.schema)?, events);
        Ok(())
    }
}

impl<T: DeltaCrdt> Object<Delta<T>> {
    /// Merges deltas or saved states, one after the other. Returns change events if they are asked
    /// for.
    ///
    /// What cannot be decoded, or is of a schema that the type does not read, has no effect.
    pub fn merge(&mut self, schema: u32, deltas: Packed, events: bool) -> Packed {
        // Nothing of this reaches the type: a delta says all itself.
        let run = Run {
            schema,
            counters: (1..=deltas.len() as u64).collect(),
            ops: deltas,
            ..Run::default()
        };
        self.apply(&run, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest number that anyone has reported.
    #[derive(Default, Serialize, Deserialize)]
    struct Best(u64);

    impl DeltaCrdt for Best {
        const NAME: &'static str = "best";
        const VERSION: &'static str = "0.1.0";
        const SUMMARY: &'static str = "The largest number that anyone has reported.";
        type Command = u64;
        type Query = ();
        type Answer = ();
        type Value = u64;
        type Event = u64;

        fn mutate(&self, _: &Context, number: u64) -> Result<Option<Self>, Refusal> {
            Ok((number > self.0).then_some(Self(number)))
        }

        fn merge(&mut self, delta: Self, events: &mut Events<u64>) {
            if delta.0 > self.0 {
                self.0 = delta.0;
                events.emit(|| delta.0);
            }
        }

        fn value(&self) -> u64 {
            self.0
        }

        fn sample(&self, random: &mut Random) -> u64 {
            random.below(1_000)
        }
    }

    crate::delta_laws!(Best);

    #[test]
    fn a_saved_state_can_be_merged() {
        let (mut one, mut other) = (Object::<Delta<Best>>::new(), Object::<Delta<Best>>::new());
        one.state_mut().0.0 = 7;
        other.state_mut().0.0 = 5;
        let mut saved = Packed::default();
        saved.push(&one.save());
        saved.push(&other.save());
        assert_eq!(other.merge(1, saved.clone(), true).len(), 1);
        assert_eq!(other.state().value(), 7);
        // A schema that the type does not read.
        assert_eq!(one.merge(2, saved, true).len(), 0);
    }
}
