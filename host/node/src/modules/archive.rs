//! The bytes of the modules that this node has: its own release's, and what it stored.

use std::sync::{Arc, Mutex, PoisonError};

use replicant_protocol::content::{CHUNK_BYTES, Manifest, Part};
use replicant_protocol::ids::ModuleHash;

use crate::network::ModulePart;
use crate::storage::{self, Storage};

type Found = (ModuleHash, Arc<[u8]>);

/// Finds modules by hash. Clones share what was read last, since a peer that fetches asks for one
/// chunk after the other.
#[derive(Debug, Clone)]
pub struct Archive {
    storage: Arc<dyn Storage>,
    last: Arc<Mutex<Option<Found>>>,
}

impl Archive {
    /// The modules in `storage` and those that ship with the release.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            last: Arc::default(),
        }
    }

    /// A part of a module, for a peer; none if the module or the part is not here.
    #[must_use]
    pub fn part(&self, module: ModuleHash, part: Part) -> Option<ModulePart> {
        let bytes = match self.find(&module) {
            Ok(bytes) => bytes?,
            Err(error) => {
                tracing::warn!(%module, %error, "a peer asked for a module that cannot be read");
                return None;
            }
        };
        match part {
            Part::Manifest => Manifest::of(&bytes).map(ModulePart::Manifest),
            Part::Chunk(index) => {
                let chunk = bytes
                    .chunks(CHUNK_BYTES)
                    .nth(usize::try_from(index).ok()?)?;
                Some(ModulePart::Chunk(chunk.to_vec()))
            }
        }
    }

    /// All bytes of a module.
    pub(super) fn find(&self, module: &ModuleHash) -> storage::Result<Option<Arc<[u8]>>> {
        if let Some((hash, bytes)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && hash == module
        {
            return Ok(Some(Arc::clone(bytes)));
        }
        let built_in = replicant_crdts::all().iter().map(|built_in| built_in.bytes);
        let bytes: Arc<[u8]> = match built_in
            .into_iter()
            .find(|bytes| ModuleHash::of(bytes) == *module)
        {
            Some(bytes) => bytes.into(),
            None => match self.storage.module(module)? {
                Some(bytes) => bytes.into(),
                None => return Ok(None),
            },
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((*module, Arc::clone(&bytes)));
        Ok(Some(bytes))
    }
}
