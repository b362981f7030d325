//! Storage in front of other storage.

use replicant_protocol::ids::{
    Counter, Dot, Hash, ModuleHash, NodeId, ObjectId, ObjectKey, ReplicaId, TopicName, TypeName,
};

use super::{
    Boundary, Checkpoint, CommandRecord, Job, ObjectNumber, Proof, Result, Sequence, Storage,
    StoredTopic, TopicNumber,
};

/// Storage that has another one behind it, to which everything goes that it does not do itself:
/// what keeps a folder open as long as its database is, or a disk that fails in a test.
pub trait StorageLayer: Send + Sync + std::fmt::Debug {
    /// What is behind it.
    fn inner(&self) -> &dyn Storage;

    /// As [`Storage::commit`].
    ///
    /// # Errors
    /// As there.
    fn commit(&self, jobs: &[Job]) -> Result<()> {
        self.inner().commit(jobs)
    }

    /// As [`Storage::failure`].
    fn failure(&self) -> Option<String> {
        self.inner().failure()
    }
}

impl<T: StorageLayer> Storage for T {
    fn commit(&self, jobs: &[Job]) -> Result<()> {
        StorageLayer::commit(self, jobs)
    }

    fn meta(&self, key: &'static str) -> Result<Option<Vec<u8>>> {
        self.inner().meta(key)
    }

    fn topics(&self) -> Result<Vec<StoredTopic>> {
        self.inner().topics()
    }

    fn last_topic(&self) -> Result<TopicNumber> {
        self.inner().last_topic()
    }

    fn topic(&self, name: &TopicName) -> Result<Option<StoredTopic>> {
        self.inner().topic(name)
    }

    fn heads(&self, topic: TopicNumber) -> Result<Vec<Boundary>> {
        self.inner().heads(topic)
    }

    fn boundary(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        counter: Counter,
    ) -> Result<Option<Boundary>> {
        self.inner().boundary(topic, replica, counter)
    }

    fn bundle(&self, topic: TopicNumber, sequence: Sequence) -> Result<Option<Vec<u8>>> {
        self.inner().bundle(topic, sequence)
    }

    fn bundles(
        &self,
        topic: TopicNumber,
        from: Sequence,
        visit: &mut dyn FnMut(Sequence, Dot, &[u8]) -> bool,
    ) -> Result<()> {
        self.inner().bundles(topic, from, visit)
    }

    fn object(&self, topic: TopicNumber, key: &ObjectKey) -> Result<Option<ObjectNumber>> {
        self.inner().object(topic, key)
    }

    fn objects(
        &self,
        topic: TopicNumber,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(ObjectKey, ObjectNumber)>> {
        self.inner().objects(topic, after, limit)
    }

    fn types_of(&self, topic: TopicNumber, id: &ObjectId) -> Result<Vec<TypeName>> {
        self.inner().types_of(topic, id)
    }

    fn touched(
        &self,
        topic: TopicNumber,
        object: ObjectNumber,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>> {
        self.inner().touched(topic, object, after, limit)
    }

    fn checkpoint(&self, topic: TopicNumber, object: ObjectNumber) -> Result<Option<Checkpoint>> {
        self.inner().checkpoint(topic, object)
    }

    fn commands(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        first: Counter,
    ) -> Result<Option<Vec<CommandRecord>>> {
        self.inner().commands(topic, replica, first)
    }

    fn module(&self, hash: &ModuleHash) -> Result<Option<Vec<u8>>> {
        self.inner().module(hash)
    }

    fn modules(&self) -> Result<Vec<ModuleHash>> {
        self.inner().modules()
    }

    fn announcements(&self) -> Result<Vec<(Hash, Vec<u8>)>> {
        self.inner().announcements()
    }

    fn facts(&self) -> Result<Vec<(Hash, Vec<u8>)>> {
        self.inner().facts()
    }

    fn proofs(&self) -> Result<Vec<Proof>> {
        self.inner().proofs()
    }

    fn peers(&self) -> Result<Vec<(NodeId, String)>> {
        self.inner().peers()
    }

    fn failure(&self) -> Option<String> {
        StorageLayer::failure(self)
    }
}
