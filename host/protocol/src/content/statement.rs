//! What nodes tell each other of modules: that one exists, and which version is to run.

use std::sync::Arc;
use std::time::Duration;

use minicbor::decode::Decoder;

use crate::clock::HybridClock;
use crate::ids::{Hash, NodeId};
use crate::signed::{Domain, Signed};

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
        match format(unsigned(bytes)?.body()) {
            Some(announcement::FORMAT) => Ok(SignedAnnouncement::from_bytes(bytes)?.into()),
            Some(switch::FORMAT) => Ok(SignedSwitch::from_bytes(bytes)?.into()),
            _ => Err(AnnouncementError::Malformed {
                what: "unknown format",
            }),
        }
    }

    /// The id of a statement that is not checked yet, to see whether it is known.
    pub(super) fn id_of(bytes: &[u8]) -> Result<Hash, AnnouncementError> {
        Ok(unsigned(bytes)?.id())
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

/// Takes body and signature apart; neither is checked yet.
pub(super) fn unsigned(bytes: &[u8]) -> Result<Signed, AnnouncementError> {
    Ok(Signed::from_bytes(bytes, ANNOUNCEMENT_BYTES_MAX)?)
}

/// Whether `publisher` signed the body.
pub(super) fn verify(
    signed: &Signed,
    domain: &Domain,
    publisher: NodeId,
) -> Result<(), AnnouncementError> {
    let verified = signed.verify(domain, publisher);
    verified.map_err(|_| AnnouncementError::Signature { publisher })
}

/// The first element of a body, which says what the body is.
fn format(body: &[u8]) -> Option<u8> {
    let mut decoder = Decoder::new(body);
    decoder.array().ok()??;
    decoder.u8().ok()
}
