//! Ids of 32 bytes: hashes and public keys. Text form: 64 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::{IdError, TopicName};

const HEX_ACCEPTED: &str = "64 lower-case hexadecimal digits are accepted";

/// Writes bytes as lower-case hexadecimal digits.
fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads 64 lower-case hexadecimal digits.
fn parse_hex(what: &'static str, text: &str) -> Result<[u8; 32], IdError> {
    let invalid = text
        .char_indices()
        .find(|(_, c)| !matches!(c, '0'..='9' | 'a'..='f'));
    if let Some((position, character)) = invalid {
        return Err(IdError::Character {
            what,
            character,
            position,
            accepted: HEX_ACCEPTED,
        });
    }
    if text.len() != 64 {
        return Err(IdError::Length {
            what,
            length: text.len(),
            accepted: HEX_ACCEPTED,
        });
    }
    let digit = |c: u8| {
        if c.is_ascii_digit() {
            c - b'0'
        } else {
            c - b'a' + 10
        }
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Ok(bytes)
}

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes as they are.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people. Not unique: never parse it.
            pub fn short(&self) -> String {
                self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex($what, text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| IdError::Length {
                    what: $what,
                    length: bytes.len(),
                    accepted: "32 bytes are accepted",
                })
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Ok(Self::try_from(d.bytes()?)?)
            }
        }
    };
}

bytes32! {
    /// A BLAKE3 hash.
    Hash, "a hash"
}

bytes32! {
    /// The BLAKE3 hash of a component's bytes.
    ModuleHash, "a module hash"
}

bytes32! {
    /// Which history of a topic a bundle belongs to. Histories of different lineages never merge.
    LineageId, "a lineage id"
}

bytes32! {
    /// Which cluster a node belongs to.
    ClusterId, "a cluster id"
}

bytes32! {
    /// A node: its ed25519 public key. Any 32 bytes make an id; only the holder of the key can
    /// prove anything with it (see [`NodeId::verify`]).
    NodeId, "a node id"
}

impl Hash {
    /// Stands for "none" where a hash is expected: before the first bundle of a chain, say.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Hashes bytes for one purpose only: the same bytes under another `context` have an
    /// unrelated hash.
    pub fn derive(context: &str, parts: &[&[u8]]) -> Self {
        Self::derive_each(context, parts.iter().copied())
    }

    /// As [`derive`](Self::derive), for parts of which there are many.
    pub(crate) fn derive_each<'a>(
        context: &str,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl ModuleHash {
    /// Hashes the bytes of a component.
    pub fn of(component: &[u8]) -> Self {
        Self(*blake3::hash(component).as_bytes())
    }
}

impl LineageId {
    /// The lineage of a topic's first history: a function of cluster and topic, so that all
    /// members agree on it without asking each other.
    pub fn first(cluster: &ClusterId, topic: &TopicName) -> Self {
        let context = "replicant 2026-11 lineage of a topic's first history";
        let hash = Hash::derive(context, &[cluster.as_bytes(), topic.as_str().as_bytes()]);
        Self(*hash.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_read_back() {
        let hash = Hash::of(b"replicant");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.short(), hash.to_string()[..8]);
    }

    #[test]
    fn upper_case_short_and_foreign_text_is_refused_with_the_reason() {
        let text = Hash::of(b"x").to_string();
        assert!(matches!(
            text.to_uppercase().parse::<Hash>(),
            Err(IdError::Character { .. })
        ));
        assert!(matches!(
            text[..62].parse::<Hash>(),
            Err(IdError::Length { length: 62, .. })
        ));
        let message = "é".parse::<NodeId>().unwrap_err().to_string();
        assert_eq!(
            message,
            "a node id contains 'é' at byte 0; 64 lower-case hexadecimal digits are accepted"
        );
    }

    #[test]
    fn cbor_form_is_a_byte_string_of_exactly_32_bytes() {
        let hash = Hash::of(b"x");
        let bytes = minicbor::to_vec(hash).unwrap();
        assert_eq!(bytes[..2], [0x58, 32]);
        assert_eq!(minicbor::decode::<Hash>(&bytes).unwrap(), hash);
        let short = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![0; 31])).unwrap();
        assert!(minicbor::decode::<Hash>(&short).is_err());
    }

    #[test]
    fn lineages_differ_by_cluster_and_by_topic() {
        let (a, b) = (
            ClusterId::from_bytes([1; 32]),
            ClusterId::from_bytes([2; 32]),
        );
        let (x, y) = ("x".parse().unwrap(), "y".parse().unwrap());
        assert_eq!(LineageId::first(&a, &x), LineageId::first(&a, &x));
        assert_ne!(LineageId::first(&a, &x), LineageId::first(&a, &y));
        assert_ne!(LineageId::first(&a, &x), LineageId::first(&b, &x));
    }
}
