//! Starting a node: each layer in its order, each on what the one before it gives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::content::Statement;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Generation};
use replicant_protocol::membership::{self, hyparview};
use replicant_runtime::{CacheConfig, Runtime, RuntimeConfig};

use super::address_book::AddressBook;
use super::comparison::Comparison;
use super::fact_board::FactBoard;
use super::folder::Folder;
use super::kept_storage::{Closed, KeptStorage};
use super::uploads::Uploads;
use super::wiring::{Inlet, Line, ModuleLine, TopicOutlet, TypeChanges};
use super::{Inner, Node, NodeConfig, NodeError, Running};
use crate::messages::Listeners;
use crate::modules::{Archive, Librarian, Registry, Resources};
use crate::network::{BoundNetwork, NetworkConfig, NetworkError};
use crate::storage::{General, Job, Storage, Writer, generation};
use crate::topics::{Context, INSTANCES_STEP, Topics, TopicsConfig};
use crate::wall_clock::wall_ms;

/// Under which name the cluster's id is stored.
const CLUSTER_KEY: &str = "cluster";

/// Under which name the number of the last start is stored.
const START_KEY: &str = "start";

/// How long a node that has a cluster asks its seeds whether they are in another one. They may be
/// down, and then it starts all the same.
const OTHER_CLUSTER_WAIT: Duration = Duration::from_secs(1);

/// Bytes of bundles that wait for what they depend on: a few of the largest for each shard.
const BUFFERED_BYTES_MAX: usize = 512 << 20;

/// How often the comparison of topics looks at the clock.
const TICK: Duration = Duration::from_millis(100);

impl Node {
    pub(super) async fn start_layers(
        config: NodeConfig,
        storage: Option<Arc<dyn Storage>>,
    ) -> Result<Self, NodeError> {
        config.check()?;
        let folder = Folder::open(&config.data)?;
        let (folder, storage, closed) = match storage {
            Some(storage) => (folder, storage, None),
            None => open_storage(folder, config.page_cache_bytes).await?,
        };
        let writer = Arc::new(Writer::start(storage.clone())?);
        let identity = folder.identity();
        let mut generation = generation::read(storage.as_ref())?;
        if config.restored {
            generation = generation::after(generation)?;
            let job = Job::general(generation::record(generation));
            writer.commit_async(job).await?;
        }
        let addresses = Arc::new(AddressBook::new(storage.peers()?));
        let listeners = Listeners::new(identity.id(), config.topic_rules.clone());
        let mut network = network_config(&config, &identity, generation, storage.as_ref())?;
        network.start = next_start(storage.as_ref(), &writer).await?;
        network.subscriptions = listeners.subscriptions();
        network.remembered = addresses.all();
        let facts = Arc::new(FactBoard::new(&network.kept_facts));
        let network = BoundNetwork::bind(network).await.map_err(network_error)?;
        let is_first = config.new_cluster;
        let cluster = find_cluster(storage.as_ref(), &writer, &network, is_first).await?;
        let layers = Layers {
            config,
            storage,
            writer,
            identity,
            generation,
            cluster,
            addresses,
            listeners,
            facts,
            closed,
        };
        layers.start(folder, network).await
    }
}

/// What the upper layers are made from.
struct Layers {
    config: NodeConfig,
    storage: Arc<dyn Storage>,
    writer: Arc<Writer>,
    identity: Arc<NodeIdentity>,
    generation: Generation,
    cluster: ClusterId,
    addresses: Arc<AddressBook>,
    listeners: Listeners,
    facts: Arc<FactBoard>,
    closed: Option<Closed>,
}

impl Layers {
    async fn start(self, folder: Folder, network: BoundNetwork) -> Result<Node, NodeError> {
        let changes = Arc::new(TypeChanges::default());
        let registry = Registry::default();
        let librarian = self.start_librarian(&folder, &registry, &changes).await?;
        let comparison = Comparison::new(self.storage.as_ref(), self.config.sync_interval)?;
        let (line, comparison) = (Arc::new(Line::default()), Arc::new(comparison));
        let outlet = TopicOutlet {
            line: line.clone(),
            comparison: comparison.clone(),
        };
        let topics = self.start_topics(&registry, outlet)?;
        // It was made a few lines above and nobody else sets it.
        let _ = changes.0.set(Arc::downgrade(&topics));
        let inlet = Arc::new(Inlet {
            topics: topics.clone(),
            comparison: comparison.clone(),
            line: line.clone(),
            librarian: librarian.clone(),
            archive: Archive::new(self.storage.clone()),
            addresses: self.addresses.clone(),
            listeners: self.listeners.clone(),
            facts: self.facts.clone(),
        });
        let network = line
            .connect(|| network.start(self.cluster, inlet.clone()))
            .map_err(network_error)?;
        librarian.go_online(Box::new(ModuleLine(line.clone())));
        let tasks = self.start_tasks(&inlet);
        let (id, address): (_, SocketAddr) = (self.identity.id(), network.address());
        let running = Running {
            topics,
            comparison,
            network,
            librarian,
            registry,
            storage: self.storage,
            writer: self.writer,
            line,
            addresses: self.addresses,
            listeners: self.listeners,
            facts: self.facts,
            identity: self.identity,
            uploads: Uploads::default(),
            tasks,
            closed: Mutex::new(self.closed),
            _folder: folder,
        };
        let inner = Inner {
            id,
            cluster: self.cluster,
            address,
            started: Instant::now(),
            config: self.config,
            running: RwLock::new(Some(Arc::new(running))),
        };
        Ok(Node {
            inner: Arc::new(inner),
        })
    }

    /// Starts what goes on by itself.
    fn start_tasks(&self, inlet: &Arc<Inlet>) -> [tokio::task::JoinHandle<()>; 3] {
        let (addresses, writer) = (self.addresses.clone(), self.writer.clone());
        let (facts, facts_writer) = (self.facts.clone(), self.writer.clone());
        [
            tokio::spawn(tick(Arc::downgrade(inlet))),
            tokio::spawn(async move { addresses.keep(&writer).await }),
            tokio::spawn(async move { facts.keep(&facts_writer).await }),
        ]
    }

    fn start_topics(
        &self,
        registry: &Registry,
        outlet: TopicOutlet,
    ) -> Result<Arc<Topics>, NodeError> {
        let context = Context::new(
            topics_config(&self.config),
            self.storage.clone(),
            self.writer.clone(),
            Arc::new(registry.clone()),
            Arc::new(outlet),
            self.identity.clone(),
            self.cluster,
            self.generation,
        )?;
        let topics = Topics::start(context).map_err(|error| NodeError::Sandbox {
            reason: format!("the system gives no thread: {error}"),
        })?;
        Ok(Arc::new(topics))
    }

    /// Makes the sandbox and loads the modules that are here.
    async fn start_librarian(
        &self,
        folder: &Folder,
        registry: &Registry,
        changes: &Arc<TypeChanges>,
    ) -> Result<Arc<Librarian>, NodeError> {
        let runtime_config = runtime_config(&self.config, folder);
        let (storage, writer) = (self.storage.clone(), self.writer.clone());
        let (identity, registry) = (self.identity.clone(), registry.clone());
        let changes = changes.clone();
        blocking(move || {
            let runtime = Runtime::new(runtime_config).map_err(|error| NodeError::Sandbox {
                reason: error.to_string(),
            })?;
            let resources = Resources {
                runtime,
                storage,
                writer,
                identity,
                registry,
                changes,
                // Those of the network layer, which keeps the statements.
                content: replicant_protocol::content::Config::default(),
            };
            Librarian::start(resources).map(Arc::new)
        })
        .await
    }
}

/// Does what the comparison of topics has to do when its time has come, until the node ends.
async fn tick(inlet: std::sync::Weak<Inlet>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while let Some(comparison) = inlet.upgrade().map(|inlet| inlet.comparison.clone()) {
        tokio::select! {
            _ = interval.tick() => {}
            () = comparison.woken() => {}
        }
        if let Some(inlet) = inlet.upgrade() {
            inlet.tick();
        }
    }
}

/// Runs what blocks where blocking is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    // An error means that the runtime is ending, or that the work panicked, which is reported.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(NodeError::ShuttingDown))
}

async fn open_storage(
    folder: Folder,
    cache_bytes: usize,
) -> Result<(Folder, Arc<dyn Storage>, Option<Closed>), NodeError> {
    blocking(move || {
        let (storage, closed) = KeptStorage::open(&folder, cache_bytes)?;
        Ok((folder, Arc::new(storage) as Arc<dyn Storage>, Some(closed)))
    })
    .await
}

/// The cluster that this node belongs to: as stored, or as a seed says, or a new one. Stored
/// before anything else is accepted.
async fn find_cluster(
    storage: &dyn Storage,
    writer: &Writer,
    network: &BoundNetwork,
    is_first: bool,
) -> Result<ClusterId, NodeError> {
    if let Some(bytes) = storage.meta(CLUSTER_KEY)? {
        let own = ClusterId::try_from(bytes.as_slice()).map_err(|_| NodeError::StorageFailed {
            reason: "the stored cluster id is not one".to_owned(),
        })?;
        let asking = tokio::time::timeout(OTHER_CLUSTER_WAIT, network.ask_cluster());
        return match asking.await {
            Ok(Ok(other)) if other != own => {
                let address = network.seeds().join(", ");
                Err(NodeError::OtherCluster {
                    own,
                    other,
                    address,
                })
            }
            Ok(Err(error @ NetworkError::OtherStrategy { .. })) => Err(network_error(error)),
            _ => Ok(own),
        };
    }
    let cluster = match is_first || !network.is_to_join() {
        true => new_cluster()?,
        false => network.find_cluster().await.map_err(network_error)?,
    };
    let job = Job::general(General::Meta(CLUSTER_KEY, cluster.as_bytes().to_vec()));
    writer.commit_async(job).await?;
    Ok(cluster)
}

/// The number of this start: milliseconds since 1970, or one more than the last start's if the
/// clock was set back. Stored before anything is said under it.
async fn next_start(storage: &dyn Storage, writer: &Writer) -> Result<u64, NodeError> {
    let last = storage.meta(START_KEY)?;
    let last = last.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
    let start = wall_ms().max(last.unwrap_or(0).saturating_add(1));
    let record = General::Meta(START_KEY, start.to_be_bytes().to_vec());
    writer.commit_async(Job::general(record)).await?;
    Ok(start)
}

fn new_cluster() -> Result<ClusterId, NodeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| NodeError::Config {
        reason: format!("the system gives no random numbers: {error}"),
    })?;
    Ok(ClusterId::from_bytes(bytes))
}

fn topics_config(config: &NodeConfig) -> TopicsConfig {
    TopicsConfig {
        shards: config.shards,
        queued_commands_max: config.queued_commands_max,
        queued_bytes_max: config.queued_bytes_max,
        loaded_objects_max: config.loaded_objects_max,
        instances_max: config.instances_max,
        waiting_reads_max: config.waiting_reads_max,
        read_wait: config.read_wait,
        watch_events_max: config.watch_events_max,
        watches_max: config.watches_max,
        buffered_bytes_max: BUFFERED_BYTES_MAX,
        replication: Default::default(),
    }
}

/// The sandbox has room for what the shards may hold, what they may hold too many for a moment,
/// and what is made to look at a new module.
fn runtime_config(config: &NodeConfig, folder: &Folder) -> RuntimeConfig {
    const DESCRIBED_AT_ONCE: usize = 4;
    let instances = config.shards * (config.instances_max + INSTANCES_STEP) + DESCRIBED_AT_ONCE;
    let compiled = config.compiled_modules.clone();
    let compiled = compiled.unwrap_or_else(|| folder.compiled_modules());
    let instances = u32::try_from(instances).unwrap_or(u32::MAX / 8);
    RuntimeConfig {
        cache: Some(CacheConfig::new(compiled)),
        compiler: config.compiler.clone(),
        instances_max: instances,
        core_instances_max: instances * 4,
        memories_max: instances * 2,
        tables_max: instances * 3,
        ..RuntimeConfig::default()
    }
}

fn network_config(
    config: &NodeConfig,
    identity: &Arc<NodeIdentity>,
    generation: Generation,
    storage: &dyn Storage,
) -> Result<NetworkConfig, NodeError> {
    let mut network = NetworkConfig::new(identity.clone(), config.listen);
    network.generation = generation;
    network.incarnation = wall_ms() / 1_000;
    network.advertise.clone_from(&config.advertise);
    network.seeds.clone_from(&config.join);
    network.dns_server = config.dns_server;
    network.discover = config.discover;
    network.join_wait = config.join_wait;
    // What cannot be read is passed over here and reported by the modules.
    let announcements = storage.announcements()?.into_iter();
    network.announcements = announcements
        .filter_map(|(_, bytes)| Statement::from_bytes(&bytes).ok())
        .collect();
    network.topics.rules = config.topic_rules.clone();
    network.kept_facts = storage
        .facts()?
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    network.facts.authorities.clone_from(&config.authorities);
    network.facts.kinds.clone_from(&config.fact_kinds);
    network.facts.reconciliation.compare_interval = config.fact_interval;
    network.strategy = config.membership;
    network.metadata.clone_from(&config.metadata);
    network.membership = match &config.parameters {
        Some(parameters) => {
            network.tree = plumtree::Config::from(&parameters.plumtree);
            network.rapid = rapid::Config::from(&parameters.rapid);
            network.hyparview = hyparview::Config::from(&parameters.hyparview);
            membership::Config::from(&parameters.swim)
        }
        None => membership_config(config.probe_interval),
    };
    let kept = kept_module_bytes(storage)?;
    let max = &mut network.content.fetched_bytes_max;
    *max = max.saturating_sub(kept);
    Ok(network)
}

/// Bytes of all modules that are kept.
fn kept_module_bytes(storage: &dyn Storage) -> Result<u64, NodeError> {
    let mut bytes = 0;
    for hash in storage.modules()? {
        match storage.module(&hash) {
            Ok(module) => bytes += module.map_or(0, |module| module.len() as u64),
            // The modules tell of it.
            Err(error) => tracing::debug!(%error, "a module that is not counted"),
        }
    }
    Ok(bytes)
}

/// All times of failure detection in proportion to the interval of probes.
fn membership_config(probe_interval: Duration) -> membership::Config {
    let lan = membership::Config::lan();
    let factor = probe_interval.as_secs_f64() / lan.probe_interval.as_secs_f64();
    membership::Config {
        probe_interval,
        probe_timeout: lan.probe_timeout.mul_f64(factor),
        gossip_interval: lan.gossip_interval.mul_f64(factor),
        sync_interval: lan.sync_interval.mul_f64(factor),
        reconnect_interval: lan.reconnect_interval.mul_f64(factor),
        // Several nodes often share a machine that is busy with other things.
        suspicion_multiplier: 2,
        ..lan
    }
}

fn network_error(error: NetworkError) -> NodeError {
    match error {
        NetworkError::Listen { address, reason } => NodeError::Listen { address, reason },
        NetworkError::Join { .. } => NodeError::JoinFailed {
            reason: error.to_string(),
        },
        NetworkError::OtherStrategy { .. } => NodeError::OtherMembership {
            reason: error.to_string(),
        },
        other => NodeError::Config {
            reason: other.to_string(),
        },
    }
}
