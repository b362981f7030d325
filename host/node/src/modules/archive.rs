//! The bytes of the modules that this node has: its own release's, and what it stored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use replicant_protocol::content::{CHUNK_BYTES, Manifest, Part};
use replicant_protocol::ids::ModuleHash;

use crate::network::ModulePart;
use crate::storage::{self, Storage};

/// Bytes of modules that are kept from the last reads; the last one always is. Two of the largest.
const RECENT_BYTES_MAX: usize = 64 << 20;

/// Finds modules by hash. Clones share what was read last, since a peer that fetches asks for one
/// chunk after the other. One module is read at a time, however many ask.
#[derive(Debug, Clone)]
pub struct Archive {
    storage: Arc<dyn Storage>,
    /// The modules of the release.
    built_in: Arc<BTreeMap<ModuleHash, &'static [u8]>>,
    recent: Arc<Mutex<Recent>>,
}

#[derive(Debug, Clone)]
struct Found {
    module: ModuleHash,
    bytes: Arc<[u8]>,
    manifest: Option<Manifest>,
}

impl Archive {
    /// The modules in `storage` and those that ship with the release.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        let built_in = replicant_crdts::all().iter().map(|built_in| built_in.bytes);
        let built_in = built_in.map(|bytes| (ModuleHash::of(bytes), bytes));
        Self {
            storage,
            built_in: Arc::new(built_in.collect()),
            recent: Arc::default(),
        }
    }

    /// A part of a module, for a peer; none if the module or the part is not here.
    #[must_use]
    pub fn part(&self, module: ModuleHash, part: Part) -> Option<ModulePart> {
        let found = match self.read(&module) {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!(%module, %error, "a peer asked for a module that cannot be read");
                return None;
            }
        };
        match part {
            Part::Manifest => found.manifest.map(ModulePart::Manifest),
            Part::Chunk(index) => {
                let index = usize::try_from(index).ok()?;
                let chunk = found.bytes.chunks(CHUNK_BYTES).nth(index)?;
                Some(ModulePart::Chunk(chunk.to_vec()))
            }
        }
    }

    /// All bytes of a module.
    pub(super) fn find(&self, module: &ModuleHash) -> storage::Result<Option<Arc<[u8]>>> {
        Ok(self.read(module)?.map(|found| found.bytes))
    }

    fn read(&self, module: &ModuleHash) -> storage::Result<Option<Found>> {
        // Held while reading, so that whoever asks next finds what this one read.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = recent.take(module) {
            return Ok(Some(recent.add(found)));
        }
        let bytes: Arc<[u8]> = match self.built_in.get(module) {
            Some(bytes) => (*bytes).into(),
            None => match self.storage.module(module)? {
                Some(bytes) => bytes.into(),
                None => return Ok(None),
            },
        };
        let manifest = Manifest::of(&bytes);
        let module = *module;
        Ok(Some(recent.add(Found {
            module,
            bytes,
            manifest,
        })))
    }
}

/// What was read last, newest last.
#[derive(Debug, Default)]
struct Recent {
    found: VecDeque<Found>,
    bytes: usize,
}

impl Recent {
    fn take(&mut self, module: &ModuleHash) -> Option<Found> {
        let at = self
            .found
            .iter()
            .position(|found| found.module == *module)?;
        let found = self.found.remove(at)?;
        self.bytes -= found.bytes.len();
        Some(found)
    }

    /// Adds something, and lets the oldest go.
    fn add(&mut self, new: Found) -> Found {
        self.bytes += new.bytes.len();
        self.found.push_back(new.clone());
        while self.bytes > RECENT_BYTES_MAX && self.found.len() > 1 {
            if let Some(oldest) = self.found.pop_front() {
                self.bytes -= oldest.bytes.len();
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(number: u8, length: usize) -> Found {
        let bytes: Arc<[u8]> = vec![number; length].into();
        Found {
            module: ModuleHash::from_bytes([number; 32]),
            bytes,
            manifest: None,
        }
    }

    #[test]
    fn what_was_read_last_is_kept_within_a_bound() {
        let mut recent = Recent::default();
        let half = RECENT_BYTES_MAX / 2;
        recent.add(found(1, half));
        recent.add(found(2, half));
        let first = recent.take(&found(1, 0).module).unwrap();
        recent.add(first);
        recent.add(found(3, 1));
        assert!(recent.take(&found(2, 0).module).is_none());
        assert_eq!((recent.found.len(), recent.bytes), (2, half + 1));
        recent.add(found(4, RECENT_BYTES_MAX + 1));
        assert_eq!(
            (recent.found.len(), recent.bytes),
            (1, RECENT_BYTES_MAX + 1)
        );
    }
}
