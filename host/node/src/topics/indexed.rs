//! Bundles cut by object: what one object has to apply of a bundle.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::ObjectKey;
use replicant_runtime::{Packed, Run};

use crate::storage::{Result, Sequence, Storage, StorageError, TopicNumber};

/// A bundle whose ops are sorted by object.
#[derive(Debug)]
pub(super) struct IndexedBundle {
    bundle: SignedBundle,
    objects: BTreeMap<ObjectKey, usize>,
    /// For each object, the indexes of its ops.
    ops: Vec<Vec<u32>>,
}

impl IndexedBundle {
    pub(super) fn new(bundle: SignedBundle) -> Self {
        let body = bundle.body();
        let objects = body.objects.iter().enumerate();
        let objects = objects
            .map(|(index, object)| (object.key(), index))
            .collect();
        let mut ops = vec![Vec::new(); body.objects.len()];
        for (op, index) in body.ops.iter().zip(0..) {
            if let Some(of_object) = ops.get_mut(op.object_index as usize) {
                of_object.push(index);
            }
        }
        Self {
            bundle,
            objects,
            ops,
        }
    }

    /// The ops of one object, ready to be applied; none if the bundle has none.
    pub(super) fn run(&self, key: &ObjectKey) -> Option<Run> {
        self.run_at(*self.objects.get(key)?)
    }

    /// The ops of the object at this place in the bundle's list.
    pub(super) fn run_at(&self, object_index: usize) -> Option<Run> {
        let body = self.bundle.body();
        let indexes = self.ops.get(object_index)?;
        let bytes = indexes
            .iter()
            .map(|index| body.ops[*index as usize].bytes.len())
            .sum();
        let mut ops = Packed::with_capacity(indexes.len(), bytes);
        for index in indexes {
            // A bundle is smaller than 4 GiB, so all of it fits.
            ops.push(&body.ops[*index as usize].bytes).ok()?;
        }
        let first = body.first.get();
        Some(Run {
            replica: self.bundle.replica().get(),
            timestamp: body.hlc.as_u64(),
            schema: body.objects.get(object_index)?.schema,
            counters: indexes
                .iter()
                .map(|index| first + u64::from(*index))
                .collect(),
            ops,
        })
    }
}

/// The bundles that were read last: objects that are loaded one after the other often stand in the
/// same ones.
#[derive(Debug, Default)]
pub(super) struct BundleCache {
    recent: VecDeque<(TopicNumber, Sequence, Arc<IndexedBundle>)>,
    bytes: usize,
}

/// Bundles held by the cache of one shard.
const CACHED_MAX: usize = 32;

/// Bytes of bundles held by the cache of one shard; their indexes take about as much again.
const CACHED_BYTES_MAX: usize = 16 << 20;

impl BundleCache {
    /// Reads a bundle of the log.
    pub(super) fn get(
        &mut self,
        storage: &dyn Storage,
        topic: TopicNumber,
        sequence: Sequence,
    ) -> Result<Arc<IndexedBundle>> {
        let is_it = |entry: &&(TopicNumber, Sequence, _)| entry.0 == topic && entry.1 == sequence;
        if let Some((_, _, bundle)) = self.recent.iter().find(is_it) {
            return Ok(bundle.clone());
        }
        let bytes = storage.bundle(topic, sequence)?;
        let bytes = bytes.ok_or_else(|| corrupt(topic, sequence, "it is missing"))?;
        let bundle = SignedBundle::decode(&bytes)
            .map_err(|_| corrupt(topic, sequence, "it is not a bundle"))?;
        let bundle = Arc::new(IndexedBundle::new(bundle));
        self.bytes += bytes.len();
        self.recent.push_back((topic, sequence, bundle.clone()));
        while self.recent.len() > CACHED_MAX || self.bytes > CACHED_BYTES_MAX {
            let Some((_, _, oldest)) = self.recent.pop_front() else {
                break;
            };
            self.bytes -= oldest.bundle.as_bytes().len();
        }
        Ok(bundle)
    }
}

pub(super) fn corrupt(
    topic: TopicNumber,
    sequence: Sequence,
    reason: &'static str,
) -> StorageError {
    let key = format!("{}/{}", topic.0, sequence.0);
    StorageError::Corrupt {
        table: "bundles",
        key,
        reason,
    }
}
