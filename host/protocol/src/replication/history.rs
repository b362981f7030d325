//! What has been delivered: for every replica the end of its chain of bundles.

use std::collections::{BTreeMap, VecDeque};

use super::RestoreError;
use crate::bundle::SignedBundle;
use crate::clock::Hlc;
use crate::identity::{NodeId, replica_id};
use crate::ids::{Counter, Generation, Hash, ReplicaId};
use crate::version::REPLICAS_MAX;

/// What is known of the bundle that ends at some counter of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// The bundle's hash.
    pub hash: Hash,
    /// The bundle's timestamp.
    pub hlc: Hlc,
}

/// The log cannot be read just now. The environment's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be read")]
pub struct LogUnavailable;

/// How a topic's log answers about bundles that are no longer in memory.
pub trait BoundaryLog {
    /// The stored bundle of `replica` whose last op has the counter `last`; none if no stored
    /// bundle ends there.
    ///
    /// # Errors
    /// [`LogUnavailable`] if reading failed; what needed the answer is dropped and asked for
    /// again later.
    fn boundary(
        &self,
        replica: ReplicaId,
        last: Counter,
    ) -> Result<Option<Boundary>, LogUnavailable>;
}

/// Where the chain of one replica stands: what the driver stores and gives back at a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// Who makes the ops.
    pub author: NodeId,
    /// In which generation.
    pub generation: Generation,
    /// The counter of the last op.
    pub last: Counter,
    /// Hash and timestamp of the bundle that it stands in.
    pub end: Boundary,
    /// Ends of earlier bundles, ascending, as many as are at hand. May be empty: the log is asked
    /// for what is missing.
    pub recent: Vec<(Counter, Boundary)>,
}

impl ChainHead {
    /// The replica that the chain belongs to.
    pub fn replica(&self) -> ReplicaId {
        replica_id(&self.author, self.generation)
    }
}

/// The chain of one replica. `recent` ends with `end`, and while a batch is under way holds every
/// boundary of it, because the log does not have them yet.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) author: NodeId,
    pub(super) generation: Generation,
    pub(super) last: Counter,
    pub(super) end: Boundary,
    recent: VecDeque<(Counter, Boundary)>,
}

/// All chains, the batch under way included, and how to take it back.
#[derive(Debug)]
pub(super) struct History {
    chains: BTreeMap<ReplicaId, Chain>,
    /// The chains that the batch under way has touched, as they were before.
    before: BTreeMap<ReplicaId, Option<Chain>>,
    boundaries_max: usize,
}

impl History {
    pub(super) fn new(boundaries_max: usize) -> Self {
        Self {
            chains: BTreeMap::new(),
            before: BTreeMap::new(),
            boundaries_max,
        }
    }

    pub(super) fn restore(&mut self, head: ChainHead) -> Result<(), RestoreError> {
        let replica = head.replica();
        if head.last == Counter::ZERO {
            return Err(RestoreError::Empty(replica));
        }
        if self.chains.len() == REPLICAS_MAX {
            return Err(RestoreError::TooMany);
        }
        let mut recent: VecDeque<_> = head.recent.into();
        if recent
            .back()
            .is_none_or(|(counter, _)| *counter < head.last)
        {
            recent.push_back((head.last, head.end));
        }
        let ascending = recent.iter().is_sorted_by(|a, b| a.0 < b.0);
        if !ascending || recent.back() != Some(&(head.last, head.end)) {
            return Err(RestoreError::Boundaries(replica));
        }
        let (author, generation, last, end) = (head.author, head.generation, head.last, head.end);
        let mut chain = Chain {
            author,
            generation,
            last,
            end,
            recent,
        };
        chain.trim(self.boundaries_max);
        match self.chains.insert(replica, chain) {
            None => Ok(()),
            Some(_) => Err(RestoreError::Twice(replica)),
        }
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = ChainHead> + '_ {
        self.chains.values().map(|chain| ChainHead {
            author: chain.author,
            generation: chain.generation,
            last: chain.last,
            end: chain.end,
            recent: chain.recent.iter().copied().collect(),
        })
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.chains.keys().copied()
    }

    pub(super) fn replicas_count(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn chain(&self, replica: ReplicaId) -> Option<&Chain> {
        self.chains.get(&replica)
    }

    pub(super) fn last(&self, replica: ReplicaId) -> Counter {
        self.chain(replica)
            .map_or(Counter::ZERO, |chain| chain.last)
    }

    /// The delivered bundle that ends at a counter; none if no bundle ends there.
    pub(super) fn boundary(
        &self,
        replica: ReplicaId,
        counter: Counter,
        log: &dyn BoundaryLog,
    ) -> Result<Option<Boundary>, LogUnavailable> {
        let Some(chain) = self.chain(replica).filter(|chain| counter <= chain.last) else {
            return Ok(None);
        };
        match chain
            .recent
            .binary_search_by_key(&counter, |(counter, _)| *counter)
        {
            Ok(index) => Ok(chain.recent.get(index).map(|(_, boundary)| *boundary)),
            // Between two that are known: no bundle ends there.
            Err(index) if index > 0 => Ok(None),
            Err(_) => log.boundary(replica, counter),
        }
    }

    /// Puts a bundle at the end of its replica's chain, as part of the batch under way.
    pub(super) fn advance(&mut self, bundle: &SignedBundle) {
        let replica = bundle.replica();
        let end = Boundary {
            hash: bundle.hash(),
            hlc: bundle.hlc(),
        };
        let last = bundle.last();
        let present = self.chains.get(&replica);
        debug_assert_eq!(
            self.last(replica).checked_add(1),
            Some(bundle.first()),
            "a gap"
        );
        self.before
            .entry(replica)
            .or_insert_with(|| present.cloned());
        let chain = self.chains.entry(replica).or_insert_with(|| Chain {
            author: bundle.body().author,
            generation: bundle.body().generation,
            last,
            end,
            recent: VecDeque::new(),
        });
        (chain.last, chain.end) = (last, end);
        chain.recent.push_back((last, end));
    }

    /// The batch is stored: its chains stand.
    pub(super) fn commit(&mut self) {
        for replica in std::mem::take(&mut self.before).into_keys() {
            if let Some(chain) = self.chains.get_mut(&replica) {
                chain.trim(self.boundaries_max);
            }
        }
    }

    /// The batch is not stored: everything is as before it.
    pub(super) fn undo(&mut self) {
        for (replica, chain) in std::mem::take(&mut self.before) {
            match chain {
                Some(chain) => self.chains.insert(replica, chain),
                None => self.chains.remove(&replica),
            };
        }
    }
}

impl Chain {
    fn trim(&mut self, boundaries_max: usize) {
        let excess = self.recent.len().saturating_sub(boundaries_max.max(1));
        self.recent.drain(..excess);
    }
}
