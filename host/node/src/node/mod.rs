//! The node: puts the layers together and is what a program talks to.
//!
//! Inputs: the methods of [`Node`]. Every method may be called from any task at any time; a
//! request is bounded, and refused with [`NodeError::Busy`] where its queue is full. An update is
//! answered once it is durable here; nobody hears of it earlier.

mod config;

pub use crate::vocabulary::{
    Change, DigestInfo, MemberInfo, MemberState, ModuleInfo, NetworkInfo, NodeError, ObjectPage,
    ObjectRead, Outcome, QueryAnswer, Status, StorageInfo, TopicInfo, Update, Updated,
    VersionToken, Watch, WatchEvent,
};
pub use config::NodeConfig;

use std::net::SocketAddr;
use std::path::Path;

use replicant_protocol::ids::{ClusterId, NodeId, ObjectId, TopicName, TypeName};

/// Makes `folder` a node's data folder: creates it if need be, and in it the node's key, readable
/// by its owner only. Returns the new node's id.
///
/// # Errors
/// [`NodeError::AlreadyInitialised`] if there is a key, [`NodeError::Folder`] if the folder cannot
/// be written; nothing that was there is changed.
pub fn init(folder: &Path) -> Result<NodeId, NodeError> {
    let _ = folder;
    Err(NodeError::ShuttingDown)
}

/// A running node. Clones are handles to the same node; it runs until
/// [`shutdown`](Self::shutdown), or until the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Node {
    id: NodeId,
    cluster: ClusterId,
    address: SocketAddr,
}

impl Node {
    /// Starts a node on its data folder, within the running tokio runtime. Returns once it
    /// listens and serves requests; a new node that joins a cluster first has to reach it.
    ///
    /// # Errors
    /// The variants of [`NodeError`] on the data folder, the address, joining and configuration.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        let _ = config;
        Err(NodeError::ShuttingDown)
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The cluster that it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Where it listens for nodes; with the real port if 0 was configured.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries out commands on one object. Answers once their ops are durable here. A command
    /// that the type refuses stands in the outcomes and does not stop those after it.
    ///
    /// # Errors
    /// [`NodeError::UnknownType`], [`NodeError::TypeMissing`], [`NodeError::AmbiguousObject`],
    /// [`NodeError::ObjectFaulted`], [`NodeError::NewerTypeNeeded`], [`NodeError::TooLarge`],
    /// [`NodeError::NoCommand`], [`NodeError::Busy`], [`NodeError::StorageFailed`],
    /// [`NodeError::ShuttingDown`].
    pub async fn update(&self, update: Update) -> Result<Updated, NodeError> {
        let _ = update;
        Err(NodeError::ShuttingDown)
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
        let _ = (topic, id, type_name, after);
        Err(NodeError::ShuttingDown)
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
        let _ = (topic, id, type_name, query, after);
        Err(NodeError::ShuttingDown)
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
        let _ = (topic, after, limit);
        Err(NodeError::ShuttingDown)
    }

    /// Lists the topics that this node holds, by name.
    ///
    /// # Errors
    /// [`NodeError::StorageFailed`].
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, NodeError> {
        Err(NodeError::ShuttingDown)
    }

    /// Hashes the state of every object of a topic. Cost: loads and saves each object.
    ///
    /// # Errors
    /// [`NodeError::StorageFailed`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub async fn digest(&self, topic: TopicName) -> Result<DigestInfo, NodeError> {
        let _ = topic;
        Err(NodeError::ShuttingDown)
    }

    /// Follows the changes of a topic from now on, or of one of its objects. Neither needs to
    /// exist yet.
    ///
    /// # Errors
    /// [`NodeError::Busy`] beyond the number of watches, [`NodeError::ShuttingDown`].
    pub async fn watch(&self, topic: TopicName, id: Option<ObjectId>) -> Result<Watch, NodeError> {
        let _ = (topic, id);
        Err(NodeError::ShuttingDown)
    }

    /// Loads a component and makes it known to the cluster. The same bytes again change nothing.
    ///
    /// # Errors
    /// [`NodeError::ModuleInvalid`], [`NodeError::ModuleConflict`], [`NodeError::StorageFailed`].
    pub async fn load_module(&self, bytes: Vec<u8>) -> Result<ModuleInfo, NodeError> {
        let _ = bytes;
        Err(NodeError::ShuttingDown)
    }

    /// Lists the modules that are loaded here, by name and version.
    pub fn modules(&self) -> Vec<ModuleInfo> {
        Vec::new()
    }

    /// Shows the module that objects of type `name` run on, or `name@version`.
    ///
    /// # Errors
    /// [`NodeError::UnknownModule`].
    pub fn module(&self, name: &str) -> Result<ModuleInfo, NodeError> {
        Err(NodeError::UnknownModule {
            name: name.to_owned(),
        })
    }

    /// Lists the members that this node knows of, itself included, by id.
    pub fn members(&self) -> Vec<MemberInfo> {
        Vec::new()
    }

    /// Tells how the node is doing.
    pub fn status(&self) -> Status {
        Status {
            id: self.id,
            cluster: self.cluster,
            version: env!("CARGO_PKG_VERSION"),
            listen: self.address,
            advertised: self.address.to_string(),
            uptime: std::time::Duration::ZERO,
            storage: StorageInfo {
                writable: true,
                reason: None,
            },
            network: self.network(),
            counters: Vec::new(),
        }
    }

    /// Takes the node off the network (closes its sessions and refuses new ones) or puts it back.
    /// Requests are served all the while.
    pub async fn set_network(&self, enabled: bool) {
        let _ = enabled;
    }

    /// Says whether the node takes part in the network.
    pub fn network(&self) -> NetworkInfo {
        NetworkInfo {
            enabled: true,
            sessions: 0,
        }
    }

    /// Stops the node: finishes what is under way, says goodbye to the members, closes the data
    /// folder. Further requests are refused. May be called more than once.
    pub async fn shutdown(&self) {}
}
