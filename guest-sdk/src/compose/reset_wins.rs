//! Removal that takes away concurrent updates too.

use serde::{Deserialize, Serialize};

use super::causes::Causes;
use super::part::{PartOp, Saved};
use super::removal::{Cell, Removal};
use crate::{Context, Crdt, Events, Malformed, Stable};

/// A removal takes away all updates but those of authors that had seen it: it wins over concurrent
/// ones. The part begins anew with the first update after it.
///
/// An update says which removals its author had seen, and has no effect where there are others. A
/// removal that is stable all future authors have seen, so it is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct ResetWins;

impl Removal for ResetWins {
    type Cell<T: Crdt> = ResetWinsCell<T>;
    const SUMMARY: &'static str = "a removal takes away all updates whose authors had not seen it, \
        concurrent ones too";
}

/// A part whose removal wins over concurrent updates.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ResetWinsCell<T: Crdt> {
    part: Option<Saved<T>>,
    /// The removals that some future author may not have seen.
    removals: Causes,
}

impl<T: Crdt> Default for ResetWinsCell<T> {
    fn default() -> Self {
        Self {
            part: None,
            removals: Causes::default(),
        }
    }
}

impl<T: Crdt> Cell<T> for ResetWinsCell<T> {
    type Seen = Causes;
    type Observed = ();

    fn part(&self) -> Option<&T> {
        self.part.as_ref().map(|part| &part.0)
    }

    fn seen(&self) -> Causes {
        self.removals.clone()
    }

    fn observed(&self) {}

    fn update(
        &mut self,
        context: &Context,
        seen: &Causes,
        op: &PartOp,
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed> {
        if !self.removals.is_within(seen) {
            return Ok(());
        }
        match &mut self.part {
            Some(part) => op.apply(&mut part.0, context, events),
            None => {
                let mut part = T::default();
                op.apply(&mut part, context, events)?;
                self.part = Some(Saved(part));
                Ok(())
            }
        }
    }

    fn remove(&mut self, context: &Context, (): &()) {
        self.part = None;
        self.removals.add(context.dot);
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        self.removals.forget(stable);
        let part = self.part.as_mut();
        let has_more = part.is_some_and(|part| part.0.compact(stable, floor, number));
        has_more || !self.removals.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.part.is_none() && self.removals.is_empty()
    }
}
