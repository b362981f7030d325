//! A leaf of the tree: a few dozen runs with the text of the visible ones.
//!
//! The text lies with its runs, so that an op that comes from elsewhere and names characters needs
//! no position in the document.

use std::cell::Cell;

use crate::gap_text::GapText;
use crate::id::Id;
use crate::run::{RUN_CHARS_MAX, Run};

/// The most runs in a leaf. More make fewer leaves, and longer walks inside one.
pub(crate) const LEAF_RUNS_MAX: usize = 32;
/// The most bytes of text in a leaf. More make fewer leaves, and longer moves at an insertion.
pub(crate) const LEAF_TEXT_BYTES_MAX: usize = 2048;

/// No leaf, or no node.
pub(crate) const NONE: u32 = u32::MAX;

/// Some runs that stand beside each other, and the text of the visible ones.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The runs in the order of the document; empty only in a tree without any run.
    pub(crate) runs: Vec<Run>,
    /// What the visible runs say.
    pub(crate) text: GapText,
    /// The node above.
    pub(crate) parent: u32,
    /// Which child of that node this leaf is.
    pub(crate) slot: u32,
    /// The leaf before, or [`NONE`].
    pub(crate) previous: u32,
    /// The leaf behind, or [`NONE`].
    pub(crate) next: u32,
    /// A run and how many visible characters stand before it: where counting begins. Whatever
    /// changes runs moves it to the first of them before.
    hint: Cell<(usize, usize)>,
}

impl Leaf {
    /// Makes an empty leaf that is not linked anywhere.
    pub(crate) fn new() -> Self {
        Self {
            runs: Vec::new(),
            text: GapText::default(),
            parent: NONE,
            slot: 0,
            previous: NONE,
            next: NONE,
            hint: Cell::new((0, 0)),
        }
    }

    /// Returns run and offset of a character, none if it is not in this leaf.
    #[inline]
    pub(crate) fn find(&self, id: Id) -> Option<(usize, u32)> {
        // In blocks: in a sandbox every turn of a loop is metered.
        const BLOCK: usize = 4;
        let (blocks, rest) = self.runs.as_chunks::<BLOCK>();
        let in_block = |runs: &[Run]| {
            let mut runs = runs.iter().enumerate();
            runs.find_map(|(index, run)| run.offset_of(id).map(|offset| (index, offset)))
        };
        for (number, block) in blocks.iter().enumerate() {
            if block.iter().fold(false, |found, run| found | run.has(id)) {
                return in_block(block).map(|(run, offset)| (number * BLOCK + run, offset));
            }
        }
        in_block(rest).map(|(run, offset)| (self.runs.len() - rest.len() + run, offset))
    }

    /// Returns how many visible characters stand before a run. Quick beside the last one asked for.
    #[inline]
    pub(crate) fn chars_before(&self, run: usize) -> usize {
        match self.hint.get() {
            (at, before) if at == run => before,
            hint => self.move_hint(run, hint),
        }
    }

    fn move_hint(&self, run: usize, (at, before): (usize, usize)) -> usize {
        let sum = |from: usize, to: usize| -> usize {
            let between = self.runs.get(from..to).unwrap_or_default();
            between.iter().map(Run::visible_len).sum()
        };
        let before = if run > at {
            before + sum(at, run)
        } else {
            before - sum(run, at)
        };
        self.hint.set((run, before));
        before
    }

    /// Returns run and offset of the `index`-th visible character, none if there are fewer. Quick
    /// beside the last run asked for.
    #[inline]
    pub(crate) fn locate(&self, index: usize) -> Option<(usize, u32)> {
        let (mut at, mut before) = self.hint.get();
        while index < before {
            at -= 1;
            before -= self.runs[at].visible_len();
        }
        for (run, visible) in self.runs.iter().map(Run::visible_len).enumerate().skip(at) {
            if index - before < visible {
                self.hint.set((run, before));
                return Some((run, (index - before) as u32));
            }
            before += visible;
        }
        None
    }

    /// Cuts run `run` at `offset` (in `1..len`), so that what is at and behind it is run `run + 1`.
    pub(crate) fn split_run(&mut self, run: usize, offset: u32) {
        self.chars_before(run);
        let rest = self.runs[run].split_off(offset);
        self.runs.insert(run + 1, rest);
    }

    /// Inserts a run with its text before run `at`.
    #[inline]
    pub(crate) fn insert_run(&mut self, at: usize, run: Run, text: &str) {
        let index = self.chars_before(at);
        self.text.insert(index, text, run.visible_len());
        self.runs.insert(at, run);
    }

    /// Appends a character of ASCII to run `at`, if it continues that and nothing else hangs on the
    /// end.
    #[inline]
    pub(crate) fn type_on(&mut self, at: usize, first: Id, typed: u8) -> bool {
        if self.room_for_typing(at, first).is_none() {
            return false;
        }
        let index = self.chars_before(at) + self.runs[at].len as usize;
        self.runs[at].len += 1;
        self.text.insert_ascii(index, typed);
        true
    }

    /// Returns how many characters of ASCII can be appended to run `at`, none if there is no room,
    /// `first` does not continue it, or something else hangs on its end.
    #[inline]
    pub(crate) fn room_for_typing(&self, at: usize, first: Id) -> Option<usize> {
        let run = self.runs.get(at)?;
        let continues = run.replica == first.replica && run.end() == first.number;
        let is_end_free = run.visible && !run.has_right;
        let room = LEAF_TEXT_BYTES_MAX.saturating_sub(self.text.bytes());
        (continues && is_end_free && room > 0).then_some(room)
    }

    /// Appends characters of ASCII to run `at`; there must be [room](Self::room_for_typing).
    #[inline]
    pub(crate) fn type_text(&mut self, at: usize, text: &str) {
        let index = self.chars_before(at) + self.runs[at].len as usize;
        self.runs[at].len += text.len() as u32;
        self.text.insert(index, text, text.len());
    }

    /// Makes run `at` longer by `next`, if that is its continuation and there is room for the text.
    #[inline]
    pub(crate) fn extend_run(&mut self, at: usize, next: &Run, text: &str) -> bool {
        let run = &self.runs[at];
        if self.text.bytes() + text.len() > LEAF_TEXT_BYTES_MAX || !run.can_absorb(next) {
            return false;
        }
        let index = self.chars_before(at) + run.visible_len();
        self.runs[at].absorb(next);
        self.text.insert(index, text, next.visible_len());
        true
    }

    /// Deletes `count` characters of the visible run `run` from `offset` on, and drops their text.
    /// The leaf must have room for two more runs.
    pub(crate) fn delete(&mut self, run: usize, offset: u32, count: u32) {
        let start = self.chars_before(run) + offset as usize;
        self.text.remove(start, count as usize);
        let len = self.runs[run].len;
        if count == len {
            self.runs[run].visible = false;
            self.join(run);
        } else if offset == 0 {
            self.delete_prefix(run, count);
        } else {
            if offset + count < len {
                self.split_run(run, offset + count);
            }
            self.delete_suffix(run, count);
        }
    }

    /// Deletes the first `count` characters of a longer run; joins them with the run before.
    #[inline]
    fn delete_prefix(&mut self, run: usize, count: u32) {
        if let Some((before, this)) = self.pair_mut(run.wrapping_sub(1))
            && !before.visible
            && before.is_continued_by(this)
            && before.len + count <= RUN_CHARS_MAX
        {
            before.take_from_next(this, count);
            return;
        }
        let rest = self.runs[run].split_off(count);
        let mut deleted = self.runs[run];
        deleted.visible = false;
        self.runs[run] = deleted;
        self.runs.insert(run + 1, rest);
    }

    /// Deletes the last `count` characters of a longer run; joins them with the run behind.
    #[inline]
    fn delete_suffix(&mut self, run: usize, count: u32) {
        if let Some((this, behind)) = self.pair_mut(run)
            && !behind.visible
            && this.is_continued_by(behind)
            && behind.len + count <= RUN_CHARS_MAX
        {
            this.give_to_next(behind, count);
            return;
        }
        let keep = self.runs[run].len - count;
        let mut deleted = self.runs[run].split_off(keep);
        deleted.visible = false;
        self.runs.insert(run + 1, deleted);
    }

    /// Returns a run and the one behind it.
    #[inline]
    fn pair_mut(&mut self, run: usize) -> Option<(&mut Run, &mut Run)> {
        match self.runs.get_mut(run..)? {
            [first, second, ..] => Some((first, second)),
            _ => None,
        }
    }

    /// Joins a run with its neighbours where they are one stretch.
    fn join(&mut self, run: usize) {
        if let Some(next) = self.runs.get(run + 1).copied()
            && self.runs[run].can_absorb(&next)
        {
            self.runs[run].absorb(&next);
            self.runs.remove(run + 1);
        }
        let this = self.runs[run];
        if let Some(before) = run.checked_sub(1)
            && self.runs[before].can_absorb(&this)
        {
            self.runs[before].absorb(&this);
            self.runs.remove(run);
        }
    }

    /// Moves all runs from `run` on, with their text, to a new leaf that is not linked anywhere.
    pub(crate) fn split_off(&mut self, run: usize) -> Self {
        let chars = self.chars_before(run);
        let mut rest = Self::new();
        rest.text = self.text.split_off(chars);
        rest.runs = self.runs.split_off(run);
        rest
    }
}
