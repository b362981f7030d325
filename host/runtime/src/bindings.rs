//! The generated types of the interface, and their way to and from the public ones. Nothing
//! outside of this crate sees them.

use crate::packed::{Packed, PackedError};
use crate::values;

// Generated code: its documentation stands in the WIT files, its lifetimes are elided as we do
// not elide them, and its `unsafe` is the canonical ABI's.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused,
    rust_2018_idioms,
    clippy::all
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/replicant-crdt-0.1.0",
        world: "op-type",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::exports::replicant::crdt::op_based::{Description, Guest, Run, Updated};
#[cfg(test)]
pub(crate) use generated::replicant::crdt::types::Refusal;
pub(crate) use generated::replicant::crdt::types::{Context, Dot, PackedParam, PackedResult};
pub(crate) use generated::{OpType, OpTypePre};

/// The functions of the op-based interface, as a component exports them.
pub(crate) const OP_BASED_FUNCTIONS: [&str; 9] = [
    "describe",
    "[constructor]object",
    "[static]object.load",
    "[method]object.update",
    "[method]object.apply",
    "[method]object.query",
    "[method]object.save",
    "[method]object.compact",
    "[method]object.sample",
];

impl<'a> From<&'a Packed> for PackedParam<'a> {
    fn from(packed: &'a Packed) -> Self {
        Self {
            bytes: packed.bytes(),
            ends: packed.ends(),
        }
    }
}

impl TryFrom<PackedResult> for Packed {
    type Error = PackedError;

    fn try_from(packed: PackedResult) -> Result<Self, PackedError> {
        Self::from_parts(packed.bytes, packed.ends)
    }
}

impl<'a> From<&'a values::Run> for Run<'a> {
    fn from(run: &'a values::Run) -> Self {
        Self {
            replica: run.replica,
            timestamp: run.timestamp,
            schema: run.schema,
            counters: &run.counters,
            ops: PackedParam::from(&run.ops),
        }
    }
}

impl From<values::Dot> for Dot {
    fn from(dot: values::Dot) -> Self {
        Self {
            replica: dot.replica,
            counter: dot.counter,
        }
    }
}

impl From<Description> for values::Description {
    fn from(description: Description) -> Self {
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            command_schema: description.command_schema,
            query_schema: description.query_schema,
            value_schema: description.value_schema,
            event_schema: description.event_schema,
            writes: description.writes,
            reads: description.reads,
        }
    }
}
