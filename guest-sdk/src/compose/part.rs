//! A part inside of another type: its ops and its state as bytes, with the versions of both.

use std::borrow::Cow;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Context, Crdt, Events, Malformed, Refusal, postcard_bytes};

/// An op of a part, as it is replicated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOp {
    /// The version of its encoding, which is the part's own.
    schema: u32,
    op: Bytes,
}

impl PartOp {
    /// Lets a part prepare a command. `context` is that of the whole op.
    pub(super) fn prepare<T: Crdt>(
        part: &T,
        context: &Context,
        command: T::Command,
    ) -> Result<Option<Self>, Refusal> {
        let context = of_part(context, T::WRITES);
        let op = part.prepare(&context, command)?;
        Ok(op.map(|op| {
            let mut bytes = Vec::new();
            postcard_bytes::append(&op, &mut bytes);
            Self {
                schema: T::WRITES,
                op: Bytes(bytes),
            }
        }))
    }

    /// Applies the op to a part.
    pub(super) fn apply<T: Crdt>(
        &self,
        part: &mut T,
        context: &Context,
        events: &mut Events<T::Event>,
    ) -> Result<(), Malformed> {
        if !T::READS.contains(&self.schema) {
            return Err(Malformed::new(format!(
                "{} {} reads ops of schema {:?}, not of {}",
                T::NAME,
                T::VERSION,
                T::READS,
                self.schema
            )));
        }
        part.apply_bytes(&of_part(context, self.schema), &self.op.0, events)
    }
}

/// The context of a part's op: that of the whole op, with the schema of the part.
fn of_part(context: &Context, schema: u32) -> Context {
    Context { schema, ..*context }
}

/// A part's state, which is saved as the part does it, with the version that did.
#[derive(Debug, Default)]
pub(super) struct Saved<T>(pub(super) T);

impl<T: Crdt> Serialize for Saved<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (T::VERSION, Bytes(self.0.save())).serialize(serializer)
    }
}

impl<'de, T: Crdt> Deserialize<'de> for Saved<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (version, saved) = <(Cow<'de, str>, Bytes)>::deserialize(deserializer)?;
        T::load(&saved.0, &version)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// Bytes, written as such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
}
