//! What is loaded, and which of it objects run on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use replicant_protocol::content::ModuleName;
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::Module;
use semver::Version;

use super::limits;
use crate::vocabulary::{ModuleInfo, NodeError};

/// The modules of this node. Clones share it; reading never waits for a compilation.
#[derive(Clone, Default)]
pub struct Registry {
    loaded: Arc<RwLock<BTreeMap<TypeName, Versions>>>,
}

/// Ordered by precedence; the last one runs.
type Versions = BTreeMap<Version, Entry>;

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) module: Module,
    pub(super) is_built_in: bool,
}

impl Registry {
    /// The module that objects of a type run on.
    #[must_use]
    pub fn active(&self, name: &TypeName) -> Option<Module> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded
            .get(name)?
            .last_key_value()
            .map(|(_, entry)| entry.module.clone())
    }

    /// Every loaded module, by name and version.
    #[must_use]
    pub fn list(&self) -> Vec<ModuleInfo> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let versions = loaded.iter().flat_map(|(name, versions)| {
            let active = versions.last_key_value().map(|(version, _)| version);
            let entries = versions.iter();
            entries.map(move |(version, entry)| info(name, entry, Some(version) == active))
        });
        versions.collect()
    }

    /// Shows the active module of a type, or `name@version`.
    ///
    /// # Errors
    /// [`NodeError::UnknownModule`].
    pub fn show(&self, wanted: &str) -> Result<ModuleInfo, NodeError> {
        let found = self
            .list()
            .into_iter()
            .find(|module| match wanted.split_once('@') {
                Some((name, version)) => module.name.as_str() == name && module.version == version,
                None => module.name.as_str() == wanted && module.active,
            });
        found.ok_or_else(|| NodeError::UnknownModule {
            name: wanted.to_owned(),
        })
    }

    /// The module that is loaded under exactly this name and version.
    pub(super) fn exact(&self, name: &ModuleName) -> Option<Entry> {
        let version = Version::parse(name.version.as_str()).ok()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&name.name)?.get(&version).cloned()
    }

    /// Whether a module with this hash is loaded.
    pub(super) fn has(&self, hash: &ModuleHash) -> bool {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = loaded.values().flat_map(BTreeMap::values);
        entries.any(|entry| ModuleHash::from_bytes(entry.module.hash()) == *hash)
    }

    /// Puts a module under its name and version, in place of what was there.
    pub(super) fn insert(&self, name: &TypeName, version: Version, entry: Entry) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded
            .entry(name.clone())
            .or_default()
            .insert(version, entry);
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

fn info(name: &TypeName, entry: &Entry, active: bool) -> ModuleInfo {
    let Entry {
        module,
        is_built_in,
    } = entry;
    let said = module.description();
    ModuleInfo {
        name: name.clone(),
        version: said.version.clone(),
        hash: ModuleHash::from_bytes(module.hash()),
        size_bytes: module.size_bytes(),
        summary: said.summary.clone(),
        command_schema: said.command_schema.clone(),
        query_schema: said.query_schema.clone(),
        value_schema: said.value_schema.clone(),
        event_schema: said.event_schema.clone(),
        writes: said.writes,
        reads: said.reads.clone(),
        limits: limits::named(module.limits()),
        imports: module.imports().to_vec(),
        exports: module.exports().to_vec(),
        built_in: *is_built_in,
        active,
    }
}
