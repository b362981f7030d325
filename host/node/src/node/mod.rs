//! The node: puts the layers together and is what a program talks to.
//!
//! Inputs: the methods of [`Node`]. Every method may be called from any task at any time; a
//! request is bounded, and refused with [`NodeError::Busy`] where its queue is full. An update is
//! answered once it is durable here; nobody hears of it earlier.

mod address_book;
mod comparison;
mod config;
mod counters;
mod fact_board;
mod folder;
mod kept_storage;
mod listing;
mod members;
mod messages;
mod publishing;
mod start;
mod uploads;
mod wiring;

pub use crate::topics::Watch;
pub use crate::vocabulary::{
    Acknowledgements, Change, Counter, DigestInfo, Direction, Heard, ListenEvent, LoadLimits,
    MemberInfo, MemberState, Missed, ModuleInfo, NetworkInfo, NodeError, ObjectPage, ObjectRead,
    ObjectState, OtherModule, Outcome, Published, QueryAnswer, RevocationInfo, Status, StorageInfo,
    Subscription, SwitchInfo, Switching, TopicInfo, Update, Updated, VersionToken, WaitsFor,
    WatchEvent, WatchToken,
};
pub use config::NodeConfig;
pub use fact_board::{FactChange, FactFilter, FactWatch};
pub use members::MemberWatch;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, NodeId, ObjectId, TopicName, TypeName};
use tokio::task::JoinHandle;

use crate::messages::Listeners;
use crate::modules::{Librarian, Registry};
use crate::network::NetworkHandle;
use crate::storage::{Storage, Writer};
use crate::topics::Topics;
use crate::vital::Vital;
use address_book::AddressBook;
use comparison::Comparison;
use fact_board::FactBoard;
use folder::Folder;
use kept_storage::Closed;
use uploads::Uploads;
use wiring::Line;

/// How long a shutdown waits for requests under way to let go of the storage.
const RELEASE_WAIT: Duration = Duration::from_secs(5);

/// Makes `folder` a node's data folder: creates it if need be, and in it the node's key, readable
/// by its owner only. Returns the new node's id.
///
/// # Errors
/// [`NodeError::AlreadyInitialised`] if there is a key, [`NodeError::Folder`] if the folder cannot
/// be written; nothing that was there is changed.
pub fn init(folder: &Path) -> Result<NodeId, NodeError> {
    folder::init(folder)
}

/// A running node. Clones are handles to the same node; it runs until
/// [`shutdown`](Self::shutdown), or until the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: NodeId,
    cluster: ClusterId,
    address: SocketAddr,
    started: Instant,
    config: NodeConfig,
    /// None once the node is shut down.
    running: RwLock<Option<Arc<Running>>>,
}

/// The layers of a running node.
#[derive(Debug)]
struct Running {
    topics: Arc<Topics>,
    comparison: Arc<Comparison>,
    network: NetworkHandle,
    librarian: Arc<Librarian>,
    registry: Registry,
    storage: Arc<dyn Storage>,
    writer: Arc<Writer>,
    line: Arc<Line>,
    addresses: Arc<AddressBook>,
    listeners: Listeners,
    facts: Arc<FactBoard>,
    identity: Arc<NodeIdentity>,
    uploads: Uploads,
    tasks: [JoinHandle<()>; 3],
    /// None if the storage is not the node's own.
    closed: Mutex<Option<Closed>>,
    _folder: Folder,
}

impl Running {
    /// Ends what would go on by itself.
    fn cut_off(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.librarian.stop_compiling();
        self.line.disconnect();
        self.listeners.close();
    }
}

impl Node {
    /// Starts a node on its data folder, within the running tokio runtime. Returns once it
    /// listens and serves requests; a new node that joins a cluster first has to reach it.
    ///
    /// # Errors
    /// The variants of [`NodeError`] on the data folder, the address, joining and configuration.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        Self::start_layers(config, None).await
    }

    /// Starts a node that keeps its data in `storage`; key and compiled modules are in the data
    /// folder all the same.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_storage(
        config: NodeConfig,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, NodeError> {
        Self::start_layers(config, Some(storage)).await
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.inner.id
    }

    /// The cluster that it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.inner.cluster
    }

    /// Where it listens for nodes; with the real port if 0 was configured.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    fn running(&self) -> Result<Arc<Running>, NodeError> {
        let running = self
            .inner
            .running
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        running.clone().ok_or(NodeError::ShuttingDown)
    }

    fn topics_layer(&self) -> Result<Arc<Topics>, NodeError> {
        Ok(self.running()?.topics.clone())
    }

    /// Carries out commands on one object. Answers once their ops are durable here. A command
    /// that the type refuses stands in the outcomes and does not stop those after it.
    ///
    /// # Errors
    /// [`NodeError::UnknownType`], [`NodeError::TypeMissing`], [`NodeError::AmbiguousObject`],
    /// [`NodeError::ObjectFaulted`], [`NodeError::NewerTypeNeeded`], [`NodeError::TooLarge`],
    /// [`NodeError::NoCommand`], [`NodeError::Revoked`], [`NodeError::Busy`],
    /// [`NodeError::StorageFailed`], [`NodeError::ShuttingDown`].
    pub async fn update(&self, update: Update) -> Result<Updated, NodeError> {
        if update.commands.is_empty() {
            return Err(NodeError::NoCommand);
        }
        if update.commands.len() > self.commands_max() {
            return Err(self.too_many_commands(update.commands.len()));
        }
        let longest = update.commands.iter().map(Vec::len).max().unwrap_or(0);
        let max = self.inner.config.command_bytes_max;
        if longest > max {
            return Err(NodeError::TooLarge {
                what: "the size of a command as CBOR, in bytes,",
                size: longest as u64,
                max: max as u64,
            });
        }
        let topics = self.running_to_write()?.topics.clone();
        topics.update(update).await
    }

    /// How many commands one update can have.
    pub(crate) fn commands_max(&self) -> usize {
        self.inner.config.commands_max
    }

    pub(crate) fn too_many_commands(&self, count: usize) -> NodeError {
        NodeError::TooLarge {
            what: "the number of commands",
            size: count as u64,
            max: self.commands_max() as u64,
        }
    }

    /// Reads an object's whole value. Without a type: the only object of that id. With `after`:
    /// waits, for a bounded time, until at least that version is delivered here.
    ///
    /// # Errors
    /// [`NodeError::UnknownObject`], [`NodeError::AmbiguousObject`], [`NodeError::UnknownType`],
    /// [`NodeError::ObjectFaulted`], [`NodeError::NewerTypeNeeded`], [`NodeError::NotYet`],
    /// [`NodeError::GuestFault`], [`NodeError::Busy`], [`NodeError::StorageFailed`],
    /// [`NodeError::ShuttingDown`].
    pub async fn value(
        &self,
        topic: TopicName,
        id: ObjectId,
        type_name: Option<TypeName>,
        after: Option<VersionToken>,
    ) -> Result<ObjectRead, NodeError> {
        self.topics_layer()?
            .value(topic, id, type_name, after)
            .await
    }

    /// Asks an object a query (CBOR), as its type defines it. Otherwise like
    /// [`value`](Self::value).
    ///
    /// # Errors
    /// [`NodeError::QueryRefused`] with the type's message, and those of [`value`](Self::value).
    pub async fn query(
        &self,
        topic: TopicName,
        id: ObjectId,
        type_name: Option<TypeName>,
        query: Vec<u8>,
        after: Option<VersionToken>,
    ) -> Result<QueryAnswer, NodeError> {
        let max = self.inner.config.command_bytes_max;
        if query.len() > max {
            let (size, max) = (query.len() as u64, max as u64);
            return Err(NodeError::TooLarge {
                what: "the size of the query as CBOR, in bytes,",
                size,
                max,
            });
        }
        self.topics_layer()?
            .query(topic, id, type_name, query, after)
            .await
    }

    /// Lists a topic's objects by type and id, `limit` (1..=10,000) at a time. `after` is the
    /// `next` of the page before. A topic that nobody wrote to has none.
    ///
    /// # Errors
    /// [`NodeError::BadCursor`], [`NodeError::StorageFailed`].
    pub async fn objects(
        &self,
        topic: TopicName,
        after: Option<String>,
        limit: usize,
    ) -> Result<ObjectPage, NodeError> {
        let storage = self.running()?.storage.clone();
        start::blocking(move || listing::objects(storage.as_ref(), &topic, after.as_deref(), limit))
            .await
    }

    /// Lists the topics that this node holds, by name.
    ///
    /// # Errors
    /// [`NodeError::StorageFailed`].
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, NodeError> {
        let storage = self.running()?.storage.clone();
        start::blocking(move || listing::topics(storage.as_ref())).await
    }

    /// Hashes the state of every object of a topic. Cost: loads and saves each object.
    ///
    /// # Errors
    /// [`NodeError::StorageFailed`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub async fn digest(&self, topic: TopicName) -> Result<DigestInfo, NodeError> {
        self.topics_layer()?.digest(topic).await
    }

    /// Follows the changes of a topic, or of one of its objects; neither needs to exist yet. With
    /// a token of an earlier event: from there on, with no change twice and none left out, or, if
    /// the node does not know that place any more, first [`WatchEvent::Missed`]. Else from now on.
    ///
    /// # Errors
    /// [`NodeError::Busy`] beyond the number of watches, [`NodeError::ShuttingDown`].
    pub async fn watch(
        &self,
        topic: TopicName,
        id: Option<ObjectId>,
        from: Option<WatchToken>,
    ) -> Result<Watch, NodeError> {
        self.topics_layer()?.watch(topic, id, from).await
    }

    /// Loads a component and makes it known to the cluster. The same bytes again change nothing.
    /// The first version of a type runs at once; a further one when it is told to
    /// ([`switch_module`](Self::switch_module)).
    ///
    /// # Errors
    /// [`NodeError::ModuleInvalid`], [`NodeError::ModuleConflict`], [`NodeError::StorageFailed`].
    pub async fn load_module(&self, bytes: Vec<u8>) -> Result<ModuleInfo, NodeError> {
        self.load_module_with(bytes, LoadLimits::default()).await
    }

    /// Like [`load_module`](Self::load_module), with limits of its own. They are part of what is
    /// registered: every node runs the module under them, or not at all.
    ///
    /// # Errors
    /// Also [`NodeError::LimitsConflict`].
    pub async fn load_module_with(
        &self,
        bytes: Vec<u8>,
        limits: LoadLimits,
    ) -> Result<ModuleInfo, NodeError> {
        let running = self.running()?;
        let held = running.uploads.hold(bytes.len())?;
        let librarian = running.librarian.clone();
        // Whoever asked may go away; the component waits all the same.
        let loading = tokio::spawn(async move {
            let loaded = librarian.load(bytes, limits).await;
            drop(held);
            loaded
        });
        loading.await.unwrap_or(Err(NodeError::ShuttingDown))
    }

    /// Has a type run on another version, here and on every node that hears of it. Its objects
    /// are made anew from the log. Shows the module that runs then.
    ///
    /// # Errors
    /// [`NodeError::SwitchRefused`] if the version does not read ops that there may be;
    /// [`NodeError::UnknownModule`], [`NodeError::WaitsForModule`] if it is not loaded here;
    /// [`NodeError::StorageFailed`].
    pub async fn switch_module(&self, switching: Switching) -> Result<ModuleInfo, NodeError> {
        let librarian = self.running()?.librarian.clone();
        librarian.switch(switching).await
    }

    /// Lists the modules that are known here, by name and version.
    pub fn modules(&self) -> Vec<ModuleInfo> {
        self.running()
            .map(|running| running.registry.list())
            .unwrap_or_default()
    }

    /// Shows the module that objects of type `name` run on, `name@version`, or the module whose
    /// hash begins so (8 digits or more).
    ///
    /// # Errors
    /// [`NodeError::UnknownModule`]; [`NodeError::WaitsForModule`] if it is known and not loaded.
    pub fn module(&self, name: &str) -> Result<ModuleInfo, NodeError> {
        self.running()?.registry.show(name)
    }

    /// Tells how the node is doing.
    pub fn status(&self) -> Status {
        let running = self.running().ok();
        let running = running.as_deref();
        let stopped = || "the node is shut down".to_owned();
        let advertised = running.map(|r| r.network.advertised());
        let reason = running.map_or_else(|| Some(stopped()), |r| r.storage.failure());
        let counters = running.map(counters::all).unwrap_or_default();
        Status {
            id: self.id(),
            cluster: self.cluster(),
            version: env!("CARGO_PKG_VERSION"),
            listen: self.address(),
            advertised: advertised.unwrap_or_else(|| self.address()).to_string(),
            uptime: self.inner.started.elapsed(),
            storage: StorageInfo {
                writable: reason.is_none(),
                reason,
            },
            network: self.network(),
            revoked: self.revocation(),
            counters,
        }
    }

    /// Takes the node off the network (closes its sessions and refuses new ones) or puts it back.
    /// Requests are served all the while.
    pub async fn set_network(&self, enabled: bool) {
        if let Ok(running) = self.running() {
            running.network.set_enabled(enabled).await;
        }
    }

    /// Says whether the node takes part in the network.
    pub fn network(&self) -> NetworkInfo {
        match self.running() {
            Ok(running) => NetworkInfo {
                enabled: running.network.is_enabled(),
                sessions: running.network.peers().len() as u64,
                membership: running.network.strategy(),
            },
            Err(_) => NetworkInfo {
                enabled: false,
                sessions: 0,
                membership: self.inner.config.membership,
            },
        }
    }

    /// Waits until a part of the node has ended by a panic, which is a fault of this program, and
    /// says which part. What needs it is refused from then on: whoever runs the node should end it
    /// and start it again. As long as there is no fault, this waits for ever.
    pub async fn failed(&self) -> &'static str {
        let Some(vitals) = self.vitals() else {
            return std::future::pending().await;
        };
        let [first, second, third, fourth] = &vitals;
        tokio::select! {
            part = first.died() => part,
            part = second.died() => part,
            part = third.died() => part,
            part = fourth.died() => part,
        }
    }

    /// The part that has ended by a panic, if one has; see [`failed`](Self::failed).
    pub fn failed_part(&self) -> Option<&'static str> {
        self.vitals()?.iter().find_map(Vital::dead)
    }

    fn vitals(&self) -> Option<[Vital; 4]> {
        let running = self.running().ok()?;
        let vitals = [
            running.topics.vital(),
            running.writer.vital(),
            running.librarian.vital(),
            running.network.vital(),
        ];
        Some(vitals.map(Vital::clone))
    }

    /// Stops the node: finishes what is under way, says goodbye to the members, closes the data
    /// folder. Further requests are refused. May be called more than once.
    pub async fn shutdown(&self) {
        let running = self.take_running();
        let Some(running) = running else { return };
        let topics = running.topics.clone();
        let _ = start::blocking(move || {
            topics.shutdown();
            Ok(())
        })
        .await;
        running.cut_off();
        running.network.shutdown().await;
        running.addresses.write(&running.writer).await;
        running.facts.write(&running.writer).await;
        let closed = running.closed.lock();
        let closed = closed.unwrap_or_else(PoisonError::into_inner).take();
        let _ = start::blocking(move || {
            running.writer.close();
            drop(running);
            Ok(())
        })
        .await;
        if let Some(closed) = closed {
            // Requests under way hold the storage for a moment, and with it the folder.
            let _ = tokio::time::timeout(RELEASE_WAIT, closed).await;
        }
    }

    fn take_running(&self) -> Option<Arc<Running>> {
        self.inner
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Inner {
    /// Nobody can reach the node any more: end it, without waiting on this thread.
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = running {
            running.cut_off();
            // Shards finish what they have, which may take a while.
            std::thread::spawn(move || drop(running));
        }
    }
}
