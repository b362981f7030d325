//! The text of an element, in a form that is compared and hashed by words.
//!
//! WebAssembly has no fast way to go through a text, which it does byte by byte; so the beginning
//! of it stands in words.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that the words hold.
const SHORT_BYTES_MAX: usize = 23;

/// What stands in the place of the length of a longer one.
const LONG: u64 = 0xff;

/// A text. Elements are ordered as the bytes of their texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    words: Words,
    /// The whole text if it is longer than what the words hold.
    long: Option<Box<str>>,
}

/// The first 23 bytes of a text, filled up with zeros, and its length in the last byte. The first
/// byte is the highest of a word, so the order is that of the texts; the length decides between
/// texts that only zeros at the end tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Words(u64, u64, u64);

impl From<&str> for Element {
    #[inline]
    fn from(text: &str) -> Self {
        if text.len() > SHORT_BYTES_MAX {
            return Self::long(text);
        }
        Self {
            words: Words::new(text.as_bytes(), text.len() as u64),
            long: None,
        }
    }
}

impl Element {
    #[cold]
    fn long(text: &str) -> Self {
        Self {
            words: Words::new(text.as_bytes(), LONG),
            long: Some(text.into()),
        }
    }

    /// Returns a number that is nearly always another one for another text, in its upper bits
    /// too. The same for ever: saved states are in its order.
    #[inline]
    pub fn hash(&self) -> u64 {
        let Words(first, second, third) = self.words;
        let mut hash = mix(mix(mix(first) ^ second) ^ third);
        if let Some(text) = &self.long {
            let chunks = text.as_bytes().chunks(size_of::<u64>());
            hash = chunks.fold(hash, |hash, chunk| mix(hash ^ word(chunk, 0)));
        }
        hash.wrapping_mul(MULTIPLIER)
    }

    /// Calls `read` with the text.
    pub fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        if let Some(text) = &self.long {
            return read(text);
        }
        let Words(first, second, third) = self.words;
        let bytes = [first, second, third].map(u64::to_be_bytes);
        let text = bytes.as_flattened().get(..(third & 0xff) as usize);
        // Made from a text, so never the empty one by default.
        read(std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default())
    }

    /// Returns the text.
    pub fn to_text(&self) -> String {
        self.with_text(str::to_owned)
    }
}

impl Words {
    #[inline]
    fn new(text: &[u8], length: u64) -> Self {
        Self(
            word(text, 0),
            word(text, 8),
            word(text, 16) & !0xff | length,
        )
    }
}

/// The eight bytes of a text from `at` on; zeros where it has ended.
#[inline]
fn word(text: &[u8], at: usize) -> u64 {
    if let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_be_bytes(*chunk);
    }
    let last = match text.last_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => text
            .iter()
            .fold(0, |last, byte| last << 8 | u64::from(*byte)),
    };
    let bits = 8 * text.len().saturating_sub(at) as u32;
    last.checked_shl(u64::BITS - bits).unwrap_or(0)
}

/// An odd number without a pattern: the golden ratio (Donald Knuth, "The Art of Computer
/// Programming", volume 3, section 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads every bit of a number, and loses none.
#[inline]
fn mix(number: u64) -> u64 {
    let product = number.wrapping_mul(MULTIPLIER);
    product ^ product >> 32
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_of_every_length_come_back() {
        for length in (0..=2 * SHORT_BYTES_MAX).chain([1_000]) {
            for text in ["x".repeat(length), "\0".repeat(length), "ß".repeat(length)] {
                assert_eq!(Element::from(text.as_str()).to_text(), text);
            }
        }
    }

    #[test]
    fn elements_are_ordered_as_their_texts() {
        let mut texts = vec![String::new()];
        for length in 1..=SHORT_BYTES_MAX + 2 {
            let same = "m".repeat(length - 1);
            texts.extend(
                ["\0", "\u{1}", "a", "z", "ß", "\u{10ffff}"].map(|last| same.clone() + last),
            );
            texts.push("\0".repeat(length));
        }
        for one in &texts {
            for other in &texts {
                let elements = (Element::from(one.as_str()), Element::from(other.as_str()));
                assert_eq!(
                    elements.0.cmp(&elements.1),
                    one.cmp(other),
                    "{one:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_short_element_needs_no_memory_of_its_own() {
        let short = Element::from("x".repeat(SHORT_BYTES_MAX).as_str());
        assert!(short.long.is_none());
        assert!(size_of::<Element>() <= 40);
    }

    #[test]
    fn the_hash_of_a_text_stays_the_same_for_ever() {
        let long = "x".repeat(100);
        let hashes = ["", "a", "element 1", &long].map(|text| Element::from(text).hash());
        assert_eq!(
            hashes,
            [
                0,
                7_011_632_028_699_185_331,
                604_289_205_538_838_144,
                12_595_003_187_150_990_582
            ]
        );
    }

    #[test]
    fn every_part_of_a_text_counts_for_its_hash() {
        let text = "m".repeat(40);
        let mut hashes = BTreeSet::from([Element::from(text.as_str()).hash()]);
        for index in 0..text.len() {
            let mut other = text.clone();
            other.replace_range(index..=index, "n");
            hashes.insert(Element::from(other.as_str()).hash());
            hashes.insert(Element::from(&text[..index]).hash());
        }
        assert_eq!(hashes.len(), 1 + 2 * text.len());
    }

    #[test]
    fn hashes_of_texts_that_are_alike_begin_differently() {
        let numbered = |index: u32| format!("element {index}");
        let short = |index: u32| format!("{index:x}");
        let long = |index: u32| format!("https://example.org/a/rather/long/path/{index}");
        for text in [numbered as fn(u32) -> String, short, long] {
            let beginning = |index| Element::from(text(index).as_str()).hash() >> (64 - 12);
            let beginnings: BTreeSet<u64> = (0..4_096).map(beginning).collect();
            // Of 4,096 random numbers below 4,096 there are 2,589 different ones.
            assert!(beginnings.len() > 2_400, "{} {}", text(1), beginnings.len());
        }
    }
}
