//! The one type of all messages between two nodes: which layer a message is for.
//!
//! Guarantee: decoding is total over any bytes and holds at most a small multiple of their length;
//! a message has one encoding, and nothing else is accepted.
//!
//! One byte names the layer, the rest is that layer's message. A number that is not known is an
//! error and closes the session: both sides agreed in the handshake on a protocol version, and
//! every version says exactly which messages there are. So a new message needs a new version, and
//! nodes that speak an older one never get to see it. `docs/wire-format.md` describes all of them.
//!
//! This is the only module that sees all layers. Not here: encryption and the lengths that
//! surround a message (see [`session`]).

mod payload;

use crate::broadcast::{acknowledging, plumtree, rapid};
use crate::ids::TopicName;
use crate::membership::hyparview;
use crate::replication::anti_entropy;
use crate::topics::{PUBLICATION_BYTES_MAX, PUBLISHED_BYTES_MAX};
use crate::{circles, content, facts, membership, replication, session};

pub use payload::{Payload, PayloadError};

/// How long a message may be, in bytes: what a session can carry.
pub const MESSAGE_BYTES_MAX: usize = session::MESSAGE_BYTES_MAX;

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who is alive.
    Membership(membership::Message),
    /// Who is whose neighbour, among nodes with partial views.
    Views(hyparview::Message),
    /// Something for everyone, a [`Payload`], on its way along the tree of all members.
    Broadcast(plumtree::Message),
    /// Modules: who knows which, and their bytes.
    Content(content::Message),
    /// Repair of one topic.
    Replication(replication::Message),
    /// Which topics differ.
    AntiEntropy(anti_entropy::Message),
    /// Which facts differ, and facts.
    Facts(facts::Message),
    /// Something for the audience of a topic, on its way along the topic's links.
    Topic(TopicName, plumtree::Message),
    /// Something for everyone, or for the audience of a topic, on its way by rapid broadcast.
    Rapid(Option<TopicName>, rapid::Message),
    /// Something that a program says.
    Application(Application),
    /// About the circle of a path, among nodes with partial views.
    Circle(TopicName, circles::Message),
}

/// What programs say by way of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    /// To the node that receives it. Opaque.
    Direct(Vec<u8>),
    /// To the audience of a topic, handed in by a node that is not part of it: a signed
    /// publication.
    HandIn(Vec<u8>),
    /// Who has a publication that asks for it, back to whoever said it.
    Acknowledge(acknowledging::Message),
}

/// Why bytes are not a message of this protocol version. The sending peer's fault; no honest node
/// sends such a thing: close the session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No bytes at all.
    #[error("an empty message")]
    Empty,
    /// More bytes than a session can carry.
    #[error("a message of {length} bytes; at most {MESSAGE_BYTES_MAX} are accepted")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A layer that this version of the protocol does not have.
    #[error("a message for the unknown layer {layer}")]
    Layer {
        /// Its number.
        layer: u8,
    },
    /// A message within a topic that does not begin with the name of one, or a rapid one that does
    /// not say whom it is for.
    #[error("a message within a topic that names none")]
    Topic,
    /// Neither said to a node nor handed in for a topic, or too long.
    #[error("a malformed message of a program")]
    Application,
    /// Not a membership message.
    #[error(transparent)]
    Membership(#[from] membership::MessageError),
    /// Not a message of partial views.
    #[error(transparent)]
    Views(#[from] hyparview::MessageError),
    /// Not a broadcast message.
    #[error(transparent)]
    Broadcast(#[from] plumtree::MessageError),
    /// Not a message of rapid broadcast.
    #[error(transparent)]
    Rapid(#[from] rapid::MessageError),
    /// Not a content message.
    #[error(transparent)]
    Content(#[from] content::MessageError),
    /// Not a message of replication or anti-entropy.
    #[error(transparent)]
    Replication(#[from] replication::MessageError),
    /// Not a message about facts.
    #[error(transparent)]
    Facts(#[from] facts::MessageError),
    /// Not a message about a circle.
    #[error(transparent)]
    Circle(#[from] circles::MessageError),
}

const MEMBERSHIP: u8 = 1;
const BROADCAST: u8 = 2;
const CONTENT: u8 = 3;
const REPLICATION: u8 = 4;
const ANTI_ENTROPY: u8 = 5;
const TOPIC: u8 = 7;
const RAPID: u8 = 8;
const FACTS: u8 = 9;
const APPLICATION: u8 = 10;
const VIEWS: u8 = 11;
const CIRCLE: u8 = 12;

const DIRECT: u8 = 0;
const HAND_IN: u8 = 1;
const ACKNOWLEDGE: u8 = 2;

impl Message {
    /// Encodes the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (layer, message) = match self {
            Self::Membership(message) => (MEMBERSHIP, message.to_bytes()),
            Self::Views(message) => (VIEWS, message.to_bytes()),
            Self::Broadcast(message) => (BROADCAST, message.to_bytes()),
            Self::Content(message) => (CONTENT, message.to_bytes()),
            Self::Replication(message) => (REPLICATION, message.to_bytes()),
            Self::AntiEntropy(message) => (ANTI_ENTROPY, message.to_bytes()),
            Self::Facts(message) => (FACTS, message.to_bytes()),
            Self::Topic(topic, message) => (TOPIC, in_scope(Some(topic), &message.to_bytes())),
            Self::Rapid(scope, message) => (RAPID, in_scope(scope.as_ref(), &message.to_bytes())),
            Self::Application(message) => (APPLICATION, message.to_bytes()),
            Self::Circle(path, message) => (CIRCLE, in_scope(Some(path), &message.to_bytes())),
        };
        let mut bytes = Vec::with_capacity(1 + message.len());
        bytes.push(layer);
        bytes.extend_from_slice(&message);
        bytes
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// [`WireError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let length = bytes.len();
        if length > MESSAGE_BYTES_MAX {
            return Err(WireError::TooLong { length });
        }
        let (layer, message) = bytes.split_first().ok_or(WireError::Empty)?;
        Ok(match *layer {
            MEMBERSHIP => Self::Membership(membership::Message::from_bytes(message)?),
            VIEWS => Self::Views(hyparview::Message::from_bytes(message)?),
            BROADCAST => Self::Broadcast(plumtree::Message::from_bytes(message)?),
            CONTENT => Self::Content(content::Message::from_bytes(message)?),
            REPLICATION => Self::Replication(replication::Message::from_bytes(message)?),
            ANTI_ENTROPY => Self::AntiEntropy(anti_entropy::Message::from_bytes(message)?),
            FACTS => Self::Facts(facts::Message::from_bytes(message)?),
            TOPIC => {
                let (topic, message) = split_scope(message)?;
                let topic = topic.ok_or(WireError::Topic)?;
                Self::Topic(topic, plumtree::Message::from_bytes(message)?)
            }
            RAPID => {
                let (scope, message) = split_scope(message)?;
                Self::Rapid(scope, rapid::Message::from_bytes(message)?)
            }
            APPLICATION => Self::Application(Application::from_bytes(message)?),
            CIRCLE => {
                let (path, message) = split_scope(message)?;
                let path = path.ok_or(WireError::Topic)?;
                Self::Circle(path, circles::Message::from_bytes(message)?)
            }
            layer => return Err(WireError::Layer { layer }),
        })
    }
}

/// A message with the topic that it belongs to before it, or nothing if it is for everybody.
fn in_scope(topic: Option<&TopicName>, message: &[u8]) -> Vec<u8> {
    let name = topic.map_or("", TopicName::as_str).as_bytes();
    let mut bytes = Vec::with_capacity(2 + name.len() + message.len());
    // A topic's name has at most 256 bytes.
    bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(message);
    bytes
}

fn split_scope(bytes: &[u8]) -> Result<(Option<TopicName>, &[u8]), WireError> {
    let (length, rest) = bytes.split_first_chunk().ok_or(WireError::Topic)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (name, message) = rest.split_at_checked(length).ok_or(WireError::Topic)?;
    if name.is_empty() {
        return Ok((None, message));
    }
    let name = std::str::from_utf8(name).ok();
    let topic = name.and_then(|name| name.parse().ok());
    Ok((Some(topic.ok_or(WireError::Topic)?), message))
}

impl Application {
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, said) = match self {
            Self::Direct(said) => (DIRECT, said),
            Self::HandIn(said) => (HAND_IN, said),
            Self::Acknowledge(message) => (ACKNOWLEDGE, &message.to_bytes()),
        };
        [&[kind], &said[..]].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        match bytes.split_first() {
            Some((&DIRECT, said)) if said.len() <= PUBLISHED_BYTES_MAX => {
                Ok(Self::Direct(said.to_vec()))
            }
            Some((&HAND_IN, said)) if said.len() <= PUBLICATION_BYTES_MAX => {
                Ok(Self::HandIn(said.to_vec()))
            }
            Some((&ACKNOWLEDGE, rest)) => {
                let message = acknowledging::Message::from_bytes(rest);
                let message = message.map_err(|_| WireError::Application)?;
                Ok(Self::Acknowledge(message))
            }
            _ => Err(WireError::Application),
        }
    }
}

impl From<Application> for Message {
    fn from(message: Application) -> Self {
        Self::Application(message)
    }
}

impl From<membership::Message> for Message {
    fn from(message: membership::Message) -> Self {
        Self::Membership(message)
    }
}

impl From<hyparview::Message> for Message {
    fn from(message: hyparview::Message) -> Self {
        Self::Views(message)
    }
}

impl From<membership::StrategyMessage> for Message {
    fn from(message: membership::StrategyMessage) -> Self {
        match message {
            membership::StrategyMessage::Full(message) => Self::Membership(message),
            membership::StrategyMessage::Partial(message) => Self::Views(message),
        }
    }
}

impl From<plumtree::Message> for Message {
    fn from(message: plumtree::Message) -> Self {
        Self::Broadcast(message)
    }
}

impl From<content::Message> for Message {
    fn from(message: content::Message) -> Self {
        Self::Content(message)
    }
}

impl From<replication::Message> for Message {
    fn from(message: replication::Message) -> Self {
        Self::Replication(message)
    }
}

impl From<anti_entropy::Message> for Message {
    fn from(message: anti_entropy::Message) -> Self {
        Self::AntiEntropy(message)
    }
}

impl From<facts::Message> for Message {
    fn from(message: facts::Message) -> Self {
        Self::Facts(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::limits::SIGNED_BYTES_MAX;
    use crate::ids::{Counter, ReplicaId};
    use crate::replication::{BundleBytes, CHUNK_COUNT_MAX, RequestId, SyncChunk};
    use crate::version::{REPLICAS_MAX, VersionVector};
    use proptest::prelude::*;

    fn chunk(bundles: Vec<BundleBytes>, version: VersionVector) -> Message {
        let topic = ["x"; 128].join("").get(..64).unwrap().parse().unwrap();
        let request = RequestId(u64::MAX);
        replication::Message::SyncChunk(SyncChunk {
            topic,
            request,
            bundles,
            more: true,
            version,
        })
        .into()
    }

    fn largest_version() -> VersionVector {
        let replica = |r: usize| ReplicaId::new(u64::MAX - r as u64).unwrap();
        (0..REPLICAS_MAX)
            .map(|r| (replica(r), Counter::new(u64::MAX)))
            .collect()
    }

    #[test]
    fn the_largest_chunks_fit_into_a_message() {
        let one_large = vec![BundleBytes(vec![0; SIGNED_BYTES_MAX])];
        let bytes_each = crate::replication::CHUNK_BYTES_MAX / CHUNK_COUNT_MAX;
        let many = vec![BundleBytes(vec![0; bytes_each]); CHUNK_COUNT_MAX];
        for bundles in [one_large, many] {
            let message = chunk(bundles, largest_version());
            let bytes = message.to_bytes();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            assert_eq!(Message::from_bytes(&bytes), Ok(message));
        }
    }

    #[test]
    fn a_chunk_beyond_a_limit_is_refused() {
        let too_many = vec![BundleBytes(Vec::new()); CHUNK_COUNT_MAX + 1];
        let too_large = vec![BundleBytes(vec![0; SIGNED_BYTES_MAX + 1])];
        for bundles in [too_many, too_large] {
            let bytes = chunk(bundles, VersionVector::new()).to_bytes();
            assert!(matches!(
                Message::from_bytes(&bytes),
                Err(WireError::Replication(_))
            ));
        }
    }

    #[test]
    fn what_is_said_in_a_topic_names_it_first() {
        let payload = vec![7; 9].into();
        let said = plumtree::Message::Gossip {
            hops: 3,
            spread: 0,
            payload,
        };
        let message = Message::Topic("shop/eu".parse().unwrap(), said);
        let bytes = message.to_bytes();
        assert_eq!(bytes[..10], *b"\x07\x00\x07shop/eu");
        assert_eq!(Message::from_bytes(&bytes), Ok(message));
        for wrong in [
            &[7][..],
            &[7, 0],
            &[7, 0, 9, b'x'],
            &[7, 0, 0],
            &[7, 0, 1, 0xff],
        ] {
            assert_eq!(Message::from_bytes(wrong), Err(WireError::Topic));
        }
    }

    #[test]
    fn a_rapid_message_says_first_whom_it_is_for() {
        let said = rapid::Message::Request {
            id: crate::ids::Hash::ZERO,
            index: 3,
        };
        let everybody = Message::Rapid(None, said.clone());
        let audience = Message::Rapid(Some("shop".parse().unwrap()), said);
        for (message, begin) in [(everybody, &b"\x08\0\0"[..]), (audience, b"\x08\0\x04shop")] {
            let bytes = message.to_bytes();
            assert!(bytes.starts_with(begin));
            assert_eq!(Message::from_bytes(&bytes), Ok(message));
        }
        for wrong in [&[8][..], &[8, 0], &[8, 0, 9, b'x'], &[8, 0, 1, 0xff]] {
            assert_eq!(Message::from_bytes(wrong), Err(WireError::Topic));
        }
        let nothing = Message::from_bytes(&[8, 0, 0]);
        assert_eq!(nothing, Err(rapid::MessageError::Malformed.into()));
    }

    #[test]
    fn a_message_about_a_circle_names_its_path_first() {
        let path = "shop".parse().unwrap();
        let message = Message::Circle(path, circles::Message::Ask);
        assert_eq!(message.to_bytes(), *b"\x0c\0\x04shop\x05");
        assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        for wrong in [&[12][..], &[12, 0, 0, 5], &[12, 0, 9, b'x', 5]] {
            assert_eq!(Message::from_bytes(wrong), Err(WireError::Topic));
        }
    }

    #[test]
    fn what_programs_say_is_bounded() {
        let largest = Application::Direct(vec![1; PUBLISHED_BYTES_MAX]);
        let message = Message::from(largest);
        assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        for wrong in [
            vec![10],
            vec![10, 2],
            vec![10, 3],
            [&[10, 0][..], &vec![0; PUBLISHED_BYTES_MAX + 1]].concat(),
            [&[10, 1][..], &vec![0; PUBLICATION_BYTES_MAX + 1]].concat(),
        ] {
            assert_eq!(Message::from_bytes(&wrong), Err(WireError::Application));
        }
    }

    #[test]
    fn unknown_layers_empty_and_endless_messages_are_named() {
        assert_eq!(Message::from_bytes(&[]), Err(WireError::Empty));
        for layer in [0, 6, 13, 255] {
            assert_eq!(
                Message::from_bytes(&[layer, 1, 2]),
                Err(WireError::Layer { layer })
            );
        }
        let length = MESSAGE_BYTES_MAX + 1;
        assert_eq!(
            Message::from_bytes(&vec![1; length]),
            Err(WireError::TooLong { length })
        );
    }

    #[test]
    fn a_second_encoding_of_a_message_is_refused() {
        let mut bytes = chunk(Vec::new(), VersionVector::new()).to_bytes();
        bytes.push(0);
        assert!(matches!(
            Message::from_bytes(&bytes),
            Err(WireError::Replication(_))
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            layer in 0_u8..13,
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [&[layer][..], &bytes].concat();
            if let Ok(message) = Message::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }
    }
}
