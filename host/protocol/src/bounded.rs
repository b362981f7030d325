//! CBOR with one encoding for each value, and limits on what a length field may claim before
//! anything is read.
//!
//! [`vec`] and [`bytes`] are used as `#[cbor(decode_with = "...")]` on fields of messages.

use minicbor::decode::{Decoder, Error};
use minicbor::{Decode, Encode};

/// How many elements are reserved at once on the word of a length field.
const RESERVE_MAX: usize = 1_024;

/// Encodes a value.
pub(crate) fn to_bytes<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail.
    let _ = minicbor::encode(value, &mut bytes);
    bytes
}

/// Decodes a value that takes up all bytes and is in its one encoding.
pub(crate) fn from_bytes<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, Error> {
    let value: T = minicbor::decode(bytes)?;
    if to_bytes(&value) != bytes {
        return Err(Error::message("not the canonical encoding"));
    }
    Ok(value)
}

/// Decodes an array of at most `MAX` elements.
pub(crate) fn vec<'b, C, T: Decode<'b, C>, const MAX: usize>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, Error> {
    let position = d.position();
    let count = d.array()?.ok_or_else(|| indefinite(position))?;
    if count > MAX as u64 {
        return Err(too_many("elements", count, MAX, position));
    }
    let count = count as usize;
    let mut elements = Vec::with_capacity(count.min(RESERVE_MAX));
    for _ in 0..count {
        elements.push(T::decode(d, ctx)?);
    }
    Ok(elements)
}

/// Decodes a byte string of at most `MAX` bytes.
pub(crate) fn bytes<C, const MAX: usize>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8>, Error> {
    let position = d.position();
    let bytes = d.bytes()?;
    if bytes.len() > MAX {
        return Err(too_many("bytes", bytes.len() as u64, MAX, position));
    }
    Ok(bytes.to_vec())
}

fn indefinite(position: usize) -> Error {
    Error::message("an array of indefinite length").at(position)
}

fn too_many(what: &str, count: u64, max: usize, position: usize) -> Error {
    Error::message(format!("{count} {what}, more than {max}")).at(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_accepted_up_to_the_limit() {
        let decode = |bytes: &[u8]| vec::<(), u8, 2>(&mut Decoder::new(bytes), &mut ());
        assert_eq!(decode(&[0x82, 1, 2]).unwrap(), [1, 2]);
        assert!(decode(&[0x83, 1, 2, 3]).is_err());
        assert!(decode(&[0x9f, 1, 0xff]).is_err());
        assert!(decode(&[0x82, 1]).is_err());
    }

    #[test]
    fn a_length_that_lies_reserves_next_to_nothing() {
        let lie = [0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1];
        let mut decoder = Decoder::new(&lie);
        assert!(vec::<(), u64, { usize::MAX }>(&mut decoder, &mut ()).is_err());
    }

    #[test]
    fn byte_strings_are_accepted_up_to_the_limit() {
        let decode = |input: &[u8]| bytes::<(), 2>(&mut Decoder::new(input), &mut ());
        assert_eq!(decode(&[0x42, 7, 8]).unwrap(), [7, 8]);
        assert!(decode(&[0x43, 7, 8, 9]).is_err());
    }
}
