//! Acknowledgements, gathered on their way back: who has a message, told to whoever said it,
//! without a message from each node to one.
//!
//! Three small parts, without messages and timers of their own; a broadcast puts them together. The
//! sender says what it wants to know ([`Ask`]) and keeps a [`Tally`] until that is known or the
//! deadline has come. On the way nodes keep a [`Gathering`]: what they were told since they last
//! passed something on. Nodes are named by the first eight bytes of their ids ([`ShortId`]).
//!
//! *Lost messages.* What is gathered is passed on twice, in one batch and in the next. Whatever is
//! named more than once counts once, so any way of telling twice is allowed: by whom it came, and
//! by others that saw it.
//!
//! *What a liar can do.* An acknowledgement is hearsay: whoever passes some on can name any node
//! that the sender knows, and leave out any. So it tells how far a message came among nodes that do
//! as they should, and proves nothing. What must be certain of a node carries that node's
//! signature, above this layer. What a liar cannot do: have nodes counted that the sender does not
//! know (full view), or twice; make anybody hold more than [`GATHERED_MAX`] names for a message.
//!
//! Not here: which way acknowledgements take, when, and what asks for them.

mod gathering;
mod tally;
mod timed;

#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::time::Duration;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use crate::ids::{Hash, NodeId};

use super::BroadcastError;

pub use gathering::Gathering;
pub use tally::Tally;
pub(super) use tally::position;
pub(super) use timed::Timed;

/// How many names a node gathers for one message at most; as many as membership knows members.
pub const GATHERED_MAX: usize = 16_384;

/// How many names go into one message at most.
pub const NAMES_MAX: usize = 4_096;

/// How long a sender waits unless it says otherwise.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(5);

/// The longest that a sender may wait. Nodes on the way remember a message for as long.
pub const DEADLINE_MAX: Duration = Duration::from_secs(30);

/// A node, by the first eight bytes of its id. Ordered as ids are. Two members whose keys begin
/// alike count as one; that does not happen by chance, and making one takes 2⁶⁴ keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId([u8; 8]);

impl ShortId {
    /// Takes the eight bytes as they are.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Whether it names this node.
    pub fn names(&self, node: &NodeId) -> bool {
        Self::from(node) == *self
    }
}

impl From<&NodeId> for ShortId {
    fn from(node: &NodeId) -> Self {
        let first = node.as_bytes().first_chunk().copied();
        Self(first.unwrap_or_default())
    }
}

impl<C> Encode<C> for ShortId {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ShortId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into();
        let wrong = |_| minicbor::decode::Error::message("not 8 bytes");
        bytes.map(Self).map_err(wrong)
    }
}

/// When a sender has heard enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// At the deadline, or once everybody has it: how many there are until then.
    Count,
    /// As soon as so many other nodes have it.
    Quorum(u32),
    /// As soon as every other node of the sender's view has it, or, without being enough, when
    /// those that lack it are gone. Needs a full view: with any other the deadline has to come.
    All,
}

/// A text says nothing of when a sender has heard enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `all`, `count`, or how many nodes, from 1")]
pub struct WantedError;

impl FromStr for Wanted {
    type Err = WantedError;

    /// `all`, `count`, or a number from 1 for a quorum.
    fn from_str(text: &str) -> Result<Self, WantedError> {
        match text {
            "all" => Ok(Self::All),
            "count" => Ok(Self::Count),
            number => match number.parse() {
                Ok(count) if count > 0 => Ok(Self::Quorum(count)),
                _ => Err(WantedError),
            },
        }
    }
}

/// What a sender wants to know of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// When it has heard enough.
    pub wanted: Wanted,
    /// How long it waits; at most [`DEADLINE_MAX`].
    pub deadline: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The message.
    pub id: Hash,
    /// How many other nodes have it, as far as was heard.
    pub count: u32,
    /// Whether that is what was wanted; always true for [`Wanted::Count`].
    pub is_enough: bool,
    /// Who was not heard of, in the order of ids; `None` where the sender does not know who there
    /// is.
    pub missing: Option<Vec<NodeId>>,
}

/// Why a message was not sent. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The payload cannot be broadcast. The caller's misuse.
    #[error(transparent)]
    Payload(#[from] BroadcastError),
    /// Too many messages wait for acknowledgements. Wait until one has its outcome.
    #[error("{max} messages wait for acknowledgements; wait until one of them has its outcome")]
    Asked {
        /// The limit.
        max: usize,
    },
    /// It was said before, and is not sent again. The caller's misuse: payloads have to be unique.
    #[error("this payload was broadcast before; payloads have to be unique")]
    Repeated,
}
