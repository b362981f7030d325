//! The switches that are kept, by type.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NodeId, TypeName};

use super::catalogue::Inserted;
use super::{Config, SignedSwitch};

type Known = Arc<SignedSwitch>;

/// Of each type the latest. What is kept is a function of the set of all switches seen, unless a
/// bound on all or on an issuer is hit; then those of further types are refused.
#[derive(Debug)]
pub(super) struct Switches {
    /// Latest first; never empty.
    by_type: BTreeMap<TypeName, Vec<Known>>,
    per_issuer: BTreeMap<NodeId, usize>,
    count: usize,
    max: usize,
    per_issuer_max: usize,
    per_type_max: usize,
}

impl Switches {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            by_type: BTreeMap::new(),
            per_issuer: BTreeMap::new(),
            count: 0,
            max: config.announcements_max,
            per_issuer_max: config.announcements_per_publisher_max,
            per_type_max: config.switches_per_type_max,
        }
    }

    /// Latest first.
    pub(super) fn of(&self, name: &TypeName) -> &[Known] {
        self.by_type.get(name).map_or(&[], Vec::as_slice)
    }

    /// Takes in a switch that is not known, and gives those that it puts out.
    pub(super) fn insert(&mut self, new: Known) -> (Inserted, Vec<Known>) {
        let name = new.switch().name.name.clone();
        let mut kept = self.of(&name).to_vec();
        let at = kept.partition_point(|known| known.rank() > new.rank());
        if at >= self.per_type_max {
            return (Inserted::Known, Vec::new());
        }
        kept.insert(at, new.clone());
        let gone = kept.split_off(kept.len().min(self.per_type_max));
        if !self.has_room(&new, &gone) {
            return (Inserted::Full, Vec::new());
        }
        self.count = self.count + 1 - gone.len();
        *self.per_issuer.entry(new.switch().issuer).or_default() += 1;
        for old in &gone {
            let issuer = old.switch().issuer;
            let left = self.per_issuer.get(&issuer).map_or(0, |count| count - 1);
            match left {
                0 => drop(self.per_issuer.remove(&issuer)),
                left => drop(self.per_issuer.insert(issuer, left)),
            }
        }
        self.by_type.insert(name, kept);
        (Inserted::New, gone)
    }

    fn has_room(&self, new: &Known, gone: &[Known]) -> bool {
        // A type that was switched before can always be switched again: of each some are kept.
        if self.by_type.contains_key(&new.switch().name.name) {
            return true;
        }
        let issuer = new.switch().issuer;
        let freed = gone.iter().filter(|old| old.switch().issuer == issuer);
        let of_issuer = self.per_issuer.get(&issuer).copied().unwrap_or(0);
        self.count < self.max + gone.len() && of_issuer < self.per_issuer_max + freed.count()
    }
}
