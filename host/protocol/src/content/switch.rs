//! Switches: signed statements that objects of a type run on a version from now on.
//!
//! The latest by (hybrid clock, issuer, id) counts, on every node alike, whatever order they come
//! in. Agreed snapshots will take its place: there a switch takes effect at a cut.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use semver::Version;

use crate::bounded;
use crate::clock::Hlc;
use crate::identity::NodeIdentity;
use crate::ids::{Hash, NodeId};
use crate::signed::{Domain, Signed};

use super::statement::{unsigned, verify};
use super::{AnnouncementError, ModuleName, ModuleVersion};

const DOMAIN: Domain = Domain::of("replicant 2026-11 module switch");

/// The format that is written and read. Another number than that of announcements.
pub(super) const FORMAT: u8 = 2;

/// Op encodings that a switch names at most.
pub const SWITCH_SCHEMAS_MAX: usize = 32;

/// A type runs on a version, says its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The type, and the version that its objects run on: a semantic one.
    pub name: ModuleName,
    /// The op encodings that versions of the type wrote or write, as far as the issuer knows;
    /// ascending. So nobody has to look through the log to know what a version must read.
    pub schemas: Vec<u32>,
    /// Who says so.
    pub issuer: NodeId,
    /// When, by the issuer's clock; later than every switch of the type that the issuer knew.
    pub hlc: Hlc,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBody {
    #[n(0)]
    format: u8,
    #[n(1)]
    name: crate::ids::TypeName,
    #[n(2)]
    version: String,
    #[cbor(n(3), decode_with = "encodings")]
    schemas: Vec<u32>,
    #[n(4)]
    issuer: NodeId,
    #[n(5)]
    hlc: Hlc,
}

fn encodings<C>(
    d: &mut minicbor::decode::Decoder<'_>,
    c: &mut C,
) -> Result<Vec<u32>, minicbor::decode::Error> {
    bounded::vec::<C, u32, SWITCH_SCHEMAS_MAX>(d, c)
}

/// A switch with its signature, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedSwitch {
    switch: Switch,
    bytes: Arc<[u8]>,
    id: Hash,
}

impl SignedSwitch {
    /// Signs a switch as its issuer.
    ///
    /// # Errors
    /// [`AnnouncementError::Malformed`] if the issuer is not the signer, or the encodings are not
    /// ascending or too many; [`AnnouncementError::Version`]: the caller's misuse.
    pub fn sign(switch: Switch, identity: &NodeIdentity) -> Result<Self, AnnouncementError> {
        if switch.issuer != identity.id() {
            let what = "signed by another than its issuer";
            return Err(AnnouncementError::Malformed { what });
        }
        check_schemas(&switch.schemas)?;
        check_version(&switch.name.version)?;
        let signed = sign(&switch, identity);
        Ok(Self {
            switch,
            bytes: signed.to_bytes().into(),
            id: signed.id(),
        })
    }

    /// Decodes a switch and checks it. Total over any bytes.
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
        check_schemas(&wire.schemas)?;
        let switch = Switch {
            name: ModuleName {
                name: wire.name,
                version: wire.version.parse()?,
            },
            schemas: wire.schemas,
            issuer: wire.issuer,
            hlc: wire.hlc,
        };
        check_version(&switch.name.version)?;
        verify(&signed, &DOMAIN, switch.issuer)?;
        Ok(Self {
            id: signed.id(),
            switch,
            bytes: bytes.into(),
        })
    }

    /// The bytes that [`from_bytes`](SignedSwitch::from_bytes) takes.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What it says.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Its id: the hash of what is signed.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// The order of the switches of one type: the highest counts.
    pub fn rank(&self) -> (Hlc, NodeId, Hash) {
        (self.switch.hlc, self.switch.issuer, self.id)
    }
}

fn sign(switch: &Switch, identity: &NodeIdentity) -> Signed {
    let wire = WireBody {
        format: FORMAT,
        name: switch.name.name.clone(),
        version: switch.name.version.as_str().to_owned(),
        schemas: switch.schemas.clone(),
        issuer: switch.issuer,
        hlc: switch.hlc,
    };
    Signed::sign(identity, &DOMAIN, &wire)
}

/// What somebody sends who does not check.
#[cfg(test)]
pub(super) fn signed_unchecked(switch: &Switch, identity: &NodeIdentity) -> Arc<[u8]> {
    sign(switch, identity).to_bytes().into()
}

/// A switch that names nothing which can run would take the place of one that does.
fn check_version(version: &ModuleVersion) -> Result<(), AnnouncementError> {
    match Version::parse(version.as_str()) {
        Ok(_) => Ok(()),
        Err(_) => Err(AnnouncementError::Version),
    }
}

fn check_schemas(schemas: &[u32]) -> Result<(), AnnouncementError> {
    let is_ascending = schemas.windows(2).all(|pair| pair[0] < pair[1]);
    if is_ascending && schemas.len() <= SWITCH_SCHEMAS_MAX {
        return Ok(());
    }
    let what = "op encodings out of order or too many";
    Err(AnnouncementError::Malformed { what })
}
