//! Version 3.0: it says that it reads the ops of 1.x, and has forgotten how. Wrong on purpose.

use std::collections::BTreeMap;

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

use crate::named::{NamedAddition, NamedOp};
use crate::{NAMED, Named, PLAIN};

/// As [`Named`], but for ops of 1.x: it decodes them as if they were of 2.x.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Forgetful(Named);

impl Crdt for Forgetful {
    const NAME: &'static str = "tally";
    const VERSION: &'static str = "3.0.0";
    const SUMMARY: &'static str = "A sum that grows, for each name.";
    const WRITES: u32 = NAMED;
    const READS: &'static [u32] = &[PLAIN, NAMED];
    type Command = NamedAddition;
    type Op = NamedOp;
    type Query = ();
    type Answer = ();
    type Value = BTreeMap<String, u64>;
    type Event = ();

    fn prepare(
        &self,
        context: &Context,
        command: NamedAddition,
    ) -> Result<Option<NamedOp>, Refusal> {
        self.0.prepare(context, command)
    }

    fn effect(&mut self, context: &Context, op: NamedOp, events: &mut Events<()>) {
        self.0.effect(context, op, events);
    }

    fn value(&self) -> BTreeMap<String, u64> {
        self.0.value()
    }

    fn sample(&self, random: &mut Random) -> NamedAddition {
        self.0.sample(random)
    }
}
