//! Removals that are wrong, each in one way: the laws tell.

use serde::{Deserialize, Serialize};

use super::parts::Tags;
use super::*;
use crate::{Malformed, laws};

const NONE: u8 = 0;
const FORGETS_THAT_IT_WAS: u8 = 1;
const FORGETS_BEFORE_IT_IS_STABLE: u8 = 2;
const HAS_NOTHING_TO_FORGET: u8 = 3;
const TAKES_AWAY_WHAT_IS_THERE: u8 = 4;

/// [`ResetWins`] or [`UpdateWins`], with a fault.
struct Careless<R, const FAULT: u8>(R);

impl<R: Removal, const FAULT: u8> Removal for Careless<R, FAULT> {
    type Cell<T: Crdt> = CarelessCell<R::Cell<T>, FAULT>;
    const SUMMARY: &'static str = R::SUMMARY;
}

#[derive(Default, Serialize, Deserialize)]
struct CarelessCell<C, const FAULT: u8>(C);

impl<T: Crdt, C: Cell<T>, const FAULT: u8> Cell<T> for CarelessCell<C, FAULT> {
    type Seen = C::Seen;
    type Observed = C::Observed;

    fn part(&self) -> Option<&T> {
        self.0.part()
    }

    fn seen(&self) -> C::Seen {
        self.0.seen()
    }

    fn observed(&self) -> C::Observed {
        self.0.observed()
    }

    fn update(
        &mut self,
        context: &Context,
        seen: &C::Seen,
        op: &PartOp,
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed> {
        self.0.update(context, seen, op, events)
    }

    fn remove(&mut self, context: &Context, observed: &C::Observed) {
        match FAULT {
            FORGETS_THAT_IT_WAS => self.0 = C::default(),
            // Also what the removal's author had not seen.
            TAKES_AWAY_WHAT_IS_THERE => self.0.remove(context, &self.0.observed()),
            _ => self.0.remove(context, observed),
        }
    }

    fn compact(&mut self, stable: &Stable, floor: u64, number: u64) -> bool {
        if FAULT == FORGETS_BEFORE_IT_IS_STABLE {
            let all = (0..6).map(|replica| Dot {
                replica,
                counter: u64::MAX,
            });
            return self.0.compact(&Stable::new(all), floor, number);
        }
        self.0.compact(stable, floor, number) && FAULT != HAS_NOTHING_TO_FORGET
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

type Resets<const FAULT: u8> = Map<bool, Tags, Careless<ResetWins, FAULT>>;
type Updates<const FAULT: u8> = Map<bool, Tags, Careless<UpdateWins, FAULT>>;

#[test]
fn without_a_fault_they_keep_to_the_laws() {
    laws::replicas_converge::<Resets<NONE>>();
    laws::compaction_is_invisible::<Resets<NONE>>();
    laws::replicas_converge::<Updates<NONE>>();
    laws::compaction_is_invisible::<Updates<NONE>>();
}

#[test]
#[should_panic(expected = "have applied the same ops")]
fn a_reset_that_is_forgotten_at_once_is_found() {
    laws::replicas_converge::<Resets<FORGETS_THAT_IT_WAS>>();
}

#[test]
#[should_panic(expected = "have applied the same ops")]
fn a_removal_of_what_its_author_had_not_seen_is_found() {
    laws::replicas_converge::<Updates<TAKES_AWAY_WHAT_IS_THERE>>();
}

#[test]
#[should_panic(expected = "never compacted")]
fn a_reset_that_is_forgotten_before_it_is_stable_is_found() {
    laws::compaction_is_invisible::<Resets<FORGETS_BEFORE_IT_IS_STABLE>>();
}

#[test]
#[should_panic(expected = "never compacted")]
fn an_update_that_is_settled_before_it_is_stable_is_found() {
    laws::compaction_is_invisible::<Updates<FORGETS_BEFORE_IT_IS_STABLE>>();
}

#[test]
#[should_panic(expected = "compact said that nothing was left to forget, and forgot")]
fn a_compaction_that_hides_what_is_left_is_found() {
    laws::compaction_is_invisible::<Updates<HAS_NOTHING_TO_FORGET>>();
}
