//! Each law of merging is broken once on purpose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Context, Events, Refusal, Stamp};

const NONE: u8 = 0;
const COUNTS_MERGES: u8 = 1;
const LATER_WINS: u8 = 2;
const NEAR_IS_EQUAL: u8 = 3;
const REMOVAL_LEAVES_NOTHING: u8 = 4;

/// The last write of each key; a removal is one.
#[derive(Default, Serialize, Deserialize)]
struct Fields<const FAULT: u8> {
    writes: BTreeMap<u64, Write>,
    merges: u64,
}

type Write = (Stamp, Option<u64>);

impl<const FAULT: u8> Fields<FAULT> {
    fn wins(write: &Write, known: &Write) -> bool {
        let times = [write.0.timestamp, known.0.timestamp];
        match FAULT {
            LATER_WINS => times[0] >= times[1],
            NEAR_IS_EQUAL if times[0].abs_diff(times[1]) <= 2 => {
                (write.1, write.0) > (known.1, known.0)
            }
            _ => write.0 > known.0,
        }
    }
}

impl<const FAULT: u8> DeltaCrdt for Fields<FAULT> {
    const NAME: &'static str = "fields";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "The last write of each key.";
    type Command = (u64, Option<u64>);
    type Query = ();
    type Answer = ();
    type Value = (BTreeMap<u64, u64>, u64);
    type Event = u64;

    fn mutate(
        &self,
        context: &Context,
        (key, value): Self::Command,
    ) -> Result<Option<Self>, Refusal> {
        let mut delta = Self::default();
        delta.writes.insert(key, (context.stamp(), value));
        Ok(Some(delta))
    }

    fn merge(&mut self, delta: Self, events: &mut Events<u64>) {
        for (key, write) in delta.writes {
            let known = self.writes.get(&key);
            if known.is_some_and(|known| !Self::wins(&write, known)) {
                continue;
            }
            events.emit(|| key);
            if write.1.is_none() && FAULT == REMOVAL_LEAVES_NOTHING {
                self.writes.remove(&key);
            } else {
                self.writes.insert(key, write);
            }
        }
        if FAULT == COUNTS_MERGES {
            self.merges += 1;
        }
    }

    fn value(&self) -> Self::Value {
        let live = |(key, (_, value)): (&u64, &Write)| Some((*key, (*value)?));
        (self.writes.iter().filter_map(live).collect(), self.merges)
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        let value = random.below(10);
        (random.below(2), random.chance(70).then_some(value))
    }
}

mod faultless {
    use super::{Fields, NONE};

    crate::delta_laws!(Fields<NONE>);
}

#[test]
#[should_panic(expected = "merging a state with itself changes it")]
fn a_merge_that_counts_is_found() {
    merging_is_idempotent::<Fields<COUNTS_MERGES>>();
}

#[test]
#[should_panic(expected = "merging b into a is not merging a into b")]
fn a_tie_that_merging_decides_is_found() {
    merging_commutes::<Fields<LATER_WINS>>();
}

#[test]
#[should_panic(expected = "is not a with (b merged with c)")]
fn an_order_that_is_none_is_found() {
    merging_is_associative::<Fields<NEAR_IS_EQUAL>>();
}

#[test]
#[should_panic(expected = "merging deltas is not merging whole states")]
fn a_state_that_says_less_than_its_deltas_is_found() {
    deltas_make_the_state::<Fields<REMOVAL_LEAVES_NOTHING>>();
}

#[test]
#[should_panic(expected = "deltas in another order, some twice, make another state")]
fn a_delta_that_must_not_be_late_is_found() {
    old_deltas_do_no_harm::<Fields<REMOVAL_LEAVES_NOTHING>>();
}
