//! Following what changes.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use replicant_protocol::ids::{ObjectId, TopicName, TypeName};

use super::{NodeError, VersionToken};

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// An object changed. Sent once the change is durable on this node.
    Change(Change),
    /// Some changes cannot be told: the watcher was too slow, came back too late or to a node that
    /// started anew, or a change was too large. The state stands in for all of them.
    Missed(Missed),
}

impl WatchEvent {
    /// From where to go on after this event, with no change twice and none left out.
    pub fn token(&self) -> WatchToken {
        match self {
            Self::Change(change) => change.token,
            Self::Missed(missed) => missed.token,
        }
    }
}

/// One object's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object's topic.
    pub topic: TopicName,
    /// The object.
    pub id: ObjectId,
    /// The object's type.
    pub type_name: TypeName,
    /// A version of the topic that contains the change.
    pub version: VersionToken,
    /// From where to go on after this change.
    pub token: WatchToken,
    /// What changed, each in CBOR as the type's event schema says. May be empty for a type that
    /// tells no events.
    pub events: Vec<Vec<u8>>,
}

/// The state in place of changes that cannot be told. What follows it builds on that state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The topic.
    pub topic: TopicName,
    /// The version of the topic that the state is of.
    pub version: VersionToken,
    /// From where to go on after this state.
    pub token: WatchToken,
    /// Whether the objects below are all that is watched; else only they may have changed untold.
    pub whole: bool,
    /// False if the state is too large to be sent along, or could not be read: then the objects
    /// have to be listed and read.
    pub complete: bool,
    /// The objects, with what they are now.
    pub objects: Vec<ObjectState>,
}

/// What one object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The object.
    pub id: ObjectId,
    /// Its type.
    pub type_name: TypeName,
    /// Its value in CBOR, or why that cannot be had here.
    pub value: Result<Vec<u8>, String>,
}

/// A place in what a node tells of one topic. Another node, or the same one after a restart, does
/// not know it and says so with [`WatchEvent::Missed`]. The text form means nothing to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchToken {
    /// The telling that it is of: a random number.
    pub(crate) telling: u64,
    /// How many events it had told before.
    pub(crate) position: u64,
}

impl fmt::Display for WatchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.telling.to_be_bytes());
        bytes[8..].copy_from_slice(&self.position.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for WatchToken {
    type Err = NodeError;

    fn from_str(text: &str) -> Result<Self, NodeError> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
        if length != Ok(bytes.len()) {
            return Err(NodeError::BadWatchToken);
        }
        let number = u128::from_be_bytes(bytes);
        Ok(Self {
            telling: (number >> 64) as u64,
            position: number as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_from_its_text_and_nothing_else_is_one() {
        let token = WatchToken {
            telling: u64::MAX - 1,
            position: 7,
        };
        assert_eq!(token.to_string().parse::<WatchToken>().unwrap(), token);
        let long = "A".repeat(10_000);
        for text in ["", "!", "AAAA", &long] {
            assert!(text.parse::<WatchToken>().is_err(), "{text}");
        }
    }
}
