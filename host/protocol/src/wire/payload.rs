//! What a broadcast carries: one byte says what it is, the rest is that.

const BUNDLE: u8 = 1;
const ANNOUNCEMENT: u8 = 2;
const FACT: u8 = 3;
const PUBLICATION: u8 = 4;
const CALL: u8 = 5;

/// What [`broadcast`](crate::broadcast) carries to everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A signed bundle, as its author encoded it.
    Bundle(&'a [u8]),
    /// The announcement of a module, as its publisher signed it.
    Announcement(&'a [u8]),
    /// A fact, as its issuer signed it.
    Fact(&'a [u8]),
    /// Something that a program says in a topic, as its node signed it: among nodes with partial
    /// views.
    Publication(&'a [u8]),
    /// A call for circles, as its caller signed it: among nodes with partial views.
    Call(&'a [u8]),
}

/// Why bytes are not a payload of this protocol version. The fault of whoever sent them: correct
/// nodes look before they pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// No bytes at all.
    #[error("an empty payload")]
    Empty,
    /// A kind that this version of the protocol does not have.
    #[error("a payload of the unknown kind {kind}")]
    Kind {
        /// Its number.
        kind: u8,
    },
}

impl<'a> Payload<'a> {
    /// Encodes the payload.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Bundle(bytes) => [&[BUNDLE], bytes].concat(),
            Self::Announcement(bytes) => [&[ANNOUNCEMENT], bytes].concat(),
            Self::Fact(bytes) => [&[FACT], bytes].concat(),
            Self::Publication(bytes) => [&[PUBLICATION], bytes].concat(),
            Self::Call(bytes) => [&[CALL], bytes].concat(),
        }
    }

    /// Decodes a payload. What it contains is not looked at.
    ///
    /// # Errors
    /// [`PayloadError`]: the sender's fault.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let (kind, bytes) = bytes.split_first().ok_or(PayloadError::Empty)?;
        match *kind {
            BUNDLE => Ok(Self::Bundle(bytes)),
            ANNOUNCEMENT => Ok(Self::Announcement(bytes)),
            FACT => Ok(Self::Fact(bytes)),
            PUBLICATION => Ok(Self::Publication(bytes)),
            CALL => Ok(Self::Call(bytes)),
            kind => Err(PayloadError::Kind { kind }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::PAYLOAD_BYTES_MAX;
    use crate::bundle::limits::SIGNED_BYTES_MAX;

    #[test]
    fn a_payload_is_read_back_and_other_kinds_are_refused() {
        for payload in [
            Payload::Bundle(b"x"),
            Payload::Announcement(b""),
            Payload::Fact(b"y"),
            Payload::Publication(b"z"),
            Payload::Call(b"c"),
        ] {
            let bytes = payload.to_bytes();
            assert_eq!(Payload::from_bytes(&bytes), Ok(payload));
        }
        assert_eq!(Payload::from_bytes(&[]), Err(PayloadError::Empty));
        let error = PayloadError::Kind { kind: 77 };
        assert_eq!(Payload::from_bytes(&[77, 1]), Err(error));
    }

    #[test]
    fn the_largest_bundle_can_be_broadcast() {
        let bundle = vec![0; SIGNED_BYTES_MAX];
        assert!(Payload::Bundle(&bundle).to_bytes().len() <= PAYLOAD_BYTES_MAX);
    }
}
