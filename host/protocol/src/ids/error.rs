//! Why a name or number was not accepted.

/// Why a text or byte string is not a valid id. Always the fault of whoever gave it; nothing was
/// made. The message says what is wrong and what would be accepted, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The value is empty.
    #[error("{what} is empty; {accepted}")]
    Empty {
        /// Which kind of id was asked for.
        what: &'static str,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// The value is longer than its limit.
    #[error("{what} has {length} bytes; at most {max} are accepted")]
    TooLong {
        /// Which kind of id was asked for.
        what: &'static str,
        /// How long the value is, in bytes.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// The value has more `/`-separated segments than its limit.
    #[error("{what} has {count} segments; at most {max} are accepted")]
    TooManySegments {
        /// Which kind of id was asked for.
        what: &'static str,
        /// How many segments the value has.
        count: usize,
        /// How many it may have.
        max: usize,
    },
    /// A character stands where it may not.
    #[error("{what} contains {character:?} at byte {position}; {accepted}")]
    Character {
        /// Which kind of id was asked for.
        what: &'static str,
        /// The offending character.
        character: char,
        /// Where it stands, in bytes from the start.
        position: usize,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// A segment is empty, `.`, `..`, or too long.
    #[error("{what} has the segment {segment:?}; {accepted}")]
    Segment {
        /// Which kind of id was asked for.
        what: &'static str,
        /// The offending segment, cut after 80 characters.
        segment: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// The value has the wrong number of bytes or digits.
    #[error("{what} has length {length}; {accepted}")]
    Length {
        /// Which kind of id was asked for.
        what: &'static str,
        /// The length that was given.
        length: usize,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// The number is not one that this id can have.
    #[error("{what} is not a valid number; {accepted}")]
    Number {
        /// Which kind of id was asked for.
        what: &'static str,
        /// What would be accepted.
        accepted: &'static str,
    },
}

impl From<IdError> for minicbor::decode::Error {
    fn from(error: IdError) -> Self {
        minicbor::decode::Error::custom(error)
    }
}
