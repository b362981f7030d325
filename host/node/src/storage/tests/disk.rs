//! A disk that can lose what was not synced, tear writes, run full, and fail.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use redb::{BackendError, StorageBackend};

use crate::storage::{Opener, RedbStorage, Result};

/// The disk; outlives the "processes" that open it.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

pub(crate) struct State {
    /// What a reader sees.
    view: Vec<u8>,
    /// What survives a crash.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    random: ChaCha8Rng,
    /// Counts up with each restart; backends of earlier ones are dead.
    life: u64,
    crashed: bool,
    pub(crate) syncs: u64,
    /// The power fails in this sync.
    pub(crate) crash_at_sync: Option<u64>,
    /// Writes beyond this length fail, cut short.
    pub(crate) capacity: Option<u64>,
    /// Every write, sync and change of length fails.
    pub(crate) read_only: bool,
    /// The next sync does its work and reports an error all the same.
    pub(crate) lie_at_sync: Option<Lie>,
    /// Nothing works, reading included.
    pub(crate) dead: bool,
}

/// What comes after a sync that did its work and reported an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The disk works again.
    Once,
    /// The disk is dead.
    AndDie,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            view: Vec::new(),
            durable: Vec::new(),
            unsynced: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            life: 0,
            crashed: false,
            syncs: 0,
            crash_at_sync: None,
            capacity: None,
            read_only: false,
            lie_at_sync: None,
            dead: false,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn storage(&self) -> Result<RedbStorage> {
        RedbStorage::open_with(self.opener())
    }

    pub(crate) fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move || {
            let life = disk.state().life;
            let backend = Backend {
                disk: disk.clone(),
                life,
            };
            redb::Builder::new()
                .set_cache_size(1 << 20)
                .create_with_backend(backend)
        })
    }

    /// Another disk with what this one would have after a restart.
    pub(crate) fn fork(&self) -> Self {
        let durable = self.state().durable.clone();
        let fork = Self::new(0);
        fork.state().durable = durable;
        fork.restart();
        fork
    }

    /// Power comes back: what was durable is what there is.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.life += 1;
        state.crashed = false;
        state.crash_at_sync = None;
        state.view = state.durable.clone();
        state.unsynced.clear();
    }
}

impl State {
    /// The disk works, unless the power is off.
    pub(crate) fn heal(&mut self) {
        (self.dead, self.read_only, self.capacity) = (false, false, None);
        (self.crash_at_sync, self.lie_at_sync) = (None, None);
    }

    /// Changes what lies on the disk.
    pub(crate) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.durable);
        self.view = self.durable.clone();
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.crashed
    }

    pub(crate) fn durable_bytes(&self) -> u64 {
        self.durable.len() as u64
    }

    /// The power fails: of the changes since the last sync, any may have reached the disk, some
    /// of them in part.
    pub(crate) fn crash(&mut self) {
        self.crashed = true;
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Length(length) if self.random.random_bool(0.5) => {
                    self.durable.resize(length, 0);
                }
                Change::Write(offset, data) => {
                    let kept = match self.random.random_range(0..3) {
                        0 => 0,
                        1 => data.len(),
                        _ => self.random.random_range(0..=data.len()),
                    };
                    put(&mut self.durable, offset, &data[..kept]);
                }
                Change::Length(_) => {}
            }
        }
    }

    fn check(&self, life: u64) -> io::Result<()> {
        match self.crashed || self.dead || life != self.life {
            true => Err(io::Error::other("the power is off")),
            false => Ok(()),
        }
    }

    fn check_write(&self, life: u64) -> io::Result<()> {
        self.check(life)?;
        match self.read_only {
            true => Err(io::Error::new(
                io::ErrorKind::ReadOnlyFilesystem,
                "read-only disk",
            )),
            false => Ok(()),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

struct Backend {
    disk: Disk,
    life: u64,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.check(self.life)?;
        Ok(state.view.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.check(self.life)?;
        let offset = offset as usize;
        let bytes = state.view.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_write(self.life)?;
        if state.capacity.is_some_and(|capacity| len > capacity) {
            return Err(full());
        }
        state.view.resize(len as usize, 0);
        state.unsynced.push(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_write(self.life)?;
        state.syncs += 1;
        if state.crash_at_sync == Some(state.syncs) {
            state.crash();
            return Err(io::Error::other("the power failed"));
        }
        state.durable = state.view.clone();
        state.unsynced.clear();
        match state.lie_at_sync.take() {
            None => Ok(()),
            Some(lie) => {
                state.dead = lie == Lie::AndDie;
                Err(io::Error::other("the sync failed"))
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_write(self.life)?;
        let offset = offset as usize;
        let room = state
            .capacity
            .map_or(usize::MAX, |capacity| capacity as usize);
        let fits = data.len().min(room.saturating_sub(offset));
        let written = data[..fits].to_vec();
        put(&mut state.view, offset, &written);
        state.unsynced.push(Change::Write(offset, written));
        if fits < data.len() {
            Err(full())
        } else {
            Ok(())
        }
    }

    fn try_lock_range(
        &self,
        _: std::ops::Bound<u64>,
        _: std::ops::Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        Err(BackendError::Unsupported)
    }
}
