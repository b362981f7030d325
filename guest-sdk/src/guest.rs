//! The component's exports, for any type: nothing but conversions between the interface's records
//! and the SDK's. Only exists in the WebAssembly build.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Once;

use crate::{Context, Crdt, Delta, DeltaCrdt, Dot, Object, Packed, Run, Stable, log};

/// What `wit-bindgen` makes of the WIT package.
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "op-type",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "replicant_sdk::guest::bindings",
    });
}

/// What `wit-bindgen` makes of the world of state-based types; records are those of [`bindings`].
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all
)]
pub mod delta_bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "delta-type",
        pub_export_macro: true,
        export_macro_name: "export_delta_component",
        default_bindings_module: "replicant_sdk::guest::delta_bindings",
        with: {
            "replicant:crdt/types@0.1.0": super::bindings::replicant::crdt::types,
            "replicant:crdt/log@0.1.0": super::bindings::replicant::crdt::log,
        },
    });
}

/// What `replicant dev` adds to the version, so that each build has one of its own.
const BUILD: &str = match option_env!("REPLICANT_VERSION_SUFFIX") {
    Some(suffix) => suffix,
    None => "",
};

use bindings::exports::replicant::crdt::op_based;
use bindings::replicant::crdt::types;
use delta_bindings::exports::replicant::crdt::delta_based;

/// Implements the functions of the op-based interface for the type `T`.
pub struct Component<T>(PhantomData<T>);

/// Implements the functions of the state-based interface for the type `T`.
pub struct DeltaComponent<T>(PhantomData<T>);

/// Implements the interfaces' `object` for the type `T`.
pub struct Resource<T>(RefCell<Object<T>>);

impl<T: Crdt> op_based::Guest for Component<T> {
    type Object = Resource<T>;

    fn describe() -> types::Description {
        description::<T>()
    }
}

impl<T: DeltaCrdt> delta_based::Guest for DeltaComponent<T> {
    type Object = Resource<Delta<T>>;

    fn describe() -> types::Description {
        description::<Delta<T>>()
    }
}

fn description<T: Crdt>() -> types::Description {
    types::Description {
        name: T::NAME.into(),
        version: format!("{}{BUILD}", T::VERSION),
        summary: T::summary().into(),
        command_schema: T::command_schema().into(),
        query_schema: T::query_schema().into(),
        value_schema: T::value_schema().into(),
        event_schema: T::event_schema().into(),
        writes: T::WRITES,
        reads: T::READS.to_vec(),
    }
}

impl<T: Crdt> Resource<T> {
    fn made(object: Object<T>) -> Self {
        report_panics();
        Self(RefCell::new(object))
    }

    fn loaded(saved: &[u8], from_version: &str) -> Result<Self, String> {
        report_panics();
        let object = Object::load(saved, from_version).map_err(|error| error.to_string())?;
        Ok(Self::made(object))
    }

    fn carry_out(
        &self,
        context: types::Context,
        commands: types::Packed,
        events: bool,
    ) -> types::Updated {
        let first = Context {
            dot: Dot {
                replica: context.replica,
                counter: context.counter,
            },
            timestamp: context.timestamp,
            schema: context.schema,
        };
        let updated = self.0.borrow_mut().update(&first, &commands.into(), events);
        let refused = |(command, refusal): (u32, crate::Refusal)| types::Refusal {
            command,
            message: refusal.into_message(),
        };
        types::Updated {
            ops: updated.ops.into(),
            commands: updated.commands,
            refusals: updated.refusals.into_iter().map(refused).collect(),
            events: updated.events.into(),
        }
    }

    fn answer(&self, query: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
        self.0
            .borrow()
            .query(query.as_deref())
            .map_err(crate::Refusal::into_message)
    }

    fn forget(&self, stable: Vec<types::Dot>, floor: u64, number: u64) -> bool {
        let dot = |dot: types::Dot| Dot {
            replica: dot.replica,
            counter: dot.counter,
        };
        let stable = Stable::new(stable.into_iter().map(dot));
        self.0.borrow_mut().compact(&stable, floor, number)
    }
}

/// The functions that both interfaces have.
macro_rules! shared_functions {
    ($interface:ident) => {
        fn new() -> Self {
            Self::made(Object::new())
        }

        fn load(saved: Vec<u8>, from_version: String) -> Result<$interface::Object, String> {
            Self::loaded(&saved, &from_version).map($interface::Object::new)
        }

        fn query(&self, query: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
            self.answer(query)
        }

        fn save(&self) -> Vec<u8> {
            self.0.borrow().save()
        }

        fn compact(&self, stable: Vec<types::Dot>, floor: u64, number: u64) -> bool {
            self.forget(stable, floor, number)
        }

        fn sample(&self, seed: u64) -> Vec<u8> {
            self.0.borrow().sample(seed)
        }
    };
}

impl<T: Crdt> op_based::GuestObject for Resource<T> {
    shared_functions!(op_based);

    fn update(
        &self,
        context: types::Context,
        commands: types::Packed,
        events: bool,
    ) -> types::Updated {
        self.carry_out(context, commands, events)
    }

    fn apply(&self, run: types::Run, events: bool) -> types::Packed {
        let types::Run {
            replica,
            timestamp,
            schema,
            counters,
            ops,
        } = run;
        let run = Run {
            replica,
            timestamp,
            schema,
            counters,
            ops: ops.into(),
        };
        self.0.borrow_mut().apply(&run, events).into()
    }
}

impl<T: DeltaCrdt> delta_based::GuestObject for Resource<Delta<T>> {
    shared_functions!(delta_based);

    fn mutate(
        &self,
        context: types::Context,
        commands: types::Packed,
        events: bool,
    ) -> types::Updated {
        self.carry_out(context, commands, events)
    }

    fn merge(&self, schema: u32, deltas: types::Packed, events: bool) -> types::Packed {
        self.0
            .borrow_mut()
            .merge(schema, deltas.into(), events)
            .into()
    }
}

impl From<types::Packed> for Packed {
    fn from(types::Packed { bytes, ends }: types::Packed) -> Self {
        Self { bytes, ends }
    }
}

impl From<Packed> for types::Packed {
    fn from(Packed { bytes, ends }: Packed) -> Self {
        Self { bytes, ends }
    }
}

/// A panic in a component is a trap without words: let the node's log say what it was.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string()))));
}
