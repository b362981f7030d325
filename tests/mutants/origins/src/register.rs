//! A register whose last write wins; see `crdts/lww-register`.

use replicant_sdk::{Context, Crdt, Dot, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The last write.
#[derive(Default, Serialize, Deserialize)]
pub struct Register {
    pub last: Option<(Stamp, String)>,
}

/// When something was written: by timestamp, then by dot.
pub type Stamp = (u64, Dot);

impl Crdt for Register {
    const NAME: &'static str = "register";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A text. The last write wins.";
    type Command = String;
    type Op = String;
    type Query = ();
    type Answer = ();
    type Value = Option<String>;
    type Event = String;

    fn prepare(&self, _: &Context, text: String) -> Result<Option<String>, Refusal> {
        Ok(Some(text))
    }

    fn effect(&mut self, context: &Context, text: String, events: &mut Events<String>) {
        let stamp = (context.timestamp, context.dot);
        if self.last.as_ref().is_none_or(|(last, _)| *last < stamp) {
            events.emit(|| text.clone());
            self.last = Some((stamp, text));
        }
    }

    fn value(&self) -> Option<String> {
        self.last.as_ref().map(|(_, text)| text.clone())
    }

    fn sample(&self, random: &mut Random) -> String {
        random.word()
    }
}
