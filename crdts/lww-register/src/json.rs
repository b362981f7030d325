//! JSON values.

use std::collections::BTreeMap;
use std::fmt;

use replicant_sdk::{Random, cbor};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

/// A JSON value. Maps are sorted by key, so a value has one encoding.
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
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// A map.
    Map(BTreeMap<String, Json>),
}

impl Json {
    /// Returns a small value of any kind.
    pub fn sample(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::Null,
            1 => Self::Bool(random.chance(50)),
            2 => Self::Unsigned(random.below(3)),
            3 => Self::Negative(-1),
            4 => Self::Fraction(0.5),
            5 => Self::List((0..random.below(3)).map(|_| Self::sample(random)).collect()),
            6 => Self::Map(
                (0..random.below(3))
                    .map(|_| (random.word(), Self::sample(random)))
                    .collect(),
            ),
            _ => Self::Text(random.word()),
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
            Self::Map(entries) => serializer.collect_map(entries),
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
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            entries.insert(key, value);
        }
        Ok(Json::Map(entries))
    }
}

/// A JSON value that is a byte string in encodings that do not describe themselves: ops and saved
/// states.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded(pub Json);

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        cbor::encode(&self.0, &mut bytes).map_err(ser::Error::custom)?;
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        cbor::decode(bytes).map(Self).map_err(de::Error::custom)
    }
}
