//! One sandbox with its objects.

use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::check;
use crate::fault::{CallError, Fault, FaultKind};
use crate::guest::Guest;
use crate::guest_log::cut;
use crate::handles::Handles;
use crate::module::Module;
use crate::packed::Packed;
use crate::sandbox::{Call, GuestState, Sandbox};
use crate::values::{Context, Dot, Run, Updated};
use crate::worlds::v0_1_0::{self as bindings, PackedParam};
use crate::{Handle, MESSAGE_BYTES_MAX};

/// One sandbox: memory of its own, and the objects that live in it. Calls block; an instance may
/// move between threads.
///
/// A fault that [ends the instance](Fault::ends_instance) ends it with all its objects, and its
/// memory is given back at once: from then on every call gives [`FaultKind::Dead`]. Other
/// instances of the same module go on.
///
/// Dropping an instance runs no code of the guest.
pub struct Instance {
    module: Module,
    state: State,
    handles: Handles<Object>,
    fuel_used: u64,
    ops_unread: u64,
}

/// An object in the guest, and its size as far as fuel is concerned (see [`crate::Limits`]).
#[derive(Clone, Copy)]
struct Object {
    resource: ResourceAny,
    bytes: u64,
}

/// What decides the fuel of a call.
#[derive(Clone, Copy, Default)]
struct Size {
    items: usize,
    bytes: u64,
}

impl Object {
    /// The size of a call on this object with so many items and bytes of arguments.
    fn with(&self, items: usize, bytes: u64) -> Size {
        let bytes = self.bytes.saturating_add(bytes);
        Size { items, bytes }
    }
}

enum State {
    Live(Box<Sandbox>),
    /// What ended it, as a sentence.
    Dead(String),
}

impl Instance {
    pub(crate) fn new(module: Module, sandbox: Sandbox) -> Self {
        Self {
            fuel_used: sandbox.fuel_used(),
            ops_unread: 0,
            handles: Handles::new(module.limits().objects_max),
            state: State::Live(Box::new(sandbox)),
            module,
        }
    }

    /// The module that this is an instance of.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Makes an object in the state that every object starts from.
    ///
    /// # Errors
    ///
    /// Any fault; [`FaultKind::Objects`] when the instance is full.
    pub fn create(&mut self) -> Result<Handle, Fault> {
        self.check_room("new")?;
        let object = self.call("new", Size::default(), |guest, store| {
            guest.new_object(store)
        })?;
        self.keep("new", object, 0)
    }

    /// Makes an object from bytes that [`Instance::save`] of this or an older version of the type
    /// gave.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] in the type's words if it cannot read the bytes; nothing was made.
    pub fn restore(&mut self, saved: &[u8], from_version: &str) -> Result<Handle, CallError> {
        self.check_room("load")?;
        let bytes = (saved.len() + from_version.len()) as u64;
        self.check_input("load", bytes)?;
        let object = self.call("load", Size { items: 0, bytes }, |guest, store| {
            guest.load(store, saved, from_version)
        })?;
        match object {
            Ok(object) => Ok(self.keep("load", object, saved.len() as u64)?),
            Err(message) => Err(self.refused("load", &message)?),
        }
    }

    /// Carries out commands and returns the ops that they made, which are applied here already;
    /// of a state-based type, the deltas. A refused command is in the result and changed nothing.
    ///
    /// # Errors
    ///
    /// Any fault; none of the commands then counts as carried out.
    pub fn update(
        &mut self,
        handle: Handle,
        context: Context,
        commands: &Packed,
        events: bool,
    ) -> Result<Updated, Fault> {
        let export = self.module.world().update();
        let object = self.object(export, handle)?;
        self.check_arguments(export, check::context(&context, commands))?;
        self.check_input(export, commands.size_bytes())?;
        let context = bindings::Context {
            replica: context.replica,
            counter: context.counter,
            timestamp: context.timestamp,
            schema: self.module.description().writes,
        };
        let size = object.with(commands.len(), commands.size_bytes());
        let updated = self.call(export, size, |guest, store| {
            let commands = PackedParam::from(commands);
            guest.update(store, object.resource, context, commands, events)
        })?;
        let updated = check::updated(updated, commands.len(), events, self.module.limits());
        let updated = updated.map_err(|kind| self.end(export, kind))?;
        self.resize(handle, object.bytes, updated.ops.size_bytes());
        Ok(updated)
    }

    /// Applies ops, or merges deltas, that are delivered. Returns change events if `events`, else
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Arguments`] if the run breaks its own rules or has a schema version that the
    /// module does not read; any other fault ends the instance.
    pub fn apply(&mut self, handle: Handle, run: &Run, events: bool) -> Result<Packed, Fault> {
        let export = self.module.world().apply();
        let object = self.object(export, handle)?;
        self.ops_unread = 0;
        let checked = check::run(run, self.module.description());
        self.check_arguments(export, checked)?;
        let bytes = run.ops.size_bytes();
        self.check_input(export, bytes + 8 * run.counters.len() as u64)?;
        let size = object.with(run.ops.len(), bytes);
        let found = self.call(export, size, |guest, store| {
            guest.apply(store, object.resource, run, events)
        })?;
        let found = check::events(found, events, self.module.limits());
        let found = found.map_err(|kind| self.end(export, kind))?;
        self.resize(handle, object.bytes, bytes);
        self.note_unread(run.ops.len() as u64);
        Ok(found)
    }

    /// Reads an object: its whole value, or the answer to a CBOR query. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] in the type's words if the query has no answer.
    pub fn query(&mut self, handle: Handle, query: Option<&[u8]>) -> Result<Vec<u8>, CallError> {
        let object = self.object("query", handle)?;
        let bytes = query.map_or(0, <[u8]>::len) as u64;
        self.check_input("query", bytes)?;
        let answer = self.call("query", object.with(0, bytes), |guest, store| {
            guest.query(store, object.resource, query)
        })?;
        match answer {
            Ok(answer) => Ok(self.checked_bytes("query", answer)?),
            Err(message) => Err(self.refused("query", &message)?),
        }
    }

    /// Returns the state of an object as canonical bytes.
    ///
    /// # Errors
    ///
    /// Any fault.
    pub fn save(&mut self, handle: Handle) -> Result<Vec<u8>, Fault> {
        let object = self.object("save", handle)?;
        let saved = self.call("save", object.with(0, 0), |guest, store| {
            guest.save(store, object.resource)
        })?;
        let saved = self.checked_bytes("save", saved)?;
        self.resize(handle, 0, saved.len() as u64);
        Ok(saved)
    }

    /// Lets an object forget what no future op can need (see `op-based.wit` for the promises).
    /// Returns whether more can be forgotten later.
    ///
    /// # Errors
    ///
    /// Any fault.
    pub fn compact(
        &mut self,
        handle: Handle,
        stable: &[Dot],
        floor: u64,
        number: u64,
    ) -> Result<bool, Fault> {
        let object = self.object("compact", handle)?;
        let bytes = 16 * stable.len() as u64;
        self.check_input("compact", bytes)?;
        let stable: Vec<bindings::Dot> = stable.iter().copied().map(Into::into).collect();
        self.call("compact", object.with(0, bytes), |guest, store| {
            guest.compact(store, object.resource, &stable, floor, number)
        })
    }

    /// Returns a valid command for the present state, made from `seed`.
    ///
    /// # Errors
    ///
    /// Any fault.
    pub fn sample(&mut self, handle: Handle, seed: u64) -> Result<Vec<u8>, Fault> {
        let object = self.object("sample", handle)?;
        let command = self.call("sample", object.with(0, 0), |guest, store| {
            guest.sample(store, object.resource, seed)
        })?;
        self.checked_bytes("sample", command)
    }

    /// Drops an object; its handle is of no use any more.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Handle`] if it was released before; a trap in the guest's destructor ends the
    /// instance.
    pub fn release(&mut self, handle: Handle) -> Result<(), Fault> {
        let object = self.object("release", handle)?;
        self.handles.remove(handle);
        self.call("release", object.with(0, 0), |_, store| {
            object.resource.resource_drop(store)
        })
    }

    /// How many objects are alive here.
    #[must_use]
    pub fn objects_count(&self) -> u32 {
        match self.state {
            State::Live(_) => self.handles.len(),
            State::Dead(_) => 0,
        }
    }

    /// Bytes of all linear memories; they never shrink while the instance lives.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        match &self.state {
            State::Live(sandbox) => sandbox.memory_bytes(),
            State::Dead(_) => 0,
        }
    }

    /// Fuel that the last call used; the same for the same calls on every machine.
    #[must_use]
    pub fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// Ops of the last [`Instance::apply`] that the type says it could not read; they have no
    /// effect. Never more than the run had.
    #[must_use]
    pub fn ops_unread(&self) -> u64 {
        self.ops_unread
    }

    /// Takes over what the guest said in a call with so many ops.
    fn note_unread(&mut self, ops: u64) {
        if let State::Live(sandbox) = &self.state {
            self.ops_unread = sandbox.ops_unread().min(ops);
        }
        self.module.note_unread(self.ops_unread);
    }

    /// Whether a fault ended this instance.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead(_))
    }

    /// Calls into the guest with the fuel of a call of this size.
    fn call<R>(
        &mut self,
        export: &'static str,
        size: Size,
        enter: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        let limits = self.module.limits();
        let fuel = limits.fuel(size.items, size.bytes);
        let call = Call::new(self.module.engine(), limits, fuel);
        let result = match &mut self.state {
            State::Live(sandbox) => {
                let result = sandbox.call(&call, enter);
                self.fuel_used = sandbox.fuel_used();
                result
            }
            State::Dead(cause) => Err(FaultKind::Dead {
                cause: cause.clone(),
            }),
        };
        result.map_err(|kind| self.end(export, kind))
    }

    /// Makes a fault of `kind` and, if such a fault does so, ends the instance.
    #[cold]
    fn end(&mut self, export: &'static str, kind: FaultKind) -> Fault {
        let fault = self.module.fault(export, kind);
        if fault.ends_instance() && !self.is_dead() {
            self.state = State::Dead(format!("{export} {}", fault.kind));
            self.handles.clear();
        }
        fault
    }

    fn object(&self, export: &'static str, handle: Handle) -> Result<Object, Fault> {
        match (&self.state, self.handles.get(handle)) {
            (State::Live(_), Some(object)) => Ok(*object),
            (State::Live(_), None) => Err(self.module.fault(export, FaultKind::Handle)),
            (State::Dead(cause), _) => {
                let cause = cause.clone();
                Err(self.module.fault(export, FaultKind::Dead { cause }))
            }
        }
    }

    fn check_room(&self, export: &'static str) -> Result<(), Fault> {
        let limit = self.module.limits().objects_max;
        if self.handles.len() >= limit && !self.is_dead() {
            return Err(self.module.fault(export, FaultKind::Objects { limit }));
        }
        Ok(())
    }

    fn keep(
        &mut self,
        export: &'static str,
        resource: ResourceAny,
        bytes: u64,
    ) -> Result<Handle, Fault> {
        self.handles
            .insert(Object { resource, bytes })
            .ok_or_else(|| {
                let limit = self.module.limits().objects_max;
                self.module.fault(export, FaultKind::Objects { limit })
            })
    }

    /// Notes that an object of `bytes` has `more`.
    fn resize(&mut self, handle: Handle, bytes: u64, more: u64) {
        if let Some(object) = self.handles.get_mut(handle) {
            object.bytes = bytes.saturating_add(more);
        }
    }

    fn check_input(&self, export: &'static str, size: u64) -> Result<(), Fault> {
        let limit = self.module.limits().input_bytes_max;
        if size > limit {
            return Err(self.module.fault(export, FaultKind::Input { limit, size }));
        }
        Ok(())
    }

    fn check_arguments(
        &self,
        export: &'static str,
        checked: Result<(), String>,
    ) -> Result<(), Fault> {
        checked.map_err(|reason| self.module.fault(export, FaultKind::Arguments { reason }))
    }

    fn checked_bytes(&mut self, export: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let limit = self.module.limits().output_bytes_max;
        check::size(bytes.len() as u64, limit).map_err(|kind| self.end(export, kind))?;
        Ok(bytes)
    }

    /// The guest's refusal, unless it is larger than any result may be.
    fn refused(&mut self, export: &'static str, message: &str) -> Result<CallError, Fault> {
        let limit = self.module.limits().output_bytes_max;
        check::size(message.len() as u64, limit).map_err(|kind| self.end(export, kind))?;
        Ok(CallError::Refused(
            cut(message, MESSAGE_BYTES_MAX).to_owned(),
        ))
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("module", &self.module)
            .field("objects", &self.objects_count())
            .field("dead", &self.is_dead())
            .finish_non_exhaustive()
    }
}
