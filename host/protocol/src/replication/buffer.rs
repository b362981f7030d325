//! Bundles that are here and not delivered yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pull::Via;
use crate::bundle::SignedBundle;
use crate::clock::Hlc;
use crate::identity::NodeId;
use crate::ids::{Counter, Dot, Hash, ReplicaId};

/// Names a bundle in the buffer. The order is consistent with causality: no bundle depends on a
/// larger one. So the largest is the furthest from being deliverable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    hlc: Hlc,
    replica: ReplicaId,
    first: Counter,
    hash: Hash,
}

impl Key {
    pub(super) fn of(bundle: &SignedBundle) -> Self {
        let (hlc, replica) = (bundle.hlc(), bundle.replica());
        Self {
            hlc,
            replica,
            first: bundle.first(),
            hash: bundle.hash(),
        }
    }
}

/// What a bundle waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: it can be delivered.
    Ready,
    /// This op of another bundle.
    Op(Dot),
    /// This node's wall clock; look again at this time.
    Clock(Duration),
}

/// A bundle with a valid signature.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) bundle: SignedBundle,
    /// Who sent it.
    pub(super) peer: NodeId,
    pub(super) via: Via,
    /// When it came.
    pub(super) since: Duration,
    /// How many of its dependencies are known to be delivered.
    pub(super) dependencies_met: usize,
    pub(super) wait: Wait,
}

/// How much one peer has in the buffer.
#[derive(Debug, Default)]
struct Share {
    count: usize,
    bytes: usize,
}

/// How much may be in the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) count_max: usize,
    pub(super) bytes_max: usize,
    pub(super) peer_count_max: usize,
    pub(super) peer_bytes_max: usize,
}

/// Bundles by key, with an index for each question asked of them. All indexes follow from
/// `entries`.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    entries: BTreeMap<Key, Entry>,
    bytes: usize,
    shares: BTreeMap<NodeId, Share>,
    slots: BTreeMap<(ReplicaId, Counter), BTreeSet<Key>>,
    ready: BTreeSet<Key>,
    waiting: BTreeSet<(Via, Key)>,
    waiting_by_peer: BTreeSet<(NodeId, Via, Key)>,
    waiting_by_op: BTreeSet<(Dot, Key)>,
    waiting_by_clock: BTreeSet<(Duration, Key)>,
    waiting_by_age: BTreeSet<(Duration, Key)>,
    /// Those whose predecessors were not asked for yet.
    not_asked: BTreeSet<(Duration, Key)>,
}

impl Buffer {
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a bundle is here. Takes note of how it came again.
    pub(super) fn note(&mut self, key: &Key, via: Via) -> bool {
        let Some(known) = self.entries.get(key).map(|entry| entry.via) else {
            return false;
        };
        if via < known
            && let Some(mut entry) = self.entries.remove(key)
        {
            self.unindex(*key, &entry);
            entry.via = via;
            self.index(*key, &entry);
            self.entries.insert(*key, entry);
        }
        true
    }

    /// Whether a bundle waits for an op that no bundle here has.
    pub(super) fn is_behind_gap(&self, key: &Key) -> bool {
        match self.entries.get(key).map(|entry| entry.wait) {
            Some(Wait::Op(op)) => !self.has(op),
            _ => false,
        }
    }

    fn has(&self, op: Dot) -> bool {
        let first = (op.replica, Counter::ZERO);
        let mut slots = self.slots.range(first..=(op.replica, op.counter));
        let nearest = slots.next_back().map(|(_, keys)| keys);
        let mut entries = nearest
            .into_iter()
            .flatten()
            .filter_map(|key| self.entries.get(key));
        entries.any(|entry| entry.bundle.last() >= op.counter)
    }

    /// The bundles that claim to begin at this counter.
    pub(super) fn candidates(&self, bundle: &SignedBundle) -> impl Iterator<Item = &Entry> {
        let slot = self.slots.get(&(bundle.replica(), bundle.first()));
        slot.into_iter()
            .flatten()
            .filter_map(|key| self.entries.get(key))
    }

    /// Adds a bundle that waits for what it says. Bounds are kept by [`evict`](Self::evict).
    pub(super) fn insert(&mut self, entry: Entry) {
        let key = Key::of(&entry.bundle);
        let size = entry.bundle.memory_bytes();
        let share = self.shares.entry(entry.peer).or_default();
        share.count += 1;
        share.bytes += size;
        self.bytes += size;
        self.slots
            .entry((key.replica, key.first))
            .or_default()
            .insert(key);
        if matches!(entry.wait, Wait::Op(_)) {
            self.not_asked.insert((entry.since, key));
        }
        self.index(key, &entry);
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.unindex(*key, &entry);
        self.not_asked.remove(&(entry.since, *key));
        let size = entry.bundle.memory_bytes();
        self.bytes -= size;
        if let Some(share) = self.shares.get_mut(&entry.peer) {
            share.count -= 1;
            share.bytes -= size;
            if share.count == 0 {
                self.shares.remove(&entry.peer);
            }
        }
        if let Some(slot) = self.slots.get_mut(&(key.replica, key.first)) {
            slot.remove(key);
            if slot.is_empty() {
                self.slots.remove(&(key.replica, key.first));
            }
        }
        Some(entry)
    }

    fn index(&mut self, key: Key, entry: &Entry) {
        match entry.wait {
            Wait::Ready => {
                self.ready.insert(key);
                return;
            }
            Wait::Op(dot) => self.waiting_by_op.insert((dot, key)),
            Wait::Clock(until) => self.waiting_by_clock.insert((until, key)),
        };
        self.waiting.insert((entry.via, key));
        self.waiting_by_peer.insert((entry.peer, entry.via, key));
        self.waiting_by_age.insert((entry.since, key));
    }

    fn unindex(&mut self, key: Key, entry: &Entry) {
        match entry.wait {
            Wait::Ready => {
                self.ready.remove(&key);
                return;
            }
            Wait::Op(dot) => self.waiting_by_op.remove(&(dot, key)),
            Wait::Clock(until) => self.waiting_by_clock.remove(&(until, key)),
        };
        self.waiting.remove(&(entry.via, key));
        self.waiting_by_peer.remove(&(entry.peer, entry.via, key));
        self.waiting_by_age.remove(&(entry.since, key));
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn first_ready(&self) -> Option<&Entry> {
        self.entries.get(self.ready.first()?)
    }

    pub(super) fn take_first_ready(&mut self) -> Option<Entry> {
        let key = *self.ready.first()?;
        self.remove(&key)
    }

    /// The bundles that waited for an op that is delivered now, `end` being the last of its
    /// replica.
    pub(super) fn wake(&self, end: Dot) -> Vec<Key> {
        let first = Dot {
            replica: end.replica,
            counter: Counter::ZERO,
        };
        let from = (first, Key::SMALLEST);
        let range = self.waiting_by_op.range(from..);
        range
            .take_while(|(dot, _)| *dot <= end)
            .map(|(_, key)| *key)
            .collect()
    }

    /// The bundles whose wait for the clock is over.
    pub(super) fn wake_by_clock(&self, now: Duration) -> Vec<Key> {
        let due = self
            .waiting_by_clock
            .iter()
            .take_while(|(until, _)| *until <= now);
        due.map(|(_, key)| *key).collect()
    }

    /// After history went back: everything that had been found ready, while nothing that any
    /// bundle was found to depend on is taken for granted any more.
    pub(super) fn ready_again(&mut self) -> Vec<Key> {
        for entry in self.entries.values_mut() {
            entry.dependencies_met = 0;
        }
        self.ready.iter().copied().collect()
    }

    /// Takes out what has waited since `before` or longer.
    pub(super) fn expire(&mut self, before: Duration) -> Vec<Entry> {
        let due = self
            .waiting_by_age
            .iter()
            .take_while(|(since, _)| *since <= before);
        let keys: Vec<Key> = due.map(|(_, key)| *key).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Who sent the bundles that have waited for a predecessor since `before` or longer. Each
    /// bundle counts once.
    pub(super) fn take_askable(&mut self, before: Duration) -> BTreeSet<NodeId> {
        let mut peers = BTreeSet::new();
        while let Some((since, key)) = self.not_asked.first().copied() {
            if since > before {
                break;
            }
            self.not_asked.pop_first();
            let entry = self.entries.get(&key);
            peers.extend(
                entry
                    .filter(|e| matches!(e.wait, Wait::Op(_)))
                    .map(|e| e.peer),
            );
        }
        peers
    }

    /// When something is due next.
    pub(super) fn next_timeout(
        &self,
        gap_delay: Duration,
        waiting_max: Duration,
    ) -> Option<Duration> {
        let after = |index: &BTreeSet<(Duration, Key)>, delay| {
            index.first().map(|(since, _)| since.saturating_add(delay))
        };
        let asking = after(&self.not_asked, gap_delay);
        let expiring = after(&self.waiting_by_age, waiting_max);
        let clock = after(&self.waiting_by_clock, Duration::ZERO);
        [asking, expiring, clock].into_iter().flatten().min()
    }

    /// Takes out what waits and came in this way, or one that is less wanted.
    pub(super) fn take_waiting(&mut self, via: Via) -> Vec<Entry> {
        let waiting = self.waiting.range((via, Key::SMALLEST)..);
        let keys: Vec<Key> = waiting.map(|(_, key)| *key).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Takes out what is too much: what was not asked for first, and of that what is furthest from
    /// being deliverable.
    pub(super) fn evict(&mut self, bounds: Bounds) -> Vec<Entry> {
        let mut evicted = Vec::new();
        while let Some(key) = self.excess(bounds) {
            evicted.extend(self.remove(&key));
        }
        evicted
    }

    fn excess(&self, bounds: Bounds) -> Option<Key> {
        let of_peer = self.shares.iter().find(|(_, share)| {
            share.count > bounds.peer_count_max || share.bytes > bounds.peer_bytes_max
        });
        if let Some((peer, _)) = of_peer {
            return self
                .last_of_peer(*peer)
                .or_else(|| self.last_ready_of_peer(*peer));
        }
        if self.entries.len() > bounds.count_max || self.bytes > bounds.bytes_max {
            let waiting = self.waiting.last().map(|(_, key)| *key);
            return waiting.or_else(|| self.ready.last().copied());
        }
        None
    }

    fn last_of_peer(&self, peer: NodeId) -> Option<Key> {
        let (first, last) = ((Via::Sync, Key::SMALLEST), (Via::Broadcast, Key::LARGEST));
        let range = self
            .waiting_by_peer
            .range((peer, first.0, first.1)..=(peer, last.0, last.1));
        range.last().map(|(.., key)| *key)
    }

    fn last_ready_of_peer(&self, peer: NodeId) -> Option<Key> {
        let mut ready = self.ready.iter().rev();
        ready
            .find(|key| self.entries.get(key).is_some_and(|e| e.peer == peer))
            .copied()
    }
}

impl Key {
    const SMALLEST: Self = Self {
        hlc: Hlc::ZERO,
        replica: ReplicaId::ONE,
        first: Counter::ZERO,
        hash: Hash::ZERO,
    };
    const LARGEST: Self = Self {
        hlc: Hlc::from_u64(u64::MAX),
        replica: ReplicaId::LARGEST,
        first: Counter::new(u64::MAX),
        hash: Hash::from_bytes([0xff; 32]),
    };
}
