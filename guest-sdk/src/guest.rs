//! The component's exports, for any type: nothing but conversions between the interface's records
//! and the SDK's. Only exists in the WebAssembly build.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Once;

use crate::{Context, Crdt, Dot, Object, Packed, Run, Stable, log};

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

use bindings::exports::replicant::crdt::op_based;
use bindings::replicant::crdt::types;

/// Implements the interface's functions for the type `T`.
pub struct Component<T>(PhantomData<T>);

/// Implements the interface's `object` for the type `T`.
pub struct Resource<T>(RefCell<Object<T>>);

impl<T: Crdt> op_based::Guest for Component<T> {
    type Object = Resource<T>;

    fn describe() -> types::Description {
        types::Description {
            name: T::NAME.into(),
            version: T::VERSION.into(),
            summary: T::SUMMARY.into(),
            command_schema: T::COMMAND_SCHEMA.into(),
            query_schema: T::QUERY_SCHEMA.into(),
            value_schema: T::VALUE_SCHEMA.into(),
            event_schema: T::EVENT_SCHEMA.into(),
            writes: T::WRITES,
            reads: T::READS.to_vec(),
        }
    }
}

impl<T: Crdt> op_based::GuestObject for Resource<T> {
    fn new() -> Self {
        report_panics();
        Self(RefCell::new(Object::new()))
    }

    fn load(saved: Vec<u8>, from_version: String) -> Result<op_based::Object, String> {
        report_panics();
        let object = Object::<T>::load(&saved, &from_version).map_err(|error| error.to_string())?;
        Ok(op_based::Object::new(Self(RefCell::new(object))))
    }

    fn update(
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

    fn query(&self, query: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
        self.0
            .borrow()
            .query(query.as_deref())
            .map_err(crate::Refusal::into_message)
    }

    fn save(&self) -> Vec<u8> {
        self.0.borrow().save()
    }

    fn compact(&self, stable: Vec<types::Dot>, floor: u64, number: u64) -> bool {
        let dot = |dot: types::Dot| Dot {
            replica: dot.replica,
            counter: dot.counter,
        };
        let stable = Stable::new(stable.into_iter().map(dot));
        self.0.borrow_mut().compact(&stable, floor, number)
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        self.0.borrow().sample(seed)
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
