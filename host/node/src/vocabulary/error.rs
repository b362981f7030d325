//! Why a request to a node was not carried out.

use std::net::SocketAddr;
use std::path::PathBuf;

use replicant_protocol::broadcast::acknowledgement::AskError;
use replicant_protocol::environment::ParameterError;
use replicant_protocol::facts::Refusal;
use replicant_protocol::ids::{ClusterId, ModuleHash, NodeId, ObjectId, TopicName, TypeName};
use replicant_protocol::topics::TopicsError;

use super::{RevocationInfo, WaitsFor};

/// Why a node did not do what it was asked. The message is for a person; what a program needs
/// stands in the fields. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The caller named an object that does not exist here (yet).
    #[error("topic {topic} has no object `{id}`{}", of_type(.type_name))]
    UnknownObject {
        /// The topic that was asked.
        topic: TopicName,
        /// The object that is not there.
        id: ObjectId,
        /// Its type, if the caller gave one.
        type_name: Option<TypeName>,
    },
    /// The caller left the type out, and several objects have this id.
    #[error("topic {topic} has several objects `{id}`, of types {}", list(.types))]
    AmbiguousObject {
        /// The topic that was asked.
        topic: TopicName,
        /// The id that they share.
        id: ObjectId,
        /// Their types, in order.
        types: Vec<TypeName>,
    },
    /// The caller left the type out when creating an object.
    #[error("object `{id}` does not exist in topic {topic}: name its type to create it")]
    TypeMissing {
        /// The topic that was asked.
        topic: TopicName,
        /// The object that is not there.
        id: ObjectId,
    },
    /// No module of this type is loaded here. Ops of the type that arrive are kept and applied
    /// once the module is there.
    #[error("no module for type {name} is loaded on this node")]
    UnknownType {
        /// The type that is missing.
        name: TypeName,
    },
    /// A module is to run here and cannot yet: its bytes have not come, or it asks for more than
    /// this node grants. Ops of its type are kept and applied once it runs.
    #[error("this node waits for module {module}: {reason}")]
    WaitsForModule {
        /// The module, as `name@version`.
        module: String,
        /// What it waits for.
        waits_for: WaitsFor,
        /// What stands in the way.
        reason: String,
    },
    /// The object has ops of a version of its type that does not run here. They are kept.
    #[error(
        "object `{id}` in topic {topic} has ops of encoding {schema}, which {module} does not \
         read; it waits for {}", reader(.waits_for)
    )]
    NewerTypeNeeded {
        /// The object's topic.
        topic: TopicName,
        /// The object.
        id: ObjectId,
        /// The version of the op encoding that cannot be read.
        schema: u32,
        /// The module that was tried, as `name@version`.
        module: String,
        /// A module that is loaded here and reads it, as `name@version`, and whether it was rolled
        /// back.
        waits_for: Option<String>,
    },
    /// The caller may not subscribe or publish there, subscribes to too much, or says too much.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// As many messages as may be wait for their acknowledgements.
    #[error(transparent)]
    Asked(#[from] AskError),
    /// The caller wants to say something to a node that is no member, or that this node has no
    /// session with at present.
    #[error("there is no session with node {node}")]
    NodeUnreachable {
        /// The node.
        node: NodeId,
    },
    /// The caller wants to say something to a node that is no neighbour of this one; with partial
    /// views a node speaks to its neighbours.
    #[error(
        "node {node} is no neighbour of this node, which keeps partial views (hyparview) and has \
         sessions with its neighbours only"
    )]
    NotNeighbour {
        /// The node.
        node: NodeId,
    },
    /// The caller asks for what only a node with a full view knows.
    #[error("this node keeps partial views (hyparview): it does not know {what}")]
    NeedsFullView {
        /// What it does not know, and what follows.
        what: &'static str,
    },
    /// The caller asked for a module that is not loaded here.
    #[error("no module {name} is loaded on this node")]
    UnknownModule {
        /// What was asked for.
        name: String,
    },
    /// The type has no answer to the query; the message is the type's own.
    #[error("{message}")]
    QueryRefused {
        /// What the type says.
        message: String,
    },
    /// The type's code failed on this query: a trap, or a limit. Other objects are not affected.
    #[error("{fault}")]
    GuestFault {
        /// Module, export and limit.
        fault: String,
    },
    /// The type's code fails on this object's ops, on this node. The ops are kept; other objects
    /// are not affected.
    #[error("object `{id}` in topic {topic} cannot be shown: {fault}")]
    ObjectFaulted {
        /// The object's topic.
        topic: TopicName,
        /// The object.
        id: ObjectId,
        /// Module, export and limit.
        fault: String,
    },
    /// The caller sent more than a limit allows.
    #[error("{what} is {size}; at most {max} is accepted")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        max: u64,
    },
    /// The caller sent no command.
    #[error("the update has no command")]
    NoCommand,
    /// The caller asked for a fact that is not known here.
    #[error("no fact that this node knows has an id that begins with {id}")]
    UnknownFact {
        /// What was asked for.
        id: String,
    },
    /// The caller asked for a fact by the beginning of an id that several have.
    #[error("several facts have an id that begins with {id}")]
    AmbiguousFact {
        /// What was asked for.
        id: String,
    },
    /// The fact is not what its kind demands.
    #[error("{reason}")]
    FactInvalid {
        /// What is wrong.
        reason: String,
    },
    /// The fact would not be accepted by others either.
    #[error("the fact is refused: {refusal}")]
    FactRefused {
        /// Why.
        refusal: Refusal,
    },
    /// A queue is full; the same request may succeed a moment later.
    #[error("the node is busy: {queue} is full; try again")]
    Busy {
        /// Which queue.
        queue: &'static str,
    },
    /// The version that the caller asked for did not arrive here in time.
    #[error("this node has not reached the version asked for within the time allowed")]
    NotYet,
    /// A version token that is not one.
    #[error("not a version token: {reason}")]
    BadToken {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A watch should go on from what is not the token of one.
    #[error("this is not the token of a watch")]
    BadWatchToken,
    /// A cursor that is not one.
    #[error("not a cursor of this list")]
    BadCursor,
    /// The disk does not take writes, or lost what it had. The write may be repeated later; if
    /// the failure came while it was under way, it is not on disk and nobody heard of it.
    #[error("storage failed: {reason}")]
    StorageFailed {
        /// What the disk or the database said.
        reason: String,
    },
    /// This node can make no op in the topic: its clock is far off, or the topic has as many
    /// writers as it can have.
    #[error("this node cannot write to topic {topic}: {reason}")]
    CannotWrite {
        /// The topic.
        topic: TopicName,
        /// What stands in the way.
        reason: String,
    },
    /// A fact keeps this node out of its cluster: nobody would hear of what it writes or says.
    #[error(
        "this node is revoked, by fact {} of node {} (\"{}\"): the others keep it out, and what \
         it writes reaches nobody", .0.fact, .0.issuer, .0.reason
    )]
    Revoked(RevocationInfo),
    /// The component cannot be loaded: it is not a component of the world, or went over a limit.
    #[error("{reason}")]
    ModuleInvalid {
        /// Module, export and limit, as far as they apply.
        reason: String,
    },
    /// Another component is already known under this name and version.
    #[error(
        "{module} is already {known}, announced by node {publisher}; {given} must have a version \
         of its own"
    )]
    ModuleConflict {
        /// Name and version, as `name@version`.
        module: String,
        /// The component that is known.
        known: ModuleHash,
        /// Who announced it.
        publisher: NodeId,
        /// The component that was given.
        given: ModuleHash,
    },
    /// This component is registered under its name and version with other limits, which hold on
    /// every node.
    #[error(
        "{module} is registered with other limits ({known}), announced by node {publisher}; with \
         these ({given}) it must have a version of its own"
    )]
    LimitsConflict {
        /// Name and version, as `name@version`.
        module: String,
        /// Who announced it.
        publisher: NodeId,
        /// The limits that are registered.
        known: String,
        /// The limits that were given.
        given: String,
    },
    /// A module was to be registered with a limit under which no type can work. Nothing is
    /// registered.
    #[error("{limit} is {value}, and no type works with less than {least}")]
    LimitTooSmall {
        /// The limit, as it is named when a module is loaded.
        limit: &'static str,
        /// What was given.
        value: u64,
        /// The least that is accepted.
        least: u64,
    },
    /// A module was to be registered with a limit that no node grants. Nothing is registered.
    #[error("{limit} is {value}, and nodes grant {most} at most")]
    LimitTooLarge {
        /// The limit, as it is named when a module is loaded.
        limit: &'static str,
        /// What was given.
        value: u64,
        /// The most that is accepted.
        most: u64,
    },
    /// The type stays on the version that it runs on.
    #[error("no switch to {module}: {reason}")]
    SwitchRefused {
        /// The version that was asked for or runs, as `name@version`.
        module: String,
        /// Why, and what can be done.
        reason: String,
    },
    /// The data folder belongs to another cluster than the node to join.
    #[error(
        "this node belongs to cluster {own}, the node at {address} to {other}, and a node stays in \
         its cluster; to be part of the other one, begin with a new data folder"
    )]
    OtherCluster {
        /// The cluster that the data folder was made for.
        own: ClusterId,
        /// The cluster of the node that was asked.
        other: ClusterId,
        /// Where that node is.
        address: String,
    },
    /// A new node found nobody to join within the time allowed. The data folder stays as it was.
    #[error(
        "none of the nodes to join answered: {reason}; the first node of a cluster is started \
         without one to join, or told to begin a new cluster (--new-cluster)"
    )]
    JoinFailed {
        /// What the last attempt said, for each address.
        reason: String,
    },
    /// The node to join follows another strategy of membership. The data folder stays as it was.
    #[error("{reason}")]
    OtherMembership {
        /// Which, and what to do.
        reason: String,
    },
    /// The data folder has not been initialised.
    #[error("{folder} is not a node's data folder: run `replicant init {folder}` first")]
    NotInitialised {
        /// The folder that was given.
        folder: PathBuf,
    },
    /// The folder that should be initialised is a data folder already.
    #[error("{folder} is a node's data folder already")]
    AlreadyInitialised {
        /// The folder that was given.
        folder: PathBuf,
    },
    /// The folder that should be initialised holds other things.
    #[error(
        "{folder} holds other things, such as {found}, and a node has a folder of its own; name \
         one that is empty or not there yet"
    )]
    FolderNotEmpty {
        /// The folder that was given.
        folder: PathBuf,
        /// One of them.
        found: PathBuf,
    },
    /// Another process has the data folder open.
    #[error("{folder} is in use by another process")]
    FolderInUse {
        /// The folder that was given.
        folder: PathBuf,
    },
    /// A file of the data folder cannot be read, written or understood.
    #[error("{path}: {reason}")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The node cannot listen where it was told to.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// The configuration contradicts itself or leaves its range.
    #[error("configuration: {reason}")]
    Config {
        /// Which setting, and what would be accepted.
        reason: String,
    },
    /// A component was not compiled: the process that does it was ended. This machine's doing, and
    /// another attempt may succeed. Nothing was loaded.
    #[error(
        "the component with hash {component} was not loaded: {reason}; see whether the machine has \
         enough memory, and load it again"
    )]
    CompilerStopped {
        /// The first digits of its hash: its name is not known before it is compiled.
        component: String,
        /// How the process ended.
        reason: String,
    },
    /// Two parameters of the protocols contradict each other.
    #[error("two parameters contradict each other: {0}")]
    Parameters(#[from] ParameterError),
    /// The sandbox cannot be set up on this machine, or its compiler fails here.
    #[error("the sandbox does not work: {reason}")]
    Sandbox {
        /// What the runtime said.
        reason: String,
    },
    /// The node is shutting down, or has. Whether a request under way was carried out is unknown.
    #[error("the node is shutting down")]
    ShuttingDown,
}

fn of_type(name: &Option<TypeName>) -> String {
    match name {
        Some(name) => format!(" of type {name}"),
        None => String::new(),
    }
}

fn reader(waits_for: &Option<String>) -> String {
    match waits_for {
        Some(module) => format!("{module} to run"),
        None => "a version that does".to_owned(),
    }
}

fn list(types: &[TypeName]) -> String {
    types
        .iter()
        .map(AsRef::as_ref)
        .collect::<Vec<&str>>()
        .join(", ")
}
