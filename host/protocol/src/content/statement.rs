//! What nodes tell each other of modules: that one exists, and which version is to run.

use std::sync::Arc;
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::decode::Decoder;
use minicbor::{Decode, Encode};

use crate::bounded;
use crate::clock::HybridClock;
use crate::identity::{NodeIdentity, Signature};
use crate::ids::{Hash, NodeId};

use super::{
    ANNOUNCEMENT_BYTES_MAX, AnnouncementError, SignedAnnouncement, SignedSwitch, announcement,
    switch,
};

/// A signed statement, checked. Compared, stored and sent alike, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A module exists.
    Announcement(Arc<SignedAnnouncement>),
    /// A type is to run on a version.
    Switch(Arc<SignedSwitch>),
}

impl Statement {
    /// Decodes a statement and checks it. Total over any bytes.
    ///
    /// # Errors
    /// [`AnnouncementError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AnnouncementError> {
        match format(&unsigned(bytes)?.body) {
            Some(announcement::FORMAT) => Ok(SignedAnnouncement::from_bytes(bytes)?.into()),
            Some(switch::FORMAT) => Ok(SignedSwitch::from_bytes(bytes)?.into()),
            _ => Err(AnnouncementError::Malformed {
                what: "unknown format",
            }),
        }
    }

    /// The id of a statement that is not checked yet, to see whether it is known.
    pub(super) fn id_of(bytes: &[u8]) -> Result<Hash, AnnouncementError> {
        Ok(Hash::of(&unsigned(bytes)?.body))
    }

    /// Whether it has to wait for the clock. Announcements may be dated as they like: of them the
    /// earliest counts.
    pub(super) fn is_ahead(&self, wall_ms: u64, ahead_max: Duration) -> bool {
        match self {
            Self::Announcement(_) => false,
            Self::Switch(of) => {
                let clock = HybridClock::new(ahead_max);
                clock.wait(of.switch().hlc, wall_ms).is_some()
            }
        }
    }

    /// The bytes that [`from_bytes`](Statement::from_bytes) takes.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        match self {
            Self::Announcement(announcement) => announcement.as_bytes(),
            Self::Switch(switch) => switch.as_bytes(),
        }
    }

    /// Its id: the hash of what is signed.
    pub fn id(&self) -> Hash {
        match self {
            Self::Announcement(announcement) => announcement.id(),
            Self::Switch(switch) => switch.id(),
        }
    }
}

impl From<SignedAnnouncement> for Statement {
    fn from(announcement: SignedAnnouncement) -> Self {
        Self::Announcement(Arc::new(announcement))
    }
}

impl From<Arc<SignedAnnouncement>> for Statement {
    fn from(announcement: Arc<SignedAnnouncement>) -> Self {
        Self::Announcement(announcement)
    }
}

impl From<SignedSwitch> for Statement {
    fn from(switch: SignedSwitch) -> Self {
        Self::Switch(Arc::new(switch))
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct WireSigned {
    #[n(0)]
    pub(super) body: ByteVec,
    #[n(1)]
    pub(super) signature: Signature,
}

/// A body with its signature, and the id that follows from it.
pub(super) fn sign(identity: &NodeIdentity, context: &str, body: Vec<u8>) -> (Hash, Arc<[u8]>) {
    let id = Hash::of(&body);
    let signature = identity.sign(context, &body);
    let bytes = bounded::to_bytes(&WireSigned {
        body: body.into(),
        signature,
    });
    (id, bytes.into())
}

/// Takes body and signature apart; neither is checked yet.
pub(super) fn unsigned(bytes: &[u8]) -> Result<WireSigned, AnnouncementError> {
    if bytes.len() > ANNOUNCEMENT_BYTES_MAX {
        return Err(AnnouncementError::Malformed { what: "too long" });
    }
    decode(bytes)
}

/// Whether `signer` signed the body.
pub(super) fn verify(
    signer: NodeId,
    context: &str,
    signed: &WireSigned,
) -> Result<(), AnnouncementError> {
    signer
        .verify(context, &signed.body, &signed.signature)
        .map_err(|_| AnnouncementError::Signature { publisher: signer })
}

pub(super) fn decode<T>(bytes: &[u8]) -> Result<T, AnnouncementError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let what = "not the expected CBOR in its one form";
    bounded::from_bytes(bytes).map_err(|_| AnnouncementError::Malformed { what })
}

/// The first element of a body, which says what the body is.
fn format(body: &[u8]) -> Option<u8> {
    let mut decoder = Decoder::new(body);
    decoder.array().ok()??;
    decoder.u8().ok()
}
