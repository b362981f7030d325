//! What is replicated: an insertion, a deletion, or both at once; and its bytes.
//!
//! ```text
//! op         header [insertion] [deletion] text
//! header     bit 0 insertion, bit 1 deletion, bits 2-3 anchor, bit 4 the parent is another
//!            replica's character, bits 5-6 right origin: 0 the end, 1 own, 2 another replica's;
//!            bit 7 is 0. Bits that have no meaning are 0
//! anchor     0 continues: right child of the character with the number before, and with its right
//!            origin; 1 after: right child of `parent`; 2 before: left child of `parent`;
//!            3 right child of the root
//! insertion  number of the first character, [parent], [right origin]
//! reference  to an own character: how far below the first new number it is (at least 1);
//!            to another's: its replica (8 bytes, the lowest first), its number
//! deletion   how many ranges, then each: length × 2 + (1 if another replica's), [its replica],
//!            number. Ranges ascend by (replica, number) and do not overlap
//! text       UTF-8, the rest of the op; empty if and only if there is no insertion
//! ```
//!
//! Numbers are LEB128 in the shortest form. Bytes that are anything else are no op.

use replicant_sdk::{Malformed, Refusal};

use crate::id::{CharId, NUMBER_MAX};
use crate::varint::{self, Reader};

/// Header bit: there is an insertion.
pub(crate) const INSERTS: u8 = 1;
/// Header bit: there is a deletion.
pub(crate) const DELETES: u8 = 1 << 1;
const ANCHOR_SHIFT: u8 = 2;
const PARENT_FOREIGN: u8 = 1 << 4;
const RIGHT_SHIFT: u8 = 5;

/// The most characters in one range to delete. So nobody can delete, before they are typed, all
/// the numbers that a replica may ever give: there are [`NUMBER_MAX`], and it skips deleted ones.
pub(crate) const RANGE_CHARS_MAX: u64 = 1 << 24;

/// The most bytes of an op that is made here: what hosts take as one op by default.
pub(crate) const OP_BYTES_MAX: usize = 1 << 20;

/// Where the first character of an insertion hangs in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Right child of the character with the number before, and with the same right origin.
    Continues,
    /// Right child of `parent`, or of the root.
    After {
        /// None is the root.
        parent: Option<CharId>,
        /// None is the end of the text.
        right: Option<CharId>,
    },
    /// Left child of `parent`.
    Before {
        /// The character that stands behind.
        parent: CharId,
    },
}

/// New characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insertion<'a> {
    /// Number of the first character.
    pub(crate) number: u64,
    /// Where it hangs. The others hang one below the other.
    pub(crate) anchor: Anchor,
    /// What they say; not empty.
    pub(crate) text: &'a str,
}

/// Characters with consecutive names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first character.
    pub(crate) first: CharId,
    /// How many: 1 to [`RANGE_CHARS_MAX`]; all numbers are below [`NUMBER_MAX`].
    pub(crate) len: u64,
}

/// An op. It has an insertion, or ranges to delete, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    /// What is inserted.
    pub(crate) insertion: Option<Insertion<'a>>,
    /// What is deleted: mostly one range.
    pub(crate) first_range: Option<Range>,
    /// Further ranges; only if there is a first.
    pub(crate) more_ranges: Vec<Range>,
}

impl<'a> Op<'a> {
    /// Returns the ranges to delete.
    #[inline]
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> {
        self.first_range
            .into_iter()
            .chain(self.more_ranges.iter().copied())
    }

    /// Appends the bytes of the op, made by `author`.
    pub(crate) fn encode(&self, author: u64, out: &mut Vec<u8>) {
        let at = out.len();
        out.push(0);
        let mut header = 0;
        if let Some(insertion) = &self.insertion {
            header |= INSERTS | insertion.encode(author, out);
        }
        if self.first_range.is_some() {
            header |= DELETES;
            varint::push(out, 1 + self.more_ranges.len() as u64);
            for range in self.ranges() {
                encode_range(range, author, out);
            }
        }
        if let Some(insertion) = &self.insertion {
            out.extend_from_slice(insertion.text.as_bytes());
        }
        out[at] = header;
    }

    /// Appends the bytes of the op if they are not too many to be sent.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if they are more than [`OP_BYTES_MAX`]; `out` is unchanged.
    #[inline]
    pub(crate) fn encode_within_limit(
        &self,
        author: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let before = out.len();
        self.encode(author, out);
        let bytes = out.len() - before;
        if bytes > OP_BYTES_MAX {
            out.truncate(before);
            return Err(Refusal::new(format!(
                "this edit takes {bytes} bytes, more than the {OP_BYTES_MAX} that can be sent at \
                 once; insert or delete in several steps"
            )));
        }
        Ok(())
    }

    /// Reads an op made by `author`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the bytes are not exactly what [`Op::encode`] writes for some op.
    pub(crate) fn decode(bytes: &'a [u8], author: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let op = Self::read(&mut reader, author).ok_or_else(malformed)?;
        match op.insertion {
            Some(insertion) if insertion.text.is_empty() => Err(malformed()),
            None if !reader.rest().is_empty() => Err(malformed()),
            _ => Ok(op),
        }
    }

    fn read(reader: &mut Reader<'a>, author: u64) -> Option<Self> {
        let header = reader.byte()?;
        let mut op = Self::default();
        let anchored = if header & INSERTS != 0 {
            Some(read_anchor(reader, header, author)?)
        } else if header & !DELETES != 0 {
            return None;
        } else {
            None
        };
        if header & DELETES != 0 {
            op.read_ranges(reader, author)?;
        } else if anchored.is_none() {
            return None;
        }
        if let Some((number, anchor)) = anchored {
            let text = str::from_utf8(reader.rest()).ok()?;
            op.insertion = Some(Insertion {
                number,
                anchor,
                text,
            });
        }
        Some(op)
    }

    fn read_ranges(&mut self, reader: &mut Reader<'a>, author: u64) -> Option<()> {
        let count = reader.number()?;
        let mut last = read_range(reader, author)?;
        self.first_range = Some(last);
        for _ in 1..count {
            let range = read_range(reader, author)?;
            let overlaps = range.first.replica == last.first.replica
                && range.first.number < last.first.number + last.len;
            if overlaps || range.first < last.first {
                return None;
            }
            self.more_ranges.push(range);
            last = range;
        }
        (count > 0).then_some(())
    }
}

impl Insertion<'_> {
    /// Appends all but the text and returns the header bits.
    fn encode(&self, author: u64, out: &mut Vec<u8>) -> u8 {
        varint::push(out, self.number);
        let (kind, parent, right) = match self.anchor {
            Anchor::Continues => (0, None, None),
            Anchor::After {
                parent: Some(parent),
                right,
            } => (1, Some(parent), right),
            Anchor::Before { parent } => (2, Some(parent), None),
            Anchor::After {
                parent: None,
                right,
            } => (3, None, right),
        };
        let mut header = kind << ANCHOR_SHIFT;
        if let Some(parent) = parent
            && !self.encode_reference(parent, author, out)
        {
            header |= PARENT_FOREIGN;
        }
        if let Some(right) = right {
            let own = self.encode_reference(right, author, out);
            header |= if own { 1 } else { 2 } << RIGHT_SHIFT;
        }
        header
    }

    /// Appends a reference; returns whether it is to an own character.
    fn encode_reference(&self, to: CharId, author: u64, out: &mut Vec<u8>) -> bool {
        let own = to.replica == author;
        if own {
            varint::push(out, self.number - to.number);
        } else {
            out.extend_from_slice(&to.replica.to_le_bytes());
            varint::push(out, to.number);
        }
        own
    }
}

#[inline]
fn read_anchor(reader: &mut Reader<'_>, header: u8, author: u64) -> Option<(u64, Anchor)> {
    let number = reader.number()?;
    let foreign = header & PARENT_FOREIGN != 0;
    let kind = header >> ANCHOR_SHIFT & 3;
    let right = header >> RIGHT_SHIFT;
    if number >= NUMBER_MAX || foreign && !matches!(kind, 1 | 2) {
        return None;
    }
    let parent = match kind {
        1 | 2 => Some(read_reference(reader, number, foreign, author)?),
        _ => None,
    };
    if matches!(kind, 0 | 2) && right != 0 {
        return None;
    }
    let right = match right {
        0 => None,
        1 | 2 => Some(read_reference(reader, number, right == 2, author)?),
        _ => return None,
    };
    let anchor = match (kind, parent) {
        (0, _) if number == 0 => return None,
        (0, _) => Anchor::Continues,
        (2, Some(parent)) => Anchor::Before { parent },
        _ => Anchor::After { parent, right },
    };
    Some((number, anchor))
}

fn read_reference(
    reader: &mut Reader<'_>,
    number: u64,
    foreign: bool,
    author: u64,
) -> Option<CharId> {
    let (replica, number) = if foreign {
        let replica = reader.fixed()?;
        (replica, reader.number()?)
    } else {
        let below = reader.number()?;
        if below == 0 {
            return None;
        }
        (author, number.checked_sub(below)?)
    };
    let canonical = number < NUMBER_MAX && (replica == author) != foreign;
    canonical.then_some(CharId { replica, number })
}

fn encode_range(range: Range, author: u64, out: &mut Vec<u8>) {
    let foreign = range.first.replica != author;
    varint::push(out, range.len << 1 | u64::from(foreign));
    if foreign {
        out.extend_from_slice(&range.first.replica.to_le_bytes());
    }
    varint::push(out, range.first.number);
}

#[inline]
fn read_range(reader: &mut Reader<'_>, author: u64) -> Option<Range> {
    let header = reader.number()?;
    let (len, foreign) = (header >> 1, header & 1 != 0);
    let replica = if foreign { reader.fixed()? } else { author };
    let number = reader.number()?;
    let valid = (1..=RANGE_CHARS_MAX).contains(&len)
        && number.checked_add(len)? <= NUMBER_MAX
        && (replica == author) != foreign;
    valid.then_some(Range {
        first: CharId { replica, number },
        len,
    })
}

#[cold]
fn malformed() -> Malformed {
    Malformed::new("these bytes are no op of this type")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: u64 = 7;

    fn name(replica: u64, number: u64) -> CharId {
        CharId { replica, number }
    }

    fn examples() -> Vec<Op<'static>> {
        let anchors = [
            Anchor::Continues,
            Anchor::After {
                parent: None,
                right: None,
            },
            Anchor::After {
                parent: None,
                right: Some(name(AUTHOR, 3)),
            },
            Anchor::After {
                parent: Some(name(AUTHOR, 499)),
                right: Some(name(9, 1 << 40)),
            },
            Anchor::After {
                parent: Some(name(u64::MAX, 0)),
                right: None,
            },
            Anchor::Before {
                parent: name(AUTHOR, 0),
            },
            Anchor::Before {
                parent: name(8, NUMBER_MAX - 1),
            },
        ];
        let range = |replica, number, len| Range {
            first: name(replica, number),
            len,
        };
        let mut ops = Vec::new();
        for more in [vec![], vec![range(AUTHOR, 3, 1), range(AUTHOR, 5, 1)]] {
            for first_range in [None, Some(range(2, 0, RANGE_CHARS_MAX))] {
                if first_range.is_none() && !more.is_empty() {
                    continue;
                }
                ops.extend(anchors.map(|anchor| Op {
                    insertion: Some(Insertion {
                        number: 500,
                        anchor,
                        text: "hé",
                    }),
                    first_range,
                    more_ranges: more.clone(),
                }));
                ops.extend(first_range.map(|_| Op {
                    insertion: None,
                    first_range,
                    more_ranges: more.clone(),
                }));
            }
        }
        ops
    }

    #[test]
    fn every_op_comes_back_and_has_one_encoding() {
        for op in examples() {
            let mut bytes = Vec::new();
            op.encode(AUTHOR, &mut bytes);
            assert_eq!(Op::decode(&bytes, AUTHOR).as_ref(), Ok(&op));
            // Whatever else decodes encodes to the very same bytes.
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut other = bytes.clone();
                    other[at] ^= 1 << bit;
                    if let Ok(op) = Op::decode(&other, AUTHOR) {
                        let mut again = Vec::new();
                        op.encode(AUTHOR, &mut again);
                        assert_eq!(again, other);
                    }
                }
                let _ = Op::decode(&bytes[..at], AUTHOR);
            }
        }
    }

    #[test]
    fn continuing_what_was_just_typed_takes_few_bytes() {
        let op = Op {
            insertion: Some(Insertion {
                number: 180_000,
                anchor: Anchor::Continues,
                text: "x",
            }),
            ..Op::default()
        };
        let mut bytes = Vec::new();
        op.encode(AUTHOR, &mut bytes);
        assert_eq!(bytes.len(), 5);
    }

    #[test]
    fn empty_unordered_and_endless_things_are_no_ops() {
        let cases: [&[u8]; 7] = [
            &[],
            &[0],
            &[INSERTS, 0],
            &[DELETES, 0],
            &[DELETES, 1, 0, 5],
            &[DELETES, 2, 2, 5, 2, 5],
            &[DELETES, 1, 2, 5, b'x'],
        ];
        for bytes in cases {
            assert!(Op::decode(bytes, AUTHOR).is_err(), "{bytes:?}");
        }
    }
}
