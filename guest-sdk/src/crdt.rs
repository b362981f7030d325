//! The trait that a type implements.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Context, Events, Items, LoadError, Malformed, Random, Refusal, Stable, cbor, postcard_bytes,
    version,
};

/// An op-based CRDT. The implementing struct is the state of one object, and `Default` the state
/// that every object starts from.
///
/// The host delivers every op exactly once to every replica, and never before the ops that its
/// author had applied when it was made. All that is left to the type: effects of *concurrent* ops
/// must commute. [`laws!`](crate::laws!) tests that and everything else that is asked for here.
///
/// A state must be canonical: the same ops, in any causal order, lead to the same saved bytes. So
/// keep `BTreeMap` and `BTreeSet` in it, not `HashMap`, and nothing that depends on the order in
/// which ops came.
///
/// Everything from [`query`](Self::query) on has a default that fits most types.
pub trait Crdt: Default + Serialize + DeserializeOwned + 'static {
    /// The name of the type: lower-case letters, digits and `-`, at most 64, a letter first.
    const NAME: &'static str;
    /// The version of the type (Semantic Versioning); often `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    /// What the type means, in one paragraph: above all how concurrent updates combine.
    const SUMMARY: &'static str;
    /// JSON Schema (2020-12) of a command; `{}` accepts everything. It is shown to whoever sends
    /// a command that cannot be read.
    const COMMAND_SCHEMA: &'static str = "{}";
    /// JSON Schema of a query, `"value"` included, which every type answers. `replicant check`
    /// makes the queries that it asks from it: those that `examples` lists, and others that it
    /// describes.
    const QUERY_SCHEMA: &'static str = r#"{"const": "value"}"#;
    /// JSON Schema of the value.
    const VALUE_SCHEMA: &'static str = "{}";
    /// JSON Schema of an event.
    const EVENT_SCHEMA: &'static str = "{}";
    /// The version of the op encoding that this version of the type writes.
    const WRITES: u32 = 1;
    /// The versions of the op encoding that it reads. An op of another one has no effect.
    const READS: &'static [u32] = &[1];

    /// Whether ops name things by dots, and not by numbers that a state gives out one after the
    /// other. If not, the type cannot be a part of which a removal takes some ops away and leaves
    /// others: the numbers would be given again.
    const NAMES_BY_DOT: bool = true;

    /// What a user asks for.
    type Command: Serialize + DeserializeOwned;
    /// What is replicated.
    type Op: Serialize + DeserializeOwned;
    /// What a user can ask about the state beyond `"value"`, which the SDK answers for every type;
    /// `()` if nothing.
    type Query: DeserializeOwned;
    /// The answer to a query; `()` if there are none.
    type Answer: Serialize;
    /// What a user reads.
    type Value: Serialize;
    /// What somebody who watches the object is told; `()` if nothing.
    type Event: Serialize;

    /// Returns [`SUMMARY`](Self::SUMMARY); a type that is made of others adds what they say.
    fn summary() -> Cow<'static, str> {
        Self::SUMMARY.into()
    }

    /// Returns [`COMMAND_SCHEMA`](Self::COMMAND_SCHEMA), or what it is made of.
    fn command_schema() -> Cow<'static, str> {
        Self::COMMAND_SCHEMA.into()
    }

    /// Returns [`QUERY_SCHEMA`](Self::QUERY_SCHEMA), or what it is made of.
    fn query_schema() -> Cow<'static, str> {
        Self::QUERY_SCHEMA.into()
    }

    /// Returns [`VALUE_SCHEMA`](Self::VALUE_SCHEMA), or what it is made of.
    fn value_schema() -> Cow<'static, str> {
        Self::VALUE_SCHEMA.into()
    }

    /// Returns [`EVENT_SCHEMA`](Self::EVENT_SCHEMA), or what it is made of.
    fn event_schema() -> Cow<'static, str> {
        Self::EVENT_SCHEMA.into()
    }

    /// Turns a command into the op that carries it out, without changing anything.
    ///
    /// Returns none if the command is fine and there is nothing to change. `context` is the one
    /// that the op will have wherever it is applied.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the command makes no sense in the present state; its sender reads why.
    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<Self::Op>, Refusal>;

    /// Applies an op, made here or elsewhere. It cannot fail: an op that names something unknown
    /// has no effect.
    fn effect(&mut self, context: &Context, op: Self::Op, events: &mut Events<Self::Event>);

    /// Returns what users read.
    fn value(&self) -> Self::Value;

    /// Makes a command that is valid in the present state, for the checkers. Every kind of
    /// command should come up, and the same keys and values often, so that they collide.
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

    /// Forgets what no future op can need, and says whether more can be forgotten later.
    ///
    /// Every op applied from now on was made on a state that contained all ops in `stable` and had
    /// gone through `compact` of snapshot `floor` or a later one; its author may be less compacted
    /// than this state, never more. In return, no query and no later op may be able to tell the
    /// compacted state from the other: mark what authors still see with `number`, the snapshot
    /// that this call belongs to, and purge it once `floor` has reached the mark.
    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        let _ = (stable, floor, number);
        false
    }

    /// Returns the state as canonical bytes. The default is postcard of the struct.
    fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        postcard_bytes::append(self, &mut bytes);
        bytes
    }

    /// Makes a state from saved bytes.
    ///
    /// The default reads what a compatible version saved, in the sense of Semantic Versioning: so
    /// change the layout of the state only together with the major version (the minor one below
    /// 1.0), and then override this to read what the versions before it saved.
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

    /// Carries out one command as it arrives, in CBOR: decode, [`prepare`](Self::prepare), append
    /// the encoded op to `op`, [`effect`](Self::effect). Returns whether there was an op.
    ///
    /// Override it only to save time, for example to decode a command that borrows from its
    /// bytes; the outcome must be the same.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the command cannot be decoded or is refused; state and `op` are unchanged.
    fn update_bytes(
        &mut self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Self::Event>,
    ) -> Result<bool, Refusal> {
        let command = cbor::decode(command).map_err(|error| Self::unreadable_command(&error))?;
        let Some(made) = self.prepare(context, command)? else {
            return Ok(false);
        };
        postcard_bytes::append(&made, op);
        self.effect(context, made, events);
        Ok(true)
    }

    /// Applies one op as it arrives: decode, [`effect`](Self::effect). `context.schema` is one of
    /// [`READS`](Self::READS).
    ///
    /// Override it to read ops of older versions, or to save time.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the op cannot be decoded; the state is unchanged, and so it goes on.
    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Self::Event>,
    ) -> Result<(), Malformed> {
        self.effect(context, postcard_bytes::read(op)?, events);
        Ok(())
    }

    /// Applies some of the next ops of a run in one go, and takes those from the front of `ops`.
    /// If none are taken, [`apply_bytes`](Self::apply_bytes) gets the first. `context` is that of
    /// the first op.
    ///
    /// Override it only to save time, for example where ops often continue each other; the outcome
    /// must be that of applying them one by one.
    #[inline]
    fn apply_ahead(
        &mut self,
        context: &Context,
        ops: &mut Items<'_>,
        events: &mut Events<Self::Event>,
    ) {
        let _ = (context, ops, events);
    }

    /// Says what is wrong with a command that cannot be decoded, and what would be accepted.
    fn unreadable_command(error: &Malformed) -> Refusal {
        Refusal::new(format!(
            "this is no command of {}: {error}; JSON Schema of what is accepted: {}",
            Self::NAME,
            Self::command_schema(),
        ))
    }
}
