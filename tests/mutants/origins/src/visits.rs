//! A state-based counter that grows; see `crdts/g-counter` for one of ops.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use replicant_sdk::{Context, DeltaCrdt, Dot, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// What a mutant does otherwise; by default it is honest.
pub trait VisitsTwist: 'static {
    /// The name of the type.
    const NAME: &'static str;

    /// What the delta of `by` more visits says of its author, of whom `known` is known.
    fn delta(known: Share, dot: Dot, by: u64) -> Share {
        Share {
            from: 0,
            to: dot.counter,
            sum: known.sum + by,
        }
    }

    /// What is known of a replica when `share` is merged with `known`.
    fn merged(share: Share, known: Share) -> Share {
        match share.to > known.to {
            true => share,
            false => known,
        }
    }
}

/// How many visits a replica counted, from one of its ops to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub from: u64,
    pub to: u64,
    pub sum: u64,
}

/// What every replica counted.
#[derive(Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Visits<T> {
    shares: BTreeMap<u64, Share>,
    #[serde(skip)]
    twist: PhantomData<T>,
}

impl<T: VisitsTwist + Default> DeltaCrdt for Visits<T> {
    const NAME: &'static str = T::NAME;
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A counter that grows.";
    type Command = u64;
    type Query = ();
    type Answer = ();
    type Value = u64;
    type Event = u64;

    fn mutate(&self, context: &Context, by: u64) -> Result<Option<Self>, Refusal> {
        if by > 1_000 {
            return Err("at most 1000 at once".into());
        }
        let known = self.shares.get(&context.dot.replica).copied();
        let share = T::delta(known.unwrap_or_default(), context.dot, by);
        let mut delta = Self::default();
        delta.shares.insert(context.dot.replica, share);
        Ok(Some(delta).filter(|_| by > 0))
    }

    fn merge(&mut self, delta: Self, events: &mut Events<u64>) {
        for (replica, share) in delta.shares {
            let known = self.shares.entry(replica).or_default();
            let merged = T::merged(share, *known);
            if merged != *known {
                events.emit(|| merged.sum);
            }
            *known = merged;
        }
    }

    fn value(&self) -> u64 {
        let sums = self.shares.values().map(|share| share.sum);
        sums.fold(0, u64::wrapping_add)
    }

    fn sample(&self, random: &mut Random) -> u64 {
        random.below(5)
    }
}

/// The counter without a twist.
#[derive(Default)]
pub struct HonestVisits;

impl VisitsTwist for HonestVisits {
    const NAME: &'static str = "visits";
}
