//! Sets of ops that one author has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Dot, Stable};

/// A set of ops of which some author has seen all: for each replica its newest. Ops of a replica
/// come in their order, so who has seen one has seen those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes(BTreeMap<u64, u64>);

impl Causes {
    /// Adds an op.
    pub(super) fn add(&mut self, dot: Dot) {
        let newest = self.0.entry(dot.replica).or_default();
        *newest = dot.counter.max(*newest);
    }

    /// Says whether an op is in the set, given that it is of the kind that the set is about.
    pub(super) fn contains(&self, dot: Dot) -> bool {
        let newest = self.0.get(&dot.replica);
        newest.is_some_and(|&newest| dot.counter <= newest)
    }

    /// Says whether every op of this set is in `other`.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let dot = |(&replica, &counter): (&u64, &u64)| Dot { replica, counter };
        self.0.iter().map(dot).all(|dot| other.contains(dot))
    }

    /// Takes out the replicas whose newest op is stable.
    pub(super) fn forget(&mut self, stable: &Stable) {
        self.0
            .retain(|&replica, &mut counter| !stable.contains(Dot { replica, counter }));
    }

    /// Says whether there is no op in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
