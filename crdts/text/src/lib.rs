//! A text that many people edit at once.
//!
//! Concurrent insertions at the same place do not interleave: what one person typed in one go
//! stays together (FugueMax order, see `place`). A deletion is permanent; the text of deleted
//! characters is dropped at once, and only their names are kept, as ranges.
//!
//! The parts, from the bottom: `id` (names of characters), `run` (characters that stay together),
//! `gap_text`, `leaf` and `tree` (runs in the order of the document), `index` (from names to
//! leaves), `sequence` and `builder` (all of these kept in step), `place` (where a new character
//! goes), `dormant` (what names characters that are not here), `text` (the effect of ops), `edit`
//! (from positions to ops), `typing` and `typed` (short ways for keystrokes), `command` and
//! `keystroke` (what users ask for), `op`, `saved` and `restore` (bytes), and this file, which fits
//! it to the SDK.
//!
//! Compaction is not implemented: the names of deleted characters are kept for ever, as ranges.
//! A deleted character without children could be forgotten once no author names it any more; but
//! then authors must stop to take it as a right origin before that, and those that already have
//! order concurrent insertions otherwise than those that have not: the text could depend on
//! whether snapshots were made.

#![forbid(unsafe_code)]

mod builder;
mod command;
mod dormant;
mod edit;
mod gap_text;
mod id;
mod index;
mod keystroke;
mod leaf;
mod op;
mod place;
mod restore;
mod run;
mod saved;
mod sequence;
mod text;
mod tree;
mod typed;
mod typing;
mod varint;

use std::fmt;

use replicant_sdk::{Context, Crdt, Events, Items, Malformed, Random, Refusal, cbor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeTuple};

pub use command::{Answer, Command, Query};
pub use text::{Event, Text};

use edit::Edit;
use keystroke::Keystroke;
use op::Op;

/// The bytes of an op; see `op` for what is in them. Postcard adds nothing to them: they are
/// written, and read, one by one up to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedOp(Vec<u8>);

impl Serialize for EncodedOp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for EncodedOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(op::OP_BYTES_MAX, OpBytes)
    }
}

/// Collects the bytes of an op.
struct OpBytes;

impl<'de> de::Visitor<'de> for OpBytes {
    type Value = EncodedOp;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the bytes of an op")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<EncodedOp, A::Error> {
        let mut bytes = Vec::new();
        // The end shows as an error: a tuple's length is not in the bytes.
        while let Ok(Some(byte)) = sequence.next_element() {
            bytes.push(byte);
        }
        Ok(EncodedOp(bytes))
    }
}

impl Crdt for Text {
    const NAME: &'static str = "text";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A text that many people edit at once. Text inserted \
        concurrently at the same place does not interleave: each insertion stays in one piece, \
        and what was typed in one go stays together. A deleted character stays deleted. Positions \
        and counts are in Unicode scalar values.";
    const COMMAND_SCHEMA: &'static str = command::COMMAND_SCHEMA;
    const QUERY_SCHEMA: &'static str = command::QUERY_SCHEMA;
    const VALUE_SCHEMA: &'static str = r#"{"type": "string"}"#;
    const EVENT_SCHEMA: &'static str = command::EVENT_SCHEMA;

    const NAMES_BY_DOT: bool = false;

    type Command = Command;
    type Op = EncodedOp;
    type Query = Query;
    type Answer = Answer;
    type Value = String;
    type Event = Event;

    fn prepare(
        &self,
        context: &Context,
        command: Self::Command,
    ) -> Result<Option<EncodedOp>, Refusal> {
        let author = context.dot.replica;
        let edit = command.edit(self.length() as u64);
        let Some(op) = self.prepare_edit(author, edit)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        op.encode_within_limit(author, &mut bytes)?;
        Ok(Some(EncodedOp(bytes)))
    }

    fn effect(&mut self, context: &Context, op: EncodedOp, events: &mut Events<Event>) {
        // What cannot be decoded has no effect.
        let _ = self.apply_bytes(context, &op.0, events);
    }

    fn value(&self) -> String {
        self.content()
    }

    fn query(&self, query: Query) -> Result<Answer, Refusal> {
        let length = self.length() as u64;
        match query {
            Query::Length => Ok(Answer::Length(length)),
            Query::Slice { at, .. } if at > length => Err(Refusal::new(format!(
                "cannot read at {at}: the text has length {length}"
            ))),
            Query::Slice { at, count } => {
                let count = count.min(length - at);
                Ok(Answer::Slice(self.slice(at as usize, count as usize)))
            }
        }
    }

    fn sample(&self, random: &mut Random) -> Self::Command {
        let length = self.length() as u64;
        let at = random.below(length + 1);
        let few = (length - at).min(5);
        match random.below(6) {
            0 if length > at => Command::Delete {
                at,
                count: 1 + random.below(few),
            },
            1 => Command::Splice {
                at,
                delete: random.below(few + 1),
                insert: random.word(),
            },
            2 => Command::Append(random.word()),
            _ => Command::Insert {
                at,
                text: random.word(),
            },
        }
    }

    fn update_bytes(
        &mut self,
        context: &Context,
        command: &[u8],
        out: &mut Vec<u8>,
        events: &mut Events<Event>,
    ) -> Result<bool, Refusal> {
        let author = context.dot.replica;
        if let Some(edit) = keystroke::read(command) {
            if !events.wanted()
                && let Some(keystroke) = Keystroke::of(&edit)
                && self.update_typing(author, keystroke, out)
            {
                return Ok(true);
            }
            return self.update_edit(author, edit, out, events);
        }
        let command: Command =
            cbor::decode(command).map_err(|error| Self::unreadable_command(&error))?;
        let edit = command.edit(self.length() as u64);
        self.update_edit(author, edit, out, events)
    }

    #[inline]
    fn apply_ahead(&mut self, context: &Context, ops: &mut Items<'_>, events: &mut Events<Event>) {
        if !events.wanted() {
            self.apply_typing_ahead(context.dot.replica, ops);
        }
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Event>,
    ) -> Result<(), Malformed> {
        let author = context.dot.replica;
        if !events.wanted() && self.apply_typing(author, op) {
            return Ok(());
        }
        let op = Op::decode(op, author)?;
        self.apply(author, &op, events);
        Ok(())
    }
}

impl Text {
    /// Carries out an edit by `author` and appends its op to `out`; false if nothing changes.
    #[inline]
    fn update_edit(
        &mut self,
        author: u64,
        edit: Edit<'_>,
        out: &mut Vec<u8>,
        events: &mut Events<Event>,
    ) -> Result<bool, Refusal> {
        let Some(op) = self.prepare_edit(author, edit)? else {
            return Ok(false);
        };
        op.encode_within_limit(author, out)?;
        self.apply(author, &op, events);
        Ok(true)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Saved)
    }
}

/// Reads the bytes of a text.
struct Saved;

impl de::Visitor<'_> for Saved {
    type Value = Text;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the bytes of a text")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
        Text::from_bytes(bytes).ok_or_else(|| E::custom("the bytes of the text are damaged"))
    }
}

#[cfg(feature = "component")]
replicant_sdk::export!(Text);

#[cfg(test)]
mod tests;

#[cfg(test)]
mod encoding_tests {
    use super::*;

    #[test]
    fn postcard_writes_an_op_as_its_bytes() {
        let op = EncodedOp(vec![1, 200, 0, 3]);
        let mut bytes = Vec::new();
        replicant_sdk::postcard_bytes::append(&op, &mut bytes);
        assert_eq!(bytes, op.0);
        assert_eq!(replicant_sdk::postcard_bytes::read(&bytes), Ok(op));
    }

    #[test]
    fn appending_inserts_where_the_text_ends() {
        let command = Command::Append("!".to_owned());
        let edit = command.edit(7);
        assert_eq!((edit.at, edit.delete, edit.insert), (7, 0, "!"));
    }
}
