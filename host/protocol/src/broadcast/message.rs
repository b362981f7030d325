//! What neighbours say to each other, and how it is encoded.

use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::bounded;

use super::PAYLOAD_BYTES_MAX;

/// Bytes around a payload: array, hops, length.
const ENVELOPE_BYTES_MAX: usize = 16;

/// A payload passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How many sessions the payload crosses with this one; at least 1.
    pub hops: u8,
    /// What was said; 1 to [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Arc<[u8]>,
}

/// Why a neighbour's message was not taken. Always its fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the expected CBOR, or not its shortest form.
    #[error("a malformed broadcast message")]
    Malformed,
    /// The payload is empty or too large.
    #[error("a payload of {length} bytes; 1 to {max} are accepted")]
    PayloadLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The payload crossed no session, or more than it may.
    #[error("a payload that made {hops} hops; 1 to {max} are accepted")]
    Hops {
        /// How many it says.
        hops: u8,
        /// The limit.
        max: u8,
    },
}

impl MessageError {
    /// Whether no correct node would have sent it. All of these are: configuration that differs
    /// between nodes is not foreseen for these limits.
    pub fn malicious(&self) -> bool {
        true
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireMessage {
    #[n(0)]
    hops: u8,
    #[n(1)]
    payload: ByteVec,
}

impl Message {
    /// Encodes the message: `[hops: uint, payload: bstr]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = WireMessage {
            hops: self.hops,
            payload: self.payload.to_vec().into(),
        };
        bounded::to_bytes(&wire)
    }

    /// Decodes a message. Total over any bytes; holds no more than they are long.
    ///
    /// # Errors
    /// [`MessageError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let (length, max) = (bytes.len(), PAYLOAD_BYTES_MAX);
        if length > max + ENVELOPE_BYTES_MAX {
            return Err(MessageError::PayloadLength { length, max });
        }
        let wire = bounded::from_bytes(bytes);
        let wire: WireMessage = wire.map_err(|_| MessageError::Malformed)?;
        let payload: Vec<u8> = wire.payload.into();
        Ok(Self {
            hops: wire.hops,
            payload: payload.into(),
        })
    }
}
