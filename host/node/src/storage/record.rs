//! How a value stands in a table: a checksum over table, key and payload, then the payload.
//!
//! redb has checksums of its own, over pages; it verifies them after a crash, and on an explicit
//! check, not on every read. Ours are verified on every read, and say which record is concerned.
//! They also notice a record that stands under the wrong key.

use std::fmt;

use super::{Result, StorageError};

/// Bytes of the checksum in front of every value: the first of a BLAKE3 hash. Enough against
/// accidents, which is what it is for.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// One component of a key.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Number(u64),
    Text(&'a str),
    Hash(&'a [u8; 32]),
}

/// Where a record stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) key: &'a [Part<'a>],
}

impl Place<'_> {
    /// The stored form of `payload`.
    pub(super) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(CHECKSUM_BYTES + payload.len());
        value.extend_from_slice(&self.checksum(payload));
        value.extend_from_slice(payload);
        value
    }

    /// The payload of a stored value.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if the checksum does not match.
    pub(super) fn open<'v>(&self, value: &'v [u8]) -> Result<&'v [u8]> {
        match value.split_first_chunk::<CHECKSUM_BYTES>() {
            Some((checksum, payload)) if *checksum == self.checksum(payload) => Ok(payload),
            Some(_) => Err(self.corrupt("its checksum does not match")),
            None => Err(self.corrupt("it is cut off")),
        }
    }

    /// The payload of a stored value, decoded from CBOR.
    pub(super) fn decode<T>(&self, value: &[u8]) -> Result<T>
    where
        T: for<'b> minicbor::Decode<'b, ()>,
    {
        minicbor::decode(self.open(value)?).map_err(|_| self.corrupt("it cannot be decoded"))
    }

    pub(super) fn corrupt(&self, reason: &'static str) -> StorageError {
        StorageError::Corrupt {
            table: self.table,
            key: self.to_string(),
            reason,
        }
    }

    fn checksum(&self, payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut head = [0_u8; 512];
        let mut length = 0;
        let mut hasher = None;
        let mut put = |bytes: &[u8]| {
            // Short keys, which is all but the longest names, are hashed in one piece.
            if hasher.is_none() && length + bytes.len() <= head.len() {
                head[length..length + bytes.len()].copy_from_slice(bytes);
                length += bytes.len();
            } else {
                let hasher = hasher.get_or_insert_with(|| {
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(&head[..length]);
                    hasher
                });
                hasher.update(bytes);
            }
        };
        put(&[u8::try_from(self.table.len()).unwrap_or(u8::MAX)]);
        put(self.table.as_bytes());
        for part in self.key {
            match part {
                Part::Number(number) => put(&number.to_be_bytes()),
                Part::Text(text) => {
                    put(&(text.len() as u64).to_be_bytes());
                    put(text.as_bytes());
                }
                Part::Hash(hash) => put(*hash),
            }
        }
        put(payload);
        let hash = match hasher {
            Some(hasher) => hasher.finalize(),
            None => blake3::hash(&head[..length]),
        };
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
        checksum
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.key.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            match part {
                Part::Number(number) => write!(f, "{number}")?,
                Part::Text(text) => write!(f, "{text:?}")?,
                Part::Hash(hash) => {
                    hash.iter()
                        .take(8)
                        .try_for_each(|byte| write!(f, "{byte:02x}"))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_bound_to_its_table_its_key_and_its_bytes() {
        let place = Place {
            table: "t",
            key: &[Part::Number(1), Part::Text("x")],
        };
        let sealed = place.seal(b"payload");
        assert_eq!(place.open(&sealed), Ok(&b"payload"[..]));
        let elsewhere = Place {
            table: "t",
            key: &[Part::Number(2), Part::Text("x")],
        };
        assert!(elsewhere.open(&sealed).is_err());
        assert!(
            Place {
                table: "u",
                ..place
            }
            .open(&sealed)
            .is_err()
        );
        for byte in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[byte] ^= 1;
            assert!(place.open(&flipped).is_err());
            assert!(place.open(&sealed[..byte]).is_err());
        }
    }

    #[test]
    fn long_payloads_are_covered_to_the_last_byte() {
        let place = Place {
            table: "t",
            key: &[Part::Hash(&[7; 32])],
        };
        for length in [470, 475, 512, 10_000] {
            let mut sealed = place.seal(&vec![1; length]);
            assert!(place.open(&sealed).is_ok());
            *sealed.last_mut().unwrap() = 2;
            assert!(place.open(&sealed).is_err());
        }
    }

    #[test]
    fn a_corrupt_record_is_named() {
        let place = Place {
            table: "bundles",
            key: &[Part::Number(3), Part::Number(9)],
        };
        let error = place.open(&[0; 20]).unwrap_err().to_string();
        assert_eq!(
            error,
            "record 3/9 of table bundles is corrupt: its checksum does not match"
        );
    }
}
