//! Payloads that others may fetch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

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
    /// How many chunks each peer was given.
    served: BTreeMap<NodeId, usize>,
}

/// Payloads that others may fetch; the oldest give way to new ones.
#[derive(Debug)]
pub(super) struct Bodies {
    held: BTreeMap<Hash, Held>,
    order: VecDeque<Hash>,
    bytes: usize,
    bytes_max: usize,
}

impl Bodies {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn insert(&mut self, id: Hash, payload: Arc<[u8]>) {
        let bytes = payload.len();
        let served = BTreeMap::new();
        if bytes > self.bytes_max || self.held.contains_key(&id) {
            return;
        }
        while self.bytes + bytes > self.bytes_max
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.held.remove(&oldest);
            self.bytes -= gone.map_or(0, |held| held.payload.len());
        }
        self.bytes += bytes;
        self.order.push_back(id);
        self.held.insert(id, Held { payload, served });
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
