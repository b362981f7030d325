//! The two ways in which clients write data: JSON for people and most programs, CBOR for what the
//! types themselves speak.
//!
//! Inside the node everything is CBOR; a JSON body is turned into CBOR before anything looks at
//! it, and CBOR into JSON on the way out. The mapping loses nothing, with the one exception of
//! floats that JSON cannot write:
//!
//! | CBOR | JSON |
//! | --- | --- |
//! | integer from -2^63 to 2^64 - 1 | number without point or exponent |
//! | any other integer | `{"$integer": "18446744073709551616"}` |
//! | float | number with a point or an exponent; NaN and the infinities become `null` |
//! | text, array, `true`, `false`, `null` | the same |
//! | byte string | `{"$bytes": "…"}`, base64 with the standard alphabet |
//! | map whose keys are distinct texts, none of them reserved | object |
//! | any other map | `{"$map": [[key, value], …]}` |
//! | tag | `{"$tag": [number, content]}` |
//! | `undefined` | `null` |
//!
//! `$bytes`, `$integer`, `$map` and `$tag` are the reserved keys: an object that has one of them
//! beside other keys is refused, so that data never changes its meaning by accident. Integers of
//! JSON that fit no CBOR integer are refused rather than rounded.
//!
//! Every function here takes hostile bytes: nesting is bounded by [`DEPTH_MAX`], memory by a small
//! multiple of the input, and a map with the same key twice is refused.

mod cbor;
mod json;
#[cfg(test)]
mod tests;

pub use cbor::check_cbor;
pub(crate) use cbor::{split_commands, write_json};
pub use json::json_to_cbor;

/// How deep arrays, maps and tags may nest. Each level costs stack in every program that reads
/// the data later, the types included; no sensible command comes near.
pub const DEPTH_MAX: usize = 64;

/// The keys that stand for what JSON has no notation for.
const BYTES: &str = "$bytes";
const INTEGER: &str = "$integer";
const MAP: &str = "$map";
const TAG: &str = "$tag";

fn is_reserved(key: &str) -> bool {
    [BYTES, INTEGER, MAP, TAG].contains(&key)
}

/// Why data cannot be read. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Not JSON, or JSON that the mapping refuses.
    #[error("not acceptable as JSON: {0}")]
    Json(String),
    /// Not well-formed CBOR, or CBOR that is refused.
    #[error("not acceptable as CBOR: {0}")]
    Cbor(String),
    /// Nested beyond [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A map that has a key twice.
    #[error("an object has the key {0} twice")]
    DuplicateKey(String),
}

/// Where a value lies in the CBOR that contains it.
pub(crate) type Span = std::ops::Range<usize>;

/// Turns CBOR into the JSON text that stands for it; see the [module](self) for the mapping.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the bytes.
pub fn cbor_to_json(cbor: &[u8]) -> Result<String, DataError> {
    check_cbor(cbor)?;
    let mut text = Vec::with_capacity(cbor.len());
    write_json(cbor, &mut text)?;
    String::from_utf8(text).map_err(|error| DataError::Cbor(error.to_string()))
}
