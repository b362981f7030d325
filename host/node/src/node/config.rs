//! What a node is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How to start a node. [`NodeConfig::new`] gives defaults that fit a small cluster; every limit
/// can be set by itself.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The data folder, made by [`init`](super::init).
    pub data: PathBuf,
    /// Where to listen for nodes. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where other nodes find this one (`host:port`). None: the address that it listens on; give
    /// it when that is `0.0.0.0` or behind a translation.
    pub advertise: Option<String>,
    /// Nodes to join, as `host:port`. Empty: a new node starts a cluster of its own, a known one
    /// goes back to the members that it remembers.
    pub join: Vec<String>,
    /// How long a new node tries to reach somebody to join before it gives up. Default 60 s.
    pub join_wait: Duration,
    /// Shard threads; every topic belongs to one. 1..=64. More threads help with many busy topics;
    /// each costs a WebAssembly instance per topic and type anyway, so memory does not grow with
    /// it. Default: the number of processors, at most 8.
    pub shards: usize,
    /// Commands (each request counts with all of its own) that may wait in one shard; beyond,
    /// requests are refused as busy. Default 20,000: two requests of the largest kind.
    pub queued_commands_max: usize,
    /// Bytes of commands that may wait in one shard. Default 64 MiB.
    pub queued_bytes_max: usize,
    /// Commands of one request. Default 10,000.
    pub commands_max: usize,
    /// Bytes of one command. Default 1 MiB.
    pub command_bytes_max: usize,
    /// Objects kept loaded per topic and type; the least recently used are saved to a checkpoint
    /// and dropped. Larger: faster access, more memory. Default 10,000.
    pub loaded_objects_max: usize,
    /// Instances (one per topic and type) kept alive per shard; the least recently used is saved
    /// and dropped. Default 128.
    pub instances_max: usize,
    /// Reads that may wait for a version, per shard. Default 4,096.
    pub waiting_reads_max: usize,
    /// How long a read waits for the version that it asked for. Default 10 s.
    pub read_wait: Duration,
    /// Changes that a watch holds for a slow watcher before it is told of an overrun. Default 1,024.
    pub watch_events_max: usize,
    /// Watches open at a time on the node. Default 10,000.
    pub watches_max: usize,
    /// Bytes of database pages kept in memory. Default 256 MiB.
    pub page_cache_bytes: usize,
    /// How often failure detection probes a member. The times of a probe, of suspicion and of
    /// reconnecting follow from it. Default 1 s; a demonstration or test takes less.
    pub probe_interval: Duration,
    /// How often this node compares its topics with a random peer. Default 5 s.
    pub sync_interval: Duration,
}

impl NodeConfig {
    /// Defaults, for a data folder and an address to listen on.
    pub fn new(data: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data: data.into(),
            listen,
            advertise: None,
            join: Vec::new(),
            join_wait: Duration::from_secs(60),
            shards: processors.min(8),
            queued_commands_max: 20_000,
            queued_bytes_max: 64 << 20,
            commands_max: 10_000,
            command_bytes_max: 1 << 20,
            loaded_objects_max: 10_000,
            instances_max: 128,
            waiting_reads_max: 4_096,
            read_wait: Duration::from_secs(10),
            watch_events_max: 1_024,
            watches_max: 10_000,
            page_cache_bytes: 256 << 20,
            probe_interval: Duration::from_secs(1),
            sync_interval: Duration::from_secs(5),
        }
    }
}
