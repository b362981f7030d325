//! What was said about characters that are not here.
//!
//! Causal delivery brings every character before the honest ops that name it. What is left are
//! characters whose op is void, and lies: ops that name what their author had not received, or
//! what nobody ever types. They have no effect on the text, and yet every replica must come to the
//! same state in whatever order they and the ops that they name arrive. So an insertion whose
//! origins are not here waits for them, for ever if they never come; and a deletion of characters
//! that are not here is remembered, so that they are deleted from the start if they do come.
//!
//! Both are kept by facts alone: which insertions and deletions arrived. Each costs as many bytes
//! as the op that said it; nothing multiplies.

use std::collections::BTreeMap;

use crate::id::CharId;
use crate::op::{Anchor, Insertion, Range};

/// An insertion that waits for its origins.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Where it hangs.
    pub(crate) anchor: Anchor,
    /// What it says.
    pub(crate) text: String,
}

impl Waiting {
    /// Returns the insertion with its first number.
    pub(crate) fn as_insertion(&self, number: u64) -> Insertion<'_> {
        Insertion {
            number,
            anchor: self.anchor,
            text: &self.text,
        }
    }
}

impl From<Insertion<'_>> for Waiting {
    fn from(insertion: Insertion<'_>) -> Self {
        Self {
            anchor: insertion.anchor,
            text: insertion.text.to_owned(),
        }
    }
}

/// Insertions that wait, and deletions of what is not here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dormant {
    /// By the name of the first character.
    insertions: BTreeMap<CharId, Waiting>,
    /// Which insertions wait for a character; each is entered once, for one of those it needs.
    by_missing: BTreeMap<CharId, Vec<CharId>>,
    /// Deleted characters that are not here: first name to the number behind the last.
    doomed: BTreeMap<CharId, u64>,
}

impl Dormant {
    /// Lets an insertion wait for the character `missing`.
    pub(crate) fn wait(&mut self, first: CharId, waiting: Waiting, missing: CharId) {
        self.insertions.insert(first, waiting);
        self.by_missing.entry(missing).or_default().push(first);
    }

    /// Says whether there is nothing of either kind.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.insertions.is_empty() && self.doomed.is_empty()
    }

    /// Says whether no insertion waits.
    #[inline]
    pub(crate) fn is_nobody_waiting(&self) -> bool {
        self.insertions.is_empty()
    }

    /// Removes the insertions that wait for one of some characters, and returns them.
    pub(crate) fn wake(&mut self, arrived: Range) -> Vec<(CharId, Waiting)> {
        let end = CharId {
            number: arrived.first.number + arrived.len,
            ..arrived.first
        };
        let range = self.by_missing.range(arrived.first..end);
        let missing: Vec<CharId> = range.map(|(missing, _)| *missing).collect();
        let mut woken = Vec::new();
        for missing in missing {
            for first in self.by_missing.remove(&missing).unwrap_or_default() {
                woken.extend(self.insertions.remove(&first).map(|it| (first, it)));
            }
        }
        woken
    }

    /// Returns the insertions that wait, in the order of their names.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = (CharId, &Waiting)> {
        self.insertions.iter().map(|(first, it)| (*first, it))
    }

    /// Says whether nothing is deleted that is not here.
    #[inline]
    pub(crate) fn is_nothing_doomed(&self) -> bool {
        self.doomed.is_empty()
    }

    /// Remembers that characters which are not here are deleted.
    pub(crate) fn doom(&mut self, range: Range) {
        let (mut first, mut end) = (range.first, range.first.number + range.len);
        let before = self.doomed.range(..=first).next_back();
        if let Some((&before, &before_end)) = before
            && before.replica == first.replica
            && before_end >= first.number
        {
            first = before;
            end = end.max(before_end);
        }
        while let Some((&next, &next_end)) = self.doomed.range(first..).next()
            && next.replica == first.replica
            && next.number <= end
        {
            end = end.max(next_end);
            self.doomed.remove(&next);
        }
        self.doomed.insert(first, end);
    }

    /// Returns the first doomed range that overlaps `range`, clipped to it.
    pub(crate) fn first_doomed(&self, range: Range) -> Option<Range> {
        let (first, end) = (range.first, range.first.number + range.len);
        let clip = |start: &CharId, stop: &u64| {
            let from = start.number.max(first.number);
            let to = (*stop).min(end);
            (start.replica == first.replica && from < to).then_some(Range {
                first: CharId {
                    number: from,
                    ..first
                },
                len: to.saturating_sub(from),
            })
        };
        let before = self.doomed.range(..=first).next_back();
        let behind = self.doomed.range(first..).next();
        let mut found = before.into_iter().chain(behind);
        found.find_map(|(start, stop)| clip(start, stop))
    }

    /// Returns a part of `range` that somebody named before it was typed: as deleted, or as what
    /// an insertion hangs on.
    pub(crate) fn named(&self, range: Range) -> Option<Range> {
        let end = CharId {
            number: range.first.number + range.len,
            ..range.first
        };
        let mut awaited = self.by_missing.range(range.first..end);
        let awaited = awaited.next().map(|(first, _)| Range {
            first: *first,
            len: 1,
        });
        awaited.or_else(|| self.first_doomed(range))
    }

    /// Forgets that `range`, which lies in one doomed range, was deleted: it is here now.
    pub(crate) fn undoom(&mut self, range: Range) {
        let end = range.first.number + range.len;
        let Some((&start, &stop)) = self.doomed.range(..=range.first).next_back() else {
            return;
        };
        self.doomed.remove(&start);
        if start < range.first {
            self.doomed.insert(start, range.first.number);
        }
        if end < stop {
            let rest = CharId {
                number: end,
                ..range.first
            };
            self.doomed.insert(rest, stop);
        }
    }

    /// Returns the doomed ranges in order.
    pub(crate) fn doomed(&self) -> impl ExactSizeIterator<Item = Range> {
        self.doomed.iter().map(|(first, end)| Range {
            first: *first,
            len: *end - first.number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(number: u64, len: u64) -> Range {
        Range {
            first: CharId { replica: 1, number },
            len,
        }
    }

    #[test]
    fn doomed_ranges_join_and_are_cut() {
        let mut dormant = Dormant::default();
        dormant.doom(range(10, 5));
        dormant.doom(range(20, 5));
        dormant.doom(range(15, 3));
        assert_eq!(
            dormant.doomed().collect::<Vec<_>>(),
            [range(10, 8), range(20, 5)]
        );
        assert_eq!(dormant.first_doomed(range(0, 10)), None);
        assert_eq!(dormant.first_doomed(range(17, 10)), Some(range(17, 1)));
        assert_eq!(dormant.first_doomed(range(18, 4)), Some(range(20, 2)));
        dormant.undoom(range(12, 2));
        dormant.doom(range(0, 100));
        assert_eq!(dormant.doomed().collect::<Vec<_>>(), [range(0, 100)]);
    }
}
