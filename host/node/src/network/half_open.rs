//! Accepted connections whose handshake is under way: how many there may be, and who gives way.
//!
//! At a bound the oldest goes, not the newest: whoever opens connections without using them loses
//! them, while an honest handshake is done before its turn comes. At the bound of all it is the
//! oldest of those sources that have the most.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::penalties::Source;

/// The connections, by age.
#[derive(Debug)]
pub(super) struct HalfOpen {
    entries: BTreeMap<u64, Entry>,
    per_source: BTreeMap<Source, usize>,
    next: u64,
    max: usize,
    per_source_max: usize,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    token: CancellationToken,
}

impl HalfOpen {
    /// Starts with none.
    pub(super) fn new(max: usize, per_source_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            per_source: BTreeMap::new(),
            next: 0,
            max: max.max(1),
            per_source_max: per_source_max.max(1),
        }
    }

    /// Adds a connection, which is given up when `token` is cancelled. Says under which number it
    /// is to be removed, and whether another had to give way. Costs O(n) at a bound.
    pub(super) fn insert(&mut self, source: Source, token: CancellationToken) -> (u64, bool) {
        let giving_way = self.giving_way(source);
        if let Some(number) = giving_way {
            if let Some(entry) = self.entries.get(&number) {
                entry.token.cancel();
            }
            self.remove(number);
        }
        let number = self.next;
        self.next += 1;
        self.entries.insert(number, Entry { source, token });
        *self.per_source.entry(source).or_default() += 1;
        (number, giving_way.is_some())
    }

    /// Removes a connection whose handshake ended.
    pub(super) fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else {
            return;
        };
        if let Some(count) = self.per_source.get_mut(&entry.source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&entry.source);
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Which connection has to give way to a new one of `source`, if any.
    fn giving_way(&self, source: Source) -> Option<u64> {
        let of_source = self.per_source.get(&source).copied().unwrap_or(0);
        let is_source_full = of_source >= self.per_source_max;
        if !is_source_full && self.entries.len() < self.max {
            return None;
        }
        let most = self.per_source.values().max();
        let is_crowded = |of: &Source| match is_source_full {
            true => *of == source,
            false => self.per_source.get(of) == most,
        };
        let mut entries = self.entries.iter();
        let oldest = entries.find(|(_, entry)| is_crowded(&entry.source));
        oldest.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn source(last: u8) -> Source {
        Source::from(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn a_source_at_its_bound_loses_its_own_oldest() {
        let mut half_open = HalfOpen::new(10, 2);
        let tokens: Vec<CancellationToken> = (0..4).map(|_| CancellationToken::new()).collect();
        half_open.insert(source(1), tokens[0].clone());
        half_open.insert(source(2), tokens[1].clone());
        assert!(!half_open.insert(source(2), tokens[2].clone()).1);
        assert!(half_open.insert(source(2), tokens[3].clone()).1);
        let cancelled: Vec<bool> = tokens.iter().map(|token| token.is_cancelled()).collect();
        assert_eq!(cancelled, [false, true, false, false]);
        assert_eq!(half_open.len(), 3);
    }

    #[test]
    fn at_the_bound_of_all_the_most_crowded_source_gives_way() {
        let mut half_open = HalfOpen::new(3, 3);
        let victim = CancellationToken::new();
        half_open.insert(source(1), CancellationToken::new());
        half_open.insert(source(2), victim.clone());
        half_open.insert(source(2), CancellationToken::new());
        assert!(half_open.insert(source(3), CancellationToken::new()).1);
        assert!(victim.is_cancelled());
        assert_eq!(half_open.len(), 3);
    }

    #[test]
    fn of_sources_with_equally_many_the_oldest_connection_gives_way() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let mut half_open = HalfOpen::new(3, 3);
            let tokens = order.map(|last| {
                let token = CancellationToken::new();
                half_open.insert(source(last), token.clone());
                token
            });
            assert!(half_open.insert(source(4), CancellationToken::new()).1);
            let cancelled = tokens.map(|token| token.is_cancelled());
            assert_eq!(cancelled, [true, false, false], "{order:?}");
        }
    }

    #[test]
    fn what_ended_makes_room_and_may_be_removed_twice() {
        let mut half_open = HalfOpen::new(1, 1);
        let (number, _) = half_open.insert(source(1), CancellationToken::new());
        half_open.remove(number);
        half_open.remove(number);
        assert!(!half_open.insert(source(1), CancellationToken::new()).1);
        assert_eq!(half_open.per_source.len(), 1);
    }
}
