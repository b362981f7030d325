//! CBOR (RFC 8949), the encoding of commands, queries, answers, values and events.

use serde::{Serialize, de::Deserialize};

use crate::Malformed;

/// Decodes one item that takes up all of `bytes`. Strings and byte strings may be borrowed.
///
/// # Errors
///
/// [`Malformed`] if the bytes are not CBOR, have something after the item, or are not a `T`.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let mut decoder = minicbor_serde::Deserializer::new(bytes);
    let item = T::deserialize(&mut decoder).map_err(|error| Malformed::new(error.to_string()))?;
    if decoder.decoder().position() != bytes.len() {
        return Err(Malformed::new("bytes are left after the end of the value"));
    }
    Ok(item)
}

/// Appends `value` to `out`.
///
/// # Errors
///
/// [`Malformed`] if the `Serialize` implementation of `T` reports an error.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    value
        .serialize(&mut minicbor_serde::Serializer::new(out))
        .map_err(|error| Malformed::new(error.to_string()))
}
