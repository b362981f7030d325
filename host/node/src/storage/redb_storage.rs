//! Storage in one redb file: opening, transactions, and what happens after an I/O error.
//!
//! After an I/O error a redb database refuses everything until it is opened anew. So a failed
//! commit closes and opens it at once (redb goes back to the last commit that is whole): reads go
//! on. Writes are refused, with the reason, until a pause is over; then one is let through as a
//! probe, and each further failure doubles the pause.

use std::fmt;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase};

use super::failure::Failure;
use super::guarded::guarded;
use super::record::Place;
use super::tables::{self, FORMAT, FORMAT_KEY, META};
use super::{Job, Result, StorageError, generation, write};

/// Opens the database; called again after each I/O error.
pub type Opener = Box<dyn Fn() -> std::result::Result<Database, DatabaseError> + Send + Sync>;

/// Storage in one redb database.
pub struct RedbStorage {
    opener: Opener,
    /// What errors name.
    file: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// None while the file cannot be opened.
    database: Option<Database>,
    /// Why writes are refused.
    failure: Option<Failure>,
}

impl RedbStorage {
    /// Opens the file, or makes it, with a page cache of `cache_bytes`. After a crash redb
    /// first checks every page of it. A new file gets its name only when it is whole on disk, and
    /// begins a generation that the node had not before: if there was another file, and it is lost,
    /// the replica ids of its time are not used again.
    ///
    /// # Errors
    /// [`StorageError::Failed`], [`StorageError::Damaged`], [`StorageError::Format`].
    pub fn open(file: &Path, cache_bytes: usize) -> Result<Self> {
        let file = file.to_path_buf();
        let named = |error: StorageError| error.in_file(&file);
        if !file.exists() {
            make_file(&file).map_err(named)?;
        }
        let path = file.clone();
        let opener: Opener =
            Box::new(move || redb::Builder::new().set_cache_size(cache_bytes).open(&path));
        let mut storage = Self::open_with(opener).map_err(named)?;
        storage.file = Some(file);
        Ok(storage)
    }

    /// Opens a database wherever `opener` finds it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(opener: Opener) -> Result<Self> {
        let database = guarded(|| prepare(opener()?))?;
        let state = RwLock::new(State {
            database: Some(database),
            failure: None,
        });
        let storage = Self {
            opener,
            file: None,
            state,
        };
        storage.repair_topics()?;
        Ok(storage)
    }

    /// Commits all jobs in one durable transaction.
    pub(super) fn commit_jobs(&self, jobs: &[Job]) -> Result<()> {
        self.check_writable()?;
        let result = {
            let state = self.read_state();
            match &state.database {
                Some(database) => guarded(|| write::commit(database, jobs)),
                None => Err(StorageError::Failed {
                    reason: "the database is closed".to_owned(),
                }),
            }
        };
        match result {
            Ok(()) => {
                // Readers hold the state too: it is written only if that is necessary.
                if self.failure_reason().is_some() {
                    self.write_state().failure = None;
                }
                Ok(())
            }
            Err(error) => {
                let error = self.named(error);
                Err(self.recover(&mut self.write_state(), error))
            }
        }
    }

    /// An error that says which file it is about.
    fn named(&self, error: StorageError) -> StorageError {
        match &self.file {
            Some(file) => error.in_file(file),
            None => error,
        }
    }

    /// Runs `read` in a read transaction.
    pub(super) fn reading<T>(&self, read: impl Fn(&ReadTransaction) -> Result<T>) -> Result<T> {
        self.reopen_if_closed();
        let result = self.attempt(&read);
        match result {
            // It may have come from an earlier failed write: open anew and look again.
            Err(StorageError::Failed { .. }) => {}
            // Opening anew would not repair the page, and may check all of them.
            Err(StorageError::Damaged { .. }) if self.attempt(&is_readable).is_ok() => {
                return result;
            }
            result => return result,
        }
        {
            let mut state = self.write_state();
            close(&mut state);
            self.reopen(&mut state);
        }
        self.attempt(&read)
    }

    pub(super) fn failure_reason(&self) -> Option<String> {
        self.read_state()
            .failure
            .as_ref()
            .map(|failure| failure.reason.clone())
    }

    fn attempt<T>(&self, read: &impl Fn(&ReadTransaction) -> Result<T>) -> Result<T> {
        let state = self.read_state();
        match (&state.database, &state.failure) {
            (Some(database), _) => {
                guarded(|| read(&database.begin_read()?)).map_err(|error| self.named(error))
            }
            (None, Some(failure)) => Err(StorageError::Failed {
                reason: failure.reason.clone(),
            }),
            (None, None) => Err(StorageError::Closed),
        }
    }

    fn check_writable(&self) -> Result<()> {
        self.reopen_if_closed();
        let state = self.read_state();
        match &state.failure {
            Some(failure) if state.database.is_none() || !failure.may_retry(Instant::now()) => {
                Err(StorageError::Failed {
                    reason: failure.reason.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn reopen_if_closed(&self) {
        let now = Instant::now();
        let due = {
            let state = self.read_state();
            state.database.is_none() && state.failure.as_ref().is_none_or(|f| f.may_retry(now))
        };
        if due {
            self.reopen(&mut self.write_state());
        }
    }

    /// After a failed commit: notes the reason, and opens the database anew.
    fn recover(&self, state: &mut State, error: StorageError) -> StorageError {
        let reason = error.to_string();
        tracing::warn!(reason, "storage refuses writes");
        let (before, begun) = (state.failure.take(), Instant::now());
        close(state);
        self.reopen(state);
        // Why it cannot be opened is said rather than why writing failed.
        let said = state.failure.take().map(|failure| failure.reason);
        state.failure = Some(Failure::after(
            before.as_ref(),
            said.unwrap_or_else(|| reason.clone()),
            Instant::now(),
            begun.elapsed(),
        ));
        StorageError::Failed { reason }
    }

    /// Opens the database if it is closed. A database that cannot be opened stays closed.
    fn reopen(&self, state: &mut State) {
        if state.database.is_some() {
            return;
        }
        let begun = Instant::now();
        match guarded(|| prepare((self.opener)()?)) {
            Ok(database) => state.database = Some(database),
            Err(error) => {
                let reason = self.named(error).to_string();
                tracing::warn!(reason, "storage cannot be opened");
                let before = state.failure.as_ref();
                let took = begun.elapsed();
                state.failure = Some(Failure::after(before, reason, Instant::now(), took));
            }
        }
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedbStorage {
    fn drop(&mut self) {
        close(&mut self.write_state());
    }
}

/// Closes the database.
fn close(state: &mut State) {
    let database = state.database.take();
    if let Err(error) = guarded(|| {
        drop(database);
        Ok(())
    }) {
        tracing::warn!(%error, "closing the database");
    }
}

/// Reads what is always there.
fn is_readable(transaction: &ReadTransaction) -> Result<()> {
    transaction.open_table(META)?.get(FORMAT_KEY)?;
    Ok(())
}

impl fmt::Debug for RedbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStorage")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Makes an empty database under another name, then gives it its own.
fn make_file(file: &Path) -> Result<()> {
    let failed = |error: std::io::Error| StorageError::Failed {
        reason: error.to_string(),
    };
    let unfinished = file.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let created = options.create_new(true).read(true).write(true);
    drop(created.open(&unfinished).map_err(failed)?);
    let database = prepare(Database::create(&unfinished)?)?;
    let generation = generation::record(generation::new()?);
    write::commit(&database, &[Job::general(generation)])?;
    database.close()?;
    std::fs::rename(&unfinished, file).map_err(failed)?;
    match file.parent() {
        Some(folder) => std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed),
        None => Ok(()),
    }
}

/// Checks the format of a database, and makes all tables in a new one.
fn prepare(database: Database) -> Result<Database> {
    let format = Place {
        table: "meta",
        key: &[super::record::Part::Text(FORMAT_KEY)],
    };
    let found = {
        let transaction = database.begin_read()?;
        match transaction.open_table(META) {
            Ok(table) => match table.get(FORMAT_KEY)? {
                Some(value) => Some(format.decode::<u32>(value.value())?),
                None => None,
            },
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        }
    };
    match found {
        Some(FORMAT) => Ok(database),
        Some(found) => Err(StorageError::Format {
            found,
            expected: FORMAT,
        }),
        None => {
            let transaction = database.begin_write()?;
            tables::create_all(&transaction)?;
            let payload = write::cbor(&FORMAT);
            transaction
                .open_table(META)?
                .insert(FORMAT_KEY, format.seal(&payload).as_slice())?;
            transaction.commit()?;
            Ok(database)
        }
    }
}
