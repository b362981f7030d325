//! The counter that grows and shrinks, as a state-based type.
//!
//! Source: Marc Shapiro, Nuno Preguiça, Carlos Baquero and Marek Zawirski, "A comprehensive study
//! of Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011), section 3.1.3, in
//! the state-based form; deltas after Paulo Sérgio Almeida, Ali Shoker and Carlos Baquero, "Delta
//! state replicated data types" (2018), section 4.
//!
//! It does what `pn-counter` does and does not ship: `docs/state-based-types.md` compares the two.

use std::collections::BTreeMap;

use replicant_pn_counter::{Command, PnCounter};
use replicant_sdk::{Context, Crdt, DeltaCrdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// What each replica added and took away altogether. Both only grow, so the larger is the newer.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PnCounterDelta(BTreeMap<u64, Totals>);

/// No history is so long that its sums need more than 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Totals {
    added: u128,
    taken: u128,
}

impl PnCounterDelta {
    fn sum(&self) -> i128 {
        let difference = |totals: &Totals| totals.added.wrapping_sub(totals.taken) as i128;
        self.0.values().map(difference).fold(0, i128::wrapping_add)
    }
}

impl DeltaCrdt for PnCounterDelta {
    const NAME: &'static str = "pn-counter-delta";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = PnCounter::SUMMARY;
    const COMMAND_SCHEMA: &'static str = PnCounter::COMMAND_SCHEMA;
    const VALUE_SCHEMA: &'static str = PnCounter::VALUE_SCHEMA;
    const EVENT_SCHEMA: &'static str = PnCounter::EVENT_SCHEMA;
    type Command = Command;
    type Query = ();
    type Answer = ();
    type Value = i64;
    type Event = i64;

    /// Refuses a change that nobody could see, as `pn-counter` does.
    fn mutate(&self, context: &Context, command: Command) -> Result<Option<Self>, Refusal> {
        let replica = context.dot.replica;
        let mut totals = self.0.get(&replica).copied().unwrap_or_default();
        let (total, by, is_shown) = match command {
            Command::Increment(by) => {
                let after = self.sum().wrapping_add(by.into());
                (&mut totals.added, by, after <= i64::MAX.into())
            }
            Command::Decrement(by) => {
                let after = self.sum().wrapping_sub(by.into());
                (&mut totals.taken, by, after >= i64::MIN.into())
            }
        };
        if !is_shown {
            let (least, most) = (i64::MIN, i64::MAX);
            return Err(format!("{by} is too much: this counts from {least} to {most}").into());
        }
        *total = total.saturating_add(by.into());
        Ok((by > 0).then(|| Self([(replica, totals)].into())))
    }

    fn merge(&mut self, delta: Self, events: &mut Events<i64>) {
        let mut is_news = false;
        for (replica, theirs) in delta.0 {
            let known = self.0.entry(replica).or_default();
            let merged = Totals {
                added: known.added.max(theirs.added),
                taken: known.taken.max(theirs.taken),
            };
            is_news |= merged != *known;
            *known = merged;
        }
        if is_news {
            events.emit(|| self.value());
        }
    }

    fn value(&self) -> i64 {
        self.sum().clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn sample(&self, random: &mut Random) -> Command {
        PnCounter::default().sample(random)
    }
}

#[cfg(feature = "component")]
replicant_sdk::export_delta!(PnCounterDelta);

#[cfg(test)]
mod tests {
    use replicant_sdk::{Delta, Dot, Object};

    use super::*;

    replicant_sdk::delta_laws!(PnCounterDelta);

    fn context(replica: u64, counter: u64) -> Context {
        Context {
            dot: Dot { replica, counter },
            timestamp: counter,
            schema: 1,
        }
    }

    #[test]
    fn both_ways_of_writing_a_counter_count_alike() {
        let mut random = Random::new(7);
        let (mut ops, mut deltas) = (PnCounter::default(), PnCounterDelta::default());
        for counter in 1..500 {
            let context = context(random.below(3), counter);
            let command = ops.sample(&mut random);
            let (mut of_ops, mut of_deltas) = (Events::collected(), Events::collected());
            if let Some(op) = ops.prepare(&context, command).unwrap() {
                ops.effect(&context, op, &mut of_ops);
            }
            if let Some(delta) = deltas.mutate(&context, command).unwrap() {
                deltas.merge(delta, &mut of_deltas);
            }
            assert_eq!(of_ops.into_vec(), of_deltas.into_vec());
            assert_eq!(ops.value(), deltas.value());
        }
    }

    #[test]
    fn what_nobody_could_see_is_refused_and_an_old_delta_tells_of_nothing() {
        let mut counter = Object::<Delta<PnCounterDelta>>::new();
        let state = &mut counter.state_mut().0;
        let most = Command::Increment(i64::MAX as u64);
        let delta = state.mutate(&context(1, 1), most).unwrap().unwrap();
        let again = PnCounterDelta(delta.0.clone());
        state.merge(delta, &mut Events::ignored());
        let refusal = state.mutate(&context(2, 1), Command::Increment(1));
        assert!(refusal.unwrap_err().message().starts_with("1 is too much"));
        let mut events = Events::collected();
        state.merge(again, &mut events);
        assert!(events.into_vec().is_empty());
    }
}
