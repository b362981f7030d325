//! What a node is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use replicant_protocol::environment::Parameters;
use replicant_protocol::facts::KindRule;
use replicant_protocol::ids::{FactKind, NodeId};
use replicant_protocol::membership::{APPLICATION_BYTES_MAX, StrategyKind};
use replicant_protocol::topics::Rules;
use replicant_runtime::CompilerProcess;

use super::NodeError;

/// How to start a node. [`NodeConfig::new`] gives defaults that fit a small cluster; every limit
/// can be set by itself.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The data folder, made by [`init`](super::init).
    pub data: PathBuf,
    /// Where compiled modules are kept; several nodes of one user may share it. None: in the data
    /// folder. What is in it becomes machine code: nobody else may write there.
    pub compiled_modules: Option<PathBuf>,
    /// Compiles modules in a child process, so that one that is made to hurt the compiler cannot
    /// hurt the node. None: in this process. See
    /// [`CompilerProcess::this_program`](crate::CompilerProcess::this_program).
    pub compiler: Option<CompilerProcess>,
    /// Where to listen for nodes. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where other nodes find this one (`host:port`). None: the address that it listens on; give
    /// it when that is `0.0.0.0` or behind a translation.
    pub advertise: Option<String>,
    /// Nodes to join, as `host:port`, `dns:NAME:PORT` (a node at each address of the name) or
    /// `srv:_SERVICE._PROTOCOL.NAME` (those that service records name). Empty: a new node starts a
    /// cluster of its own, a known one goes back to the members that it remembers.
    pub join: Vec<String>,
    /// A new node begins a cluster of its own although it was told where to look for others. For
    /// the first node of a cluster; one that has a cluster stays in it. Default false.
    pub new_cluster: bool,
    /// The multicast group through which nodes of the local network are found, and find this one;
    /// usually [`DISCOVERY_GROUP`](crate::DISCOVERY_GROUP). A new node then joins the first that it
    /// hears. Default none: not at all.
    pub discover: Option<SocketAddrV4>,
    /// The name server that is asked about `dns:` and `srv:`. Default: as the system is configured.
    pub dns_server: Option<SocketAddr>,
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
    /// Changes of one topic that are kept for watchers who are slow or come back, as long as
    /// somebody watches and for five minutes after. Who missed more is told the state. Default
    /// 1,024.
    pub watch_events_max: usize,
    /// Watches open at a time on the node. Default 10,000.
    pub watches_max: usize,
    /// Bytes of database pages kept in memory. Default 256 MiB.
    pub page_cache_bytes: usize,
    /// The data folder is a copy of an earlier time. The node then begins a new history of its own,
    /// so that no op's name is used twice. Needed once, for the first start on the copy. Default
    /// false.
    pub restored: bool,
    /// Who may listen and publish in which topics; equal on all nodes. Default: everybody
    /// everywhere.
    pub topic_rules: Rules,
    /// How nodes know of each other: with a full view, or with partial views for very many nodes or
    /// unreliable ones. The same on all nodes of a cluster: others are refused. Default a full
    /// view.
    pub membership: StrategyKind,
    /// A few words about this node for whoever reads the members: a zone, a role, or JSON of your
    /// own. At most 256 bytes. Only with a full view. Default none.
    pub metadata: String,
    /// How often failure detection probes a member. The times of a probe, of suspicion and of
    /// reconnecting follow from it. Default 1 s; a demonstration or test takes less.
    pub probe_interval: Duration,
    /// The parameters of the protocols, as they follow from where the nodes of the cluster run:
    /// `Environment::lan().parameters()`. The same for all nodes. If they are given,
    /// `probe_interval` counts for nothing. Two that contradict each other, as `Parameters::check`
    /// finds them, are refused. Default `None`.
    pub parameters: Option<Parameters>,
    /// How often this node compares its topics with a random peer. Default 5 s.
    pub sync_interval: Duration,
    /// Who may revoke others, by fact. The same on all nodes, or some keep out whom others let in.
    /// Default nobody: a node can only revoke itself.
    pub authorities: BTreeSet<NodeId>,
    /// The kinds of facts that are kept besides the built-in ones, and who may issue them. The same
    /// on all nodes. At most 64. Default none.
    pub fact_kinds: BTreeMap<FactKind, KindRule>,
    /// How often this node compares its facts with a random peer. Default 10 s.
    pub fact_interval: Duration,
}

impl NodeConfig {
    /// Defaults, for a data folder and an address to listen on.
    pub fn new(data: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data: data.into(),
            compiled_modules: None,
            compiler: None,
            listen,
            advertise: None,
            join: Vec::new(),
            new_cluster: false,
            discover: None,
            dns_server: None,
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
            restored: false,
            topic_rules: Rules::default(),
            membership: StrategyKind::default(),
            metadata: String::new(),
            probe_interval: Duration::from_secs(1),
            parameters: None,
            sync_interval: Duration::from_secs(5),
            authorities: BTreeSet::new(),
            fact_kinds: BTreeMap::new(),
            fact_interval: Duration::from_secs(10),
        }
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// [`NodeError::Config`] names the first that is out of range; [`NodeError::Parameters`] the
    /// first two that contradict each other.
    pub(super) fn check(&self) -> Result<(), NodeError> {
        // An instance holds 100,000 objects; a round may load as many as commands wait.
        let loadable_max = 100_000_usize.saturating_sub(self.queued_commands_max);
        let counts = [
            ("shards", self.shards, 1, 64),
            ("queued_commands_max", self.queued_commands_max, 1, 50_000),
            ("queued_bytes_max", self.queued_bytes_max, 1, 1 << 30),
            (
                "commands_max",
                self.commands_max,
                1,
                self.queued_commands_max,
            ),
            ("command_bytes_max", self.command_bytes_max, 1, 16 << 20),
            (
                "loaded_objects_max",
                self.loaded_objects_max,
                1,
                loadable_max,
            ),
            ("instances_max", self.instances_max, 1, 4_096),
            ("waiting_reads_max", self.waiting_reads_max, 1, 1 << 20),
            ("watch_events_max", self.watch_events_max, 1, 1 << 20),
            ("watches_max", self.watches_max, 1, 1 << 20),
            ("page_cache_bytes", self.page_cache_bytes, 1 << 20, 1 << 40),
        ];
        let wrong = counts
            .into_iter()
            .find(|(_, value, min, max)| !(min..=max).contains(&value));
        if let Some((name, value, min, max)) = wrong {
            let reason = format!("{name} is {value}; {min} to {max} is accepted");
            return Err(NodeError::Config { reason });
        }
        for (name, value) in [
            ("probe_interval", self.probe_interval),
            ("sync_interval", self.sync_interval),
            ("fact_interval", self.fact_interval),
        ] {
            if !(Duration::from_millis(10)..=Duration::from_secs(3_600)).contains(&value) {
                let reason = format!("{name} is {value:?}; 10 ms to 1 h is accepted");
                return Err(NodeError::Config { reason });
            }
        }
        self.check_metadata()?;
        if let Some(parameters) = &self.parameters {
            parameters.check()?;
        }
        Ok(())
    }

    fn check_metadata(&self) -> Result<(), NodeError> {
        let length = self.metadata.len();
        let reason = if length > APPLICATION_BYTES_MAX {
            format!("metadata has {length} bytes; at most {APPLICATION_BYTES_MAX} spread")
        } else if length > 0 && self.membership == StrategyKind::HyParView {
            "there is metadata, which spreads with a full view only; leave it out".to_owned()
        } else {
            return Ok(());
        };
        Err(NodeError::Config { reason })
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::environment::{Environment, ParameterError};

    use super::*;

    #[test]
    fn defaults_are_within_range_and_what_is_not_is_named() {
        let mut config = NodeConfig::new("x", ([127, 0, 0, 1], 0).into());
        assert!(config.check().is_ok());
        config.instances_max = 0;
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("instances_max is 0"), "{error}");
    }

    /// The protocols brought them in line, and ran with something else than what was asked for.
    #[test]
    fn parameters_that_contradict_each_other_are_refused() {
        let mut config = NodeConfig::new("x", ([127, 0, 0, 1], 0).into());
        let mut parameters = Environment::lan().parameters();
        config.parameters = Some(parameters);
        assert!(config.check().is_ok());
        parameters.set("swim.probe_interval_ms", 200).unwrap();
        config.parameters = Some(parameters);
        let error = config.check().unwrap_err();
        assert!(
            matches!(
                error,
                NodeError::Parameters(ParameterError::Contradiction { .. })
            ),
            "{error}"
        );
    }

    #[test]
    fn metadata_that_would_not_spread_is_refused() {
        let mut config = NodeConfig::new("x", ([127, 0, 0, 1], 0).into());
        config.metadata = "é".repeat(128);
        assert!(config.check().is_ok());
        config.membership = StrategyKind::HyParView;
        let refused = |config: &NodeConfig| config.check().unwrap_err().to_string();
        assert!(refused(&config).contains("full view"));
        config.membership = StrategyKind::Swim;
        config.metadata.push('e');
        assert!(refused(&config).contains("257 bytes"));
    }
}
