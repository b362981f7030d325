//! A batch before it is durable: what objects have seen that the log does not have yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use replicant_protocol::bundle::LocalOp;
use replicant_protocol::bundle::limits::BODY_BYTES_MAX;
use replicant_protocol::ids::{Counter, Dot, ObjectKey};
use replicant_protocol::replication::Opened;
use replicant_runtime::{Context, Packed, Run};

use super::indexed::{BundleCache, IndexedBundle};
use crate::storage::{CommandRecord, ObjectNumber, Result, Storage, TopicCounters, TopicNumber};

/// An op of this node and the command behind it.
#[derive(Debug)]
pub(super) struct StagedOp {
    pub(super) op: LocalOp,
    pub(super) behind: CommandRecord,
}

/// What one batch has done to a topic's objects so far.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// Bundles of other replicas that all objects have seen, in order.
    pub(super) delivered: Vec<Arc<IndexedBundle>>,
    /// A run of the next bundle, while its object is made again with it.
    pub(super) present: Option<(ObjectKey, Run)>,
    /// Under which name this node's ops of the batch are made.
    pub(super) opened: Option<Opened>,
    /// This node's ops, in order, and their bytes.
    pub(super) local: Vec<StagedOp>,
    pub(super) local_bytes: usize,
    /// The number of each object that the batch touches.
    pub(super) numbers: BTreeMap<ObjectKey, ObjectNumber>,
    /// Those of them that the batch makes.
    pub(super) created: Vec<(ObjectKey, ObjectNumber)>,
}

impl Staged {
    /// What an object has to apply again to be where the batch has brought it.
    fn runs(&self, key: &ObjectKey) -> Vec<Run> {
        let mut runs: Vec<Run> = self
            .delivered
            .iter()
            .filter_map(|bundle| bundle.run(key))
            .collect();
        let present = self.present.as_ref().filter(|(of, _)| of == key);
        runs.extend(present.map(|(_, run)| run.clone()));
        runs.extend(self.local_runs(key));
        runs
    }

    /// This node's ops on an object, in runs that are no larger than those of a bundle.
    fn local_runs(&self, key: &ObjectKey) -> Vec<Run> {
        let Some(opened) = self.opened else {
            return Vec::new();
        };
        let mut runs: Vec<Run> = Vec::new();
        for (staged, counter) in self.local.iter().zip(opened.first.get()..) {
            if staged.op.object != *key {
                continue;
            }
            let size = staged.op.bytes.len();
            let is_full = |run: &Run| run.ops.bytes().len() + size > BODY_BYTES_MAX;
            if runs.last().is_none_or(is_full) {
                runs.push(Run {
                    replica: opened.replica.get(),
                    timestamp: opened.hlc.as_u64(),
                    schema: staged.op.schema,
                    counters: Vec::new(),
                    ops: Packed::new(),
                });
            }
            // It fits: that is far below what a packed list can hold.
            if let Some(run) = runs.last_mut()
                && run.ops.push(&staged.op.bytes).is_ok()
            {
                run.counters.push(counter);
            }
        }
        runs
    }

    /// The context of the next op that this node makes; none before a bundle was opened.
    pub(super) fn context(&self) -> Option<Context> {
        let opened = self.opened?;
        Some(Context {
            replica: opened.replica.get(),
            counter: opened.first.get() + self.local.len() as u64,
            timestamp: opened.hlc.as_u64(),
        })
    }

    /// Adds an op of this node and returns its dot.
    pub(super) fn push(&mut self, staged: StagedOp) -> Option<Dot> {
        let context = self.context()?;
        let replica = self.opened?.replica;
        self.local_bytes += staged.op.bytes.len();
        self.local.push(staged);
        Some(Dot {
            replica,
            counter: Counter::new(context.counter),
        })
    }
}

/// Everything that objects are made from: the log, and what the batch adds to it.
pub(super) struct Bench<'a> {
    pub(super) storage: &'a dyn Storage,
    /// None as long as the topic is not stored.
    pub(super) topic: Option<TopicNumber>,
    /// The counters of what is stored.
    pub(super) counters: TopicCounters,
    pub(super) cache: &'a mut BundleCache,
    pub(super) staged: &'a mut Staged,
}

impl Bench<'_> {
    /// The object's number, if it exists in the log or the batch.
    pub(super) fn find(&self, key: &ObjectKey) -> Result<Option<ObjectNumber>> {
        match (self.staged.numbers.get(key), self.topic) {
            (Some(number), _) => Ok(Some(*number)),
            (None, Some(topic)) => self.storage.object(topic, key),
            (None, None) => Ok(None),
        }
    }

    /// Whether the log knows an object of this number.
    pub(super) fn is_stored(&self, number: ObjectNumber) -> bool {
        self.topic.is_some() && number <= self.counters.objects
    }

    /// The object's number as part of the batch; a new object gets one. `known` saves looking it
    /// up.
    pub(super) fn touch(
        &mut self,
        key: &ObjectKey,
        known: Option<ObjectNumber>,
    ) -> Result<ObjectNumber> {
        if let Some(number) = self.staged.numbers.get(key) {
            return Ok(*number);
        }
        let found = match known {
            Some(number) => Some(number),
            None => self.find(key)?,
        };
        let number = match found {
            Some(number) => number,
            None => {
                let number =
                    ObjectNumber(self.counters.objects.0 + self.staged.created.len() as u64 + 1);
                self.staged.created.push((key.clone(), number));
                number
            }
        };
        self.staged.numbers.insert(key.clone(), number);
        Ok(number)
    }

    /// Shows `visit` everything that the object has to apply after `after`: from the log, with its
    /// place there, then from the batch. `visit` returns false to stop.
    pub(super) fn replay(
        &mut self,
        key: &ObjectKey,
        number: ObjectNumber,
        after: crate::storage::Sequence,
        visit: &mut dyn FnMut(Option<crate::storage::Sequence>, Run) -> bool,
    ) -> Result<()> {
        const PAGE_MAX: usize = 1_024;
        if let (Some(topic), true) = (self.topic, self.is_stored(number)) {
            let mut after = after;
            loop {
                let page = self.storage.touched(topic, number, after, PAGE_MAX)?;
                for sequence in &page {
                    let bundle = self.cache.get(self.storage, topic, *sequence)?;
                    if let Some(run) = bundle.run(key)
                        && !visit(Some(*sequence), run)
                    {
                        return Ok(());
                    }
                }
                match page.last() {
                    Some(last) if page.len() == PAGE_MAX => after = *last,
                    _ => break,
                }
            }
        }
        for run in self.staged.runs(key) {
            if !visit(None, run) {
                break;
            }
        }
        Ok(())
    }
}
