//! Which publications of an author were heard: of each author a window over their numbers.

use std::collections::BTreeMap;

use crate::ids::NodeId;

/// So many numbers below an author's highest are told apart; what is older counts as heard. 4,096:
/// half a minute of 128 publications a second.
pub const NUMBERS_MAX: u64 = 4_096;

const WORDS: usize = (NUMBERS_MAX / 64) as usize;

/// Whether a number is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was not heard before.
    First,
    /// It was heard before, or comes from before its author's last start.
    Again,
    /// It is so old that nobody can tell.
    TooOld,
}

/// The numbers of one author since its last start: bit `n % NUMBERS_MAX` stands for number `n`.
#[derive(Debug)]
struct Window {
    start: u64,
    highest: u64,
    bits: Box<[u64; WORDS]>,
    used: u64,
}

impl Window {
    fn new(start: u64, number: u64) -> Self {
        Self {
            start,
            highest: number,
            bits: Box::new([0; WORDS]),
            used: 0,
        }
    }

    /// Whether a number is new, of whatever start of the author.
    fn look(&self, start: u64, number: u64) -> Heard {
        if start > self.start || (start == self.start && number > self.highest) {
            return Heard::First;
        }
        if start < self.start {
            return Heard::Again;
        }
        if self.highest - number >= NUMBERS_MAX {
            return Heard::TooOld;
        }
        let (word, bit) = place(number);
        match self.bits[word] & (1 << bit) {
            0 => Heard::First,
            _ => Heard::Again,
        }
    }

    /// Notes a number of the window's start.
    fn note(&mut self, number: u64) {
        if number > self.highest {
            // Numbers that are skipped have not been heard, whatever their bits said before.
            let skipped = (number - self.highest).min(NUMBERS_MAX);
            for back in 0..skipped {
                self.clear(number - back);
            }
            self.highest = number;
        }
        let (word, bit) = place(number);
        self.bits[word] |= 1 << bit;
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = place(number);
        self.bits[word] &= !(1 << bit);
    }
}

fn place(number: u64) -> (usize, u32) {
    let index = number % NUMBERS_MAX;
    ((index / 64) as usize, (index % 64) as u32)
}

/// The windows of all authors; at the bound the one that was silent for longest is forgotten.
///
/// Invariant: `by_use` holds each author once, under its window's `used`.
#[derive(Debug)]
pub(super) struct Numbers {
    authors: BTreeMap<NodeId, Window>,
    by_use: BTreeMap<u64, NodeId>,
    authors_max: usize,
    clock: u64,
}

impl Numbers {
    pub(super) fn new(authors_max: usize) -> Self {
        Self {
            authors: BTreeMap::new(),
            by_use: BTreeMap::new(),
            authors_max: authors_max.max(1),
            clock: 0,
        }
    }

    /// Whether numbers of an author are remembered.
    pub(super) fn knows(&self, author: &NodeId) -> bool {
        self.authors.contains_key(author)
    }

    /// Whether a number of an author's start would be new. Notes nothing.
    pub(super) fn look(&self, author: NodeId, start: u64, number: u64) -> Heard {
        let window = self.authors.get(&author);
        window.map_or(Heard::First, |window| window.look(start, number))
    }

    /// Notes that number `number` of an author's start `start` was heard, if it is new.
    pub(super) fn hear(&mut self, author: NodeId, start: u64, number: u64) -> Heard {
        let heard = self.look(author, start, number);
        if heard != Heard::First {
            return heard;
        }
        if !self.authors.contains_key(&author) && self.authors.len() >= self.authors_max {
            let oldest = self.by_use.first_key_value().map(|(_, author)| *author);
            if let Some(oldest) = oldest {
                self.forget(&oldest);
            }
        }
        self.clock += 1;
        let window = self.authors.entry(author);
        let window = window.or_insert_with(|| Window::new(start, number));
        self.by_use.remove(&window.used);
        if start > window.start {
            *window = Window::new(start, number);
        }
        window.used = self.clock;
        self.by_use.insert(self.clock, author);
        window.note(number);
        heard
    }

    /// Forgets an author: nothing is taken of it any more.
    pub(super) fn forget(&mut self, author: &NodeId) {
        if let Some(window) = self.authors.remove(author) {
            self.by_use.remove(&window.used);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_use.len(), self.authors.len());
        self.authors.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn a_number_is_heard_once_in_whatever_order() {
        let mut numbers = Numbers::new(10);
        for number in [5, 3, 4, 9] {
            assert_eq!(numbers.hear(node(1), 7, number), Heard::First);
        }
        for number in [3, 4, 5, 9] {
            assert_eq!(numbers.hear(node(1), 7, number), Heard::Again);
        }
        assert_eq!(numbers.hear(node(2), 7, 3), Heard::First);
    }

    #[test]
    fn a_new_start_counts_from_the_beginning_and_ends_the_old_one() {
        let mut numbers = Numbers::new(10);
        assert_eq!(numbers.hear(node(1), 7, 100), Heard::First);
        assert_eq!(numbers.hear(node(1), 8, 1), Heard::First);
        assert_eq!(numbers.hear(node(1), 7, 101), Heard::Again);
    }

    #[test]
    fn the_highest_possible_number_leaves_nothing_new_and_breaks_nothing() {
        let mut numbers = Numbers::new(10);
        assert_eq!(numbers.hear(node(1), u64::MAX, u64::MAX), Heard::First);
        assert_eq!(numbers.hear(node(1), u64::MAX, u64::MAX), Heard::Again);
        assert_eq!(numbers.hear(node(1), u64::MAX, 0), Heard::TooOld);
        let near = u64::MAX - NUMBERS_MAX + 1;
        assert_eq!(numbers.hear(node(1), u64::MAX, near), Heard::First);
    }

    #[test]
    fn at_the_bound_whoever_was_silent_for_longest_is_forgotten() {
        let mut numbers = Numbers::new(2);
        for (author, number) in [(1, 1), (2, 1), (1, 2), (3, 1)] {
            numbers.hear(node(author), 1, number);
        }
        assert_eq!(numbers.len(), 2);
        assert_eq!(numbers.hear(node(1), 1, 1), Heard::Again);
        numbers.forget(&node(1));
        assert_eq!(numbers.len(), 1);
        assert_eq!(numbers.look(node(1), 1, 1), Heard::First);
        assert_eq!(numbers.len(), 1, "looking is not hearing");
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(
            heard in proptest::collection::vec(0_u64..3 * NUMBERS_MAX, 1..300),
        ) {
            let (mut numbers, mut set) = (Numbers::new(1), BTreeSet::new());
            let mut highest = 0;
            for number in heard {
                highest = highest.max(number);
                let expected = match (highest - number >= NUMBERS_MAX, set.insert(number)) {
                    (true, _) => Heard::TooOld,
                    (false, true) => Heard::First,
                    (false, false) => Heard::Again,
                };
                prop_assert_eq!(numbers.hear(node(1), 1, number), expected);
            }
        }
    }
}
