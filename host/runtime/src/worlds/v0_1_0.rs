//! Version 0.1.0 of the interface: its generated types, and their way to and from the public ones.
//! Nothing outside of this crate sees them.

use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, ResourceAny,
};

use crate::packed::{Packed, PackedError};
use crate::values;
use crate::world::World;

/// The version, as it stands behind the names of the interface.
pub(crate) const VERSION: &str = "0.1.0";

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
        inline: "package replicant:host;
            world any-type {
                import replicant:crdt/log@0.1.0;
                export replicant:crdt/op-based@0.1.0;
                export replicant:crdt/delta-based@0.1.0;
            }",
        world: "replicant:host/any-type",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

// No component exports both: the two halves of the generated world are used one at a time.
pub(crate) use generated::exports::replicant::crdt::delta_based::{
    Guest as DeltaBased, GuestIndices as DeltaBasedIndices,
};
pub(crate) use generated::exports::replicant::crdt::op_based::{
    Description, Guest as OpBased, GuestIndices as OpBasedIndices, Run, Updated,
};
#[cfg(test)]
pub(crate) use generated::replicant::crdt::types::Refusal;
pub(crate) use generated::replicant::crdt::types::{Context, Dot, PackedParam, PackedResult};

/// The first function whose type is not that of the interface, and how it differs. Costs an
/// instance, so only for explaining why there is none.
pub(crate) fn first_mismatch<T>(
    world: World,
    instance: &Instance,
    store: &mut Store<T>,
) -> Option<(&'static str, wasmtime::Error)> {
    type Own = ResourceAny;
    type Text<T> = (Result<T, String>,);
    type Update<'a> = (Own, Context, PackedParam<'a>, bool);
    type Merge<'a> = (Own, u32, PackedParam<'a>, bool);
    let interface = instance.get_export_index(&mut *store, None, world.interface())?;
    let mut check = Check {
        instance,
        interface,
        store,
        found: None,
    };
    check.function::<(), (Description,)>("describe");
    check.function::<(), (Own,)>("[constructor]object");
    check.function::<(&[u8], &str), Text<Own>>("[static]object.load");
    match world {
        World::OpBased => {
            check.function::<Update<'_>, (Updated,)>("[method]object.update");
            check.function::<(Own, Run<'_>, bool), (PackedResult,)>("[method]object.apply");
        }
        World::DeltaBased => {
            check.function::<Update<'_>, (Updated,)>("[method]object.mutate");
            check.function::<Merge<'_>, (PackedResult,)>("[method]object.merge");
        }
    }
    check.function::<(Own, Option<&[u8]>), Text<Vec<u8>>>("[method]object.query");
    check.function::<(Own,), (Vec<u8>,)>("[method]object.save");
    check.function::<(Own, &[Dot], u64, u64), (bool,)>("[method]object.compact");
    check.function::<(Own, u64), (Vec<u8>,)>("[method]object.sample");
    check.found
}

struct Check<'a, T: 'static> {
    instance: &'a Instance,
    interface: ComponentExportIndex,
    store: &'a mut Store<T>,
    found: Option<(&'static str, wasmtime::Error)>,
}

impl<T> Check<'_, T> {
    fn function<P, R>(&mut self, name: &'static str)
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        if self.found.is_some() {
            return;
        }
        let index = self
            .instance
            .get_export_index(&mut *self.store, Some(&self.interface), name);
        let fits = match index {
            Some(index) => self
                .instance
                .get_typed_func::<P, R>(&mut *self.store, index)
                .map(drop),
            None => Err(wasmtime::Error::msg("it is missing")),
        };
        self.found = fits.err().map(|error| (name, error));
    }
}

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
