//! What neighbours tell each other, and what stands in front of a payload.

use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::broadcast::acknowledgement::{DEADLINE_MAX, NAMES_MAX, ShortId};
use crate::ids::Hash;

const PLAIN: u8 = 0;
const ASKING: u8 = 1;

/// These nodes have a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The hash under which the broadcast knows it.
    pub id: Hash,
    /// Who has it; at most [`NAMES_MAX`].
    pub names: Vec<ShortId>,
}

/// Why a neighbour's message was not taken. Always its fault: no correct node sends such a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a malformed acknowledgement")]
pub struct MessageError;

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireMessage {
    #[n(0)]
    id: Hash,
    #[n(1)]
    names: ByteVec,
}

impl Message {
    /// Encodes the message: `[id, names: bstr]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let names = self.names.iter().flat_map(|name| *name.as_bytes());
        let names = names.collect::<Vec<u8>>().into();
        bounded::to_bytes(&WireMessage { id: self.id, names })
    }

    /// Decodes a message. Total over any bytes; holds no more than they are long.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let wire: Result<WireMessage, _> = bounded::from_bytes(bytes);
        let wire = wire.map_err(|_| MessageError)?;
        match wire.names.as_chunks() {
            (names, []) if names.len() <= NAMES_MAX => Ok(Self {
                id: wire.id,
                names: names.iter().copied().map(ShortId::from_bytes).collect(),
            }),
            _ => Err(MessageError),
        }
    }
}

/// What to broadcast for a payload that is not to be acknowledged.
pub fn plain(payload: &[u8]) -> Arc<[u8]> {
    [&[PLAIN], payload].concat().into()
}

/// What to broadcast for a payload that is to be acknowledged.
pub(super) fn asking(deadline: Duration, payload: &[u8]) -> Arc<[u8]> {
    let millis = deadline.min(DEADLINE_MAX).as_millis() as u32;
    let millis = millis.to_be_bytes();
    [&[ASKING], millis.as_slice(), payload].concat().into()
}

/// Takes off what stands in front of a payload: for how long it is to be acknowledged, if it is,
/// and the payload. `None`: nothing that a correct node broadcasts.
pub fn opened(bytes: &[u8]) -> Option<(Option<Duration>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (deadline, payload) = match *kind {
        PLAIN => (None, rest),
        ASKING => {
            let (millis, payload) = rest.split_first_chunk()?;
            let millis = u64::from(u32::from_be_bytes(*millis));
            (Some(Duration::from_millis(millis)), payload)
        }
        _ => return None,
    };
    let is_short = deadline.is_none_or(|deadline| deadline <= DEADLINE_MAX);
    (is_short && !payload.is_empty()).then_some((deadline, payload))
}
