//! A bounded table in which what was used longest ago gives way.

use std::collections::BTreeMap;

/// Values by key, at most so many.
///
/// Invariant: `by_use` holds each key once, under the time of its last use.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    by_key: BTreeMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
    count_max: usize,
    clock: u64,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// A table with room for one at least.
    pub(crate) fn new(count_max: usize) -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_use: BTreeMap::new(),
            count_max: count_max.max(1),
            clock: 0,
        }
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// Looks at a value, which is no use of it.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// Uses a value, made if there is none. Gives the key that had to give way for it too.
    pub(crate) fn touch(&mut self, key: K, make: impl FnOnce() -> V) -> (&mut V, Option<K>) {
        let is_full = self.by_key.len() >= self.count_max;
        let gave_way = match is_full && !self.contains(&key) {
            true => self.by_use.pop_first().map(|(_, oldest)| oldest),
            false => None,
        };
        if let Some(oldest) = &gave_way {
            self.by_key.remove(oldest);
        }
        self.clock += 1;
        let entry = self.by_key.entry(key.clone());
        let (used, value) = entry.or_insert_with(|| (self.clock, make()));
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key);
        (value, gave_way)
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let removed = self.by_key.remove(key);
        if let Some((used, _)) = &removed {
            self.by_use.remove(used);
        }
        removed.is_some()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.by_key.len(), self.by_use.len());
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_bound_what_was_used_longest_ago_gives_way() {
        let mut recent = Recent::new(2);
        assert_eq!(recent.touch('a', || 1), (&mut 1, None));
        recent.touch('b', || 2);
        let (value, gave_way) = recent.touch('a', || 9);
        *value += 10;
        assert_eq!(gave_way, None);
        // Looking is no use.
        assert_eq!(recent.get(&'b'), Some(&2));
        assert_eq!(recent.touch('c', || 3).1, Some('b'));
        assert_eq!((recent.get(&'a'), recent.get(&'b')), (Some(&11), None));
        assert_eq!(recent.len(), 2);
    }

    #[test]
    fn what_is_removed_leaves_room() {
        let mut recent = Recent::new(2);
        recent.touch(1, || ());
        recent.touch(2, || ());
        assert!(recent.remove(&1) && !recent.remove(&1));
        assert_eq!(recent.touch(3, || ()).1, None);
        assert_eq!(recent.touch(4, || ()).1, Some(2));
        assert!(recent.contains(&3) && recent.len() == 2);
    }

    #[test]
    fn there_is_room_for_one_whatever_the_bound() {
        let mut recent = Recent::new(0);
        assert_eq!(recent.touch(1, || ()).1, None);
        assert_eq!(recent.touch(2, || ()).1, Some(1));
        assert_eq!(recent.len(), 1);
    }
}
