//! What neighbours tell each other.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::broadcast::acknowledgement::{NAMES_MAX, ShortId};
use crate::ids::Hash;

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
