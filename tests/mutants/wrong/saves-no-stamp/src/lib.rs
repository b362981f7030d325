//! A register that saves its text without the time of writing.
//!
//! Wrong: older writes win over what was loaded. What is saved again has the same bytes, so only
//! later ops tell. Breaks `saved-states-come-back`.

use mutant_origins::{Mutant, Register, Twist};
use replicant_sdk::postcard_bytes;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct SavesNoStamp;

impl Twist for SavesNoStamp {
    const NAME: &'static str = "saves-no-stamp";
    type Of = Register;

    fn save(mutant: &Mutant<Self>) -> Vec<u8> {
        let text = mutant.of.last.clone().map(|(_, text)| text);
        let last = text.map(|text| (Default::default(), text));
        let mut bytes = Vec::new();
        postcard_bytes::append(&(Register { last }, Self), &mut bytes);
        bytes
    }
}

replicant_sdk::export!(Mutant<SavesNoStamp>);
