//! The limits of content.

use std::time::Duration;

pub use crate::chunks::CHUNK_BYTES;
use crate::clock::HybridClock;

/// The largest module: beyond what any language's toolchain makes (Python's runtime: 18 MB).
pub const MODULE_BYTES_MAX: u32 = 32 * 1024 * 1024;

/// The settings of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many announcements are kept in all; each takes about 600 bytes. At the bound new names
    /// are refused and counted. Default 4,096.
    pub announcements_max: usize,
    /// How many of them may be of one publisher, so that one cannot use up all. Default 512.
    pub announcements_per_publisher_max: usize,
    /// How many different modules are kept under one name and version; the lowest by (clock,
    /// publisher, id) stay. Part of what nodes have to agree on. Default 8: evidence enough.
    pub announcements_per_name_max: usize,
    /// How many switches of one type are kept: the latest. Part of what nodes have to agree on.
    /// Default 8. In all, and of one issuer, as many are kept as announcements.
    pub switches_per_type_max: usize,
    /// How far ahead of this node's wall clock a switch may be dated; one that is further ahead has
    /// to wait, as bundles have. Default 60 s.
    pub clock_ahead_max: Duration,
    /// How often announcements are compared with a random peer. Costs 50 bytes when nothing
    /// differs. Default 10 s; varied by a quarter.
    pub compare_interval: Duration,
    /// At most so often a peer gets the pages of ids or asks for announcements, so that it cannot
    /// use this node as an amplifier. Default 1 s.
    pub pages_interval: Duration,
    /// How many peers are known at once. Default 4,096.
    pub peers_max: usize,
    /// How many modules are fetched at once; each can hold [`MODULE_BYTES_MAX`]. Default 4.
    pub fetches_max: usize,
    /// How many modules may be wanted, waiting ones included. Default 1,024.
    pub wants_max: usize,
    /// How many bytes of modules are fetched before the next start, those that are wanted and not
    /// here yet included. Anybody can announce modules, and all of them are kept; whoever starts a
    /// node takes off what is kept already. Default 1 GiB.
    pub fetched_bytes_max: u64,
    /// How many chunks are asked for ahead of their arrival. Larger: faster over long links (with
    /// 50 ms of round trip 4 give 5 MB/s). Default 4.
    pub window_count: usize,
    /// How long a peer may take for the next part before the fetch goes on with another peer.
    /// Default 5 s.
    pub part_timeout: Duration,
    /// How long a fetch rests when nobody has the module; doubled each time up to 16 times.
    /// Default 2 s.
    pub retry_interval: Duration,
    /// How many parts may be under way to one peer; more are refused as busy. At least
    /// `window_count` of the others. Default 16: four fetches of a window of 4.
    pub serves_per_peer_max: usize,
    /// How many parts may be under way to all peers. Each holds a chunk when it is answered.
    /// Default 256: 16 MiB.
    pub serves_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            announcements_max: 4_096,
            announcements_per_publisher_max: 512,
            announcements_per_name_max: 8,
            switches_per_type_max: 8,
            clock_ahead_max: HybridClock::AHEAD_MAX_DEFAULT,
            compare_interval: Duration::from_secs(10),
            pages_interval: Duration::from_secs(1),
            peers_max: 4_096,
            fetches_max: 4,
            wants_max: 1_024,
            fetched_bytes_max: 1 << 30,
            window_count: 4,
            part_timeout: Duration::from_secs(5),
            retry_interval: Duration::from_secs(2),
            serves_per_peer_max: 16,
            serves_max: 256,
        }
    }
}

impl Config {
    /// The settings with nonsense taken out.
    pub(super) fn within_range(mut self) -> Self {
        self.announcements_max = self.announcements_max.max(1);
        self.announcements_per_publisher_max = self.announcements_per_publisher_max.max(1);
        self.announcements_per_name_max = self.announcements_per_name_max.max(1);
        self.switches_per_type_max = self.switches_per_type_max.max(1);
        self.fetches_max = self.fetches_max.max(1);
        self.wants_max = self.wants_max.max(1);
        self.window_count = self.window_count.max(1);
        let least = Duration::from_millis(10);
        self.compare_interval = self.compare_interval.max(least);
        self.part_timeout = self.part_timeout.max(least);
        self.retry_interval = self.retry_interval.max(least);
        self
    }
}
