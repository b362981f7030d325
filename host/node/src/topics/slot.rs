//! The objects of one type in one topic, and the one instance that holds those that are loaded.
//!
//! A trap costs the instance. Its objects come back one by one, when they are next needed, from
//! checkpoint, log, and what the batch under way has done to them; see
//! [`rebuild`](super::rebuild) for what becomes of an op that fails there too.

use std::collections::BTreeMap;
use std::sync::Arc;

use replicant_protocol::ids::{ModuleHash, ObjectId, ObjectKey, TypeName};
use replicant_runtime::{Fault, Handle, Instance, Module, Packed, Run};

use super::counters::{Count, Counters};
use super::progress::Progress;
use super::rebuild::Voids;
use super::staged::Bench;
use crate::storage::{Checkpoint, ObjectNumber, Sequence, Storage, StorageError, TopicNumber};

/// Objects whose faults are remembered; others are tried again each time.
const FAULTED_MAX: usize = 10_000;

/// An object that is in the instance.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) handle: Handle,
    /// Its number, once it is stored.
    pub(super) number: Option<ObjectNumber>,
    /// Ops applied since its last checkpoint, and their bytes.
    pub(super) ops_since: u64,
    pub(super) bytes_since: u64,
    /// How large it was when it was last saved.
    pub(super) saved_bytes: u64,
    /// Ops without effect, since the type cannot read them: all that it has.
    pub(super) ops_unread: u64,
    /// When it was last used: the slot's own count.
    pub(super) used_at: u64,
}

/// Why an object's state cannot be had here and now.
#[derive(Debug, Clone)]
pub(super) enum Unavailable {
    /// The type fails on the object's ops.
    Faulted(String),
    /// An op has an encoding that the module does not read.
    NewerType { schema: u32 },
    /// No instance, or none that answered in time; the same may work later.
    Sandbox(String),
    /// The type fails on many of its ops. Some more are set aside now; who asks again, goes on.
    Unfinished,
    /// The log cannot be read.
    Storage(StorageError),
}

impl From<StorageError> for Unavailable {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// The objects of one type in one topic.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) type_name: TypeName,
    pub(super) module: Module,
    pub(super) instance: Option<Instance>,
    pub(super) loaded: BTreeMap<ObjectId, Loaded>,
    pub(super) faulted: BTreeMap<ObjectId, String>,
    /// Ops since the last checkpoint that have no effect, since the guest fails on them.
    pub(super) voids: Voids,
    /// Checkpoints of objects that are made again step by step.
    pub(super) progress: Progress,
    /// Objects with ops of an encoding that the module does not read. They wait for another one:
    /// their ops are in the log, and nothing is tried here until the module changes.
    held: BTreeMap<ObjectId, u32>,
    /// How many objects to keep loaded; shrinks when an instance runs out of memory.
    pub(super) loaded_max: usize,
    /// When this slot was last used, by the shard's count of rounds.
    pub(super) used_at: u64,
    pub(super) uses: u64,
    pub(super) counters: Arc<Counters>,
}

impl Slot {
    pub(super) fn new(
        type_name: TypeName,
        module: Module,
        loaded_max: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            type_name,
            module,
            instance: None,
            loaded: BTreeMap::new(),
            faulted: BTreeMap::new(),
            voids: Voids::default(),
            progress: Progress::default(),
            held: BTreeMap::new(),
            loaded_max,
            used_at: 0,
            uses: 0,
            counters,
        }
    }

    /// The object in the instance: as it is there, or made from checkpoint, log and batch; a new
    /// one if the object does not exist.
    pub(super) fn handle(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
    ) -> Result<Handle, Unavailable> {
        self.uses += 1;
        if let Some(loaded) = self.loaded.get_mut(&key.id) {
            loaded.used_at = self.uses;
            return Ok(loaded.handle);
        }
        if let Some(fault) = self.faulted.get(&key.id) {
            return Err(Unavailable::Faulted(fault.clone()));
        }
        if let Some(schema) = self.held.get(&key.id) {
            return Err(Unavailable::NewerType { schema: *schema });
        }
        self.rebuild(bench, key)
    }

    /// Applies ops that are delivered, and gives the change events. None if what changed is not
    /// known, or the object's state is not in memory afterwards: then it comes from the log.
    pub(super) fn apply(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        run: Run,
        events: bool,
    ) -> Option<Packed> {
        let has_room = self.loaded.len() < self.loaded_max || self.loaded.contains_key(&key.id);
        if !self.module.description().reads.contains(&run.schema) {
            self.unload(&key.id);
            self.hold(&key.id, run.schema);
            return None;
        }
        if !has_room {
            self.unload(&key.id);
            return None;
        }
        let handle = self.handle(bench, key).ok()?;
        let fault = match self.apply_once(key, handle, &run, events) {
            Ok(told) => return Some(told),
            Err(fault) => fault,
        };
        self.lost(&key.id, &fault);
        if fault.is_guests() {
            // The object is made again with the run as part of it: that finds the op at fault.
            self.reset();
            bench.staged.present = Some((key.clone(), run));
            let _ = self.handle(bench, key);
            bench.staged.present = None;
        }
        None
    }

    fn apply_once(
        &mut self,
        key: &ObjectKey,
        handle: Handle,
        run: &Run,
        events: bool,
    ) -> Result<Packed, Fault> {
        let instance = self.instance()?;
        let told = instance.apply(handle, run, events)?;
        let unread = instance.ops_unread();
        self.note(&key.id, run.ops.len() as u64, run.ops.bytes().len() as u64);
        if let Some(loaded) = self.loaded.get_mut(&key.id) {
            loaded.ops_unread += unread;
        }
        self.counters.add(Count::OpsUnread, unread);
        Ok(told)
    }

    /// How many ops of a loaded object its type could not read.
    pub(super) fn ops_unread(&self, id: &ObjectId) -> u64 {
        self.loaded.get(id).map_or(0, |loaded| loaded.ops_unread)
    }

    /// The number of a loaded object that is stored.
    pub(super) fn number(&self, id: &ObjectId) -> Option<ObjectNumber> {
        self.loaded.get(id)?.number
    }

    /// Counts ops that an object has seen since its checkpoint.
    pub(super) fn note(&mut self, id: &ObjectId, ops: u64, bytes: u64) {
        if let Some(loaded) = self.loaded.get_mut(id) {
            loaded.ops_since += ops;
            loaded.bytes_since += bytes;
        }
    }

    /// The object's canonical bytes. A fault is tried once more in a fresh instance; it does not
    /// condemn the object.
    pub(super) fn save(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
    ) -> Result<Vec<u8>, Unavailable> {
        let handle = self.handle(bench, key)?;
        let fault = match self.save_loaded(&key.id, handle) {
            Ok(saved) => return Ok(saved),
            Err(fault) => fault,
        };
        if !fault.is_guests() {
            return Err(Unavailable::Sandbox(fault.to_string()));
        }
        self.reset();
        let handle = self.handle(bench, key)?;
        let saved = self.save_loaded(&key.id, handle);
        saved.map_err(|fault| match fault.is_guests() {
            true => Unavailable::Faulted(fault.to_string()),
            false => Unavailable::Sandbox(fault.to_string()),
        })
    }

    pub(super) fn save_loaded(&mut self, id: &ObjectId, handle: Handle) -> Result<Vec<u8>, Fault> {
        let saved = match self.instance() {
            Ok(instance) => instance.save(handle),
            Err(fault) => Err(fault),
        };
        saved.inspect_err(|fault| self.lost(id, fault))
    }

    /// Saves a loaded object as a checkpoint at `sequence`. None if that fails.
    pub(super) fn checkpoint(&mut self, id: &ObjectId, sequence: Sequence) -> Option<Checkpoint> {
        let handle = self.loaded.get(id)?.handle;
        let saved = self.save_loaded(id, handle).ok()?;
        if let Some(loaded) = self.loaded.get_mut(id) {
            (loaded.ops_since, loaded.bytes_since) = (0, 0);
            loaded.saved_bytes = saved.len() as u64;
        }
        self.voids.forget(id);
        self.progress.forget(id);
        Some(Checkpoint {
            sequence,
            module: self.saved_by(),
            saved,
            ops_unread: self.ops_unread(id),
        })
    }

    /// What a checkpoint was saved by: the component and its limits, since an op that goes over
    /// one of them has no effect.
    pub(super) fn saved_by(&self) -> ModuleHash {
        let mut of = blake3::Hasher::new_derive_key("replicant checkpoint: module and limits 2");
        of.update(&self.module.hash());
        let limits = self.module.limits();
        for limit in [
            limits.fuel_per_call,
            limits.fuel_per_item,
            limits.fuel_per_byte,
            limits.memory_bytes_max,
            limits.table_elements_max,
            limits.input_bytes_max,
            limits.output_bytes_max,
            limits.op_bytes_max,
            limits.objects_max.into(),
        ] {
            of.update(&limit.to_le_bytes());
        }
        ModuleHash::from_bytes(*of.finalize().as_bytes())
    }

    /// The object's checkpoint, if there is one that this module saved. One that cannot be read is
    /// no loss: the log has everything.
    pub(super) fn stored_checkpoint(
        &self,
        storage: &dyn Storage,
        topic: TopicNumber,
        object: ObjectNumber,
    ) -> Result<Option<Checkpoint>, StorageError> {
        match storage.checkpoint(topic, object) {
            Ok(found) => Ok(found.filter(|found| found.module == self.saved_by())),
            Err(error @ StorageError::Corrupt { .. }) => {
                tracing::error!(%error, "the object is made from the log instead");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Drops an object from the instance.
    pub(super) fn unload(&mut self, id: &ObjectId) {
        self.held.remove(id);
        let Some(loaded) = self.loaded.remove(id) else {
            return;
        };
        self.counters.change(Count::ObjectsLoaded, -1);
        if let Some(instance) = &mut self.instance
            && let Err(fault) = instance.release(loaded.handle)
            && fault.ends_instance()
        {
            self.counters.add(Count::Faults, 1);
            tracing::warn!(object = %id, %fault, "a guest failed, and its objects are loaded anew");
            self.reset();
        }
    }

    /// Throws the instance away, with all objects in it.
    pub(super) fn reset(&mut self) {
        self.counters
            .change(Count::ObjectsLoaded, -(self.loaded.len() as i64));
        self.loaded.clear();
        self.held.clear();
        if self.instance.take().is_some() {
            self.counters.change(Count::Instances, -1);
        }
    }

    /// Forgets what was found out about objects: other ops may have their dots soon.
    pub(super) fn forget_all(&mut self) {
        self.reset();
        self.voids = Voids::default();
        self.progress = Progress::default();
    }

    /// The same for one object.
    pub(super) fn forget_voids(&mut self, id: &ObjectId) {
        self.voids.forget(id);
    }

    /// Replaces the module: the objects come back in the new one.
    pub(super) fn replace_module(&mut self, module: Module) {
        self.reset();
        self.counters
            .change(Count::ObjectsFaulted, -(self.faulted.len() as i64));
        self.faulted.clear();
        self.voids = Voids::default();
        self.progress = Progress::default();
        self.module = module;
    }

    pub(super) fn instance(&mut self) -> Result<&mut Instance, Fault> {
        if self.instance.as_ref().is_some_and(Instance::is_dead) {
            self.reset();
        }
        if self.instance.is_none() {
            self.instance = Some(self.module.instantiate()?);
            self.counters.change(Count::Instances, 1);
        }
        match &mut self.instance {
            Some(instance) => Ok(instance),
            None => unreachable!("it was just made"),
        }
    }

    /// After a fault in a call on an object: the object leaves the instance, or the instance goes.
    pub(super) fn lost(&mut self, id: &ObjectId, fault: &Fault) {
        self.counters.add(Count::Faults, 1);
        tracing::warn!(object = %id, %fault, "a guest failed");
        if !fault.ends_instance() {
            return self.unload(id);
        }
        let is_memory = matches!(fault.kind, replicant_runtime::FaultKind::Memory { .. });
        if is_memory && self.loaded.len() > 1 {
            self.loaded_max = self.loaded_max.min(self.loaded.len() / 2);
        }
        self.counters.add(Count::InstancesLost, 1);
        self.reset();
    }

    /// Notes that an object waits for another module. Beyond the bound each use finds it again.
    pub(super) fn hold(&mut self, id: &ObjectId, schema: u32) {
        if self.held.len() < FAULTED_MAX {
            self.held.insert(id.clone(), schema);
        }
    }

    /// Notes that an object failed by itself.
    pub(super) fn condemn(&mut self, id: &ObjectId, fault: &Fault) {
        if fault.is_guests() && self.faulted.len() < FAULTED_MAX {
            self.counters.change(Count::ObjectsFaulted, 1);
            self.faulted.insert(id.clone(), fault.to_string());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.reset();
        self.counters
            .change(Count::ObjectsFaulted, -(self.faulted.len() as i64));
    }
}
