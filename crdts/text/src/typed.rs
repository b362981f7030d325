//! Reads many ops that type one character of ASCII each, one behind the other.
//!
//! Such ops are equally long and differ in their numbers and characters only, so they are compared
//! with what is expected in blocks, without a branch for each: in a sandbox every turn of a loop is
//! metered.

use crate::op::INSERTS;

/// Ops beside each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    /// The bytes of all ops, and maybe of others before them.
    pub(crate) bytes: &'a [u8],
    /// Where each op ends in them.
    pub(crate) ends: &'a [u32],
    /// Where the first one starts.
    pub(crate) start: usize,
}

/// Reads the first ops as far as they type characters with the numbers from `first` on, at most as
/// many as fit into `text`, and puts the characters there. Returns how many there are.
#[inline]
pub(crate) fn read(ops: Packed<'_>, first: u64, text: &mut [u8]) -> usize {
    match first {
        0..0x80 => read_long::<3>(ops, first, text),
        0x80..0x4000 => read_long::<4>(ops, first, text),
        0x4000..0x20_0000 => read_long::<5>(ops, first, text),
        0x20_0000..0x1000_0000 => read_long::<6>(ops, first, text),
        _ => 0,
    }
}

/// The same for ops of `LEN` bytes. A function of its own, so that all of it fits into registers.
#[inline(never)]
fn read_long<const LEN: usize>(ops: Packed<'_>, first: u64, text: &mut [u8]) -> usize {
    let numbers_end = 1_u64 << (7 * (LEN - 2));
    let same_len = numbers_end.saturating_sub(first).min(text.len() as u64) as usize;
    let bytes = ops.bytes.get(ops.start..).unwrap_or_default();
    let (all, _) = bytes.as_chunks::<LEN>();
    let count = all.len().min(ops.ends.len()).min(same_len);
    let (Some(all), Some(ends), Some(text)) = (
        all.get(..count),
        ops.ends.get(..count),
        text.get_mut(..count),
    ) else {
        return 0;
    };
    let mut reader = Reader {
        ops: all,
        ends,
        text,
        first,
        start: ops.start as u64,
        done: 0,
    };
    while reader.read_block::<8>() {}
    reader.read_block::<4>();
    reader.read_block::<2>();
    reader.read_block::<1>();
    reader.done
}

/// Reads ops of `LEN` bytes.
struct Reader<'a, const LEN: usize> {
    ops: &'a [[u8; LEN]],
    /// As many.
    ends: &'a [u32],
    text: &'a mut [u8],
    /// The number of the first op, and where that starts.
    first: u64,
    start: u64,
    /// How many were read.
    done: usize,
}

impl<const LEN: usize> Reader<'_, LEN> {
    /// The bits that must be as expected: all but seven of the last byte.
    const MASK: u64 = (1 << (8 * LEN)) - 1 - (0x7f << (8 * (LEN - 1)));

    /// Reads so many ops; false, and none, if one of them is not as expected or there are fewer.
    #[inline(always)]
    fn read_block<const COUNT: usize>(&mut self) -> bool {
        let (Some(ops), Some(ends), Some(text)) = (
            block::<_, COUNT>(self.ops, self.done),
            block::<_, COUNT>(self.ends, self.done),
            self.text.get_mut(self.done..self.done + COUNT),
        ) else {
            return false;
        };
        let number = self.first + self.done as u64;
        // Mostly the numbers differ in their lowest seven bits only, which are in the second byte.
        let mut wrong = if number & 0x7f <= 0x80 - COUNT as u64 {
            let first = word_of::<LEN>(number);
            difference(ops, |at| first + (at << 8))
        } else {
            difference(ops, |at| word_of::<LEN>(number + at))
        };
        wrong &= Self::MASK;
        let mut end = self.start + (self.done * LEN) as u64;
        for ((op, said), text) in ops.iter().zip(ends).zip(text) {
            *text = op[LEN - 1];
            end += LEN as u64;
            wrong |= u64::from(*said) ^ end;
        }
        if wrong == 0 {
            self.done += COUNT;
        }
        wrong == 0
    }
}

/// So many elements from the `start`-th on, none if there are fewer.
#[inline(always)]
fn block<T, const COUNT: usize>(all: &[T], start: usize) -> Option<&[T; COUNT]> {
    all.get(start..)?.first_chunk()
}

/// The bits in which any op differs from what is expected of it.
#[inline(always)]
fn difference<const LEN: usize>(ops: &[[u8; LEN]], expected: impl Fn(u64) -> u64) -> u64 {
    (0..)
        .zip(ops)
        .fold(0, |found, (at, op)| found | (word(op) ^ expected(at)))
}

/// The op that types the character 0 with a number, as [`word`] returns it.
#[inline(always)]
fn word_of<const LEN: usize>(number: u64) -> u64 {
    let mut word = u64::from(INSERTS);
    for place in 0..LEN - 2 {
        let more = if place + 3 < LEN { 0x80 } else { 0 };
        let byte = (number >> (7 * place)) & 0x7f | more;
        word |= byte << (8 * (place + 1));
    }
    word
}

/// The bytes of an op as a number, the lowest first.
#[inline(always)]
fn word<const LEN: usize>(op: &[u8; LEN]) -> u64 {
    let mut word = [0; 8];
    word[..LEN].copy_from_slice(op);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varint;

    fn pack(ops: &[Vec<u8>]) -> (Vec<u8>, Vec<u32>) {
        let ends = ops.iter().scan(1, |end, op| {
            *end += op.len() as u32;
            Some(*end)
        });
        // A byte of an op that was read before.
        let bytes = std::iter::once(7).chain(ops.concat()).collect();
        (bytes, ends.collect())
    }

    fn op(number: u64, typed: u8) -> Vec<u8> {
        let mut op = vec![INSERTS];
        varint::push(&mut op, number);
        op.push(typed);
        op
    }

    fn count(ops: &[Vec<u8>], first: u64, max: usize) -> usize {
        let (bytes, ends) = pack(ops);
        let ops = Packed {
            bytes: &bytes,
            ends: &ends,
            start: 1,
        };
        let mut text = vec![0; max];
        let count = read(ops, first, &mut text);
        assert!(
            text[..count]
                .iter()
                .eq((b' '..0x80).cycle().take(count).collect::<Vec<_>>().iter())
        );
        count
    }

    fn typed(first: u64, count: u64) -> Vec<Vec<u8>> {
        let characters = (b' '..0x80).cycle();
        (first..first + count)
            .zip(characters)
            .map(|(number, it)| op(number, it))
            .collect()
    }

    #[test]
    fn all_ops_are_read_as_far_as_their_numbers_are_equally_long() {
        for (first, same) in [(0, 128), (100, 28), (128, 200), (0x3ff0, 16), (0x4000, 200)] {
            let ops = typed(first, 200);
            for count_here in [0, 1, 7, 8, 9, 16, 31, 200] {
                let expected = count_here.min(same);
                assert_eq!(count(&ops[..count_here], first, 300), expected, "{first}");
                assert_eq!(count(&ops, first, count_here), expected, "{first}");
            }
        }
        assert_eq!(count(&typed(0x001f_fff8, 8), 0x001f_fff8, 20), 8);
        assert_eq!(count(&typed(0x0fff_fff8, 9), 0x0fff_fff8, 20), 8);
        assert_eq!(count(&typed(0x1000_0000, 9), 0x1000_0000, 20), 0);
    }

    #[test]
    fn what_differs_in_any_bit_but_the_characters_ends_it() {
        for first in [3, 300, 0x5000, 0x30_0000] {
            for at in [0, 3, 8, 17] {
                let ops = typed(first, 18);
                for bit in 0..8 * ops[at].len() {
                    let mut other = ops.clone();
                    other[at][bit / 8] ^= 1 << (bit % 8);
                    let is_character = bit / 8 == ops[at].len() - 1 && bit % 8 != 7;
                    if !is_character {
                        assert_eq!(count(&other, first, 50), at, "{first} {at} {bit}");
                    }
                }
                for other in [op(first + at as u64 + 1, b'x'), vec![], vec![INSERTS]] {
                    let mut ops = ops.clone();
                    ops[at] = other;
                    assert_eq!(count(&ops, first, 50), at, "{first} {at}");
                }
            }
        }
    }

    #[test]
    fn ends_that_do_not_fit_the_bytes_end_it() {
        let (bytes, ends) = pack(&typed(300, 20));
        for at in [0, 5, 8, 19] {
            for wrong in [0, 1, ends[at] - 1, ends[at] + 1, u32::MAX] {
                let mut ends = ends.clone();
                ends[at] = wrong;
                let ops = Packed {
                    bytes: &bytes,
                    ends: &ends,
                    start: 1,
                };
                assert_eq!(read(ops, 300, &mut [0; 50]), at);
            }
        }
        let ops = Packed {
            bytes: &bytes,
            ends: &ends,
            start: usize::MAX,
        };
        assert_eq!(read(ops, 300, &mut [0; 50]), 0);
    }
}
