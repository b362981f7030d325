//! The versions of one type: what is announced of them, what is loaded, and which one runs.
//!
//! What runs is a function of the statements that are known, so that nodes with the same
//! statements run the same: the version of the latest switch; without one, the version that was
//! announced first. Whether its module is here decides nothing but whether objects can be shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use replicant_protocol::content::{SignedAnnouncement, SignedSwitch, Statement};
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::{Limits, Module};
use semver::Version;

use crate::vocabulary::{NodeError, WaitsFor};

/// Announcements that contradict the active one and are remembered, and switches: as many as the
/// protocol keeps.
const KEPT_MAX: usize = 8;

/// One version.
#[derive(Debug)]
pub(super) struct Entry {
    /// The active announcement.
    pub(super) announcement: Arc<SignedAnnouncement>,
    /// Others that register something else under the same name and version.
    pub(super) others: Vec<Arc<SignedAnnouncement>>,
    /// What is loaded, if that is what is announced. What was announced before runs no more, here
    /// as elsewhere: nodes that have the new bytes would show something else.
    pub(super) module: Option<Module>,
    /// Why the announced module cannot be loaded.
    pub(super) problem: Option<String>,
    /// Whether its bytes are here and are being compiled.
    pub(super) is_compiling: bool,
    pub(super) is_built_in: bool,
}

/// The versions of one type.
#[derive(Debug, Default)]
pub(super) struct Versions {
    entries: BTreeMap<Version, Entry>,
    /// Latest first.
    switches: Vec<Arc<SignedSwitch>>,
}

/// What objects run on: when it changes they are made anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Running {
    version: Option<Version>,
    module: Option<(replicant_runtime::ModuleHash, Limits)>,
}

impl Versions {
    pub(super) fn entry(&self, version: &Version) -> Option<&Entry> {
        self.entries.get(version)
    }

    pub(super) fn entry_mut(&mut self, version: &Version) -> Option<&mut Entry> {
        self.entries.get_mut(version)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Version, &Entry)> {
        self.entries.iter()
    }

    /// Latest first.
    pub(super) fn switches(&self) -> &[Arc<SignedSwitch>] {
        &self.switches
    }

    /// Takes an announcement in. Of several for a version the lowest is the active one.
    pub(super) fn announce(&mut self, version: Version, new: Arc<SignedAnnouncement>) {
        let Some(entry) = self.entries.get_mut(&version) else {
            let entry = Entry {
                announcement: new,
                others: Vec::new(),
                module: None,
                problem: None,
                is_compiling: false,
                is_built_in: false,
            };
            self.entries.insert(version, entry);
            return;
        };
        let mut other = new;
        if other.rank() < entry.announcement.rank() {
            std::mem::swap(&mut entry.announcement, &mut other);
            entry.problem = None;
            if !entry.is_current() {
                entry.module = None;
            }
        }
        let active = entry.announcement.clone();
        if !other.registers_the_same(&active) {
            entry.others.push(other);
        }
        entry.others.retain(|of| !of.registers_the_same(&active));
        entry.others.sort_by_key(|of| of.rank());
        entry.others.dedup_by(|a, b| a.registers_the_same(b));
        entry.others.truncate(KEPT_MAX);
    }

    /// Takes in the module of a version, if it is what is announced.
    pub(super) fn insert(&mut self, version: &Version, module: Module, is_built_in: bool) {
        let Some(entry) = self.entries.get_mut(version) else {
            return;
        };
        if entry.announces(&module) {
            (entry.module, entry.problem) = (Some(module), None);
            entry.is_built_in = is_built_in;
        }
    }

    /// A statement is not kept any more: those that are kept decide.
    pub(super) fn forget(&mut self, statement: &Statement) {
        let id = statement.id();
        self.switches.retain(|known| known.id() != id);
        for entry in self.entries.values_mut() {
            entry.others.retain(|other| other.id() != id);
        }
    }

    /// Takes a switch in.
    pub(super) fn switch(&mut self, new: Arc<SignedSwitch>) {
        let is_known = self.switches.iter().any(|known| known.id() == new.id());
        if is_known || version_of(&new).is_none() {
            return;
        }
        let at = self.switches.partition_point(|of| of.rank() > new.rank());
        self.switches.insert(at, new);
        self.switches.truncate(KEPT_MAX);
    }

    /// The version that the type's objects run on.
    pub(super) fn running(&self) -> Option<Version> {
        let latest = self.switches.first().and_then(|switch| version_of(switch));
        latest.or_else(|| self.first())
    }

    /// The version that was announced first. Types of a release are announced alike, at the
    /// beginning of time: among them the lowest, so that a newer release changes nothing by itself.
    pub(super) fn first(&self) -> Option<Version> {
        let by_time = |(version, entry): &(&Version, &Entry)| {
            (entry.announcement.announcement().hlc, (*version).clone())
        };
        let first = self.entries.iter().min_by_key(by_time);
        first.map(|(version, _)| version.clone())
    }

    /// The module that objects run on, if it is here.
    pub(super) fn module(&self) -> Option<&Module> {
        self.entries.get(&self.running()?)?.module.as_ref()
    }

    pub(super) fn what_runs(&self) -> Running {
        let module = self.module();
        Running {
            version: self.running(),
            module: module.map(|module| (module.hash(), module.limits().clone())),
        }
    }

    /// Why a version has no module here.
    pub(super) fn waits(&self, name: &TypeName, version: &Version) -> NodeError {
        let module = format!("{name}@{version}");
        let (waits_for, reason) = match self.entries.get(version) {
            None => (
                WaitsFor::Announcement,
                "no node has announced it here yet".to_owned(),
            ),
            Some(entry) => entry.waits(),
        };
        NodeError::WaitsForModule {
            module,
            waits_for,
            reason,
        }
    }

    /// The op encodings in which there may be ops somewhere: those that versions write that run,
    /// or have run, as far as that is known here.
    pub(super) fn schemas(&self) -> BTreeSet<u32> {
        let switches = self.switches.iter();
        let said = switches.flat_map(|switch| switch.switch().schemas.iter().copied());
        let ran = self.switches.iter().filter_map(|switch| version_of(switch));
        let modules = ran.chain(self.first()).filter_map(|version| {
            let module = self.entries.get(&version)?.module.as_ref()?;
            Some(module.description().writes)
        });
        said.chain(modules).collect()
    }

    /// Those of [`schemas`](Self::schemas) that a module does not read.
    pub(super) fn unread_by(&self, module: &Module) -> Vec<u32> {
        let reads = &module.description().reads;
        let schemas = self.schemas().into_iter();
        schemas.filter(|schema| !reads.contains(schema)).collect()
    }

    /// The version below the running one that ran last.
    pub(super) fn ran_before(&self) -> Option<Version> {
        let running = self.running()?;
        let ran = self.switches.iter().filter_map(|switch| version_of(switch));
        ran.chain(self.first()).find(|version| *version < running)
    }

    /// Whether a version ran, as far as that is known, and a lower one took its place.
    pub(super) fn was_rolled_back(&self, version: &Version) -> bool {
        let mut ran = self.switches.iter().filter_map(|switch| version_of(switch));
        let has_run = ran.any(|of| of == *version) || self.first().as_ref() == Some(version);
        has_run && self.running().is_some_and(|running| running < *version)
    }

    /// The loaded versions that read ops of an encoding.
    pub(super) fn readers(&self, schema: u32) -> impl Iterator<Item = &Version> {
        let reads = move |entry: &Entry| {
            let module = entry.module.as_ref();
            module.is_some_and(|module| module.description().reads.contains(&schema))
        };
        let readers = self.entries.iter().filter(move |(_, entry)| reads(entry));
        readers.map(|(version, _)| version)
    }
}

impl Entry {
    /// Why it has no module here.
    fn waits(&self) -> (WaitsFor, String) {
        let said = self.announcement.announcement();
        let hash = said.module.short();
        match &self.problem {
            _ if self.is_compiling => (
                WaitsFor::Compilation,
                format!("its bytes (hash {hash}) are here and are being compiled"),
            ),
            Some(problem) => (WaitsFor::Operator, problem.clone()),
            None => (
                WaitsFor::Bytes,
                format!(
                    "no connected node has given its bytes (hash {hash}) yet; node {} announced it",
                    said.publisher
                ),
            ),
        }
    }

    /// Whether what is announced is what is loaded.
    pub(super) fn is_current(&self) -> bool {
        self.module.as_ref().is_some_and(|of| self.announces(of))
    }

    fn announces(&self, module: &Module) -> bool {
        let said = self.announcement.announcement();
        let limits = super::limits::of_announcement(&said.limits);
        ModuleHash::from_bytes(module.hash()) == said.module && *module.limits() == limits
    }
}

/// The version that a switch names.
pub(super) fn version_of(switch: &SignedSwitch) -> Option<Version> {
    Version::parse(switch.switch().name.version.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use replicant_protocol::clock::Hlc;
    use replicant_protocol::content::{Announcement, ModuleLimits, ModuleName, Switch};
    use replicant_protocol::identity::NodeIdentity;

    use super::*;

    fn node(number: u8) -> NodeIdentity {
        NodeIdentity::from_secret(&[number; 32])
    }

    fn name(version: &str) -> ModuleName {
        ModuleName {
            name: "tally".parse().unwrap(),
            version: version.parse().unwrap(),
        }
    }

    fn announce(versions: &mut Versions, version: &str, module: &[u8], by: u8, at: u64) {
        let limits = ModuleLimits {
            fuel_per_call: 1,
            memory_bytes_max: 1,
            output_bytes_max: 1,
        };
        let announcement = Announcement {
            name: name(version),
            module: ModuleHash::of(module),
            size_bytes: 1,
            limits,
            publisher: node(by).id(),
            hlc: Hlc::from_u64(at),
        };
        let signed = SignedAnnouncement::sign(announcement, &node(by)).unwrap();
        versions.announce(version.parse().unwrap(), Arc::new(signed));
    }

    fn switch(versions: &mut Versions, version: &str, by: u8, at: u64) {
        let switch = Switch {
            name: name(version),
            schemas: vec![],
            issuer: node(by).id(),
            hlc: Hlc::from_u64(at),
        };
        versions.switch(Arc::new(SignedSwitch::sign(switch, &node(by)).unwrap()));
    }

    fn running(versions: &Versions) -> String {
        versions.running().unwrap().to_string()
    }

    #[test]
    fn without_a_switch_the_version_runs_that_was_announced_first() {
        let mut versions = Versions::default();
        assert_eq!(versions.running(), None);
        announce(&mut versions, "2.0.0", b"two", 1, 7);
        announce(&mut versions, "3.0.0", b"three", 1, 8);
        assert_eq!(running(&versions), "2.0.0");
        announce(&mut versions, "1.0.0", b"one", 2, 6);
        assert_eq!(running(&versions), "1.0.0");
        // The same module, announced earlier elsewhere.
        announce(&mut versions, "3.0.0", b"three", 3, 5);
        assert_eq!(running(&versions), "3.0.0");
    }

    #[test]
    fn of_the_versions_of_releases_the_lowest_runs() {
        let mut versions = Versions::default();
        for version in ["1.10.0", "1.9.0", "2.0.0"] {
            announce(&mut versions, version, version.as_bytes(), 1, 0);
        }
        assert_eq!(running(&versions), "1.9.0");
    }

    #[test]
    fn the_latest_switch_counts_in_whatever_order_they_come() {
        let switches = [("1.0.0", 1, 9), ("2.0.0", 2, 9), ("3.0.0", 1, 8)];
        let expected = match node(1).id() > node(2).id() {
            true => "1.0.0",
            false => "2.0.0",
        };
        for rotation in 0..3 {
            let mut versions = Versions::default();
            announce(&mut versions, "1.0.0", b"one", 1, 1);
            for index in 0..3 {
                let (version, by, at) = switches[(index + rotation) % 3];
                switch(&mut versions, version, by, at);
                switch(&mut versions, version, by, at);
            }
            assert_eq!(running(&versions), expected);
            assert_eq!(versions.switches().len(), 3);
        }
    }

    #[test]
    fn the_way_back_leads_to_the_version_below_that_ran_last() {
        let mut versions = Versions::default();
        announce(&mut versions, "1.0.0", b"one", 1, 1);
        assert_eq!(versions.ran_before(), None);
        for (version, at) in [("1.1.0", 2), ("3.0.0", 3), ("2.0.0", 4)] {
            switch(&mut versions, version, 1, at);
        }
        let before = versions.ran_before().unwrap();
        assert_eq!(before.to_string(), "1.1.0");
        switch(&mut versions, "1.1.0", 1, 5);
        assert_eq!(versions.ran_before().unwrap().to_string(), "1.0.0");
    }

    #[test]
    fn what_contradicts_the_active_announcement_is_remembered_within_a_bound() {
        let mut versions = Versions::default();
        for at in (10..30).rev() {
            announce(&mut versions, "1.0.0", &[at], 1, at.into());
            announce(&mut versions, "1.0.0", &[at], 2, at.into());
        }
        let entry = versions.entry(&Version::new(1, 0, 0)).unwrap();
        let active = entry.announcement.announcement().module;
        assert_eq!(active, ModuleHash::of(&[10]));
        assert_eq!(entry.others.len(), KEPT_MAX);
        let second = entry.others[0].announcement().module;
        assert_eq!(second, ModuleHash::of(&[11]));
    }

    #[test]
    fn what_is_not_kept_any_more_does_not_count() {
        let mut versions = Versions::default();
        announce(&mut versions, "1.0.0", b"one", 1, 1);
        announce(&mut versions, "1.0.0", b"other", 2, 2);
        switch(&mut versions, "1.0.0", 1, 8);
        switch(&mut versions, "2.0.0", 1, 9);
        let latest = versions.switches()[0].clone();
        versions.forget(&Statement::Switch(latest));
        assert_eq!(running(&versions), "1.0.0");
        let entry = versions.entry(&Version::new(1, 0, 0)).unwrap();
        let other = entry.others[0].clone();
        versions.forget(&other.into());
        assert!(versions.iter().all(|(_, entry)| entry.others.is_empty()));
    }

    #[test]
    fn what_a_type_waits_for_is_named() {
        let (mut versions, tally) = (Versions::default(), "tally".parse().unwrap());
        switch(&mut versions, "2.0.0", 1, 1);
        let waits = |versions: &Versions| {
            let version = versions.running().unwrap();
            versions.waits(&tally, &version).to_string()
        };
        let said = waits(&versions);
        assert!(said.contains("tally@2.0.0") && said.contains("no node has announced"));
        announce(&mut versions, "2.0.0", b"two", 1, 1);
        assert!(waits(&versions).contains("bytes"));
        let entry = versions.entry_mut(&Version::new(2, 0, 0)).unwrap();
        entry.is_compiling = true;
        assert!(waits(&versions).contains("are being compiled"));
        let entry = versions.entry_mut(&Version::new(2, 0, 0)).unwrap();
        entry.is_compiling = false;
        entry.problem = Some("too much fuel".to_owned());
        assert!(waits(&versions).contains("too much fuel"));
    }
}
