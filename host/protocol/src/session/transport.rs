//! The session after its handshake: encrypted frames in both directions.

use snow::TransportState;

use super::frame::{Assembler, FIRST_PART_MAX, LENGTH_BYTES, NEXT_PART_MAX, Plain, TAG_BYTES};
use super::{CloseReason, REKEY_FRAMES, SessionError};

/// What a frame brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing for the driver: a part of a message or a sign of life.
    Nothing,
    /// A whole message.
    Message(Vec<u8>),
    /// Goodbye.
    Close(CloseReason),
}

/// Keys, counts and the partial message of an established session.
pub(super) struct Transport {
    noise: TransportState,
    frames_sent_count: u64,
    frames_received_count: u64,
    assembler: Assembler,
}

impl Transport {
    pub(super) fn new(noise: TransportState) -> Self {
        Self {
            noise,
            frames_sent_count: 0,
            frames_received_count: 0,
            assembler: Assembler::default(),
        }
    }

    /// How many bytes a message takes on the wire.
    pub(super) fn wire_bytes(length: usize) -> usize {
        let further = length
            .saturating_sub(FIRST_PART_MAX)
            .div_ceil(NEXT_PART_MAX);
        length + 4 + (1 + further) * (LENGTH_BYTES + TAG_BYTES + 1)
    }

    /// Encrypts a message into as many frames as it needs.
    pub(super) fn write_message(
        &mut self,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        out.reserve(Self::wire_bytes(message.len()));
        let (part, rest) = message.split_at(message.len().min(FIRST_PART_MAX));
        let length = message.len();
        self.write(&Plain::First { length, part }, out)?;
        for part in rest.chunks(NEXT_PART_MAX) {
            self.write(&Plain::Next { part }, out)?;
        }
        Ok(())
    }

    /// Encrypts one frame.
    pub(super) fn write(
        &mut self,
        plain: &Plain<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        let internal = |what| SessionError::Internal { what };
        let plain = plain.encode();
        let size = plain.len() + TAG_BYTES;
        let length = u16::try_from(size).map_err(|_| internal("a frame that is too long"))?;
        out.extend_from_slice(&length.to_le_bytes());
        let start = out.len();
        out.resize(start + size, 0);
        self.noise
            .write_message(&plain, &mut out[start..])
            .map_err(|_| internal("encryption failed"))?;
        self.frames_sent_count += 1;
        if self.frames_sent_count.is_multiple_of(REKEY_FRAMES) {
            self.noise.rekey_outgoing();
        }
        Ok(())
    }

    /// Decrypts one frame and takes what is in it.
    pub(super) fn read(
        &mut self,
        frame: &[u8],
        message_bytes_max: usize,
    ) -> Result<Received, SessionError> {
        let mut plain = vec![0; frame.len()];
        let length = self
            .noise
            .read_message(frame, &mut plain)
            .map_err(|_| SessionError::Forged)?;
        plain.truncate(length);
        self.frames_received_count += 1;
        if self.frames_received_count.is_multiple_of(REKEY_FRAMES) {
            self.noise.rekey_incoming();
        }
        let message = match Plain::decode(&plain)? {
            Plain::First { length, part } => {
                self.assembler.first(length, part, message_bytes_max)?
            }
            Plain::Next { part } => self.assembler.next(part)?,
            Plain::KeepAlive => None,
            Plain::Close(reason) => return Ok(Received::Close(reason)),
        };
        Ok(message.map_or(Received::Nothing, Received::Message))
    }
}
