//! The database of a data folder, which holds the folder until it is closed.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::folder::{Folder, Lock};
use crate::storage::{RedbStorage, Result, Storage, StorageLayer};

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

impl StorageLayer for KeptStorage {
    fn inner(&self) -> &dyn Storage {
        &self.database
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
