//! Which publications of an author were heard: of each author a window over their numbers.

use crate::ids::NodeId;
use crate::recent::Recent;

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
}

impl Window {
    fn new(start: u64, number: u64) -> Self {
        Self {
            start,
            highest: number,
            bits: Box::new([0; WORDS]),
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
#[derive(Debug)]
pub(super) struct Numbers(Recent<NodeId, Window>);

impl Numbers {
    pub(super) fn new(authors_max: usize) -> Self {
        Self(Recent::new(authors_max))
    }

    /// Whether numbers of an author are remembered.
    pub(super) fn knows(&self, author: &NodeId) -> bool {
        self.0.contains(author)
    }

    /// Whether a number of an author's start would be new. Notes nothing.
    pub(super) fn look(&self, author: NodeId, start: u64, number: u64) -> Heard {
        let window = self.0.get(&author);
        window.map_or(Heard::First, |window| window.look(start, number))
    }

    /// Notes that number `number` of an author's start `start` was heard, if it is new.
    pub(super) fn hear(&mut self, author: NodeId, start: u64, number: u64) -> Heard {
        let heard = self.look(author, start, number);
        if heard != Heard::First {
            return heard;
        }
        let (window, _) = self.0.touch(author, || Window::new(start, number));
        if start > window.start {
            *window = Window::new(start, number);
        }
        window.note(number);
        heard
    }

    /// Forgets an author: nothing is taken of it any more.
    pub(super) fn forget(&mut self, author: &NodeId) {
        self.0.remove(author);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
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
