//! Why bytes are not a bundle, or a body cannot be signed.

use crate::ids::Counter;

/// Why bytes are not a bundle, or a body cannot be signed. The fault of whoever made the bytes or
/// the body; nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Something is larger than its limit.
    #[error("{what} has {size} bytes; at most {max} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// There is more of something than its limit.
    #[error("a bundle has {count} {what}; at most {max} are accepted")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are not CBOR of the right shape, or an id in them is invalid.
    #[error("not a bundle: {0}")]
    Malformed(String),
    /// The bytes mean a bundle, but are not the one encoding of it.
    #[error("not the canonical encoding of a bundle")]
    NotCanonical,
    /// The body has a format that this version does not know.
    #[error("bundle format {found} is not known; format 1 is")]
    Format {
        /// The format that the body names.
        found: u8,
    },
    /// The body names another author than the key that is to sign it.
    #[error("a bundle is signed by its author only")]
    Author,
    /// There are no ops.
    #[error("a bundle has at least one op")]
    Empty,
    /// The first counter is 0, or the last is beyond the largest number.
    #[error("no op of a bundle can have the counter 0 or one above 2^64 - 1 (first is {first})")]
    Counter {
        /// The first counter.
        first: Counter,
    },
    /// Only a bundle with the counter 1 has no predecessor, and it has none.
    #[error("the predecessor's hash is zero for the first bundle of a replica and for no other")]
    Previous,
    /// Dependencies do not ascend by replica, name counter 0, or name the author's own replica.
    #[error("dependencies ascend by replica, and name neither counter 0 nor the author's replica")]
    Dependencies,
    /// Objects are not listed exactly once in the order in which the ops first touch them.
    #[error("objects are listed once each, in the order in which ops first touch them")]
    Objects,
}

impl From<minicbor::decode::Error> for BundleError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
