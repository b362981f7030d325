//! CBOR (RFC 8949), the encoding of commands, queries, answers, values and events.
//!
//! The serde data model as in JSON: structs and maps are maps with text keys, an enum is its
//! variant's name, or a map from the name to the contents. A number is read as whatever number is
//! wanted, if it fits: JSON does not tell 2 from 2.0, and its users should not need to.
//!
//! It is the SDK's own because what a command's sender reads comes from here: errors say what was
//! found and what would do, half-precision numbers and open-ended lists of other languages'
//! encoders are read, and nesting is bounded. Measured against minicbor-serde, it takes the same
//! time, and 4 KB more of a component.

mod decode;
mod encode;
mod reader;

use serde::{Serialize, de::Deserialize};

use crate::Malformed;

/// How deep arrays, maps and enums may be nested. A JSON document that a person wrote stays far
/// below; what goes beyond wants to exhaust the stack.
pub const DEPTH_MAX: u32 = 128;

/// Decodes one item that takes up all of `bytes`. Strings and byte strings may be borrowed.
///
/// # Errors
///
/// [`Malformed`] if the bytes are not CBOR, have something after the item, are nested deeper than
/// [`DEPTH_MAX`], or are not a `T`.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let mut decoder = decode::Decoder::new(bytes);
    let item = T::deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(item)
}

/// Appends `value` to `out`.
///
/// # Errors
///
/// [`Malformed`] if the `Serialize` implementation of `T` reports an error, or has an integer
/// beyond 64 bits. `out` may then have a part of the value.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    value.serialize(&mut encode::Encoder { out })
}

/// The kinds of items, as RFC 8949 (section 3.1) numbers them.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
}

/// Items of one byte.
mod simple {
    pub(super) const FALSE: u8 = 0xf4;
    pub(super) const TRUE: u8 = 0xf5;
    pub(super) const NULL: u8 = 0xf6;
    pub(super) const UNDEFINED: u8 = 0xf7;
    pub(super) const HALF: u8 = 0xf9;
    pub(super) const SINGLE: u8 = 0xfa;
    pub(super) const DOUBLE: u8 = 0xfb;
    pub(super) const BREAK: u8 = 0xff;
}

#[cfg(test)]
mod tests;
