//! What keeps memory bounded and restarts short: checkpoints, and dropping what is not used.

use replicant_protocol::ids::{ObjectId, TypeName};

use super::counters::Count;
use super::engine::Engine;
use super::slot::{Loaded, Slot};
use super::staged::Staged;
use crate::storage::{TopicNumber, TopicWrite};

/// A checkpoint is made once an object has seen this many ops since its last one, and bytes of
/// ops in proportion to its size: so that saving costs a small part of applying, and making the
/// object again costs milliseconds.
const CHECKPOINT_OPS: u64 = 1_024;

/// The share of its saved size that an object's ops since the checkpoint must reach.
const CHECKPOINT_SHARE: u64 = 4;

/// Ops after which a checkpoint is made in any case.
pub(super) const CHECKPOINT_OPS_MAX: u64 = 65_536;

/// At a shutdown, objects with fewer ops since their checkpoint are left to be replayed.
const SHUTDOWN_OPS_MIN: u64 = 16;

/// Checkpoints wait for the next storage job; beyond this size they get one of their own.
pub(super) const WAITING_BYTES_MAX: usize = 4 << 20;

fn is_due(loaded: &Loaded) -> bool {
    let in_proportion = loaded.bytes_since >= loaded.saved_bytes / CHECKPOINT_SHARE;
    loaded.ops_since >= CHECKPOINT_OPS && in_proportion || loaded.ops_since >= CHECKPOINT_OPS_MAX
}

impl Engine {
    /// After a stored batch: saves the objects whose checkpoints are due, and drops some if too
    /// many are loaded.
    pub(super) fn checkpoint_touched(&mut self, staged: &Staged) {
        for (key, number) in &staged.numbers {
            let Some(slot) = self.slots.get_mut(&key.type_name) else {
                continue;
            };
            let Some(loaded) = slot.loaded.get_mut(&key.id) else {
                continue;
            };
            loaded.number = Some(*number);
            if is_due(loaded)
                && let Some(checkpoint) = slot.checkpoint(&key.id, self.counters.last)
            {
                slot.counters.add(Count::Checkpoints, 1);
                self.checkpoints.insert(*number, checkpoint);
            }
        }
        self.drop_crowded();
    }

    /// Saves and drops objects of types that have too many loaded.
    pub(super) fn drop_crowded(&mut self) {
        let crowded: Vec<_> = self
            .slots
            .values()
            .filter(|slot| slot.loaded.len() > slot.loaded_max)
            .map(|slot| slot.type_name.clone())
            .collect();
        for type_name in crowded {
            self.drop_objects(&type_name);
        }
    }

    /// Saves and drops the least recently used eighth of a type's objects, and what is beyond the
    /// bound.
    fn drop_objects(&mut self, type_name: &TypeName) {
        let Some(slot) = self.slots.get(type_name) else {
            return;
        };
        let keep = slot.loaded_max - slot.loaded_max / 8;
        let mut by_use: Vec<(u64, ObjectId)> = slot
            .loaded
            .iter()
            .map(|(id, loaded)| (loaded.used_at, id.clone()))
            .collect();
        by_use.sort_unstable();
        let excess = by_use.len().saturating_sub(keep);
        for (_, id) in by_use.into_iter().take(excess) {
            self.save_object(type_name, &id, 1);
            if let Some(slot) = self.slots.get_mut(type_name) {
                slot.unload(&id);
            }
        }
    }

    /// Makes a checkpoint of a loaded object that has seen at least `ops_min` ops since its last.
    fn save_object(&mut self, type_name: &TypeName, id: &ObjectId, ops_min: u64) {
        let Some(slot) = self.slots.get_mut(type_name) else {
            return;
        };
        if self.is_stale {
            // It is not known up to which place in the log the object is.
            return;
        }
        if slot
            .loaded
            .get(id)
            .is_none_or(|loaded| loaded.ops_since < ops_min)
        {
            return;
        }
        // An object without a number is not stored: there is nothing to shorten.
        let Some(number) = slot.number(id) else {
            return;
        };
        if let Some(checkpoint) = slot.checkpoint(id, self.counters.last) {
            slot.counters.add(Count::Checkpoints, 1);
            self.checkpoints.insert(number, checkpoint);
        }
    }

    /// Saves the objects of a type and gives its instance up. In the middle of a batch nothing is
    /// saved: what objects have seen is not durable yet.
    pub(super) fn drop_instance(&mut self, type_name: &TypeName) {
        if !self.state.is_storing() {
            self.save_objects(type_name, 1);
        }
        if let Some(slot) = self.slots.get_mut(type_name) {
            slot.reset();
        }
    }

    fn save_objects(&mut self, type_name: &TypeName, ops_min: u64) {
        let Some(slot) = self.slots.get(type_name) else {
            return;
        };
        let ids: Vec<ObjectId> = slot.loaded.keys().cloned().collect();
        for id in ids {
            self.save_object(type_name, &id, ops_min);
        }
    }

    /// Saves what would take long to make again.
    pub(super) fn save_all(&mut self) {
        let types: Vec<_> = self.slots.keys().cloned().collect();
        for type_name in types {
            self.save_objects(&type_name, SHUTDOWN_OPS_MIN);
        }
    }

    /// The checkpoints that wait, as a write of their own.
    pub(super) fn take_checkpoints(&mut self) -> Option<TopicWrite> {
        let topic: TopicNumber = self.number?;
        if self.checkpoints.is_empty() || self.is_stale {
            return None;
        }
        let mut write = TopicWrite::new(topic, None, self.counters);
        write.checkpoints = std::mem::take(&mut self.checkpoints).into_iter().collect();
        Some(write)
    }

    /// Bytes of the checkpoints that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.checkpoints
            .values()
            .map(|checkpoint| checkpoint.saved.len())
            .sum()
    }

    /// Whether nothing would be lost if this topic were forgotten until it is needed again.
    pub(super) fn is_idle(&self) -> bool {
        self.is_unused() && !self.state.has_deliverable() && self.state.next_timeout().is_none()
    }

    /// Whether this topic is here only since peers spoke of it.
    pub(super) fn is_stranger(&self) -> bool {
        self.number.is_none() && self.is_unused() && !self.state.has_deliverable()
    }

    /// Whether nobody here needs this topic in memory. What peers sent and said of it may be under
    /// way still; the comparison with them finds it again.
    pub(super) fn is_unused(&self) -> bool {
        self.slots.values().all(|slot| slot.instance.is_none())
            && self.waiting.is_empty()
            && !self.has_watchers()
            && self.checkpoints.is_empty()
            && !self.is_stale
            && !self.is_behind_itself
            && self.damages.is_empty()
    }

    /// Live instances, with when they were last used.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().filter(|slot| slot.instance.is_some())
    }
}
