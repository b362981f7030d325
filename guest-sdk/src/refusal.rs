//! Why something was not done.

use std::fmt;

/// A command or query that the type does not accept in the present state.
///
/// The message is shown verbatim to the person who sent it: say what is wrong and what would be
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    message: String,
}

impl Refusal {
    /// Makes a refusal with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the message, owned.
    pub fn into_message(self) -> String {
        self.message
    }
}

impl<M: Into<String>> From<M> for Refusal {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

/// Bytes that are not what they should be: an op, or a value in CBOR. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    reason: String,
}

impl Malformed {
    /// Makes an error with a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for Malformed {}

impl From<postcard::Error> for Malformed {
    fn from(error: postcard::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Saved bytes from which no state can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    reason: String,
}

impl LoadError {
    /// Makes an error with a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for LoadError {}
