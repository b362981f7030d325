//! What goes into an instance and comes out of it, in plain Rust: the records of `types.wit`.

use crate::packed::Packed;

/// Names one op: the `counter`-th op of `replica` in the object's topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// The replica that made the op.
    pub replica: u64,
    /// How many ops that replica had made, this one included.
    pub counter: u64,
}

/// Under what name and at what time the ops of one [`update`](crate::Instance::update) are made.
/// The version of the op encoding is filled in by the runtime: what the module writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The replica that makes the ops.
    pub replica: u64,
    /// The counter of the first op; each further op has the next.
    pub counter: u64,
    /// Hybrid logical timestamp of all ops of the call.
    pub timestamp: u64,
}

/// Consecutive ops of one replica on one object, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The replica that made the ops.
    pub replica: u64,
    /// The hybrid logical timestamp that all of these ops carry.
    pub timestamp: u64,
    /// The version of the op encoding; one of [`Description::reads`].
    pub schema: u32,
    /// The counter of each op, strictly increasing; as many as there are ops.
    pub counters: Vec<u64>,
    /// The ops, as `update` returned them.
    pub ops: Packed,
}

/// Why one command of a batch was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the command in the batch.
    pub command: u32,
    /// The type's own words, cut at [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX).
    pub message: String,
}

/// What a batch of commands led to. Checked: every index is one of the batch and stands at most
/// once in `commands` and `refusals` together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updated {
    /// The ops that were made and already applied here, in order.
    pub ops: Packed,
    /// For each op, the index of the command that made it; strictly increasing. A command that is
    /// neither here nor in `refusals` was accepted and had nothing to change.
    pub commands: Vec<u32>,
    /// The commands that were refused, by strictly increasing index.
    pub refusals: Vec<Refusal>,
    /// Change events in CBOR; none when they were not asked for.
    pub events: Packed,
}

/// What a component says of itself. Checked when the module was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The type's name: `[a-z][a-z0-9-]{0,63}`.
    pub name: String,
    /// The type's version, in the syntax of Semantic Versioning 2.0.0.
    pub version: String,
    /// What the type means, in one paragraph.
    pub summary: String,
    /// JSON Schema of a command. That it is one, or JSON at all, is not checked.
    pub command_schema: String,
    /// JSON Schema of a query; not checked.
    pub query_schema: String,
    /// JSON Schema of the whole value; not checked.
    pub value_schema: String,
    /// JSON Schema of one change event; not checked.
    pub event_schema: String,
    /// The version of the op encoding that `update` writes.
    pub writes: u32,
    /// The versions of the op encoding that `apply` reads, ascending; `writes` is one of them.
    pub reads: Vec<u32>,
}
