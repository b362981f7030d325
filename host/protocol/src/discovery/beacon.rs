//! What a node says of itself to whoever hears it.

use std::net::SocketAddr;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::ids::{ClusterId, NodeId};

/// No beacon is longer. A datagram of this size is never cut on its way.
pub const BEACON_BYTES_MAX: usize = 512;

/// Tells beacons from what else comes to the same port.
const MAGIC: &str = "replicant beacon";

/// The version of the format.
const VERSION: u8 = 1;

/// Longer texts are no socket address: an IPv6 address with scope and port has at most 58.
const ADDRESS_BYTES_MAX: usize = 64;

/// What a node claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Its id.
    pub node: NodeId,
    /// The cluster that it is in, if it has one yet.
    pub cluster: Option<ClusterId>,
    /// Where it listens for other nodes.
    pub address: SocketAddr,
    /// Whether it knows of no other node, and asks for answers.
    pub is_alone: bool,
}

/// Why bytes are no beacon. The sender's fault, or somebody else uses the port; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeaconError {
    /// Longer than [`BEACON_BYTES_MAX`], not in the format, or not in its one encoding.
    #[error("not a beacon: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// A beacon of another version.
    #[error("a beacon of version {version}; this node speaks version {VERSION}")]
    Version {
        /// Its version.
        version: u8,
    },
    /// The address is none that a node can be reached at.
    #[error("a beacon with a wrong address: {reason}")]
    Address {
        /// What is wrong with it.
        reason: &'static str,
    },
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireBeacon {
    #[n(0)]
    magic: String,
    #[n(1)]
    version: u8,
    #[n(2)]
    node: NodeId,
    #[n(3)]
    cluster: Option<ClusterId>,
    #[n(4)]
    address: String,
    #[n(5)]
    is_alone: bool,
}

impl Beacon {
    /// Encodes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        bounded::to_bytes(&WireBeacon {
            magic: MAGIC.to_owned(),
            version: VERSION,
            node: self.node,
            cluster: self.cluster,
            address: self.address.to_string(),
            is_alone: self.is_alone,
        })
    }

    /// Decodes a datagram.
    ///
    /// # Errors
    /// [`BeaconError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BeaconError> {
        let malformed = |reason: &dyn ToString| BeaconError::Malformed {
            reason: reason.to_string(),
        };
        if bytes.len() > BEACON_BYTES_MAX {
            return Err(malformed(&"too long"));
        }
        let wire: WireBeacon = bounded::from_bytes(bytes).map_err(|error| malformed(&error))?;
        if wire.magic != MAGIC {
            return Err(malformed(&"it does not begin like one"));
        }
        if wire.version != VERSION {
            let version = wire.version;
            return Err(BeaconError::Version { version });
        }
        let address = parse(&wire.address).map_err(|reason| BeaconError::Address { reason })?;
        Ok(Self {
            node: wire.node,
            cluster: wire.cluster,
            address,
            is_alone: wire.is_alone,
        })
    }
}

fn parse(text: &str) -> Result<SocketAddr, &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("too long");
    }
    let address: SocketAddr = text.parse().map_err(|_| "not a socket address")?;
    if address.to_string() != text {
        return Err("in an unusual form");
    }
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_multicast() || address.port() == 0 {
        return Err("nobody can be reached there");
    }
    Ok(address)
}
