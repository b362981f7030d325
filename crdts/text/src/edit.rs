//! *Prepare*: from an edit at a position to an op that names characters.

use replicant_sdk::Refusal;

use crate::id::{CharId, Id, NUMBER_MAX};
use crate::op::{Anchor, Insertion, Op, RANGE_CHARS_MAX, Range};
use crate::sequence::{Gap, Spot};
use crate::text::Text;

/// Replaces `delete` characters from `at` on by `insert`. All counts are in Unicode scalar values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit<'a> {
    /// How many characters stand before the edit.
    pub(crate) at: u64,
    /// How many are deleted.
    pub(crate) delete: u64,
    /// What is inserted.
    pub(crate) insert: &'a str,
}

impl Text {
    /// Makes the op of an edit by `author`; none if the edit changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the edit reaches over the end of the text.
    pub(crate) fn prepare_edit<'a>(
        &self,
        author: u64,
        edit: Edit<'a>,
    ) -> Result<Option<Op<'a>>, Refusal> {
        let length = self.sequence.chars() as u64;
        let end = edit.at.checked_add(edit.delete);
        if end.is_none_or(|end| end > length) {
            return Err(out_of_range(edit, length));
        }
        let at = edit.at as usize;
        let mut op = Op::default();
        if edit.delete > 0 {
            self.name_ranges(at, edit.delete as usize, &mut op);
        }
        if !edit.insert.is_empty() {
            op.insertion = Some(self.name_insertion(author, at, edit.insert)?);
        }
        let changes = op.insertion.is_some() || op.first_range.is_some();
        Ok(changes.then_some(op))
    }

    /// Chooses names and origins for text inserted at `at`, as the Fugue papers do: the left
    /// origin is the visible character before, the right origin whatever stands right behind that,
    /// deleted or not.
    fn name_insertion<'a>(
        &self,
        author: u64,
        at: usize,
        text: &'a str,
    ) -> Result<Insertion<'a>, Refusal> {
        let left = match at.checked_sub(1) {
            Some(before) => self.sequence.locate(before),
            None => None,
        };
        let own = self.replicas.index(author);
        let number = self.free_number(author, own, text)?;
        let global = |id: Id| (!id.is_edge()).then(|| self.replicas.global(id));
        let Some(left) = left else {
            let first = self.sequence.run_at(self.sequence.first_gap());
            let anchor = match first {
                Some(first) => Anchor::Before {
                    parent: self.replicas.global(self.sequence.run(first).first()),
                },
                None => Anchor::After {
                    parent: None,
                    right: None,
                },
            };
            return Ok(Insertion {
                number,
                anchor,
                text,
            });
        };
        let run = self.sequence.run(left);
        let parent = run.id_at(left.offset);
        let (has_right, right) = self.right_of(left);
        let anchor = if has_right {
            Anchor::Before {
                parent: self.replicas.global(right),
            }
        } else if own == Some(parent.replica)
            && parent.number.checked_add(1) == Some(number)
            && run.right() == right
        {
            Anchor::Continues
        } else {
            Anchor::After {
                parent: global(parent),
                right: global(right),
            }
        };
        Ok(Insertion {
            number,
            anchor,
            text,
        })
    }

    /// Returns whether a character has right children, and what stands right behind it.
    #[inline]
    fn right_of(&self, left: Spot) -> (bool, Id) {
        let run = self.sequence.run(left);
        if left.offset + 1 < run.len {
            return (true, run.id_at(left.offset + 1));
        }
        let behind = self.sequence.run_at(Gap {
            leaf: left.leaf,
            run: left.run + 1,
        });
        let right = behind.map_or(Id::EDGE, |spot| self.sequence.run(spot).first());
        (run.has_right, right)
    }

    /// Returns the number for the first character of `text`: the next from which on nobody has
    /// named any yet. Else a liar could delete what is not typed yet, or hang text on it, which
    /// would appear with this edit and be paid for by it.
    fn free_number(&self, author: u64, own: Option<u32>, text: &str) -> Result<u64, Refusal> {
        let mut number = own.map_or(0, |own| self.replicas.next(own));
        let len = text.len() as u64;
        if !self.dormant.is_empty() {
            let wanted = |number| Range {
                first: CharId {
                    replica: author,
                    number,
                },
                len,
            };
            while let Some(named) = self.dormant.named(wanted(number)) {
                number = named.first.number + named.len;
            }
        }
        if number + len > NUMBER_MAX {
            return Err(Refusal::new(
                "this replica has given out all numbers for characters of this text; write from \
                 another one",
            ));
        }
        Ok(number)
    }

    /// Names the characters of a range of the text, which must be there.
    fn name_ranges(&self, at: usize, count: usize, op: &mut Op<'_>) {
        let Some(spot) = self.sequence.locate(at) else {
            return;
        };
        let run = self.sequence.run(spot);
        let here = (run.len - spot.offset) as usize;
        let range = |id: Id, len: usize| Range {
            first: self.replicas.global(id),
            len: len as u64,
        };
        if count <= here {
            op.first_range = Some(range(run.id_at(spot.offset), count));
            return;
        }
        let mut ranges = vec![range(run.id_at(spot.offset), here)];
        let mut rest = count - here;
        let mut skip = spot.run + 1;
        for leaf in self.sequence.leaves_from(spot.leaf) {
            let visible = leaf.runs.iter().skip(skip).filter(|run| run.visible);
            for run in visible {
                if rest == 0 {
                    break;
                }
                let len = rest.min(run.len as usize);
                ranges.push(range(run.first(), len));
                rest -= len;
            }
            if rest == 0 {
                break;
            }
            skip = 0;
        }
        ranges.sort_unstable_by_key(|range| range.first);
        let mut joined = join(ranges).into_iter();
        op.first_range = joined.next();
        op.more_ranges = joined.collect();
    }
}

/// Joins sorted ranges that touch.
fn join(ranges: Vec<Range>) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges {
        if let Some(last) = joined.last_mut()
            && last.first.replica == range.first.replica
            && last.first.number + last.len == range.first.number
            && last.len + range.len <= RANGE_CHARS_MAX
        {
            last.len += range.len;
            continue;
        }
        joined.push(range);
    }
    joined
}

#[cold]
fn out_of_range(edit: Edit<'_>, length: u64) -> Refusal {
    let Edit { at, delete, insert } = edit;
    Refusal::new(match (delete, insert) {
        (0, "") => format!("there is no position {at}: the text has length {length}"),
        (0, _) => format!("cannot insert at {at}: the text has length {length}"),
        _ => format!("cannot delete {delete} characters at {at}: the text has length {length}"),
    })
}
