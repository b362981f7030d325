//! Keys of maps.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Random, Refusal};

/// The longest text that is a key, in bytes: every op of the part carries it.
pub const KEY_BYTES_MAX: usize = 1_024;

/// What can be the key of a [`Map`](super::Map).
pub trait Key: Ord + Clone + Debug + Serialize + DeserializeOwned + 'static {
    /// JSON Schema of a key in commands, queries and events.
    const SCHEMA: &'static str;

    /// Returns the key as it stands in the value, where keys are texts.
    fn to_text(&self) -> String;

    /// Makes a key for the checkers; the same ones come again soon.
    fn sample(random: &mut Random) -> Self;

    /// Says whether this can be a key.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is too long.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Key for String {
    const SCHEMA: &'static str = r#"{"type": "string", "maxLength": 1024}"#;

    fn to_text(&self) -> String {
        self.clone()
    }

    fn sample(random: &mut Random) -> Self {
        random.word()
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.len() > KEY_BYTES_MAX {
            return Err(Refusal::new(format!(
                "the key is {} bytes long: at most {KEY_BYTES_MAX}",
                self.len()
            )));
        }
        Ok(())
    }
}

impl Key for u64 {
    const SCHEMA: &'static str = r#"{"type": "integer", "minimum": 0}"#;

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn sample(random: &mut Random) -> Self {
        random.below(20)
    }
}

impl Key for bool {
    const SCHEMA: &'static str = r#"{"type": "boolean"}"#;

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn sample(random: &mut Random) -> Self {
        random.chance(50)
    }
}
