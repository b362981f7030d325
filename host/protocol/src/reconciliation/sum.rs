//! Sums over elements, and the root over a whole set.

use blake3::Hasher;

use crate::ids::Hash;

use super::Key;

/// The sum of hashes of elements, modulo 2^256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    /// What an element adds.
    pub(super) fn of(key: &Key) -> Self {
        Self::from_hash(&keyed(0, key))
    }

    /// What an element adds under a nonce.
    pub(super) fn salted(nonce: u64, key: &Key) -> Self {
        Self::from_hash(&keyed(nonce, key))
    }

    fn from_hash(hash: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    pub(super) fn add(self, other: Self) -> Self {
        let (mut words, mut carry) = ([0; 4], false);
        for (at, word) in words.iter_mut().enumerate() {
            let (sum, first) = self.0[at].overflowing_add(other.0[at]);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first || second);
        }
        Self(words)
    }

    pub(super) fn less(self, other: Self) -> Self {
        let (mut words, mut borrow) = ([0; 4], false);
        for (at, word) in words.iter_mut().enumerate() {
            let (rest, first) = self.0[at].overflowing_sub(other.0[at]);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (rest, first || second);
        }
        Self(words)
    }

    /// What travels for a range: it says nothing under another nonce.
    pub(super) fn fingerprint(self, nonce: u64, count: usize) -> Short {
        let mut hasher = Hasher::new();
        hasher.update(&nonce.to_le_bytes());
        self.0.iter().for_each(|word| {
            hasher.update(&word.to_le_bytes());
        });
        hasher.update(&(count as u64).to_le_bytes());
        shortened(hasher.finalize().as_bytes())
    }
}

/// A hash that is only compared within one comparison.
pub(super) type Short = [u8; 6];

/// The name of an element under a nonce.
pub(super) fn short_name(nonce: u64, key: &Key) -> Short {
    shortened(&keyed(nonce, key))
}

fn shortened(hash: &[u8; 32]) -> Short {
    let [a, b, c, d, e, f, ..] = *hash;
    [a, b, c, d, e, f]
}

fn keyed(nonce: u64, key: &Key) -> [u8; 32] {
    *blake3::hash(&bytes_of(nonce, key)).as_bytes()
}

fn bytes_of(nonce: u64, key: &Key) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    bytes[8..16].copy_from_slice(&key.timestamp.to_le_bytes());
    bytes[16..].copy_from_slice(key.id.as_bytes());
    bytes
}

const LANES: usize = 1_024;

/// A hash over a set that follows each change in constant time, and that nobody can find a second
/// set for: LtHash with 1,024 lanes of 16 bits.
#[derive(Debug, Clone)]
pub(super) struct Root(Box<[u16; LANES]>);

impl Root {
    pub(super) fn new() -> Self {
        Self(Box::new([0; LANES]))
    }

    /// Takes an element in. About 2 µs.
    pub(super) fn add(&mut self, key: &Key) {
        self.change(key, u16::wrapping_add);
    }

    /// Takes an element out that is in.
    pub(super) fn remove(&mut self, key: &Key) {
        self.change(key, u16::wrapping_sub);
    }

    fn change(&mut self, key: &Key, change: fn(u16, u16) -> u16) {
        let mut hasher = Hasher::new_derive_key("replicant 2026-11 root of a set");
        hasher.update(&bytes_of(0, key));
        let mut bytes = [0; 2 * LANES];
        hasher.finalize_xof().fill(&mut bytes);
        for (lane, bytes) in self.0.iter_mut().zip(bytes.as_chunks().0) {
            *lane = change(*lane, u16::from_le_bytes(*bytes));
        }
    }

    pub(super) fn hash(&self) -> Hash {
        let bytes: Vec<u8> = self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        Hash::of(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key {
            timestamp: number,
            id: Hash::of(&number.to_le_bytes()),
        }
    }

    #[test]
    fn sums_carry_and_borrow_over_all_words() {
        let (most, one) = (Sum([u64::MAX, u64::MAX, 7, 0]), Sum([1, 0, 0, 0]));
        assert_eq!(most.add(one), Sum([0, 0, 8, 0]));
        assert_eq!(most.add(one).less(one), most);
        let all = Sum([u64::MAX; 4]);
        assert_eq!(all.add(one), Sum::default());
        assert_eq!(Sum::default().less(one), all);
    }

    #[test]
    fn roots_depend_on_the_elements_and_not_on_their_history() {
        let (mut a, mut b) = (Root::new(), Root::new());
        (0..5).for_each(|number| a.add(&key(number)));
        (0..5).rev().for_each(|number| b.add(&key(number)));
        assert_eq!(a.hash(), b.hash());
        a.add(&key(9));
        assert_ne!(a.hash(), b.hash());
        a.remove(&key(9));
        assert_eq!(a.hash(), b.hash());
        (0..5).for_each(|number| a.remove(&key(number)));
        assert_eq!(a.hash(), Root::new().hash());
    }

    #[test]
    fn what_travels_says_nothing_under_another_nonce() {
        let sum = Sum::of(&key(1));
        assert_ne!(sum.fingerprint(1, 1), sum.fingerprint(2, 1));
        assert_ne!(sum.fingerprint(1, 1), sum.fingerprint(1, 2));
        assert_ne!(short_name(1, &key(1)), short_name(2, &key(1)));
    }
}
