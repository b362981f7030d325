//! What is durable on this node, and when.
//!
//! Guarantee: once [`Storage::commit`] returns, every job in it survives a crash at any byte; if it
//! fails, either none of the jobs is there or, when the failure came from the last sync, all of
//! them may be. So whoever hears of a failure reads again what is stored before going on. A read
//! never returns bytes that were altered: each value carries a checksum over its table, its key and
//! itself, and one that does not match is reported by name ([`StorageError::Corrupt`]). Nothing
//! that stands in the file makes storage panic ([`StorageError::Damaged`]).
//!
//! [`RedbStorage`] keeps it all in one file. [`Writer`] is what the shards talk to: one thread that
//! merges all jobs that wait into one durable transaction (group commit).
//!
//! The tables and the encoding of every value are described in `docs/storage-format.md`.
//!
//! Not here: what a bundle means, in which order ops are applied, which object is loaded (see
//! [`topics`](crate::topics)); identity and lock of the data folder (see [`node`](crate::node)).

mod error;
mod failure;
pub(crate) mod generation;
mod guarded;
mod job;
mod layer;
mod read;
mod record;
mod redb_storage;
mod repair;
mod tables;
mod write;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use error::StorageError;
pub use guarded::silence_guarded_panics;
pub use job::{
    Boundary, BundleWrite, Checkpoint, CommandRecord, CommandsWrite, General, Job, ObjectNumber,
    Proof, Sequence, StoredTopic, TopicCounters, TopicNumber, TopicWrite,
};
pub use layer::StorageLayer;
pub use redb_storage::{Opener, RedbStorage};
pub use writer::Writer;

use replicant_protocol::ids::{
    Counter, Dot, Hash, ModuleHash, NodeId, ObjectId, ObjectKey, ReplicaId, TopicName, TypeName,
};

/// The result of everything in storage.
pub type Result<T> = std::result::Result<T, StorageError>;

/// Durable storage of one node, in terms of what a node keeps. All methods may be called from any
/// thread; reads see what was committed before they began.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes all jobs durable in one transaction, in their order.
    ///
    /// # Errors
    /// [`StorageError::Failed`]: the environment's fault; see the module's guarantee.
    fn commit(&self, jobs: &[Job]) -> Result<()>;

    /// Reads one of the node's own facts; see [`General::Meta`].
    fn meta(&self, key: &'static str) -> Result<Option<Vec<u8>>>;

    /// Lists all topics with their counters, by name. One that is corrupt is logged and passed
    /// over: whoever looks for it is told what is wrong.
    fn topics(&self) -> Result<Vec<StoredTopic>>;

    /// The highest number that a topic has, or had when more of it could be read.
    fn last_topic(&self) -> Result<TopicNumber>;

    /// Finds a topic.
    fn topic(&self, name: &TopicName) -> Result<Option<StoredTopic>>;

    /// Reads the last boundary of every replica of a topic, ascending by replica.
    fn heads(&self, topic: TopicNumber) -> Result<Vec<Boundary>>;

    /// Finds the bundle of `replica` that contains `counter`: the first whose last counter is not
    /// below it. None beyond the last bundle.
    fn boundary(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        counter: Counter,
    ) -> Result<Option<Boundary>>;

    /// Reads a bundle as it was signed, by its place in this node's log.
    fn bundle(&self, topic: TopicNumber, sequence: Sequence) -> Result<Option<Vec<u8>>>;

    /// Shows bundles in the log's order, from `from` on, to `visit`, until that returns false: the
    /// place in the log, the dot of the last op, the bundle as it was signed.
    fn bundles(
        &self,
        topic: TopicNumber,
        from: Sequence,
        visit: &mut dyn FnMut(Sequence, Dot, &[u8]) -> bool,
    ) -> Result<()>;

    /// Finds an object's number.
    fn object(&self, topic: TopicNumber, key: &ObjectKey) -> Result<Option<ObjectNumber>>;

    /// Lists objects by type and id, behind `after`, at most `limit`.
    fn objects(
        &self,
        topic: TopicNumber,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(ObjectKey, ObjectNumber)>>;

    /// Lists the types of all objects of a topic that have this id. Cost: one look-up for each
    /// type that the topic has.
    fn types_of(&self, topic: TopicNumber, id: &ObjectId) -> Result<Vec<TypeName>>;

    /// Lists the places in the log behind `after` whose bundles touch the object, at most
    /// `limit`.
    fn touched(
        &self,
        topic: TopicNumber,
        object: ObjectNumber,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>>;

    /// Reads an object's checkpoint.
    fn checkpoint(&self, topic: TopicNumber, object: ObjectNumber) -> Result<Option<Checkpoint>>;

    /// Reads the commands behind a bundle of this node's own.
    fn commands(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        first: Counter,
    ) -> Result<Option<Vec<CommandRecord>>>;

    /// Reads a module's bytes.
    fn module(&self, hash: &ModuleHash) -> Result<Option<Vec<u8>>>;

    /// Lists the hashes of all modules that are kept.
    fn modules(&self) -> Result<Vec<ModuleHash>>;

    /// Lists all module announcements, by hash of the announcement. One that is corrupt is logged
    /// and passed over: peers have it, and the module can be loaded again.
    fn announcements(&self) -> Result<Vec<(Hash, Vec<u8>)>>;

    /// Lists all facts, by id. One that is corrupt is logged and passed over: peers have it.
    fn facts(&self) -> Result<Vec<(Hash, Vec<u8>)>>;

    /// Lists the proofs of equivocation, by topic and replica.
    fn proofs(&self) -> Result<Vec<Proof>>;

    /// Lists the members whose addresses are kept for the next start. One that is corrupt is logged
    /// and passed over: it is a hint.
    fn peers(&self) -> Result<Vec<(NodeId, String)>>;

    /// Why writes are refused at present, if they are.
    fn failure(&self) -> Option<String>;
}
