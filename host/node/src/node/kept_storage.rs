//! The database of a data folder, which holds the folder until it is closed.

use std::sync::Arc;

use replicant_protocol::ids::{
    Counter, Dot, Hash, ModuleHash, NodeId, ObjectId, ObjectKey, ReplicaId, TopicName, TypeName,
};
use tokio::sync::oneshot;

use super::folder::{Folder, Lock};
use crate::storage::{
    Boundary, Checkpoint, CommandRecord, Job, ObjectNumber, Proof, RedbStorage, Result, Sequence,
    Storage, StoredTopic, TopicNumber,
};

/// Storage in a data folder. Whoever reads last closes the database and then lets go of the folder:
/// so whoever gets the folder can open the database.
#[derive(Debug)]
pub(super) struct KeptStorage {
    // In this order: fields are dropped from top to bottom.
    database: RedbStorage,
    _lock: Arc<Lock>,
    _closed: oneshot::Sender<()>,
}

/// Resolves when the database is closed, with an error, and the folder is free.
pub(super) type Closed = oneshot::Receiver<()>;

impl KeptStorage {
    /// Opens the folder's database.
    pub(super) fn open(folder: &Folder, cache_bytes: usize) -> Result<(Self, Closed)> {
        let (closed, is_closed) = oneshot::channel();
        let storage = Self {
            database: RedbStorage::open(&folder.database(), cache_bytes)?,
            _lock: folder.lock(),
            _closed: closed,
        };
        Ok((storage, is_closed))
    }
}

impl Storage for KeptStorage {
    fn commit(&self, jobs: &[Job]) -> Result<()> {
        self.database.commit(jobs)
    }

    fn meta(&self, key: &'static str) -> Result<Option<Vec<u8>>> {
        self.database.meta(key)
    }

    fn topics(&self) -> Result<Vec<StoredTopic>> {
        self.database.topics()
    }

    fn topic(&self, name: &TopicName) -> Result<Option<StoredTopic>> {
        self.database.topic(name)
    }

    fn heads(&self, topic: TopicNumber) -> Result<Vec<Boundary>> {
        self.database.heads(topic)
    }

    fn boundary(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        counter: Counter,
    ) -> Result<Option<Boundary>> {
        self.database.boundary(topic, replica, counter)
    }

    fn bundle(&self, topic: TopicNumber, sequence: Sequence) -> Result<Option<Vec<u8>>> {
        self.database.bundle(topic, sequence)
    }

    fn bundles(
        &self,
        topic: TopicNumber,
        from: Sequence,
        visit: &mut dyn FnMut(Sequence, Dot, &[u8]) -> bool,
    ) -> Result<()> {
        self.database.bundles(topic, from, visit)
    }

    fn object(&self, topic: TopicNumber, key: &ObjectKey) -> Result<Option<ObjectNumber>> {
        self.database.object(topic, key)
    }

    fn objects(
        &self,
        topic: TopicNumber,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(ObjectKey, ObjectNumber)>> {
        self.database.objects(topic, after, limit)
    }

    fn types_of(&self, topic: TopicNumber, id: &ObjectId) -> Result<Vec<TypeName>> {
        self.database.types_of(topic, id)
    }

    fn touched(
        &self,
        topic: TopicNumber,
        object: ObjectNumber,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>> {
        self.database.touched(topic, object, after, limit)
    }

    fn checkpoint(&self, topic: TopicNumber, object: ObjectNumber) -> Result<Option<Checkpoint>> {
        self.database.checkpoint(topic, object)
    }

    fn commands(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        first: Counter,
    ) -> Result<Option<Vec<CommandRecord>>> {
        self.database.commands(topic, replica, first)
    }

    fn module(&self, hash: &ModuleHash) -> Result<Option<Vec<u8>>> {
        self.database.module(hash)
    }

    fn modules(&self) -> Result<Vec<ModuleHash>> {
        self.database.modules()
    }

    fn announcements(&self) -> Result<Vec<(Hash, Vec<u8>)>> {
        self.database.announcements()
    }

    fn proofs(&self) -> Result<Vec<Proof>> {
        self.database.proofs()
    }

    fn peers(&self) -> Result<Vec<(NodeId, String)>> {
        self.database.peers()
    }

    fn failure(&self) -> Option<String> {
        self.database.failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{NodeError, folder};

    /// Takes the folder again and again until it is free, and then opens the database.
    fn take_when_free(path: &std::path::Path) -> Result<()> {
        let folder = loop {
            match Folder::open(path) {
                Ok(folder) => break folder,
                Err(NodeError::FolderInUse { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        KeptStorage::open(&folder, 1 << 20).map(drop)
    }

    #[test]
    fn a_folder_is_in_use_while_anybody_reads() {
        let path = tempfile::tempdir().unwrap();
        folder::init(path.path()).unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let (storage, mut closed) = KeptStorage::open(&folder, 1 << 20).unwrap();
        let storage = Arc::new(storage);
        let reader = storage.clone();
        drop((folder, storage));
        let second = Folder::open(path.path());
        assert!(matches!(second, Err(NodeError::FolderInUse { .. })));
        assert_eq!(closed.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(reader);
        assert_eq!(closed.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        take_when_free(path.path()).unwrap();
    }

    /// The lock was free a moment before the database was closed, and whoever had waited for it
    /// failed at the database.
    #[test]
    fn whoever_gets_the_folder_can_open_the_database() {
        let path = tempfile::tempdir().unwrap();
        folder::init(path.path()).unwrap();
        for _ in 0..20 {
            let folder = Folder::open(path.path()).unwrap();
            let storage = KeptStorage::open(&folder, 1 << 20).unwrap();
            drop(folder);
            std::thread::scope(|scope| {
                let taker = scope.spawn(|| take_when_free(path.path()));
                drop(storage);
                taker.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_named_with_what_to_do() {
        let path = tempfile::tempdir().unwrap();
        folder::init(path.path()).unwrap();
        let folder = Folder::open(path.path()).unwrap();
        std::fs::write(folder.database(), vec![7; 10_000]).unwrap();
        let error = KeptStorage::open(&folder, 1 << 20).unwrap_err().to_string();
        for part in ["replicant.redb", "damaged", "restore a backup"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
