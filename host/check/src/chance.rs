//! Chance that follows from a seed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A generator for one purpose.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// A generator that depends on the seed and on what it is for, and on nothing else: so taking
    /// a step out of a script leaves what the other steps do as it is.
    pub(crate) fn new(seed: u64, purpose: &str, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        // Purposes are words of this crate, distinct in their first 16 bytes.
        let length = purpose.len().min(16);
        key[16..16 + length].copy_from_slice(&purpose.as_bytes()[..length]);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number for each item, so that taking items away leaves those of the others as they are.
    pub(crate) fn numbers(&mut self) -> impl Fn(u64) -> u64 + use<> {
        let draw = self.number();
        // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        move |item: u64| {
            let mut mixed = draw.wrapping_add(item.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        match bound {
            0 => 0,
            _ => self.0.random_range(0..bound),
        }
    }

    /// An index into a list of this length; 0 if it is empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True in so many of 100 cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Changes, cuts or lengthens some bytes.
    pub(crate) fn damage(&mut self, bytes: &mut Vec<u8>) {
        match self.below(4) {
            0 => bytes.truncate(self.index(bytes.len())),
            1 => bytes.push(self.number() as u8),
            _ => {
                let index = self.index(bytes.len());
                if let Some(byte) = bytes.get_mut(index) {
                    *byte = self.number() as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_item_does_not_depend_on_which_others_there_are() {
        let numbers = Chance::new(7, "test", 0).numbers();
        let all: Vec<u64> = (0..100).map(&numbers).collect();
        assert_eq!(numbers(40), all[40]);
        let mut distinct = all.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
        let others = Chance::new(8, "test", 0).numbers();
        assert_ne!(others(40), all[40]);
    }
}
