//! One sandbox with its objects.

use crate::fault::{CallError, Fault, FaultKind};
use crate::module::Module;
use crate::packed::Packed;
use crate::values::{Context, Dot, Run, Updated};

/// Names one object of one instance. Not made by guests; of no use with another instance, and
/// never given twice by the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    instance: u64,
    index: u32,
    generation: u32,
}

/// One sandbox: memory of its own, and the objects that live in it. Calls block; an instance may
/// move between threads.
///
/// A fault that is the guest's ends the instance with all its objects: from then on every call
/// gives [`FaultKind::Dead`](crate::FaultKind::Dead). Other instances of the same module go on.
pub struct Instance {
    module: Module,
}

impl Instance {
    pub(crate) fn new(module: Module) -> Result<Self, Fault> {
        Ok(Self { module })
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
    /// Any fault; [`FaultKind::Objects`](crate::FaultKind::Objects) when the instance is full.
    pub fn create(&mut self) -> Result<Handle, Fault> {
        Err(self.absent("new"))
    }

    /// Makes an object from bytes that [`Instance::save`] of this or an older version of the type
    /// gave.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] in the type's words if it cannot read the bytes; nothing was made.
    pub fn restore(&mut self, saved: &[u8], from_version: &str) -> Result<Handle, CallError> {
        let _ = (saved, from_version);
        Err(self.absent("load").into())
    }

    /// Carries out commands and returns the ops that they made, which are applied here already.
    /// A refused command is in the result and changed nothing.
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
        let _ = (handle, context, commands, events);
        Err(self.absent("update"))
    }

    /// Applies ops that are delivered. Returns change events if `events`, else nothing.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Arguments`](crate::FaultKind::Arguments) if the run breaks its own rules or
    /// has a schema version that the module does not read; any other fault ends the instance.
    pub fn apply(&mut self, handle: Handle, run: &Run, events: bool) -> Result<Packed, Fault> {
        let _ = (handle, run, events);
        Err(self.absent("apply"))
    }

    /// Reads an object: its whole value, or the answer to a CBOR query. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] in the type's words if the query has no answer.
    pub fn query(&mut self, handle: Handle, query: Option<&[u8]>) -> Result<Vec<u8>, CallError> {
        let _ = (handle, query);
        Err(self.absent("query").into())
    }

    /// Returns the state of an object as canonical bytes.
    ///
    /// # Errors
    ///
    /// Any fault.
    pub fn save(&mut self, handle: Handle) -> Result<Vec<u8>, Fault> {
        let _ = handle;
        Err(self.absent("save"))
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
        let _ = (handle, stable, floor, number);
        Err(self.absent("compact"))
    }

    /// Returns a valid command for the present state, made from `seed`.
    ///
    /// # Errors
    ///
    /// Any fault.
    pub fn sample(&mut self, handle: Handle, seed: u64) -> Result<Vec<u8>, Fault> {
        let _ = (handle, seed);
        Err(self.absent("sample"))
    }

    /// Drops an object; its handle is of no use any more.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Handle`](crate::FaultKind::Handle) if it was released before; a trap in the
    /// guest's destructor ends the instance.
    pub fn release(&mut self, handle: Handle) -> Result<(), Fault> {
        let _ = handle;
        Err(self.absent("release"))
    }

    /// How many objects are alive here.
    #[must_use]
    pub fn objects_count(&self) -> u32 {
        0
    }

    /// Bytes of all linear memories; they never shrink while the instance lives.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        0
    }

    /// Fuel that the last call used.
    #[must_use]
    pub fn fuel_used(&self) -> u64 {
        0
    }

    /// Whether a fault ended this instance.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        false
    }

    fn absent(&self, export: &'static str) -> Fault {
        let description = self.module.description();
        Fault {
            module: format!("{}@{}", description.name, description.version),
            export,
            kind: FaultKind::Host {
                reason: "not there yet".to_owned(),
            },
        }
    }
}
