//! Publications that were handed in, until a member of each circle took them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Hash, NodeId, TopicName};

/// How many are waited for; beyond, a publication takes the shared tree at once.
pub(super) const HAND_INS_MAX: usize = 256;

/// How many bytes they take at most.
pub(super) const HAND_IN_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
struct HandIn {
    payload: Arc<[u8]>,
    /// Who was asked in the circles in which nobody took it yet.
    waits: BTreeMap<TopicName, BTreeSet<NodeId>>,
    until: Duration,
}

/// A publication that nobody took in some circle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) payload: Arc<[u8]>,
    /// Who was asked and said nothing.
    pub(super) silent: Vec<(TopicName, NodeId)>,
}

/// By the publication's hash.
#[derive(Debug, Default)]
pub(super) struct HandIns {
    by_id: BTreeMap<Hash, HandIn>,
    bytes: usize,
}

impl HandIns {
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.by_id.len() < HAND_INS_MAX && self.bytes + bytes <= HAND_IN_BYTES_MAX
    }

    pub(super) fn add(
        &mut self,
        id: Hash,
        payload: Arc<[u8]>,
        waits: BTreeMap<TopicName, BTreeSet<NodeId>>,
        until: Duration,
    ) {
        self.bytes += payload.len();
        let hand_in = HandIn {
            payload,
            waits,
            until,
        };
        if let Some(before) = self.by_id.insert(id, hand_in) {
            self.bytes -= before.payload.len();
        }
    }

    /// A node took one. Whether it was asked to.
    pub(super) fn on_taken(&mut self, id: &Hash, path: &TopicName, by: &NodeId) -> bool {
        let Some(hand_in) = self.by_id.get_mut(id) else {
            return false;
        };
        let asked = hand_in.waits.get(path);
        let was_asked = asked.is_some_and(|asked| asked.contains(by));
        if was_asked {
            hand_in.waits.remove(path);
        }
        if hand_in.waits.is_empty() {
            self.remove(id);
        }
        was_asked
    }

    /// A node takes nothing in a circle, or in any. Gives what nobody is left to take.
    pub(super) fn on_refused(&mut self, path: Option<&TopicName>, by: &NodeId) -> Vec<Failed> {
        let mut failed = Vec::new();
        for (id, hand_in) in &mut self.by_id {
            let mut is_failed = false;
            for (at, asked) in &mut hand_in.waits {
                if path.is_none_or(|path| path == at) && asked.remove(by) {
                    is_failed |= asked.is_empty();
                }
            }
            if is_failed {
                failed.push(*id);
            }
        }
        failed.iter().filter_map(|id| self.fail(id)).collect()
    }

    /// What nobody took in time.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Failed> {
        let late = self.by_id.iter();
        let late = late.filter(|(_, hand_in)| hand_in.until <= now);
        let late: Vec<Hash> = late.map(|(id, _)| *id).collect();
        late.iter().filter_map(|id| self.fail(id)).collect()
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.by_id.values().map(|hand_in| hand_in.until).min()
    }

    fn fail(&mut self, id: &Hash) -> Option<Failed> {
        let hand_in = self.remove(id)?;
        let silent = hand_in.waits.into_iter();
        let silent = silent.flat_map(|(path, asked)| {
            let each = move |node| (path.clone(), node);
            asked.into_iter().map(each)
        });
        Some(Failed {
            payload: hand_in.payload,
            silent: silent.collect(),
        })
    }

    fn remove(&mut self, id: &Hash) -> Option<HandIn> {
        let hand_in = self.by_id.remove(id)?;
        self.bytes -= hand_in.payload.len();
        Some(hand_in)
    }
}
