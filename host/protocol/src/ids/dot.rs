//! Numbers that name ops: replica ids, counters, dots; and what else counts up.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::{Hash, IdError};

/// A replica: the right of one node to make ops under one number. Never 0.
///
/// Text form: 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(u64);

impl ReplicaId {
    /// Stands in for 0 where a number is derived from a hash.
    pub(crate) const ONE: Self = Self(1);
    /// No replica id is larger.
    pub(crate) const LARGEST: Self = Self(u64::MAX);

    const WHAT: &str = "a replica id";
    const ACCEPTED: &str = "16 lower-case hexadecimal digits, not all 0, are accepted";

    /// Takes any number but 0.
    ///
    /// # Errors
    /// [`IdError::Number`] if it is 0.
    pub const fn new(number: u64) -> Result<Self, IdError> {
        if number == 0 {
            return Err(IdError::Number {
                what: Self::WHAT,
                accepted: "any u64 but 0 is accepted",
            });
        }
        Ok(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicaId({self})")
    }
}

impl FromStr for ReplicaId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError::Number {
            what: Self::WHAT,
            accepted: Self::ACCEPTED,
        };
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.as_bytes().iter().all(is_digit) {
            return Err(error);
        }
        Self::new(u64::from_str_radix(text, 16).map_err(|_| error.clone())?).map_err(|_| error)
    }
}

impl<C> Encode<C> for ReplicaId {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ReplicaId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self::new(d.u64()?)?)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ident, $what:literal, $accepted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Takes any number.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn get(self) -> $inner {
                self.0
            }

            /// This number plus `count`, or nothing beyond the largest number.
            pub const fn checked_add(self, count: $inner) -> Option<Self> {
                match self.0.checked_add(count) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError::Number { what: $what, accepted: $accepted };
                let number = text.parse().map_err(|_| error.clone())?;
                // One text for each number: no sign, no leading zeros.
                if format!("{number}") == text { Ok(Self(number)) } else { Err(error) }
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.$inner(self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.$inner().map(Self)
            }
        }
    };
}

number! {
    /// How many ops a replica has made in a topic. The first op has the counter 1; 0 stands for
    /// "none yet".
    Counter, u64, "a counter", "a decimal number below 2^64 without leading zeros is accepted"
}

number! {
    /// Which of a node's histories an op is part of. Grows when a node discards its history, and
    /// is a number of its own for each database, so that a dot is never used twice.
    Generation, u64, "a generation", "a decimal number below 2^64 without leading zeros is accepted"
}

impl Counter {
    /// Before the first op.
    pub const ZERO: Self = Self(0);
}

/// Names one op of a topic: the `counter`-th that `replica` made there.
///
/// Text form: replica and counter with a `:` between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Dot {
    /// Who made the op.
    #[n(0)]
    pub replica: ReplicaId,
    /// Which of its ops it is; at least 1.
    #[n(1)]
    pub counter: Counter,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replica, self.counter)
    }
}

impl FromStr for Dot {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let accepted = "a replica id and a counter with ':' between them are accepted";
        let error = IdError::Number {
            what: "a dot",
            accepted,
        };
        let (replica, counter) = text.split_once(':').ok_or(error)?;
        Ok(Self {
            replica: replica.parse()?,
            counter: counter.parse()?,
        })
    }
}

/// Names a snapshot of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct SnapshotRef {
    /// Position in the topic's chain of snapshots; 0 is the empty state before the first.
    #[n(0)]
    pub number: u64,
    /// Hash of the snapshot's certificate; zero for number 0.
    #[n(1)]
    pub hash: Hash,
}

impl SnapshotRef {
    /// The empty state that every topic starts from.
    pub const START: Self = Self {
        number: 0,
        hash: Hash::ZERO,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read_back_and_unique() {
        let replica = ReplicaId::new(0xab).unwrap();
        assert_eq!(replica.to_string(), "00000000000000ab");
        let dot = Dot {
            replica,
            counter: Counter::new(12),
        };
        assert_eq!(dot.to_string(), "00000000000000ab:12");
        assert_eq!("00000000000000ab:12".parse(), Ok(dot));
        for text in [
            "",
            ":",
            "ab:12",
            "00000000000000ab:012",
            "00000000000000ab:+1",
        ] {
            assert!(text.parse::<Dot>().is_err(), "{text}");
        }
        assert!("00000000000000AB".parse::<ReplicaId>().is_err());
        assert!("+0000000000000ab".parse::<ReplicaId>().is_err());
        assert!("18446744073709551616".parse::<Counter>().is_err());
    }

    #[test]
    fn replica_zero_is_refused_everywhere() {
        assert!(ReplicaId::new(0).is_err());
        assert!("0000000000000000".parse::<ReplicaId>().is_err());
        assert!(minicbor::decode::<ReplicaId>(&[0]).is_err());
    }

    #[test]
    fn a_counter_never_wraps() {
        assert_eq!(Counter::new(u64::MAX).checked_add(1), None);
        assert_eq!(Counter::ZERO.checked_add(1), Some(Counter::new(1)));
    }
}
