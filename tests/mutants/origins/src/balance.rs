//! A counter that grows and shrinks; see `crdts/pn-counter`. It refuses to pay out what is not
//! there.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// What was paid in, and what was paid out.
#[derive(Default, Serialize, Deserialize)]
pub struct Balance {
    pub paid_in: u64,
    pub paid_out: u64,
}

/// What a user asks for; also what is replicated.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payment {
    In(u64),
    Out(u64),
}

/// The largest sum: with it, the difference of two sums is always an `i64`.
const SUM_MAX: u64 = i64::MAX as u64;

impl Crdt for Balance {
    const NAME: &'static str = "balance";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A balance. Concurrent payments all count.";
    type Command = Payment;
    type Op = Payment;
    type Query = ();
    type Answer = ();
    type Value = i64;
    type Event = i64;

    fn prepare(&self, _: &Context, payment: Payment) -> Result<Option<Payment>, Refusal> {
        match payment {
            Payment::In(0) | Payment::Out(0) => Ok(None),
            Payment::Out(sum) if i128::from(sum) > i128::from(self.value()) => {
                Err(format!("there is no {sum} to pay out, but {}", self.value()).into())
            }
            payment => Ok(Some(payment)),
        }
    }

    fn effect(&mut self, _: &Context, payment: Payment, events: &mut Events<i64>) {
        let (sum, by) = match payment {
            Payment::In(by) => (&mut self.paid_in, by),
            Payment::Out(by) => (&mut self.paid_out, by),
        };
        *sum = sum.saturating_add(by).min(SUM_MAX);
        events.emit(|| self.value());
    }

    fn value(&self) -> i64 {
        self.paid_in as i64 - self.paid_out as i64
    }

    fn sample(&self, random: &mut Random) -> Payment {
        match u64::try_from(self.value()) {
            Ok(there) if there > 0 && random.chance(50) => Payment::Out(1 + random.below(there)),
            _ => Payment::In(1 + random.below(9)),
        }
    }
}
