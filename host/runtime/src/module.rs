//! A component that was checked and compiled.

use crate::fault::Fault;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::values::Description;

/// BLAKE3 of a component's bytes.
pub type ModuleHash = [u8; 32];

/// A CRDT type, ready to make instances. Cheap to clone; clones share the compiled code.
#[derive(Clone)]
pub struct Module {
    inner: std::sync::Arc<Inner>,
}

struct Inner {
    hash: ModuleHash,
    description: Description,
    limits: Limits,
    size_bytes: u64,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Module {
    /// BLAKE3 of the component's bytes.
    #[must_use]
    pub fn hash(&self) -> ModuleHash {
        self.inner.hash
    }

    /// What the component says of itself, checked.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// What its instances may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Bytes of the component.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.size_bytes
    }

    /// Names of what it imports, in the component's order.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Names of what it exports, in the component's order.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.inner.exports
    }

    /// Makes an instance without objects. Takes some microseconds.
    ///
    /// # Errors
    ///
    /// [`FaultKind::NoRoom`](crate::FaultKind::NoRoom) if the pool has no free place; else the
    /// component's start functions are at fault.
    pub fn instantiate(&self) -> Result<Instance, Fault> {
        Instance::new(self.clone())
    }
}
