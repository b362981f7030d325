//! Payloads kept for neighbours that missed them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Hash, NodeId};

/// How often one neighbour gets the same payload.
const SERVED_MAX: u8 = 2;
/// How many neighbours' requests for one payload are counted; beyond it is not served.
const ASKERS_MAX: usize = 64;

#[derive(Debug)]
struct Kept {
    payload: Arc<[u8]>,
    hops: u8,
    at: Duration,
    served: Vec<(NodeId, u8)>,
}

/// The last payloads, bounded in number, bytes and time.
#[derive(Debug)]
pub(super) struct Cache {
    kept: BTreeMap<Hash, Kept>,
    /// Oldest first.
    order: VecDeque<Hash>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
    retention: Duration,
}

impl Cache {
    pub(super) fn new(count_max: usize, bytes_max: usize, retention: Duration) -> Self {
        Self {
            kept: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            count_max,
            bytes_max,
            retention,
        }
    }

    pub(super) fn contains(&self, id: &Hash) -> bool {
        self.kept.contains_key(id)
    }

    /// Keeps a payload; the oldest give way. One that is larger than all room is not kept.
    pub(super) fn insert(&mut self, now: Duration, id: Hash, hops: u8, payload: Arc<[u8]>) {
        let is_too_large = payload.len() > self.bytes_max;
        if is_too_large || self.kept.contains_key(&id) {
            return;
        }
        self.bytes += payload.len();
        let (at, served) = (now, Vec::new());
        let kept = Kept {
            payload,
            hops,
            at,
            served,
        };
        self.kept.insert(id, kept);
        self.order.push_back(id);
        while self.kept.len() > self.count_max || self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    /// A payload for a neighbour that asks, and its hops; `None` also when it asked too often.
    pub(super) fn serve(&mut self, id: &Hash, to: NodeId) -> Option<(u8, Arc<[u8]>)> {
        let kept = self.kept.get_mut(id)?;
        let askers_count = kept.served.len();
        match kept.served.iter_mut().find(|(peer, _)| *peer == to) {
            Some((_, count)) if *count >= SERVED_MAX => return None,
            Some((_, count)) => *count += 1,
            None if askers_count >= ASKERS_MAX => return None,
            None => kept.served.push((to, 1)),
        }
        Some((kept.hops, kept.payload.clone()))
    }

    /// All that is kept, newest first: id, hops, since when.
    pub(super) fn newest(&self) -> impl Iterator<Item = (Hash, u8, Duration)> {
        let kept = |id: &Hash| self.kept.get(id).map(|kept| (*id, kept.hops, kept.at));
        self.order.iter().rev().filter_map(kept)
    }

    /// Forgets what is too old.
    pub(super) fn expire(&mut self, now: Duration) {
        while self.expires_at().is_some_and(|at| at <= now) {
            self.drop_oldest();
        }
    }

    pub(super) fn expires_at(&self) -> Option<Duration> {
        let oldest = self.kept.get(self.order.front()?)?;
        Some(oldest.at + self.retention)
    }

    fn drop_oldest(&mut self) {
        if let Some(id) = self.order.pop_front()
            && let Some(kept) = self.kept.remove(&id)
        {
            self.bytes -= kept.payload.len();
        }
    }
}
