//! Removal that takes away what its author had seen, and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::causes::Causes;
use super::part::{PartOp, Saved};
use super::removal::{Cell, Removal};
use crate::{Context, Crdt, Events, Malformed, Stable, Stamp};

/// A removal takes away the updates that its author had seen. Concurrent ones stay, on a part that
/// has otherwise begun anew, and so the part is there.
///
/// For that, updates are kept until they are stable: as long as an author may not have seen them,
/// a removal may come that takes away some of them and not the others. Whatever is stable every
/// future removal takes away, so that is kept as the part's state only. What is left of a part when
/// some of its ops are taken away is what it makes of the others: ops that name what is no longer
/// there have no effect.
#[derive(Clone, Copy, Debug)]
pub struct UpdateWins;

impl Removal for UpdateWins {
    type Cell<T: Crdt> = UpdateWinsCell<T>;
    const SUMMARY: &'static str = "a removal takes away the updates that its author had seen; \
        concurrent ones stay";
}

/// A part whose removal loses against concurrent updates.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct UpdateWinsCell<T: Crdt> {
    part: Saved<T>,
    /// Whether the part contains updates that are stable.
    has_stable: bool,
    /// The updates in the part that are not, in an order that is causal.
    recent: BTreeMap<Stamp, PartOp>,
}

impl<T: Crdt> Default for UpdateWinsCell<T> {
    fn default() -> Self {
        const {
            assert!(
                T::NAMES_BY_DOT,
                "this part needs `ResetWins`: see `Crdt::NAMES_BY_DOT`"
            );
        }
        Self {
            part: Saved(T::default()),
            has_stable: false,
            recent: BTreeMap::new(),
        }
    }
}

impl<T: Crdt> Cell<T> for UpdateWinsCell<T> {
    type Seen = ();
    type Observed = Causes;

    fn part(&self) -> Option<&T> {
        (!self.is_empty()).then_some(&self.part.0)
    }

    fn seen(&self) {}

    fn observed(&self) -> Causes {
        let mut observed = Causes::default();
        self.recent.keys().for_each(|stamp| observed.add(stamp.dot));
        observed
    }

    fn update(
        &mut self,
        context: &Context,
        (): &(),
        op: &PartOp,
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed> {
        op.apply(&mut self.part.0, context, events)?;
        self.recent.insert(context.stamp(), op.clone());
        Ok(())
    }

    fn remove(&mut self, _: &Context, observed: &Causes) {
        let before = self.recent.len();
        self.recent.retain(|stamp, _| !observed.contains(stamp.dot));
        if self.recent.len() == before && !self.has_stable {
            return;
        }
        self.has_stable = false;
        self.part.0 = T::default();
        for (stamp, op) in &self.recent {
            let context = Context {
                dot: stamp.dot,
                timestamp: stamp.timestamp,
                schema: 0,
            };
            // It was applied before, and would not be here if it were malformed.
            let _ = op.apply(&mut self.part.0, &context, &mut Events::ignored());
        }
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        let before = self.recent.len();
        self.recent.retain(|stamp, _| !stable.contains(stamp.dot));
        self.has_stable |= self.recent.len() < before;
        let has_more = self.part.0.compact(stable, floor, number);
        has_more || !self.recent.is_empty()
    }

    fn is_empty(&self) -> bool {
        !self.has_stable && self.recent.is_empty()
    }
}
