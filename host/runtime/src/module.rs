//! A component that was checked and compiled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::LOG_INTERFACE;
use crate::describe;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::fault::{Fault, FaultKind};
use crate::guest::GuestPre;
use crate::guest_log::printable;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::sandbox::{Call, Sandbox, explain_types};
use crate::shape::Shape;
use crate::values::Description;
use crate::wasi;
use crate::world::World;

/// BLAKE3 of a component's bytes.
pub type ModuleHash = [u8; 32];

/// Bytes of the engine's explanation why types do not fit.
const REASON_BYTES_MAX: usize = 1024;

/// A CRDT type, ready to make instances. Cheap to clone; clones share the compiled code.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    compiled: Arc<Compiled>,
    description: Description,
    limits: Limits,
    label: Arc<str>,
    engine: Arc<Engine>,
    /// Ops that its instances could not read.
    ops_unread: AtomicU64,
}

/// What depends on nothing but a component's bytes.
pub(crate) struct Compiled {
    hash: ModuleHash,
    size_bytes: u64,
    shape: Shape,
    pre: GuestPre,
}

impl Compiled {
    /// Checks that imports and exports have the types of the interface.
    pub(crate) fn link(
        engine: &Engine,
        component: &wasmtime::component::Component,
        shape: Shape,
        hash: ModuleHash,
        size_bytes: u64,
    ) -> Result<Self, LoadError> {
        let world = World::of(&shape.exports)?;
        let missing = missing_functions(component, world);
        if !missing.is_empty() {
            return Err(LoadError::MissingExports { names: missing });
        }
        let wrong = |name: &str, error: &wasmtime::Error| LoadError::WrongType {
            name: name.to_owned(),
            reason: printable(&format!("{error:#}"), REASON_BYTES_MAX),
        };
        let pre = wasi::linker_for(engine.linker(), component)
            .and_then(|linker| linker.instantiate_pre(component))
            .map_err(|error| wrong(LOG_INTERFACE, &error))?;
        let pre = GuestPre::new(pre, world).map_err(|error| wrong(world.interface(), &error))?;
        Ok(Self {
            hash,
            size_bytes,
            shape,
            pre,
        })
    }

    pub(crate) fn pre(&self) -> &GuestPre {
        &self.pre
    }
}

/// The functions of the world's interface that the component lacks, with the interface's name.
fn missing_functions(component: &wasmtime::component::Component, world: World) -> Vec<String> {
    let name = world.interface();
    let Some(interface) = component.get_export_index(None, name) else {
        return vec![name.to_owned()];
    };
    world
        .functions()
        .filter(|function| {
            component
                .get_export_index(Some(&interface), *function)
                .is_none()
        })
        .map(|function| format!("{name}#{function}"))
        .collect()
}

impl Module {
    /// Asks a compiled component to describe itself.
    pub(crate) fn describe(
        engine: Arc<Engine>,
        compiled: Arc<Compiled>,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let hash = blake3::Hash::from_bytes(compiled.hash).to_hex();
        let nameless: Arc<str> = Arc::from(&hash[..8]);
        let fault = |export, kind| Fault {
            module: nameless.to_string(),
            export,
            kind,
        };
        let made = Sandbox::new(&engine, &compiled.pre, &limits, Arc::clone(&nameless));
        let mut sandbox = made.map_err(|kind| {
            let types = explain_types(&engine, &compiled.pre, &limits);
            match types.filter(|_| matches!(kind, FaultKind::Malformed { .. })) {
                Some((name, reason)) => LoadError::WrongType {
                    name: format!("{}#{name}", compiled.pre.world().interface()),
                    reason,
                },
                None => LoadError::Fault(fault("instantiate", kind)),
            }
        })?;
        let call = Call::new(&engine, &limits, limits.fuel_describe);
        let said = sandbox
            .call(&call, |guest, store| guest.describe(store))
            .map_err(|kind| fault("describe", kind))?;
        let description = describe::check(said.into())?;
        let label = format!("{}@{}", description.name, description.version);
        Ok(Self {
            inner: Arc::new(Inner {
                compiled,
                description,
                limits,
                label: Arc::from(label),
                engine,
                ops_unread: AtomicU64::new(0),
            }),
        })
    }

    /// BLAKE3 of the component's bytes.
    #[must_use]
    pub fn hash(&self) -> ModuleHash {
        self.inner.compiled.hash
    }

    /// What the component says of itself, checked.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// `name@version`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// What its instances may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Bytes of the component.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.compiled.size_bytes
    }

    /// The world that it implements.
    #[must_use]
    pub fn world(&self) -> World {
        self.inner.compiled.pre.world()
    }

    /// Names of what it imports, in the component's order.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.inner.compiled.shape.imports
    }

    /// Names of what it exports, in the component's order.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.inner.compiled.shape.exports
    }

    /// Ops that its instances could not read, in all calls since it was loaded. An op that is
    /// applied again counts again.
    #[must_use]
    pub fn ops_unread(&self) -> u64 {
        self.inner.ops_unread.load(Ordering::Relaxed)
    }

    pub(crate) fn note_unread(&self, ops: u64) {
        self.inner.ops_unread.fetch_add(ops, Ordering::Relaxed);
    }

    /// Makes an instance without objects. Takes some microseconds.
    ///
    /// # Errors
    ///
    /// [`FaultKind::NoRoom`] if the pool has no free place; [`FaultKind::Host`] if the machine
    /// fails. Never the guest's: loading made an instance, and this one is made alike.
    pub fn instantiate(&self) -> Result<Instance, Fault> {
        let inner = &self.inner;
        let label = Arc::clone(&inner.label);
        match Sandbox::new(&inner.engine, inner.compiled.pre(), &inner.limits, label) {
            Ok(sandbox) => Ok(Instance::new(self.clone(), sandbox)),
            Err(kind) => Err(self.fault("instantiate", seen_after_loading(kind))),
        }
    }

    #[cfg(test)]
    pub(crate) fn shares_code_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner.compiled, &other.inner.compiled)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn fault(&self, export: &'static str, kind: FaultKind) -> Fault {
        Fault {
            module: self.label().to_owned(),
            export,
            kind,
        }
    }
}

/// What a fault means in making another instance of a module. Loading made the first one of the
/// same code under the same limits: whatever the guest does then, it did there. So an error that
/// the engine has no name for is the machine's, such as a mapping that the system refused.
fn seen_after_loading(kind: FaultKind) -> FaultKind {
    match kind {
        FaultKind::Malformed { reason } => FaultKind::Host { reason },
        kind => kind,
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_name_in_a_further_instance_is_the_machines() {
        let fault = |kind| Fault {
            module: "a@0.1.0".to_owned(),
            export: "instantiate",
            kind: seen_after_loading(kind),
        };
        let reason = "mprotect: Cannot allocate memory".to_owned();
        assert!(!fault(FaultKind::Malformed { reason }).is_guests());
        assert!(fault(FaultKind::OutOfFuel { limit: 1 }).is_guests());
    }
}
