//! What users ask for and what they read.

use serde::{Deserialize, Serialize};

use crate::edit::Edit;

/// An edit of the text. Positions and counts are in Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Inserts text.
    Insert {
        /// How many characters stand before it.
        at: u64,
        /// What it says.
        text: String,
    },
    /// Deletes characters.
    Delete {
        /// How many characters stand before them.
        at: u64,
        /// How many.
        count: u64,
    },
    /// Inserts text at the end, wherever that is by now.
    Append(String),
    /// Replaces characters, as one op.
    Splice {
        /// How many characters stand before them.
        at: u64,
        /// How many are deleted.
        #[serde(default)]
        delete: u64,
        /// What comes instead.
        #[serde(default)]
        insert: String,
    },
}

impl Command {
    /// Returns the edit that is asked for, on a text of `length` characters.
    #[inline]
    pub(crate) fn edit(&self, length: u64) -> Edit<'_> {
        match self {
            Self::Insert { at, text } => Edit {
                at: *at,
                delete: 0,
                insert: text,
            },
            Self::Delete { at, count } => Edit {
                at: *at,
                delete: *count,
                insert: "",
            },
            Self::Append(text) => Edit {
                at: length,
                delete: 0,
                insert: text,
            },
            Self::Splice { at, delete, insert } => Edit {
                at: *at,
                delete: *delete,
                insert,
            },
        }
    }
}

/// A question about the text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Query {
    /// How many characters does it have?
    Length,
    /// What does a part of it say? The part ends where the text ends, if not before.
    Slice {
        /// How many characters stand before it.
        at: u64,
        /// How many characters it has at most.
        count: u64,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// How many characters the text has.
    Length(u64),
    /// What the part says.
    Slice(String),
}

/// JSON Schema of a command.
pub(crate) const COMMAND_SCHEMA: &str = r#"{
  "oneOf": [
    {"type": "object", "additionalProperties": false, "required": ["insert"], "properties": {
      "insert": {"type": "object", "additionalProperties": false, "required": ["at", "text"],
        "properties": {"at": {"type": "integer", "minimum": 0}, "text": {"type": "string"}}}}},
    {"type": "object", "additionalProperties": false, "required": ["delete"], "properties": {
      "delete": {"type": "object", "additionalProperties": false, "required": ["at", "count"],
        "properties": {"at": {"type": "integer", "minimum": 0},
          "count": {"type": "integer", "minimum": 0}}}}},
    {"type": "object", "additionalProperties": false, "required": ["append"], "properties": {
      "append": {"type": "string"}}},
    {"type": "object", "additionalProperties": false, "required": ["splice"], "properties": {
      "splice": {"type": "object", "additionalProperties": false, "required": ["at"],
        "properties": {"at": {"type": "integer", "minimum": 0},
          "delete": {"type": "integer", "minimum": 0}, "insert": {"type": "string"}}}}}
  ]
}"#;

/// JSON Schema of a query.
pub(crate) const QUERY_SCHEMA: &str = r#"{
  "oneOf": [
    {"enum": ["length", "value"]},
    {"type": "object", "additionalProperties": false, "required": ["slice"], "properties": {
      "slice": {"type": "object", "additionalProperties": false, "required": ["at", "count"],
        "properties": {"at": {"type": "integer", "minimum": 0},
          "count": {"type": "integer", "minimum": 0}}}}}
  ]
}"#;

/// JSON Schema of an event.
pub(crate) const EVENT_SCHEMA: &str = r#"{
  "oneOf": [
    {"type": "object", "required": ["insert"], "properties": {
      "insert": {"type": "object", "required": ["at", "text"],
        "properties": {"at": {"type": "integer"}, "text": {"type": "string"}}}}},
    {"type": "object", "required": ["delete"], "properties": {
      "delete": {"type": "object", "required": ["at", "count"],
        "properties": {"at": {"type": "integer"}, "count": {"type": "integer"}}}}}
  ]
}"#;
