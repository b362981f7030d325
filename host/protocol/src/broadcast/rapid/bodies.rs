//! Payloads that others may fetch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::chunks::CHUNK_BYTES;
use crate::ids::{Hash, NodeId};

/// How often a peer gets each chunk of a payload: it may have been lost twice.
const SERVED_TIMES_MAX: usize = 3;

/// How many peers may fetch one payload here. Each node announces to at most
/// [`FANOUT_MAX`](super::FANOUT_MAX) others.
const SERVED_PEERS_MAX: usize = 1_024;

#[derive(Debug)]
struct Held {
    payload: Arc<[u8]>,
    until: Duration,
    /// How many chunks each peer was given.
    served: BTreeMap<NodeId, usize>,
}

/// Payloads that others may fetch, each for a while; the oldest give way to new ones.
#[derive(Debug)]
pub(super) struct Bodies {
    held: BTreeMap<Hash, Held>,
    order: VecDeque<Hash>,
    bytes: usize,
    bytes_max: usize,
    held_for: Duration,
}

impl Bodies {
    pub(super) fn new(bytes_max: usize, held_for: Duration) -> Self {
        Self {
            held: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
            held_for,
        }
    }

    pub(super) fn insert(&mut self, now: Duration, id: Hash, payload: Arc<[u8]>) {
        let bytes = payload.len();
        let (until, served) = (now + self.held_for, BTreeMap::new());
        if bytes > self.bytes_max || self.held.contains_key(&id) {
            return;
        }
        while self.bytes + bytes > self.bytes_max && !self.order.is_empty() {
            self.drop_oldest();
        }
        self.bytes += bytes;
        self.order.push_back(id);
        let held = Held {
            payload,
            until,
            served,
        };
        self.held.insert(id, held);
    }

    /// Forgets what was held long enough.
    pub(super) fn expire(&mut self, now: Duration) {
        while self.next_timeout().is_some_and(|at| at <= now) {
            self.drop_oldest();
        }
    }

    /// When [`expire`](Self::expire) is due.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let oldest = self.held.get(self.order.front()?)?;
        Some(oldest.until)
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            let gone = self.held.remove(&oldest);
            self.bytes -= gone.map_or(0, |held| held.payload.len());
        }
    }

    /// A chunk for a peer; `None` if there is none, or the peer had it often enough.
    pub(super) fn serve(&mut self, to: NodeId, id: &Hash, index: u32) -> Option<Arc<[u8]>> {
        let held = self.held.get_mut(id)?;
        let chunk = held.payload.chunks(CHUNK_BYTES).nth(index as usize)?;
        let is_known = held.served.contains_key(&to);
        if !is_known && held.served.len() >= SERVED_PEERS_MAX {
            return None;
        }
        let count = held.payload.len().div_ceil(CHUNK_BYTES);
        let given = held.served.entry(to).or_default();
        if *given >= SERVED_TIMES_MAX * count {
            return None;
        }
        *given += 1;
        Some(match count {
            1 => held.payload.clone(),
            _ => chunk.into(),
        })
    }
}
