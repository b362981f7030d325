//! Discovery: nodes of one local network that nobody introduced find each other by beacons.
//!
//! Guarantees: a node that is told of a candidate heard a well-formed beacon that fits its own
//! cluster; candidates, dials and answers are bounded, whatever is sent.
//!
//! A node sends a beacon to a multicast group every few seconds while it is alone, and seldom
//! otherwise. Who hears one of a node that is alone answers, after a pause that varies, at most
//! once a second, with a beacon of its own, which all hear.
//!
//! *A beacon is not signed.* It says where somebody claims to be, no more. The session's handshake
//! proves who is there and in which cluster, and a beacon that was signed and is sent again from
//! elsewhere would be as wrong. What a forged one costs is one dial, and these are bounded.
//!
//! *A new node* takes the first beacon of a node that has a cluster, and asks that node: it belongs
//! to the cluster that the handshake proves. Nodes without a cluster do not answer each other, so
//! none comes into being by itself.
//!
//! Timers: the next beacon, the next answer. Not here: sockets and interfaces, dials.
//! What checks it: `tests`, and `any_bytes_are_a_beacon_or_refused`,
//! `discovery_stays_bounded_whatever_is_sent` among the fuzz targets.

mod beacon;
mod config;
mod state;

#[cfg(test)]
mod tests;

pub use beacon::{BEACON_BYTES_MAX, Beacon, BeaconError};
pub use config::Config;
pub use state::{Local, OutEvent, State};
