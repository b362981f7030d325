//! Versions 1.x.

use replicant_sdk::{Context, Crdt, Events, Malformed, Random, Refusal, postcard_bytes};
use serde::{Deserialize, Serialize};

use crate::named::NamedOp;
use crate::{NAMED, PLAIN};

/// The sum alone. The number is that of the minor version: from 1.1 on it reads the ops of 2.x too,
/// and does not care who added.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plain<const MINOR: u8>(u64);

/// Adds a number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    add: u64,
}

impl<const MINOR: u8> Crdt for Plain<MINOR> {
    const NAME: &'static str = "tally";
    const VERSION: &'static str = match MINOR {
        0 => "1.0.0",
        _ => "1.1.0",
    };
    const SUMMARY: &'static str = "A sum that grows.";
    const WRITES: u32 = PLAIN;
    const READS: &'static [u32] = match MINOR {
        0 => &[PLAIN],
        _ => &[PLAIN, NAMED],
    };
    type Command = Addition;
    type Op = u64;
    type Query = ();
    type Answer = ();
    type Value = u64;
    type Event = ();

    fn prepare(&self, _: &Context, command: Addition) -> Result<Option<u64>, Refusal> {
        Ok(Some(command.add).filter(|add| *add > 0))
    }

    fn effect(&mut self, _: &Context, by: u64, _: &mut Events<()>) {
        self.0 = self.0.wrapping_add(by);
    }

    fn value(&self) -> u64 {
        self.0
    }

    fn sample(&self, random: &mut Random) -> Addition {
        Addition {
            add: random.below(10),
        }
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<()>,
    ) -> Result<(), Malformed> {
        let by = match context.schema {
            NAMED => postcard_bytes::read::<NamedOp>(op)?.add,
            _ => postcard_bytes::read(op)?,
        };
        self.effect(context, by, events);
        Ok(())
    }
}
