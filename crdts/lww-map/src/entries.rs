//! The last write of each key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use replicant_sdk::{Stable, Stamp};
use serde::{Deserialize, Serialize};

/// For each key that was ever written the last write of it: a value, or that there is none.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Entries<T>(BTreeMap<Box<str>, (Stamp, Option<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Entries<T> {
    /// Notes a write of `key`, instead of any other.
    pub fn write(&mut self, key: Box<str>, stamp: Stamp, value: Option<T>) {
        self.0.insert(key, (stamp, value));
    }

    /// Takes over the writes of `other` that are later, and tells of each: its key, its value, and
    /// whether the key had a value before.
    pub fn merge(&mut self, other: Self, mut tell: impl FnMut(&str, Option<&T>, bool)) {
        for (key, (stamp, value)) in other.0 {
            match self.0.entry(key) {
                Entry::Vacant(free) => {
                    tell(free.key(), value.as_ref(), false);
                    free.insert((stamp, value));
                }
                Entry::Occupied(mut taken) if stamp > taken.get().0 => {
                    tell(taken.key(), value.as_ref(), taken.get().1.is_some());
                    taken.insert((stamp, value));
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    /// Forgets tombstones of removals that every future writer has seen. Returns whether there are
    /// others.
    pub fn forget(&mut self, stable: &Stable) -> bool {
        let mut has_more = false;
        self.0.retain(|_, (stamp, value)| {
            let is_kept = value.is_some() || !stable.contains(stamp.dot);
            has_more |= is_kept && value.is_none();
            is_kept
        });
        has_more
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.get(key)?.1.as_ref()
    }

    /// Returns the keys that have a value, with it, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter_map(|(key, (_, value))| Some((&**key, value.as_ref()?)))
    }

    /// Says whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
