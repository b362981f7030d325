//! Versions 2.x, and those that are wrong on purpose.

use std::collections::BTreeMap;

use replicant_sdk::{
    Context, Crdt, Events, LoadError, Malformed, Random, Refusal, postcard_bytes,
};
use serde::{Deserialize, Serialize};

use crate::{NAMED, PLAIN};

/// A sum for each name; what was added without one stands under the empty name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Named<const WRONG: bool = false, const FORGETFUL: bool = false>(BTreeMap<String, u64>);

/// A sum of nothing is loaded as an entry, which no op makes.
pub type Wrong = Named<true>;

/// Version 3.0: it says that it reads the ops of 1.x, and has forgotten how. It decodes them, and
/// saved state, as if they were of 2.x.
pub type Forgetful = Named<false, true>;

/// Adds a number under a name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedAddition {
    add: u64,
    by: String,
}

/// What is replicated.
#[derive(Debug, Serialize, Deserialize)]
pub struct NamedOp {
    pub(crate) add: u64,
    by: String,
}

impl<const WRONG: bool, const FORGETFUL: bool> Crdt for Named<WRONG, FORGETFUL> {
    const NAME: &'static str = "tally";
    const VERSION: &'static str = match FORGETFUL {
        false => "2.0.0",
        true => "3.0.0",
    };
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
        _: &Context,
        NamedAddition { add, by }: NamedAddition,
    ) -> Result<Option<NamedOp>, Refusal> {
        Ok((add > 0).then_some(NamedOp { add, by }))
    }

    fn effect(&mut self, _: &Context, NamedOp { add, by }: NamedOp, _: &mut Events<()>) {
        let sum = self.0.entry(by).or_default();
        *sum = sum.wrapping_add(add);
    }

    fn value(&self) -> BTreeMap<String, u64> {
        self.0.clone()
    }

    fn sample(&self, random: &mut Random) -> NamedAddition {
        NamedAddition {
            add: random.below(10),
            by: random.word(),
        }
    }

    fn load(saved: &[u8], from_version: &str) -> Result<Self, LoadError> {
        let is_plain = !FORGETFUL && from_version.starts_with("1.");
        let loaded = match is_plain {
            true => postcard_bytes::read(saved).map(|sum: u64| match sum {
                0 if !WRONG => Self::default(),
                sum => Self(BTreeMap::from([(String::new(), sum)])),
            }),
            false => postcard_bytes::read(saved),
        };
        loaded.map_err(|error| LoadError::new(format!("no saved state of tally: {error}")))
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<()>,
    ) -> Result<(), Malformed> {
        let op = match context.schema {
            PLAIN if !FORGETFUL => NamedOp {
                add: postcard_bytes::read(op)?,
                by: String::new(),
            },
            _ => postcard_bytes::read(op)?,
        };
        self.effect(context, op, events);
        Ok(())
    }
}
