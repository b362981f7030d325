//! Announcements: signed statements that a module exists.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::clock::Hlc;
use crate::identity::NodeIdentity;
use crate::ids::{Hash, ModuleHash, NodeId, TypeName};
use crate::signed::{Domain, Malformed, Signed};

use super::statement::{unsigned, verify};
use super::{MODULE_BYTES_MAX, ModuleName};

const DOMAIN: Domain = Domain::of("replicant 2026-11 module announcement");

/// The format that is written and read.
pub(super) const FORMAT: u8 = 1;

/// The longest version text, in bytes.
pub const VERSION_BYTES_MAX: usize = 64;

/// The largest announcement with its signature, in bytes: names of 64 bytes each, the rest is
/// about 200.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 512;

/// A module's version, such as `1.2.0`: 1 to 64 letters, digits, `.`, `-`, `+`. Only compared for
/// equality here; what is newer is not this layer's concern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleVersion(Arc<str>);

impl ModuleVersion {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModuleVersion {
    type Err = AnnouncementError;

    fn from_str(text: &str) -> Result<Self, AnnouncementError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
        if text.is_empty() || text.len() > VERSION_BYTES_MAX || !text.bytes().all(is_allowed) {
            return Err(AnnouncementError::Malformed { what: "version" });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a module may use, equal on all nodes. This layer carries the numbers and does not know
/// what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct ModuleLimits {
    /// Fuel for one call into the guest.
    #[n(0)]
    pub fuel_per_call: u64,
    /// Memory of one instance, in bytes.
    #[n(1)]
    pub memory_bytes_max: u64,
    /// Output of one call, in bytes.
    #[n(2)]
    pub output_bytes_max: u64,
}

/// A module exists, says its publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What users call it.
    pub name: ModuleName,
    /// The hash of the component's bytes.
    pub module: ModuleHash,
    /// The size of the component in bytes; 1 to [`MODULE_BYTES_MAX`].
    pub size_bytes: u32,
    /// What it may use.
    pub limits: ModuleLimits,
    /// Who says so.
    pub publisher: NodeId,
    /// When, by the publisher's clock. A claim.
    pub hlc: Hlc,
}

/// Why an announcement is not accepted. The fault of whoever sent it, since correct nodes check
/// what they pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Not the expected CBOR, not its shortest form, or a value out of range.
    #[error("a malformed announcement: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// A switch names a version that is no semantic one.
    #[error("a switch to a version that is no semantic version, such as 1.2.0")]
    Version,
    /// The publisher, or the issuer of a switch, did not sign it.
    #[error("an announcement that {publisher} did not sign")]
    Signature {
        /// Who is named.
        publisher: NodeId,
    },
}

impl From<Malformed> for AnnouncementError {
    fn from(Malformed { what }: Malformed) -> Self {
        Self::Malformed { what }
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBody {
    #[n(0)]
    format: u8,
    #[n(1)]
    name: TypeName,
    #[n(2)]
    version: String,
    #[n(3)]
    module: ModuleHash,
    #[n(4)]
    size_bytes: u32,
    #[n(5)]
    limits: ModuleLimits,
    #[n(6)]
    publisher: NodeId,
    #[n(7)]
    hlc: Hlc,
}

/// An announcement with its signature, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAnnouncement {
    announcement: Announcement,
    bytes: Arc<[u8]>,
    id: Hash,
}

impl SignedAnnouncement {
    /// Signs an announcement as its publisher.
    ///
    /// # Errors
    /// [`AnnouncementError::Malformed`] if the size is out of range or the publisher is not the
    /// signer: the caller's misuse.
    pub fn sign(
        announcement: Announcement,
        identity: &NodeIdentity,
    ) -> Result<Self, AnnouncementError> {
        let malformed = |what| AnnouncementError::Malformed { what };
        if announcement.publisher != identity.id() {
            return Err(malformed("signed by another than its publisher"));
        }
        check_size(announcement.size_bytes)?;
        let wire = WireBody {
            format: FORMAT,
            name: announcement.name.name.clone(),
            version: announcement.name.version.as_str().to_owned(),
            module: announcement.module,
            size_bytes: announcement.size_bytes,
            limits: announcement.limits,
            publisher: announcement.publisher,
            hlc: announcement.hlc,
        };
        let signed = Signed::sign(identity, &DOMAIN, &wire);
        Ok(Self {
            announcement,
            bytes: signed.to_bytes().into(),
            id: signed.id(),
        })
    }

    /// Decodes an announcement and checks it. Total over any bytes. About 50 µs, most of it for
    /// the signature.
    ///
    /// # Errors
    /// [`AnnouncementError`]: the sender's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AnnouncementError> {
        let signed = unsigned(bytes)?;
        let wire: WireBody = signed.said()?;
        if wire.format != FORMAT {
            let what = "unknown format";
            return Err(AnnouncementError::Malformed { what });
        }
        check_size(wire.size_bytes)?;
        let announcement = Announcement {
            name: ModuleName {
                name: wire.name,
                version: wire.version.parse()?,
            },
            module: wire.module,
            size_bytes: wire.size_bytes,
            limits: wire.limits,
            publisher: wire.publisher,
            hlc: wire.hlc,
        };
        verify(&signed, &DOMAIN, announcement.publisher)?;
        Ok(Self {
            id: signed.id(),
            announcement,
            bytes: bytes.into(),
        })
    }

    /// The bytes that [`from_bytes`](SignedAnnouncement::from_bytes) takes.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What it says.
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Its id: the hash of what is signed.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// The order in which announcements of one name win: lower is stronger.
    pub fn rank(&self) -> (Hlc, NodeId, Hash) {
        (self.announcement.hlc, self.announcement.publisher, self.id)
    }

    /// Whether both register the same thing: same bytes, same limits.
    pub fn registers_the_same(&self, other: &Self) -> bool {
        let (a, b) = (&self.announcement, &other.announcement);
        a.module == b.module && a.limits == b.limits && a.size_bytes == b.size_bytes
    }
}

fn check_size(size_bytes: u32) -> Result<(), AnnouncementError> {
    if (1..=MODULE_BYTES_MAX).contains(&size_bytes) {
        return Ok(());
    }
    Err(AnnouncementError::Malformed { what: "size" })
}
