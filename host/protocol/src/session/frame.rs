//! Cutting the stream of bytes into frames, and what stands in a frame after decryption.

use super::SessionError;

/// Bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 2;

/// Bytes that authenticated encryption adds.
pub(super) const TAG_BYTES: usize = 16;

/// The largest Noise message, as the specification has it.
pub(super) const FRAME_BYTES_MAX: usize = 65_535;

/// The largest first part of a message: without tag, kind and length of the whole.
pub(super) const FIRST_PART_MAX: usize = FRAME_BYTES_MAX - TAG_BYTES - 5;

/// The largest further part of a message: without tag and kind.
pub(super) const NEXT_PART_MAX: usize = FRAME_BYTES_MAX - TAG_BYTES - 1;

const KIND_FIRST: u8 = 0;
const KIND_NEXT: u8 = 1;
const KIND_KEEP_ALIVE: u8 = 2;
const KIND_CLOSE: u8 = 3;

/// Collects one frame from however the network cuts the stream. Holds at most one.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    buffer: Vec<u8>,
    is_complete: bool,
}

impl FrameReader {
    /// Takes bytes from the front of `input` until a frame is whole or `input` is empty.
    ///
    /// # Errors
    /// [`SessionError::FrameLength`] as soon as the length is known to be outside `min..=max`.
    pub(super) fn read(
        &mut self,
        input: &mut &[u8],
        min: usize,
        max: usize,
    ) -> Result<Option<&[u8]>, SessionError> {
        if self.is_complete {
            self.buffer.clear();
            self.is_complete = false;
        }
        self.take(input, LENGTH_BYTES);
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_le_bytes(*length));
        if !(min..=max).contains(&length) {
            return Err(SessionError::FrameLength { length, min, max });
        }
        self.take(input, LENGTH_BYTES + length);
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.is_complete = true;
        Ok(self.buffer.get(LENGTH_BYTES..))
    }

    /// Moves bytes until the buffer has `size`.
    fn take(&mut self, input: &mut &[u8], size: usize) {
        let count = size.saturating_sub(self.buffer.len()).min(input.len());
        let (taken, rest) = input.split_at(count);
        self.buffer.extend_from_slice(taken);
        *input = rest;
    }
}

/// Why a peer said goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The node shuts down or leaves the network.
    Shutdown,
    /// Another session between the same two nodes stays (see
    /// [`kept_initiator`](super::kept_initiator)).
    Duplicate,
    /// The node has enough sessions, or was told to drop this one.
    Refused,
    /// The peer sent what no correct node sends.
    Misbehaviour,
    /// The peer was silent for too long.
    Idle,
    /// A reason that a newer version knows.
    Other(u8),
}

impl CloseReason {
    fn code(self) -> u8 {
        match self {
            Self::Shutdown => 0,
            Self::Duplicate => 1,
            Self::Refused => 2,
            Self::Misbehaviour => 3,
            Self::Idle => 4,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Shutdown,
            1 => Self::Duplicate,
            2 => Self::Refused,
            3 => Self::Misbehaviour,
            4 => Self::Idle,
            other => Self::Other(other),
        }
    }
}

/// A frame's plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain<'a> {
    /// A message of `length` bytes begins with this part.
    First { length: usize, part: &'a [u8] },
    /// The message goes on.
    Next { part: &'a [u8] },
    /// Nothing but a sign of life.
    KeepAlive,
    /// Goodbye.
    Close(CloseReason),
}

impl<'a> Plain<'a> {
    /// Reads the plaintext of an authentic frame.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, SessionError> {
        let malformed = |what| SessionError::Framing { what };
        let (kind, rest) = bytes.split_first().ok_or(malformed("empty frame"))?;
        match *kind {
            KIND_FIRST => {
                let (length, part) = rest
                    .split_first_chunk::<4>()
                    .ok_or(malformed("a message without its length"))?;
                // Saturates where usize has 16 bits; the limit refuses it then.
                let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                Ok(Self::First { length, part })
            }
            KIND_NEXT => Ok(Self::Next { part: rest }),
            KIND_KEEP_ALIVE if rest.is_empty() => Ok(Self::KeepAlive),
            KIND_CLOSE if rest.len() == 1 => Ok(Self::Close(CloseReason::from_code(rest[0]))),
            KIND_KEEP_ALIVE | KIND_CLOSE => Err(malformed("a frame of the wrong length")),
            _ => Err(malformed("unknown kind of frame")),
        }
    }

    /// Writes the plaintext.
    pub(super) fn encode(&self) -> Vec<u8> {
        match *self {
            Self::First { length, part } => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                [&[KIND_FIRST][..], &length.to_le_bytes(), part].concat()
            }
            Self::Next { part } => [&[KIND_NEXT][..], part].concat(),
            Self::KeepAlive => vec![KIND_KEEP_ALIVE],
            Self::Close(reason) => vec![KIND_CLOSE, reason.code()],
        }
    }
}

/// Puts the parts of one message together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    message: Vec<u8>,
    /// How long the message will be; 0 between messages.
    length: usize,
}

impl Assembler {
    /// Begins a message. Gives it back if the first part is all of it.
    pub(super) fn first(
        &mut self,
        length: usize,
        part: &[u8],
        max: usize,
    ) -> Result<Option<Vec<u8>>, SessionError> {
        if self.length != 0 {
            return Err(SessionError::Framing {
                what: "a message inside another",
            });
        }
        if length == 0 || length > max {
            return Err(SessionError::MessageLength { length, max });
        }
        self.length = length;
        self.push(part, FIRST_PART_MAX)
    }

    /// Goes on with a message. Gives it back if it is whole.
    pub(super) fn next(&mut self, part: &[u8]) -> Result<Option<Vec<u8>>, SessionError> {
        if self.length == 0 {
            return Err(SessionError::Framing {
                what: "a continuation of nothing",
            });
        }
        self.push(part, NEXT_PART_MAX)
    }

    fn push(&mut self, part: &[u8], part_max: usize) -> Result<Option<Vec<u8>>, SessionError> {
        let missing = self.length - self.message.len();
        if part.len() != missing.min(part_max) {
            return Err(SessionError::Framing {
                what: "a part that is not full",
            });
        }
        // Grows with what arrives: an announced length reserves nothing.
        self.message.extend_from_slice(part);
        if self.message.len() < self.length {
            return Ok(None);
        }
        self.length = 0;
        Ok(Some(std::mem::take(&mut self.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_the_format_document_has_them() {
        let part = &[9, 8][..];
        let plains = [
            (
                Plain::First { length: 258, part },
                &[0, 2, 1, 0, 0, 9, 8][..],
            ),
            (Plain::Next { part }, &[1, 9, 8]),
            (Plain::KeepAlive, &[2]),
            (Plain::Close(CloseReason::Duplicate), &[3, 1]),
        ];
        for (plain, bytes) in plains {
            assert_eq!(plain.encode(), bytes);
            assert_eq!(Plain::decode(bytes), Ok(plain));
        }
        for bad in [&[][..], &[0, 1, 2, 3], &[2, 0], &[3], &[3, 1, 1], &[4]] {
            assert!(Plain::decode(bad).is_err(), "{bad:?}");
        }
    }
}
