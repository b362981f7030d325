//! What is loaded, and which of it objects run on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use replicant_protocol::content::{ModuleName, SignedAnnouncement};
use replicant_protocol::ids::{ModuleHash, NodeId, TypeName};
use replicant_runtime::{Description, Module};
use semver::Version;

use super::limits;
use super::versions::{Entry, Versions};
use crate::vocabulary::{ModuleInfo, NodeError, OtherModule, SwitchInfo};

/// Digits of a hash that name a module at least.
const HASH_DIGITS_MIN: usize = 8;

/// The modules of this node. Clones share it; reading never waits for a compilation.
#[derive(Clone, Default)]
pub struct Registry {
    types: Arc<RwLock<BTreeMap<TypeName, Versions>>>,
}

impl Registry {
    /// The module that objects of a type run on.
    #[must_use]
    pub fn active(&self, name: &TypeName) -> Option<Module> {
        self.read(name, |versions| versions.module().cloned())?
    }

    /// Why there is no module that objects of a type run on.
    #[must_use]
    pub fn missing(&self, name: &TypeName) -> NodeError {
        let waits = self.read(name, |versions| {
            let version = versions.running()?;
            Some(versions.waits(name, &version))
        });
        let unknown = || NodeError::UnknownType { name: name.clone() };
        waits.flatten().unwrap_or_else(unknown)
    }

    /// The version here that reads ops of an encoding, as `name@version`: the highest of those that
    /// nobody rolled back. If all were, the highest, and that it was.
    #[must_use]
    pub fn reader(&self, name: &TypeName, schema: u32) -> Option<String> {
        self.read(name, |versions| {
            let is_kept = |version: &&Version| !versions.was_rolled_back(version);
            let kept = versions.readers(schema).filter(is_kept).last();
            let highest = versions.readers(schema).last()?;
            Some(kept.map_or_else(
                || format!("{name}@{highest}, which was rolled back,"),
                |version| format!("{name}@{version}"),
            ))
        })?
    }

    /// Every module that is known here, by name and version.
    #[must_use]
    pub fn list(&self) -> Vec<ModuleInfo> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let all = types.iter().flat_map(|(name, versions)| {
            let entries = versions.iter();
            entries.map(move |(version, entry)| info(name, versions, version, entry))
        });
        all.collect()
    }

    /// Shows the module that a type runs on, `name@version`, or the one whose hash begins so.
    ///
    /// # Errors
    /// [`NodeError::UnknownModule`]; [`NodeError::WaitsForModule`] if it is known and not loaded.
    pub fn show(&self, wanted: &str) -> Result<ModuleInfo, NodeError> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || NodeError::UnknownModule {
            name: wanted.to_owned(),
        };
        let (name, version) = match wanted.split_once('@') {
            Some((name, version)) => (name, Version::parse(version).ok()),
            None => (wanted, None),
        };
        let by_name = types.iter().find(|(known, _)| known.as_str() == name);
        let Some((name, versions)) = by_name else {
            return by_hash(&types, wanted).ok_or_else(unknown)?;
        };
        let is_exact = wanted.contains('@');
        let version = match is_exact {
            true => version.filter(|version| versions.entry(version).is_some()),
            false => versions.running(),
        };
        show(name, versions, &version.ok_or_else(unknown)?)
    }

    /// The active announcement of a name and version.
    pub(super) fn announcement(&self, name: &ModuleName) -> Option<Arc<SignedAnnouncement>> {
        self.entry(name, |entry| entry.announcement.clone())
    }

    /// The active announcement that registers a component, under whatever name.
    pub(super) fn announcement_of(&self, hash: &ModuleHash) -> Option<Arc<SignedAnnouncement>> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = types.values().flat_map(Versions::iter);
        let found = entries.find(|(_, entry)| entry.announcement.announcement().module == *hash);
        found.map(|(_, entry)| entry.announcement.clone())
    }

    /// Whether what is announced under a name and version is loaded.
    pub(super) fn is_current(&self, name: &ModuleName) -> bool {
        self.entry(name, Entry::is_current).unwrap_or(false)
    }

    fn entry<T>(&self, name: &ModuleName, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        let version = Version::parse(name.version.as_str()).ok()?;
        self.read(&name.name, |versions| versions.entry(&version).map(look))?
    }

    /// Looks at the versions of a type.
    pub(super) fn read<T>(&self, name: &TypeName, look: impl FnOnce(&Versions) -> T) -> Option<T> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types.get(name).map(look)
    }

    /// How many switches there are, and how many of one issuer.
    pub(super) fn switch_counts(&self, issuer: NodeId) -> (usize, usize) {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let all = || types.values().flat_map(Versions::switches);
        let own = all().filter(|switch| switch.switch().issuer == issuer);
        (all().count(), own.count())
    }

    /// Changes what is known of a type. Says whether its objects run on something else now.
    pub(super) fn change(&self, name: &TypeName, change: impl FnOnce(&mut Versions)) -> bool {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        let versions = types.entry(name.clone()).or_default();
        let before = versions.what_runs();
        change(versions);
        versions.what_runs() != before
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

fn show(name: &TypeName, versions: &Versions, version: &Version) -> Result<ModuleInfo, NodeError> {
    match versions.entry(version) {
        Some(entry) if entry.module.is_some() => Ok(info(name, versions, version, entry)),
        _ => Err(versions.waits(name, version)),
    }
}

/// The only module whose hash begins like this; none if it is none or several.
fn by_hash(
    types: &BTreeMap<TypeName, Versions>,
    digits: &str,
) -> Option<Result<ModuleInfo, NodeError>> {
    if digits.len() < HASH_DIGITS_MIN {
        return None;
    }
    let all = types.iter().flat_map(|(name, versions)| {
        let entries = versions.iter();
        entries.map(move |(version, entry)| (name, versions, version, entry))
    });
    let is_it = |(_, _, _, entry): &(_, _, _, &Entry)| {
        hash(entry).to_string().starts_with(&digits.to_lowercase())
    };
    let mut found = all.filter(is_it);
    let (name, versions, version, _) = found.next()?;
    match found.next() {
        Some(_) => None,
        None => Some(show(name, versions, version)),
    }
}

/// The hash of what is loaded; of what is announced if that is nothing.
fn hash(entry: &Entry) -> ModuleHash {
    let loaded = entry.module.as_ref();
    let loaded = loaded.map(|module| ModuleHash::from_bytes(module.hash()));
    loaded.unwrap_or(entry.announcement.announcement().module)
}

fn info(name: &TypeName, versions: &Versions, version: &Version, entry: &Entry) -> ModuleInfo {
    let said = entry.announcement.announcement();
    let module = entry.module.as_ref();
    let described = module.map(Module::description);
    let text = |field: fn(&Description) -> &String| {
        described.map_or_else(String::new, |described| field(described).clone())
    };
    let announced = limits::of_announcement(&said.limits);
    let waits = (!entry.is_current()).then(|| versions.waits(name, version));
    let waits_for = match &waits {
        Some(NodeError::WaitsForModule { waits_for, .. }) => Some(*waits_for),
        _ => None,
    };
    let others = entry.others.iter().map(|other| OtherModule {
        hash: other.announcement().module,
        publisher: other.announcement().publisher,
    });
    let switches = versions.switches().iter().map(|switch| SwitchInfo {
        version: switch.switch().name.version.to_string(),
        issuer: switch.switch().issuer,
        at_ms: switch.switch().hlc.milliseconds(),
    });
    ModuleInfo {
        name: name.clone(),
        version: version.to_string(),
        hash: hash(entry),
        size_bytes: module.map_or(said.size_bytes.into(), Module::size_bytes),
        summary: text(|of| &of.summary),
        command_schema: text(|of| &of.command_schema),
        query_schema: text(|of| &of.query_schema),
        value_schema: text(|of| &of.value_schema),
        event_schema: text(|of| &of.event_schema),
        writes: described.map_or(0, |described| described.writes),
        reads: described.map_or_else(Vec::new, |described| described.reads.clone()),
        limits: limits::named(module.map_or(&announced, Module::limits)),
        imports: module.map_or_else(Vec::new, |module| module.imports().to_vec()),
        exports: module.map_or_else(Vec::new, |module| module.exports().to_vec()),
        built_in: entry.is_built_in,
        active: versions.running().as_ref() == Some(version),
        loaded: module.is_some(),
        waits: waits.map(|waits| waits.to_string()),
        waits_for,
        unread_encodings: module.map_or_else(Vec::new, |module| versions.unread_by(module)),
        ops_unread: module.map_or(0, Module::ops_unread),
        publisher: said.publisher,
        others: others.collect(),
        switches: switches.collect(),
    }
}
