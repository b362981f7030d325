//! What a node says of itself in the handshake, and how it is signed.

use std::net::SocketAddr;

use minicbor::{Decode, Encode};

use crate::identity::NodeIdentity;
use crate::ids::{ClusterId, NodeId};
use crate::signed::{Domain, Malformed, Signed};

use super::{HANDSHAKE_BYTES_MAX, SessionError, VersionRange, View};

/// What who keeps a partial view says.
const PARTIAL: u8 = 1;

const CONTEXT: &str = "replicant 2026-11 session handshake";

/// Longer texts are no socket address: an IPv6 address with scope and port has at most 58.
const ADDRESS_BYTES_MAX: usize = 64;

/// Which side of the handshake signs, so that a statement cannot be turned around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Initiator,
    Responder,
}

impl Role {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// What a statement is bound to: this handshake, this side of it, this Noise key.
pub(super) struct Binding<'a> {
    pub(super) role: Role,
    pub(super) handshake_hash: &'a [u8],
    pub(super) noise_static: &'a [u8],
}

impl Binding<'_> {
    /// All parts have a fixed length, so no two statements give the same bytes to sign.
    fn domain(&self) -> Domain {
        let role = match self.role {
            Role::Initiator => 1,
            Role::Responder => 2,
        };
        let mut bytes = vec![role];
        bytes.extend_from_slice(self.handshake_hash);
        bytes.extend_from_slice(self.noise_static);
        Domain::bound(CONTEXT, bytes)
    }
}

/// A node about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) versions: VersionRange,
    pub(super) cluster: Option<ClusterId>,
    pub(super) node: NodeId,
    pub(super) address: SocketAddr,
    pub(super) view: View,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireStatement {
    #[n(0)]
    version_min: u16,
    #[n(1)]
    version_max: u16,
    #[n(2)]
    cluster: Option<ClusterId>,
    #[n(3)]
    node: NodeId,
    #[n(4)]
    address: String,
    /// Left out by who keeps a full view.
    #[n(5)]
    view: Option<u8>,
}

impl From<Malformed> for SessionError {
    fn from(Malformed { what }: Malformed) -> Self {
        Self::Statement { what }
    }
}

impl Statement {
    /// Encodes and signs. The bytes are the payload of a handshake message.
    pub(super) fn sign(&self, identity: &NodeIdentity, binding: &Binding<'_>) -> Vec<u8> {
        let wire = WireStatement {
            version_min: self.versions.min,
            version_max: self.versions.max,
            cluster: self.cluster,
            node: self.node,
            address: self.address.to_string(),
            view: match self.view {
                View::Full => None,
                View::Partial => Some(PARTIAL),
            },
        };
        Signed::sign(identity, &binding.domain(), &wire).to_bytes()
    }

    /// Decodes a payload and checks form and signature.
    ///
    /// # Errors
    /// [`SessionError::Statement`] or [`SessionError::Signature`], both the peer's fault.
    pub(super) fn verify(payload: &[u8], binding: &Binding<'_>) -> Result<Self, SessionError> {
        let signed = Signed::from_bytes(payload, HANDSHAKE_BYTES_MAX)?;
        let statement = Self::from_wire(&signed.said()?)?;
        let node = statement.node;
        let verified = signed.verify(&binding.domain(), node);
        verified.map_err(|_| SessionError::Signature { node })?;
        Ok(statement)
    }

    fn from_wire(wire: &WireStatement) -> Result<Self, SessionError> {
        let malformed = |what| SessionError::Statement { what };
        if wire.version_min > wire.version_max {
            return Err(malformed("empty version range"));
        }
        if wire.address.len() > ADDRESS_BYTES_MAX {
            return Err(malformed("address too long"));
        }
        let address: SocketAddr = wire
            .address
            .parse()
            .map_err(|_| malformed("not a socket address"))?;
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err(malformed("nobody can be reached at this address"));
        }
        if address.to_string() != wire.address {
            return Err(malformed("address in an unusual form"));
        }
        let view = match wire.view {
            None => View::Full,
            Some(PARTIAL) => View::Partial,
            Some(_) => return Err(malformed("an unknown kind of view")),
        };
        Ok(Self {
            view,
            versions: VersionRange {
                min: wire.version_min,
                max: wire.version_max,
            },
            cluster: wire.cluster,
            node: wire.node,
            address,
        })
    }
}
