//! JSON values, for types whose users choose what they keep.

use std::fmt;
use std::mem;

use crate::{Malformed, Random, cbor};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A JSON value. It takes up little more than its text, also where somebody wants it to.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// Any other number; finite.
    Fraction(f64),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Box<[Json]>),
    /// A map, made by [`Json::map`].
    Map(Box<[(Box<str>, Json)]>),
}

impl Json {
    /// Makes a map: sorted by key, so that a value has one encoding. Of equal keys the last counts.
    pub fn map(mut entries: Vec<(Box<str>, Json)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                mem::swap(later, earlier);
            }
            is_same
        });
        Self::Map(entries.into())
    }

    /// Returns a small value of any kind.
    pub fn sample(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::Null,
            1 => Self::Bool(random.chance(50)),
            2 => Self::Unsigned(random.below(3)),
            3 => Self::Negative(-1),
            4 => Self::Fraction(0.5),
            5 => Self::List((0..random.below(3)).map(|_| Self::sample(random)).collect()),
            6 => Self::map(
                (0..random.below(3))
                    .map(|_| (random.word().into(), Self::sample(random)))
                    .collect(),
            ),
            _ => Self::Text(random.word().into()),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Negative(number) => serializer.serialize_i64(*number),
            Self::Fraction(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(u64::try_from(number).map_or(Json::Negative(number), Json::Unsigned))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
        if number.is_finite() {
            Ok(Json::Fraction(number))
        } else {
            Err(E::custom(
                "JSON has no numbers that are infinite or none at all",
            ))
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::map(entries))
    }
}

/// A JSON value as the bytes of its encoding in CBOR, which need less memory than the value. What
/// is read as such is checked, and encoded anew: a value has one encoding, whoever sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded(Box<[u8]>);

impl Encoded {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// None that a JSON value could lead to.
    pub fn new(value: &Json) -> Result<Self, Malformed> {
        let mut bytes = Vec::new();
        cbor::encode(value, &mut bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Returns the value.
    pub fn value(&self) -> Json {
        // Made from a value, so never this one by default.
        cbor::decode(&self.0).unwrap_or(Json::Null)
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let value = cbor::decode(bytes).map_err(de::Error::custom)?;
        Self::new(&value).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(cbor: &[u8]) -> Encoded {
        Encoded::new(&cbor::decode(cbor).unwrap()).unwrap()
    }

    #[test]
    fn a_value_has_one_encoding() {
        let value = encoded(b"\xa2\x61a\x82\x01\x20\x61b\xfb\x3f\xe0\0\0\0\0\0\0");
        for other in [
            &b"\xa2\x61b\xf9\x38\x00\x61a\x82\x01\x20"[..],
            b"\xbf\x7f\x61a\xff\x9f\x18\x01\x38\x00\xff\x61b\xfa\x3f\0\0\0\xff",
            b"\xa3\x61a\x05\x61b\xf9\x38\x00\x61a\x82\x01\x20",
        ] {
            assert_eq!(encoded(other), value);
        }
    }

    #[test]
    fn numbers_that_are_written_differently_are_different_values() {
        let numbers = [
            &b"\x01"[..],
            b"\xf9\x3c\x00",
            b"\x00",
            b"\xf9\0\0",
            b"\xf9\x80\0",
        ];
        for (index, one) in numbers.iter().enumerate() {
            for other in &numbers[..index] {
                assert_ne!(encoded(one), encoded(other), "{one:02x?} {other:02x?}");
            }
        }
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        let entry = |key: &str, number| (key.into(), Json::Unsigned(number));
        let map = Json::map(vec![
            entry("b", 1),
            entry("a", 2),
            entry("b", 3),
            entry("b", 4),
        ]);
        assert_eq!(map, Json::Map([entry("a", 2), entry("b", 4)].into()));
    }

    #[test]
    fn a_value_is_small_in_memory() {
        assert!(size_of::<Json>() <= 24);
    }
}
