//! What a broadcast tree is told at its start.

use std::time::Duration;

use crate::broadcast::PAYLOAD_BYTES_MAX;
use crate::environment::PlumtreeParameters;

/// The settings of Plumtree. [`Config::from`] takes what depends on the number of nodes and the
/// network from [`PlumtreeParameters`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest payload, in bytes; at most [`PAYLOAD_BYTES_MAX`], the default.
    pub payload_bytes_max: usize,
    /// How many sessions a payload may cross; 1 to 255. Default 64: even a tree of bad shape is
    /// less deep.
    pub hops_max: u8,
    /// How many hashes are surely remembered; see [`broadcast::Config`](crate::broadcast::Config).
    /// Default 16,384.
    pub seen_max: usize,
    /// How many payloads may wait for the driver; more are dropped and counted. Default 1,024.
    pub events_max: usize,
    /// How many copies beside the tree a broadcast may make: from its sender it first spreads over
    /// so many links at random, and from all these places on along the tree. Larger: shorter paths
    /// in hops and time; each costs up to two needless copies. β n / 2 for a relative redundancy
    /// of β. 0: the paper's single way along the tree.
    pub spread_count: u16,
    /// How long announcements to lazy neighbours are collected. Larger: fewer messages; slower
    /// detection of a broken tree. Default 50 ms.
    pub i_have_interval: Duration,
    /// How long nothing is announced to a new neighbour: it may not know yet that the two are
    /// neighbours, and would not listen. What there is to announce waits. Default 50 ms.
    pub new_link_quiet: Duration,
    /// How many announcements wait for one neighbour; the oldest give way and are counted.
    /// Default 1,024.
    pub i_have_queue_max: usize,
    /// How long an announced payload may take to come along the tree before it is asked for. Has
    /// to be above the time of the longest way less that of the shortest, or healthy trees make
    /// duplicates: ⌈log₁₀ n⌉ + 2 hops, which is the depth of the tree, of the longest latency.
    /// Default 300 ms.
    pub graft_timeout: Duration,
    /// How long a neighbour that was asked may take before the next is: two round trips. Default
    /// 250 ms.
    pub graft_retry: Duration,
    /// How many announced payloads are waited for, over all neighbours; each neighbour has an
    /// equal share. Default 4,096.
    pub missing_max: usize,
    /// How many hops shorter another way has to be to take the place of the present one. Smaller:
    /// a flatter tree that moves more. With one root 1 is stable: a way only ever gets shorter.
    /// Default 1.
    pub optimisation_hops: u8,
    /// How long neither side makes a link eager again for a shorter way after one made it lazy.
    /// Default 5 s.
    pub prune_backoff: Duration,
    /// How many payloads are kept for neighbours that missed them, and for new neighbours.
    /// Default 1,024.
    pub cache_count_max: usize,
    /// How many bytes they take at most. Default 32 MiB.
    pub cache_bytes_max: usize,
    /// How long they are kept. Above the time that a node needs to find new neighbours after a
    /// crash. Default 2 min.
    pub cache_retention: Duration,
    /// How often the root's beacon trims the tree. Smaller: quicker to become a tree after links
    /// changed; about 50 bytes a link each time. Default 10 s.
    pub beacon_interval: Duration,
    /// How many bytes are served to one neighbour's grafts in a second; one payload always.
    /// Default 4 MiB.
    pub serve_bytes_max: usize,
}

impl Config {
    /// The settings with nonsense taken out: every field within its range.
    pub(super) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.payload_bytes_max = self.payload_bytes_max.clamp(1, PAYLOAD_BYTES_MAX);
        for count in [
            &mut self.seen_max,
            &mut self.events_max,
            &mut self.i_have_queue_max,
            &mut self.missing_max,
            &mut self.cache_count_max,
        ] {
            *count = (*count).max(1);
        }
        self.hops_max = self.hops_max.max(1);
        self.optimisation_hops = self.optimisation_hops.max(1);
        self.i_have_interval = self.i_have_interval.max(least);
        self.graft_retry = self.graft_retry.max(least);
        self.beacon_interval = self.beacon_interval.max(least * 100);
        self
    }
}

impl From<&PlumtreeParameters> for Config {
    fn from(parameters: &PlumtreeParameters) -> Self {
        Self {
            spread_count: parameters.spread_count,
            i_have_interval: parameters.i_have_interval,
            new_link_quiet: parameters.i_have_interval,
            graft_timeout: parameters.graft_timeout,
            graft_retry: parameters.graft_retry_timeout,
            ..Self::default()
        }
    }
}

impl Default for Config {
    /// For 10,000 nodes and links of up to 50 ms.
    fn default() -> Self {
        Self {
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            hops_max: 64,
            seen_max: 16_384,
            events_max: 1_024,
            spread_count: 400,
            i_have_interval: Duration::from_millis(50),
            new_link_quiet: Duration::from_millis(50),
            i_have_queue_max: 1_024,
            graft_timeout: Duration::from_millis(300),
            graft_retry: Duration::from_millis(250),
            missing_max: 4_096,
            optimisation_hops: 1,
            prune_backoff: Duration::from_secs(5),
            cache_count_max: 1_024,
            cache_bytes_max: 32 * 1024 * 1024,
            cache_retention: Duration::from_secs(120),
            beacon_interval: Duration::from_secs(10),
            serve_bytes_max: 4 * 1024 * 1024,
        }
    }
}
