//! `replicant serve`: runs a node in this process.

mod contradictions;

use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use replicant::access::{RULES_MAX, Rule, Rules};
use replicant::api::{ApiConfig, ApiError, ApiServer};
use replicant::facts::KINDS_MAX;
use replicant::ids::NodeId;
use replicant::{
    AddressError, DISCOVERY_GROUP, Node, NodeConfig, SeedError, StrategyKind, check_address,
    check_seed,
};
use serde::Serialize;

use super::fact;
use crate::environment::EnvironmentArguments;
use crate::exit::WrongArgument;
use crate::logs::LogArguments;
use crate::open_files;
use crate::output;
use crate::sandbox;
use crate::signals::Signals;

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// The node's data folder, made by `replicant init`
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to listen for other nodes (port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7001",
          value_parser = contradictions::listening)]
    listen: SocketAddr,
    /// Where to serve the HTTP API (port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080",
          value_parser = contradictions::listening)]
    api: SocketAddr,
    /// A node to join, as host:port; dns:NAME:PORT for a node at each address of the name;
    /// srv:_SERVICE._PROTOCOL.NAME for those that service records name. May be given more than once
    #[arg(long, value_name = "ADDR", value_parser = seed)]
    join: Vec<String>,
    /// Find nodes on the local network, and be found: a new node joins the first that it hears
    #[arg(long)]
    discover: bool,
    /// The multicast group for --discover; the same on all nodes
    #[arg(long, value_name = "ADDR", default_value_t = DISCOVERY_GROUP, requires = "discover",
          value_parser = contradictions::group)]
    discover_group: SocketAddrV4,
    /// Begin a cluster if the data folder has none yet, although there are nodes to join: for the
    /// first node
    #[arg(long)]
    new_cluster: bool,
    /// The name server to ask about dns: and srv:. Left out: as the system is configured
    #[arg(long, value_name = "ADDR", value_parser = contradictions::server)]
    dns_server: Option<SocketAddr>,
    /// Where other nodes find this one, if that is not where it listens
    #[arg(long, value_name = "ADDR", value_parser = address)]
    advertise: Option<String>,
    /// Serve the API where other machines reach it. Nobody is asked who they are: whoever reaches
    /// it may do everything
    #[arg(long)]
    api_insecure_any_address: bool,
    /// A host name that clients of the API use, besides localhost and plain addresses; may be
    /// given more than once
    #[arg(long, value_name = "NAME", value_parser = contradictions::host_name)]
    api_host: Vec<String>,
    /// Where compiled modules are kept, to share them between nodes of one user; what is in it
    /// becomes machine code. Left out: in the data folder
    #[arg(long, value_name = "DIR")]
    compiled_modules: Option<PathBuf>,
    /// The data folder is a copy of an earlier time, a backup: begin a new history of this node's
    /// own. Needed once, for the first start on the copy
    #[arg(long)]
    restored: bool,
    /// Who may publish and subscribe where, as in 'news/** publish=ID,ID subscribe=any'; may be
    /// given more than once, the first whose pattern fits decides. The same on every node
    #[arg(long, value_name = "RULE")]
    topic_rule: Vec<Rule>,
    /// How nodes know of each other: swim (all of all, up to some thousand nodes) or hyparview
    /// (each of some, for very many or unreliable ones). The same on all nodes: others are refused
    #[arg(long, value_name = "STRATEGY", default_value_t = StrategyKind::Swim)]
    membership: StrategyKind,
    /// A few words about this node that all members are told, 256 bytes at most: a zone, a role,
    /// JSON of your own. Not with --membership hyparview
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    metadata: String,
    /// How often members are probed, in milliseconds; shorter notices failures sooner. With swim,
    /// and not together with --profile and the other numbers of the environment [default: 1000]
    #[arg(long, value_name = "MS",
          conflicts_with_all = ["profile", "reliability", "round_trip_ms", "loss", "nodes",
                                "worst_loss", "miss", "parameter"],
          value_parser = clap::value_parser!(u64).range(50..=60_000))]
    probe_interval_ms: Option<u64>,
    /// A node that may revoke others, by its whole id; may be given more than once. The same on all
    /// nodes
    #[arg(long, value_name = "ID")]
    authority: Vec<NodeId>,
    /// A kind of facts that nodes may publish: NAME=any or NAME=ID,ID (who may), then :TIME (the
    /// longest time to live; 31d if left out) and :BYTES (the largest body; 4096). May be given
    /// more than once. The same on all nodes
    #[arg(long, value_name = "KIND")]
    fact_kind: Vec<String>,
    /// How often the versions of all topics are compared with another node, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(50..=600_000))]
    topic_interval_ms: u64,
    /// How often facts are compared with another node, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(50..=600_000))]
    fact_interval_ms: u64,
    #[command(flatten)]
    environment: EnvironmentArguments,
    /// Write the addresses to this file, as JSON, once the node is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Print the ready line as JSON
    #[arg(long)]
    json: bool,
    /// Stop when standard input ends, as it does when the program that started this one goes away
    #[arg(long)]
    stop_with_stdin: bool,
    #[command(flatten)]
    log: LogArguments,
}

/// How long a node that has a fault may take to end in order.
const FAULT_WAIT: Duration = Duration::from_secs(5);

fn seed(text: &str) -> Result<String, SeedError> {
    check_seed(text).map(|()| text.to_owned())
}

fn address(text: &str) -> Result<String, AddressError> {
    check_address(text).map(|()| text.to_owned())
}

/// What is told once the node is ready.
#[derive(Serialize)]
struct Ready {
    node: String,
    cluster: String,
    listen: SocketAddr,
    api: SocketAddr,
    pid: u32,
}

pub(crate) fn run(arguments: &ServeArguments) -> Result<()> {
    arguments.log.start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let served = runtime.block_on(serve(arguments));
    // After a second signal there may be work that nobody waits for.
    runtime.shutdown_background();
    served
}

async fn serve(arguments: &ServeArguments) -> Result<()> {
    // From here on a signal ends the node in order; nothing is started before.
    let mut signals = Signals::new().context("cannot listen for signals")?;
    if arguments.stop_with_stdin {
        signals = signals.or_end_of_input();
    }
    arguments.check()?;
    let config = arguments.node_config()?;
    // Before a cluster is begun or joined: a node that nobody can talk to should do neither.
    let api = ApiServer::bind(arguments.api_config()).map_err(|error| match error {
        ApiError::NotLoopback { address } => anyhow::Error::new(WrongArgument(format!(
            "--api {address} is an address that other machines reach, and the API asks nobody who \
             they are; write a loopback address, or add --api-insecure-any-address if that is \
             what you want"
        ))),
        error => error.into(),
    })?;
    if let Some(path) = &arguments.ready_file {
        try_to_write(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let node = tokio::select! {
        node = Node::start(config) => node?,
        () = signals.next() => return Ok(()),
    };
    let api = api.start(node.clone());
    let served = until_signalled(arguments, &api, &node, &mut signals).await;
    let ending = async {
        api.shutdown().await;
        match served.is_ok() {
            true => node.shutdown().await,
            // It may wait for what is gone.
            false => drop(tokio::time::timeout(FAULT_WAIT, node.shutdown()).await),
        }
    };
    tokio::select! {
        () = ending => {}
        () = signals.next() => tracing::warn!("a second signal: stopping at once"),
    }
    served
}

async fn until_signalled(
    arguments: &ServeArguments,
    api: &ApiServer,
    node: &Node,
    signals: &mut Signals,
) -> Result<()> {
    let ready = Ready {
        node: node.id().to_string(),
        cluster: node.cluster().to_string(),
        listen: node.address(),
        api: api.address(),
        pid: std::process::id(),
    };
    let announced = announce(arguments, &ready);
    let served = match announced {
        Ok(()) => tokio::select! {
            () = signals.next() => Ok(()),
            part = node.failed() => Err(fault(part)),
        },
        Err(error) => Err(error),
    };
    tracing::info!("stopping");
    served
}

fn fault(part: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "a part of the node, {part}, has ended by a fault of the program, so the node stops; \
         nothing that was acknowledged is lost: start it again, and please report what standard \
         error says about the panic"
    )
}

fn announce(arguments: &ServeArguments, ready: &Ready) -> Result<()> {
    let json = serde_json::to_string(ready)?;
    if let Some(path) = &arguments.ready_file {
        write_at_once(path, &json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let Ready {
        node,
        cluster,
        listen,
        api,
        ..
    } = ready;
    let line = match arguments.json {
        true => json,
        false => format!(
            "ready: node {node}, cluster {cluster}, listening on {listen}, API on http://{api}"
        ),
    };
    Ok(output::line(&line)?)
}

/// Whoever looks sees the whole file or none.
fn write_at_once(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = beside(path);
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

/// Finds out whether [`write_at_once`] could begin.
fn try_to_write(path: &Path) -> std::io::Result<()> {
    let beside = beside(path);
    std::fs::write(&beside, "")?;
    std::fs::remove_file(&beside)
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

impl ServeArguments {
    fn node_config(&self) -> Result<NodeConfig> {
        let mut config = NodeConfig::new(&self.data, self.listen);
        config.join.clone_from(&self.join);
        config.discover = self.discover.then_some(self.discover_group);
        config.new_cluster = self.new_cluster;
        config.dns_server = self.dns_server;
        config.restored = self.restored;
        config.compiled_modules.clone_from(&self.compiled_modules);
        config.compiler = sandbox::compiler();
        config.advertise.clone_from(&self.advertise);
        config.topic_rules = Rules::new(self.topic_rule.clone())
            .with_context(|| WrongArgument(format!("--topic-rule: more than {RULES_MAX}")))?;
        config.membership = self.membership;
        config.metadata.clone_from(&self.metadata);
        if let Some(interval) = self.probe_interval_ms {
            config.probe_interval = Duration::from_millis(interval);
        }
        config.authorities = self.authority.iter().copied().collect();
        config.sync_interval = Duration::from_millis(self.topic_interval_ms);
        config.fact_interval = Duration::from_millis(self.fact_interval_ms);
        for kind in &self.fact_kind {
            let (name, rule) = fact::declaration(kind)?;
            let twice = || {
                WrongArgument(format!(
                    "--fact-kind {kind}: this kind is declared before; declare it once"
                ))
            };
            if config.fact_kinds.insert(name, rule).is_some() {
                bail!(twice());
            }
        }
        let kinds = config.fact_kinds.len();
        ensure!(
            kinds <= KINDS_MAX,
            WrongArgument(format!(
                "--fact-kind is given {kinds} times; at most {KINDS_MAX} kinds are declared"
            ))
        );
        if self.environment.is_given() {
            let env = self.environment.environment();
            config.parameters = Some(self.environment.parameters(&env)?);
        }
        Ok(config)
    }

    fn api_config(&self) -> ApiConfig {
        let mut config = ApiConfig::new(self.api);
        config.any_address = self.api_insecure_any_address;
        // Clients must not take the files that the node needs for its disk and its peers.
        config.connections_max = config.connections_max.min(open_files::raise_limit() / 2);
        config.watches_max = config.watches_max.min(config.connections_max / 2);
        config.host_names.clone_from(&self.api_host);
        config
    }
}
