//! What is known of messages for a while, each with a timer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::Hash;

#[derive(Debug)]
struct Entry<T> {
    of: T,
    until: Duration,
    armed: Duration,
}

/// What is known of messages, each until its deadline, the oldest first.
///
/// Invariants: `order` has the ids of `entries`; `timers` has each once, as it is armed, at its
/// deadline at the latest.
#[derive(Debug)]
pub(in crate::broadcast) struct Timed<T> {
    entries: BTreeMap<Hash, Entry<T>>,
    order: VecDeque<Hash>,
    timers: BTreeSet<(Duration, Hash)>,
}

impl<T> Timed<T> {
    pub(in crate::broadcast) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
            timers: BTreeSet::new(),
        }
    }

    pub(in crate::broadcast) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(in crate::broadcast) fn contains(&self, id: &Hash) -> bool {
        self.entries.contains_key(id)
    }

    pub(in crate::broadcast) fn get(&self, id: &Hash) -> Option<&T> {
        self.entries.get(id).map(|entry| &entry.of)
    }

    pub(in crate::broadcast) fn get_mut(&mut self, id: &Hash) -> Option<&mut T> {
        self.entries.get_mut(id).map(|entry| &mut entry.of)
    }

    /// All of them, the oldest first.
    pub(in crate::broadcast) fn oldest_first(&self) -> impl Iterator<Item = (&Hash, &T)> {
        let of = |id| Some((id, self.get(id)?));
        self.order.iter().filter_map(of)
    }

    /// All of them, to be changed.
    pub(in crate::broadcast) fn iter_mut(&mut self) -> impl Iterator<Item = (&Hash, &mut T)> {
        let entries = self.entries.iter_mut();
        entries.map(|(id, entry)| (id, &mut entry.of))
    }

    /// Adds one; what is there of the same message stays.
    pub(in crate::broadcast) fn insert(&mut self, id: Hash, until: Duration, of: T) {
        if self.contains(&id) {
            return;
        }
        let armed = until;
        self.entries.insert(id, Entry { of, until, armed });
        self.order.push_back(id);
        self.timers.insert((until, id));
    }

    pub(in crate::broadcast) fn remove(&mut self, id: &Hash) -> Option<T> {
        let entry = self.entries.remove(id)?;
        self.timers.remove(&(entry.armed, *id));
        self.order.retain(|other| other != id);
        Some(entry.of)
    }

    /// When one has something to do next: at its deadline, or before.
    pub(in crate::broadcast) fn arm(&mut self, id: &Hash, at: Option<Duration>) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let next = at.map_or(entry.until, |at| at.min(entry.until));
        if next != entry.armed {
            self.timers.remove(&(entry.armed, *id));
            self.timers.insert((next, *id));
            entry.armed = next;
        }
    }

    /// One that has something to do by now, and whether its deadline has come. It has to be removed
    /// or armed anew.
    pub(in crate::broadcast) fn due(&self, now: Duration) -> Option<(Hash, bool)> {
        let (_, id) = self.timers.first().filter(|(at, _)| *at <= now)?;
        let entry = self.entries.get(id)?;
        Some((*id, entry.until <= now))
    }

    /// When the first has something to do.
    pub(in crate::broadcast) fn next_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Hash {
        Hash::from_bytes([number; 32])
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_is_due_when_it_is_armed_and_over_at_its_deadline() {
        let mut timed = Timed::new();
        timed.insert(id(1), at(30), 'a');
        timed.insert(id(2), at(20), 'b');
        timed.insert(id(2), at(90), 'c');
        assert_eq!((timed.get(&id(2)), timed.len()), (Some(&'b'), 2));
        timed.arm(&id(1), Some(at(10)));
        assert_eq!(timed.due(at(9)), None);
        assert_eq!(timed.due(at(10)), Some((id(1), false)));
        timed.arm(&id(1), Some(at(99)));
        assert_eq!(timed.next_timeout(), Some(at(20)));
        assert_eq!(timed.due(at(25)), Some((id(2), true)));
        assert_eq!(timed.remove(&id(2)), Some('b'));
        timed.arm(&id(2), None);
        assert_eq!(timed.due(at(30)), Some((id(1), true)));
        timed.remove(&id(1));
        assert_eq!((timed.next_timeout(), timed.len()), (None, 0));
    }

    #[test]
    fn they_are_given_in_the_order_in_which_they_came() {
        let mut timed = Timed::new();
        for number in [5, 3, 9] {
            timed.insert(id(number), at(1), number);
        }
        timed.remove(&id(3));
        let order: Vec<u8> = timed.oldest_first().map(|(_, of)| *of).collect();
        assert_eq!(order, [5, 9]);
    }
}
