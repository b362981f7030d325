//! Making an object again: from checkpoint, log, and what the batch under way has done to it.
//!
//! What fails in a crowded instance may have failed for want of room, and what fails as one of a
//! run may have failed since the ops before it used up the run's fuel. So an op counts as failing
//! only if it does so by itself: alone with its object in a fresh instance, in a call of its own.
//! Such an op has no effect here (it is *void*), and the ops beside it count.
//!
//! Every node that delivers the op finds the same as long as the type fails on it in whatever order
//! concurrent ops came. A type that breaks that rule may have it void on one node only; what all
//! nodes show then is decided when a snapshot is agreed, which replays the ops in one order. So
//! faults that depend on the machine, time above all, never make an op void.

use std::collections::{BTreeMap, BTreeSet};

use replicant_protocol::ids::{ObjectId, ObjectKey};
use replicant_runtime::{CallError, Fault, FaultKind, Handle, Packed, Run};

use super::counters::Count;
use super::slot::{Loaded, Slot, Unavailable};
use super::staged::Bench;
use super::upkeep::CHECKPOINT_OPS_MAX;
use crate::storage::{ObjectNumber, Sequence, StorageError};

/// Void ops that one step of making an object again sets aside; each costs an instance. Where there
/// are more, the next step goes on; see [`progress`](super::progress).
const STEP_VOIDS_MAX: usize = 16;

/// Void ops of one object that are remembered: all that one bundle has, but for the largest. With
/// more of them the object is shown as faulted.
const VOIDS_MAX: usize = 65_536;

/// Objects whose void ops are remembered; those of others are found again each time.
const VOID_OBJECTS_MAX: usize = 1_000;

/// An op: replica and counter.
pub(super) type Op = (u64, u64);

/// The void ops of objects, since their last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Voids(BTreeMap<ObjectId, BTreeSet<Op>>);

impl Voids {
    fn of(&self, id: &ObjectId) -> BTreeSet<Op> {
        self.0.get(id).cloned().unwrap_or_default()
    }

    /// False if the object has as many as it may.
    fn insert(&mut self, id: &ObjectId, op: Op) -> bool {
        if !self.0.contains_key(id) && self.0.len() >= VOID_OBJECTS_MAX {
            self.0.pop_first();
        }
        let ops = self.0.entry(id.clone()).or_default();
        ops.len() < VOIDS_MAX && ops.insert(op)
    }

    /// A checkpoint is made that has all but these behind it.
    pub(super) fn keep_only(&mut self, id: &ObjectId, kept: &BTreeSet<Op>) {
        if let Some(ops) = self.0.get_mut(id) {
            ops.retain(|op| kept.contains(op));
        }
    }

    /// A checkpoint is made that has them behind it.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.0.remove(id);
    }
}

/// How ops go into an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// In one call for each bundle.
    Runs,
    /// In one call for each op.
    Ops,
}

/// How an attempt to make an object goes.
pub(super) struct Way {
    /// Whether the instance is a fresh one.
    is_fresh: bool,
    pace: Pace,
    /// Stop before the bundle that has this op.
    until: Option<Op>,
    /// The ops of the object in that bundle.
    pub(super) stopped_at: BTreeSet<Op>,
    /// The last place in the log of which something was applied.
    pub(super) reached: Option<Sequence>,
}

impl Way {
    fn new(is_fresh: bool, pace: Pace) -> Self {
        Self {
            is_fresh,
            pace,
            until: None,
            stopped_at: BTreeSet::new(),
            reached: None,
        }
    }

    /// Op by op in a fresh instance, up to the bundle that has this one.
    pub(super) fn up_to(op: Op) -> Self {
        Self {
            until: Some(op),
            ..Self::new(true, Pace::Ops)
        }
    }

    /// Whether to stop before this run.
    fn stops_at(&mut self, run: &Run) -> bool {
        let ops = run.counters.iter().map(|counter| (run.replica, *counter));
        let is_it = self.until.is_some_and(|op| ops.clone().any(|of| of == op));
        if is_it {
            self.stopped_at = ops.collect();
        }
        is_it
    }
}

/// Why one attempt to make an object failed.
pub(super) enum Attempt {
    /// The guest, or the machine; in applying this op, or the run that begins with it.
    Fault(Fault, Option<Op>),
    Schema(u32),
    Storage(StorageError),
}

impl From<Fault> for Attempt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault, None)
    }
}

impl From<StorageError> for Attempt {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// How much fuel and memory a call gets depends on when its object was saved last, here: an op
/// that wants too much may have had enough elsewhere. Then the object is shown as faulted, which
/// can be seen, and not without the op, which cannot.
fn is_same_everywhere(fault: &Fault) -> bool {
    let depends = matches!(
        fault.kind,
        FaultKind::OutOfFuel { .. } | FaultKind::Memory { .. } | FaultKind::Table { .. }
    );
    !depends
}

impl Slot {
    /// Makes an object, and takes it into the instance. Each attempt after the first begins in a
    /// fresh one.
    pub(super) fn rebuild(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
    ) -> Result<Handle, Unavailable> {
        let number = bench.find(key)?;
        let (mut pace, mut voids) = (Pace::Runs, 0);
        loop {
            let is_fresh = self.instance.is_none();
            let mut way = Way::new(is_fresh, pace);
            let (fault, op) = match self.attempt(bench, key, number, &mut way) {
                Ok(loaded) => return Ok(self.take_in(key, loaded, pace)),
                Err(Attempt::Storage(error)) => return Err(error.into()),
                Err(Attempt::Schema(schema)) => {
                    self.hold(&key.id, schema);
                    return Err(Unavailable::NewerType { schema });
                }
                Err(Attempt::Fault(fault, op)) => (fault, op),
            };
            if !fault.is_guests() {
                return Err(Unavailable::Sandbox(fault.to_string()));
            }
            self.reset();
            match (is_fresh, pace, op) {
                (false, ..) => {}
                (true, Pace::Runs, Some(_)) => pace = Pace::Ops,
                (true, Pace::Ops, Some(op))
                    if is_same_everywhere(&fault) && self.voids.insert(&key.id, op) =>
                {
                    self.counters.add(Count::OpsVoid, 1);
                    let (replica, counter) = op;
                    let id = &key.id;
                    tracing::error!(object = %id, replica, counter, %fault, "an op has no effect");
                    voids += 1;
                    if voids == STEP_VOIDS_MAX {
                        self.keep_progress(bench, key, op);
                        return Err(Unavailable::Unfinished);
                    }
                }
                _ => {
                    self.condemn(&key.id, &fault);
                    return Err(Unavailable::Faulted(fault.to_string()));
                }
            }
        }
    }

    fn take_in(&mut self, key: &ObjectKey, mut loaded: Loaded, pace: Pace) -> Handle {
        if pace == Pace::Ops {
            // Not again: a checkpoint is due at once.
            loaded.ops_since = loaded.ops_since.max(CHECKPOINT_OPS_MAX);
        }
        let handle = loaded.handle;
        self.loaded.insert(key.id.clone(), loaded);
        self.counters.change(Count::ObjectsLoaded, 1);
        handle
    }

    /// Makes an object: from its checkpoint if there is one of this module's that can be read, else
    /// from the start of the log.
    pub(super) fn attempt(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        number: Option<ObjectNumber>,
        way: &mut Way,
    ) -> Result<Loaded, Attempt> {
        let Some(number) = number else {
            let handle = self.instance()?.create()?;
            return Ok(self.fresh(handle, None));
        };
        let known = Some(number).filter(|number| bench.is_stored(*number));
        let checkpoint = match bench.topic {
            Some(topic) if bench.is_stored(number) => {
                self.counters.add(Count::ObjectsRebuilt, 1);
                self.stored_checkpoint(bench.storage, topic, number)?
            }
            _ => None,
        };
        let stored = checkpoint.as_ref().map_or(Sequence(0), |of| of.sequence);
        let further = self.progress.beyond(&key.id, stored).cloned();
        if let Some(checkpoint) = further.or(checkpoint) {
            let version = self.module.description().version.clone();
            match self.instance()?.restore(&checkpoint.saved, &version) {
                Ok(handle) => {
                    let loaded = Loaded {
                        saved_bytes: checkpoint.saved.len() as u64,
                        ops_unread: checkpoint.ops_unread,
                        ..self.fresh(handle, known)
                    };
                    let after = checkpoint.sequence;
                    return self.replay(bench, key, (number, after), loaded, way);
                }
                Err(CallError::Refused(reason)) => {
                    tracing::warn!(object = %key.id, reason, "a checkpoint cannot be read");
                }
                Err(CallError::Fault(fault)) => {
                    self.lost(&key.id, &fault);
                    if fault.is_guests() && !way.is_fresh {
                        return Err(fault.into());
                    }
                }
            }
        }
        let handle = self.instance()?.create()?;
        let loaded = self.fresh(handle, known);
        self.replay(bench, key, (number, Sequence(0)), loaded, way)
    }

    fn fresh(&self, handle: Handle, number: Option<ObjectNumber>) -> Loaded {
        Loaded {
            handle,
            number,
            ops_since: 0,
            bytes_since: 0,
            saved_bytes: 0,
            ops_unread: 0,
            used_at: self.uses,
        }
    }

    /// Applies what the log and the batch have behind a place in the log, except for void ops.
    fn replay(
        &mut self,
        bench: &mut Bench<'_>,
        key: &ObjectKey,
        (number, after): (ObjectNumber, Sequence),
        mut loaded: Loaded,
        way: &mut Way,
    ) -> Result<Loaded, Attempt> {
        let reads = self.module.description().reads.clone();
        let voids = self.voids.of(&key.id);
        let counters = self.counters.clone();
        let instance = self.instance()?;
        let mut failure = None;
        let mut visit = |sequence: Option<Sequence>, run: Run| {
            if way.stops_at(&run) {
                return false;
            }
            if !reads.contains(&run.schema) {
                failure = Some(Attempt::Schema(run.schema));
                return false;
            }
            for run in parts(run, &voids, way.pace) {
                loaded.ops_since += run.ops.len() as u64;
                loaded.bytes_since += run.ops.bytes().len() as u64;
                if let Err(fault) = instance.apply(loaded.handle, &run, false) {
                    let first = run.counters.first();
                    let op = first.map(|counter| (run.replica, *counter));
                    failure = Some(Attempt::Fault(fault, op));
                    return false;
                }
                loaded.ops_unread += instance.ops_unread();
                counters.add(Count::OpsUnread, instance.ops_unread());
            }
            way.reached = sequence.or(way.reached);
            true
        };
        let replayed = bench.replay(key, number, after, &mut visit);
        let failure = match (replayed, failure) {
            (Err(error), _) => Attempt::Storage(error),
            (Ok(()), Some(failure)) => failure,
            (Ok(()), None) => return Ok(loaded),
        };
        if let Attempt::Fault(fault, _) = &failure {
            self.lost(&key.id, fault);
        }
        if let Some(instance) = &mut self.instance {
            // In a dead instance, or one made anew, the handle is of no use, and that is all right.
            let _ = instance.release(loaded.handle);
        }
        Err(failure)
    }
}

/// A run without its void ops, cut as the pace says.
fn parts(run: Run, voids: &BTreeSet<Op>, pace: Pace) -> Vec<Run> {
    let is_void = |counter: &u64| voids.contains(&(run.replica, *counter));
    let ops = || run.counters.iter().zip(run.ops.iter());
    match pace {
        Pace::Runs if !run.counters.iter().any(is_void) => vec![run],
        Pace::Runs => {
            let kept = ops().filter(|(counter, _)| !is_void(counter));
            Vec::from_iter(part(&run, kept))
        }
        Pace::Ops => ops()
            .filter(|(counter, _)| !is_void(counter))
            .filter_map(|op| part(&run, std::iter::once(op)))
            .collect(),
    }
}

/// Some of the ops of a run; none if there are none.
fn part<'a>(run: &Run, ops: impl Iterator<Item = (&'a u64, &'a [u8])>) -> Option<Run> {
    let (counters, ops): (Vec<u64>, Vec<&[u8]>) = ops.map(|(counter, op)| (*counter, op)).unzip();
    // It is no longer than the whole, which is packed.
    let ops = Packed::from_items(ops).ok()?;
    (!counters.is_empty()).then_some(Run {
        counters,
        ops,
        ..*run
    })
}
