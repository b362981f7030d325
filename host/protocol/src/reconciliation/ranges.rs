//! Ranges of keys and what is said of them, packed.

use crate::ids::Hash;

use super::Key;
use super::sum::Short;

/// Where a range ends: below a key, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    /// Below this key.
    Below(Key),
    /// It has no end.
    End,
}

impl Bound {
    /// The shortest bound that has `left` below it and `right` not.
    pub(super) fn between(left: &Key, right: &Key) -> Self {
        let mut id = [0; 32];
        if left.timestamp == right.timestamp {
            let (left, right) = (left.id.as_bytes(), right.id.as_bytes());
            let shared = left.iter().zip(right).take_while(|(a, b)| a == b).count();
            let length = (shared + 1).min(32);
            id[..length].copy_from_slice(&right[..length]);
        }
        Self::Below(Key {
            timestamp: right.timestamp,
            id: Hash::from_bytes(id),
        })
    }
}

/// What is said of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing is to be done.
    Settled,
    /// The fingerprint of the sender's elements.
    Sum(Short),
    /// Exactly these elements are there; ascending.
    Named(Vec<Short>),
    /// Please send these elements; ascending.
    Wanted(Vec<Short>),
}

/// A range: from the end of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) to: Bound,
    pub(super) content: Content,
}

impl Range {
    /// How many bytes it takes behind a range that ends at `last`.
    pub(super) fn packed_bytes(&self, last: Option<Bound>) -> usize {
        let content = match &self.content {
            Content::Settled => 0,
            Content::Sum(sum) => sum.len(),
            Content::Named(names) | Content::Wanted(names) => {
                number_bytes(names.len() as u64) + 6 * names.len()
            }
        };
        let last = match last {
            Some(Bound::Below(key)) => key.timestamp,
            _ => 0,
        };
        let to = match self.to {
            Bound::Below(key) => {
                let distance = key.timestamp.saturating_sub(last).saturating_add(1);
                number_bytes(distance) + id_bytes(&key.id)
            }
            Bound::End => 1,
        };
        to + 1 + content
    }
}

/// Packs ranges. Each is: the distance of its timestamp to the one before plus 1, or 0 for the end;
/// a byte with the kind in the upper two bits and the length of the id without trailing zeros in
/// the lower six; that id; then what is said.
pub(super) fn pack(ranges: &[Range]) -> Vec<u8> {
    let (mut bytes, mut timestamp) = (Vec::new(), 0);
    for range in ranges {
        let (kind, names) = match &range.content {
            Content::Settled => (0, None),
            Content::Sum(_) => (1, None),
            Content::Named(names) => (2, Some(names)),
            Content::Wanted(names) => (3, Some(names)),
        };
        let id = match range.to {
            Bound::End => {
                put_number(&mut bytes, 0);
                Hash::ZERO
            }
            Bound::Below(key) => {
                // Below the largest number: see `Set::insert` and `unpack`.
                put_number(
                    &mut bytes,
                    key.timestamp.saturating_sub(timestamp).saturating_add(1),
                );
                timestamp = key.timestamp;
                key.id
            }
        };
        let length = id_bytes(&id);
        bytes.push(kind << 6 | length as u8);
        bytes.extend_from_slice(&id.as_bytes()[..length]);
        if let Content::Sum(sum) = &range.content {
            bytes.extend_from_slice(sum);
        }
        if let Some(names) = names {
            put_number(&mut bytes, names.len() as u64);
            names.iter().for_each(|name| bytes.extend_from_slice(name));
        }
    }
    bytes
}

/// Unpacks ranges. Total over any bytes; `None` if they are not what [`pack`] gives for ranges
/// that ascend. Holds a small multiple of the bytes.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<Range>> {
    let (mut bytes, mut ranges, mut timestamp) = (packed, Vec::<Range>::new(), 0_u64);
    while !bytes.is_empty() {
        let distance = take_number(&mut bytes)?;
        let header = take(&mut bytes, 1)?[0];
        let length = usize::from(header & 0b11_1111);
        let mut id = [0; 32];
        id.get_mut(..length)?
            .copy_from_slice(take(&mut bytes, length)?);
        let to = match distance.checked_sub(1) {
            None => Bound::End,
            Some(distance) => {
                timestamp = timestamp.checked_add(distance)?;
                let id = Hash::from_bytes(id);
                Bound::Below(Key { timestamp, id })
            }
        };
        let content = match header >> 6 {
            0 => Content::Settled,
            1 => Content::Sum(*take(&mut bytes, 6)?.first_chunk()?),
            2 => Content::Named(take_names(&mut bytes)?),
            _ => Content::Wanted(take_names(&mut bytes)?),
        };
        if ranges.last().is_some_and(|last| last.to >= to) {
            return None;
        }
        ranges.push(Range { to, content });
    }
    (timestamp < u64::MAX && pack(&ranges) == packed).then_some(ranges)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn take_names(bytes: &mut &[u8]) -> Option<Vec<Short>> {
    let count = usize::try_from(take_number(bytes)?).ok()?;
    let taken = take(bytes, count.checked_mul(6)?)?;
    let names = taken.as_chunks::<6>().0.to_vec();
    names.is_sorted_by(|a, b| a < b).then_some(names)
}

/// The length of an id without trailing zeros.
fn id_bytes(id: &Hash) -> usize {
    let last = id.as_bytes().iter().rposition(|byte| *byte != 0);
    last.map_or(0, |at| at + 1)
}

fn number_bytes(number: u64) -> usize {
    (64 - number.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Seven bits a byte, the lowest first; the last byte is below 128.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(timestamp: u64, id: &[u8]) -> Key {
        let mut bytes = [0; 32];
        bytes[..id.len()].copy_from_slice(id);
        let id = Hash::from_bytes(bytes);
        Key { timestamp, id }
    }

    fn below(timestamp: u64, id: &[u8], content: Content) -> Range {
        let to = Bound::Below(key(timestamp, id));
        Range { to, content }
    }

    #[test]
    fn ranges_are_packed_as_the_format_document_says() {
        let ranges = vec![
            below(5, &[], Content::Settled),
            below(5, &[9], Content::Sum([1, 2, 3, 4, 5, 6])),
            below(300, &[], Content::Named(vec![[7; 6]])),
            Range {
                to: Bound::End,
                content: Content::Wanted(vec![]),
            },
        ];
        let bytes = [
            &[6, 0][..],
            &[1, 0x41, 9, 1, 2, 3, 4, 5, 6],
            &[0xa8, 0x02, 0x80, 1, 7, 7, 7, 7, 7, 7],
            &[0, 0xc0, 0],
        ]
        .concat();
        assert_eq!(pack(&ranges), bytes);
        let lasts = [None]
            .into_iter()
            .chain(ranges.iter().map(|range| Some(range.to)));
        let sizes = ranges
            .iter()
            .zip(lasts)
            .map(|(range, last)| range.packed_bytes(last));
        assert_eq!(sizes.sum::<usize>(), bytes.len());
        assert_eq!(unpack(&bytes), Some(ranges));
    }

    #[test]
    fn what_is_not_ascending_or_has_a_second_form_is_refused() {
        let sum = || Content::Sum([0; 6]);
        let twice = [below(5, &[1], sum()), below(5, &[1], sum())];
        assert_eq!(unpack(&pack(&twice)), None);
        let end = || Range {
            to: Bound::End,
            content: Content::Settled,
        };
        assert_eq!(unpack(&pack(&[end(), end()])), None);
        let unordered = below(1, &[], Content::Named(vec![[2; 6], [1; 6]]));
        assert_eq!(unpack(&pack(&[unordered])), None);
        // A number with a needless byte, an id with a trailing zero, an id of the end, a count
        // that lies, an id that is too long.
        for bytes in [
            &[0x82, 0x00, 0x00][..],
            &[2, 1, 0],
            &[0, 1, 7],
            &[2, 0x80, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[2, 33],
            &[0xff; 12],
        ] {
            assert_eq!(unpack(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_shortest_bound_parts_two_keys() {
        let same_time = (key(7, &[1, 2, 3]), key(7, &[1, 2, 9, 9]));
        assert_eq!(
            Bound::between(&same_time.0, &same_time.1),
            Bound::Below(key(7, &[1, 2, 9]))
        );
        assert_eq!(
            Bound::between(&key(7, &[9]), &key(8, &[1])),
            Bound::Below(key(8, &[]))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_ranges_in_their_one_form_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Some(ranges) = unpack(&bytes) {
                prop_assert_eq!(pack(&ranges), bytes);
            }
        }
    }
}
