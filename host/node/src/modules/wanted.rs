//! Modules that are announced and active, and whose bytes are not here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replicant_protocol::content::{ModuleName, SignedAnnouncement};
use replicant_protocol::ids::ModuleHash;

/// How long the network looks for a module of one size before it is told another.
const SIZE_TRIED_FOR: Duration = Duration::from_secs(1);

/// The announcements, by name. Several may name the same bytes, and only one of them be right:
/// anybody can announce any hash under a name of their own, and with any size. So all of them are
/// tried, and none can keep another from it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    by_name: BTreeMap<ModuleName, Arc<SignedAnnouncement>>,
    /// The size that the network was told, and when, where there is a choice.
    tried: BTreeMap<ModuleHash, (u32, Instant)>,
}

impl Wanted {
    /// Adds an announcement, in place of the one that had its name.
    pub(super) fn insert(&mut self, announcement: Arc<SignedAnnouncement>) {
        let name = announcement.announcement().name.clone();
        self.by_name.insert(name, announcement);
    }

    /// Forgets a name. Gives the module if nobody wants it any more.
    pub(super) fn remove(&mut self, name: &ModuleName) -> Option<ModuleHash> {
        let removed = self.by_name.remove(name)?;
        let module = removed.announcement().module;
        if self.of(&module).next().is_some() {
            return None;
        }
        self.tried.remove(&module);
        Some(module)
    }

    /// The announcements that name a module.
    pub(super) fn of(
        &self,
        module: &ModuleHash,
    ) -> impl Iterator<Item = &Arc<SignedAnnouncement>> + use<'_> {
        let module = *module;
        let all = self.by_name.values();
        all.filter(move |announcement| announcement.announcement().module == module)
    }

    /// Every module with a size that it is said to have.
    pub(super) fn all(&self) -> BTreeMap<ModuleHash, u32> {
        let said = self.by_name.values().map(|wanted| wanted.announcement());
        said.map(|said| (said.module, said.size_bytes)).collect()
    }

    /// The network found nobody who has this module: with which size it should look now, if
    /// another is said too.
    pub(super) fn other_size(&mut self, module: &ModuleHash, now: Instant) -> Option<u32> {
        let sizes = self
            .of(module)
            .map(|wanted| wanted.announcement().size_bytes);
        let sizes: BTreeSet<u32> = sizes.collect();
        if sizes.len() < 2 {
            return None;
        }
        let (size, since) = *self.tried.entry(*module).or_insert((0, now));
        if size != 0 && now.duration_since(since) < SIZE_TRIED_FOR {
            return None;
        }
        let next = sizes.range(size + 1..).next().or(sizes.first()).copied()?;
        self.tried.insert(*module, (next, now));
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::clock::Hlc;
    use replicant_protocol::content::{Announcement, ModuleLimits};
    use replicant_protocol::identity::NodeIdentity;

    use super::*;

    fn announced(name: &str, module: u8, size_bytes: u32) -> Arc<SignedAnnouncement> {
        let publisher = NodeIdentity::from_secret(&[1; 32]);
        let announcement = Announcement {
            name: name_of(name),
            module: ModuleHash::from_bytes([module; 32]),
            size_bytes,
            limits: ModuleLimits {
                fuel_per_call: 1,
                memory_bytes_max: 1,
                output_bytes_max: 1,
            },
            publisher: publisher.id(),
            hlc: Hlc::ZERO,
        };
        Arc::new(SignedAnnouncement::sign(announcement, &publisher).unwrap())
    }

    fn name_of(name: &str) -> ModuleName {
        ModuleName {
            name: name.parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
        }
    }

    #[test]
    fn a_module_is_wanted_as_long_as_a_name_stands_for_it() {
        let mut wanted = Wanted::default();
        let module = ModuleHash::from_bytes([1; 32]);
        wanted.insert(announced("a", 1, 10));
        wanted.insert(announced("b", 1, 10));
        assert_eq!(wanted.of(&module).count(), 2);
        assert_eq!(wanted.remove(&name_of("a")), None);
        assert_eq!(wanted.remove(&name_of("a")), None);
        assert_eq!(wanted.remove(&name_of("b")), Some(module));
        assert!(wanted.all().is_empty());
    }

    #[test]
    fn every_size_that_is_said_is_tried_in_turn_and_for_a_while() {
        let mut wanted = Wanted::default();
        let (module, begin) = (ModuleHash::from_bytes([1; 32]), Instant::now());
        wanted.insert(announced("a", 1, 10));
        assert_eq!(wanted.other_size(&module, begin), None);
        wanted.insert(announced("b", 1, 20));
        wanted.insert(announced("c", 1, 10));
        assert_eq!(wanted.other_size(&module, begin), Some(10));
        assert_eq!(wanted.other_size(&module, begin), None);
        let later = begin + SIZE_TRIED_FOR;
        assert_eq!(wanted.other_size(&module, later), Some(20));
        assert_eq!(wanted.other_size(&module, later + SIZE_TRIED_FOR), Some(10));
    }
}
