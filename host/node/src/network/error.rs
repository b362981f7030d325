//! Why the network could not be started or joined.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

/// Why a node is not on the network. Nothing is left running.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The address is taken, or not one of this machine. The caller's choice.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        reason: String,
    },
    /// The advertised address is missing, malformed, or cannot be reached by anybody. The
    /// caller's choice, or its name service.
    #[error("cannot advertise {address} (--advertise): {reason}")]
    Advertise {
        /// The address, as it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A seed is not of the form `host:port`. The caller's mistake.
    #[error("cannot join {seed:?} (--join): {reason}")]
    Seed {
        /// The seed, as it was given.
        seed: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Beacons cannot be sent or heard. The caller's choice of a group, or this machine's network.
    #[error("cannot discover nodes through {group} (--discover-group): {reason}")]
    Discover {
        /// The multicast group and port.
        group: SocketAddrV4,
        /// What is wrong with it, or what the operating system said.
        reason: String,
    },
    /// No seed answered in time. It may be tried again.
    #[error("no seed answered within {waited:?}; the last attempt: {last}")]
    Join {
        /// How long it was tried.
        waited: Duration,
        /// Why the last attempt failed.
        last: String,
    },
    /// A seed follows another strategy of membership than this node was told to.
    #[error("{seed} cannot be joined: {reason}")]
    OtherStrategy {
        /// The seed, or where it is.
        seed: String,
        /// Which, and what to do.
        reason: String,
    },
    /// The operating system gives no random numbers; without them no session is secret.
    #[error("the operating system gives no random numbers: {reason}")]
    Entropy {
        /// What it said.
        reason: String,
    },
}
