//! A counter whose value cannot be told once it is above zero.
//!
//! Wrong: there is always a value. Who asks for it here reads a refusal instead, alike in every
//! state and on every replica. Breaks `never-faults`: histories read values as they go.

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Default, Serialize, Deserialize)]
struct ValueIsRefused(u64);

/// What people read, if it is zero.
struct Shy(u64);

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_u64(0),
            _ => Err(serde::ser::Error::custom("not told")),
        }
    }
}

impl Crdt for ValueIsRefused {
    const NAME: &'static str = "value-is-refused";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A counter that does not tell.";
    type Command = u64;
    type Op = u64;
    type Query = ();
    type Answer = ();
    type Value = Shy;
    type Event = ();

    fn prepare(&self, _: &Context, by: u64) -> Result<Option<u64>, Refusal> {
        Ok(Some(by).filter(|by| *by > 0))
    }

    fn effect(&mut self, _: &Context, by: u64, _: &mut Events<()>) {
        self.0 = self.0.wrapping_add(by);
    }

    fn value(&self) -> Shy {
        Shy(self.0)
    }

    fn sample(&self, random: &mut Random) -> u64 {
        random.below(10)
    }
}

replicant_sdk::export!(ValueIsRefused);
