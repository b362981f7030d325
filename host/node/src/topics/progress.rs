//! An object whose type fails on many of its ops is made again step by step.
//!
//! Each op that fails costs an instance, and going through the ops before it once more. So a step
//! sets aside a few of them, and then keeps what it has come to: a checkpoint before the bundle
//! with the last of them. The next step, when the object is asked for again, begins there. So a
//! step takes little, and however many ops fail, the object comes back.

use std::collections::BTreeMap;

use replicant_protocol::ids::{ObjectId, ObjectKey};

use super::engine::Engine;
use super::rebuild::{Op, Way};
use super::slot::Slot;
use super::staged::Bench;
use crate::storage::{Checkpoint, ObjectNumber, Sequence};

/// Objects of which this is kept; others begin at their stored checkpoint.
const OBJECTS_MAX: usize = 16;

/// How far objects have come that are made again.
#[derive(Debug, Default)]
pub(super) struct Progress(BTreeMap<ObjectId, Step>);

#[derive(Debug)]
struct Step {
    number: ObjectNumber,
    checkpoint: Checkpoint,
    /// Whether it waits for storage already.
    is_handed_on: bool,
}

impl Progress {
    /// The checkpoint of an object, if it has come further than `sequence`.
    pub(super) fn beyond(&self, id: &ObjectId, sequence: Sequence) -> Option<&Checkpoint> {
        let step = self.0.get(id)?;
        Some(&step.checkpoint).filter(|kept| kept.sequence > sequence)
    }

    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.0.remove(id);
    }

    fn keep(&mut self, id: &ObjectId, number: ObjectNumber, checkpoint: Checkpoint) {
        if !self.0.contains_key(id) && self.0.len() >= OBJECTS_MAX {
            self.0.pop_first();
        }
        let step = Step {
            number,
            checkpoint,
            is_handed_on: false,
        };
        self.0.insert(id.clone(), step);
    }

    /// What is to be stored and was not handed on yet.
    fn hand_on(&mut self) -> impl Iterator<Item = (ObjectNumber, Checkpoint)> + '_ {
        self.0.values_mut().filter_map(|step| {
            let is_new = !std::mem::replace(&mut step.is_handed_on, true);
            is_new.then(|| (step.number, step.checkpoint.clone()))
        })
    }
}

impl Slot {
    /// Saves what the object is before the bundle that has this op, and forgets the void ops
    /// before that. Without a bundle in between nothing is saved: the void ops are kept.
    pub(super) fn keep_progress(&mut self, bench: &mut Bench<'_>, key: &ObjectKey, op: Op) {
        let Ok(Some(number)) = bench.find(key) else {
            return;
        };
        self.reset();
        let mut way = Way::up_to(op);
        let Ok(loaded) = self.attempt(bench, key, Some(number), &mut way) else {
            return;
        };
        let ops_unread = loaded.ops_unread;
        let saved = match way.reached {
            Some(sequence) => self
                .save_loaded(&key.id, loaded.handle)
                .ok()
                .zip(Some(sequence)),
            None => None,
        };
        if let Some((saved, sequence)) = saved {
            let checkpoint = Checkpoint {
                sequence,
                module: self.saved_by(),
                saved,
                ops_unread,
            };
            self.progress.keep(&key.id, number, checkpoint);
            self.voids.keep_only(&key.id, &way.stopped_at);
        }
        // It is not all of the object.
        self.reset();
    }
}

impl Engine {
    /// Has storage keep how far objects have come.
    pub(super) fn hand_on_progress(&mut self) {
        if self.is_stale {
            return;
        }
        for slot in self.slots.values_mut() {
            for (number, checkpoint) in slot.progress.hand_on() {
                let waiting = self.checkpoints.get(&number);
                if waiting.is_none_or(|waiting| waiting.sequence < checkpoint.sequence) {
                    self.checkpoints.insert(number, checkpoint);
                }
            }
        }
    }
}
