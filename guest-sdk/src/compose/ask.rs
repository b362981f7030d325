//! What a part is asked: for its value, as every object can be, or a query of its own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{
    BorrowedBytesDeserializer, BorrowedStrDeserializer, BytesDeserializer, MapAccessDeserializer,
    SeqAccessDeserializer, StrDeserializer,
};
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};

use crate::{Crdt, Refusal};

const VALUE: &str = "value";

/// What a user asks about a part.
#[derive(Clone, Debug, PartialEq)]
pub enum PartQuery<Q> {
    /// `"value"`: for its value.
    Value,
    /// A query of the part's own.
    Own(Q),
}

/// The answer of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PartAnswer<V, A> {
    /// Its value.
    Value(V),
    /// The answer to a query of its own.
    Own(A),
}

/// Asks a part.
pub(super) fn ask<T: Crdt>(
    part: &T,
    query: PartQuery<T::Query>,
) -> Result<PartAnswer<T::Value, T::Answer>, Refusal> {
    Ok(match query {
        PartQuery::Value => PartAnswer::Value(part.value()),
        PartQuery::Own(query) => PartAnswer::Own(part.query(query)?),
    })
}

impl<Q: Serialize> Serialize for PartQuery<Q> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value => VALUE.serialize(serializer),
            Self::Own(query) => query.serialize(serializer),
        }
    }
}

impl<'de, Q: Deserialize<'de>> Deserialize<'de> for PartQuery<Q> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_human_readable = deserializer.is_human_readable();
        deserializer.deserialize_any(QueryVisitor {
            is_human_readable,
            query: PhantomData,
        })
    }
}

struct QueryVisitor<Q> {
    is_human_readable: bool,
    query: PhantomData<Q>,
}

impl<'de, Q: Deserialize<'de>> QueryVisitor<Q> {
    /// Reads a query of the part's own from what was found.
    fn own<D: Deserializer<'de>>(self, found: D) -> Result<PartQuery<Q>, D::Error> {
        let found = Found {
            found,
            is_human_readable: self.is_human_readable,
        };
        Q::deserialize(found).map(PartQuery::Own)
    }
}

/// Visits that can be no `"value"`.
macro_rules! own {
    ($($function:ident: $type:ty;)*) => {$(
        fn $function<E: Error>(self, found: $type) -> Result<PartQuery<Q>, E> {
            self.own(found.into_deserializer())
        }
    )*};
}

impl<'de, Q: Deserialize<'de>> Visitor<'de> for QueryVisitor<Q> {
    type Value = PartQuery<Q>;

    own! {
        visit_bool: bool;
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
        visit_f64: f64;
    }

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"value\" or a query of the part")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PartQuery<Q>, E> {
        match text {
            VALUE => Ok(PartQuery::Value),
            _ => self.own(StrDeserializer::new(text)),
        }
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<PartQuery<Q>, E> {
        match text {
            VALUE => Ok(PartQuery::Value),
            _ => self.own(BorrowedStrDeserializer::new(text)),
        }
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PartQuery<Q>, E> {
        self.own(BytesDeserializer::new(bytes))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<PartQuery<Q>, E> {
        self.own(BorrowedBytesDeserializer::new(bytes))
    }

    fn visit_unit<E: Error>(self) -> Result<PartQuery<Q>, E> {
        // An option that is null is none: the wrapper below would say that it is some.
        Q::deserialize(().into_deserializer()).map(PartQuery::Own)
    }

    fn visit_none<E: Error>(self) -> Result<PartQuery<Q>, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, found: D) -> Result<PartQuery<Q>, D::Error> {
        found.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<PartQuery<Q>, A::Error> {
        self.own(SeqAccessDeserializer::new(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<PartQuery<Q>, A::Error> {
        self.own(MapAccessDeserializer::new(entries))
    }
}

/// What was found already, read as what is wanted. Serde's own deserializers of single values know
/// neither wrappers nor options.
struct Found<D> {
    found: D,
    is_human_readable: bool,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Found<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.found.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.found.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        self.is_human_readable
    }
}
