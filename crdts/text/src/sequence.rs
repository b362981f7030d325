//! The runs in the order of the document, found by position, by name, and by neighbourhood.
//!
//! Knows nothing of why a run stands where it stands: that is `place`.

use std::cell::Cell;
use std::cmp::Ordering;

use crate::id::Id;
use crate::index::{Index, Stretch};
use crate::leaf::{LEAF_RUNS_MAX, LEAF_TEXT_BYTES_MAX, Leaf, NONE};
use crate::run::Run;
use crate::tree::Tree;

/// How much text is put into a leaf in one piece.
pub(crate) const PIECE_BYTES_MAX: usize = LEAF_TEXT_BYTES_MAX / 2;

/// A character: number of the leaf, run in it, offset in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The leaf.
    pub(crate) leaf: u32,
    /// The run in the leaf.
    pub(crate) run: usize,
    /// The character in the run.
    pub(crate) offset: u32,
}

/// A place between two runs: before run `run` of a leaf, or at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The leaf.
    pub(crate) leaf: u32,
    /// The run that is behind the gap.
    pub(crate) run: usize,
}

/// All runs, with everything needed to find them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    tree: Tree,
    index: Index,
    /// Where something was last changed: the next change is likely beside it. Only a hint.
    recent: (u32, usize),
    /// What was last computed about a leaf's position.
    start: Start,
}

/// A leaf and how many visible characters stand before it; the leaf is [`NONE`] if unknown.
#[derive(Clone, Debug)]
struct Start(Cell<(u32, usize)>);

impl Default for Start {
    fn default() -> Self {
        Self(Cell::new((NONE, 0)))
    }
}

impl Sequence {
    /// Builds it from leaves in order; none if two runs overlap.
    pub(crate) fn from_leaves(leaves: Vec<Leaf>) -> Option<Self> {
        let mut sequence = Self {
            tree: Tree::from_leaves(leaves),
            ..Self::default()
        };
        sequence.rebuild_index().then_some(sequence)
    }

    /// Rebuilds the index from the runs; false if two of them overlap.
    fn rebuild_index(&mut self) -> bool {
        let mut ranges = Vec::new();
        let mut number = Tree::FIRST;
        while number != NONE {
            let leaf = self.tree.leaf(number);
            ranges.extend(
                leaf.runs
                    .iter()
                    .map(|it| (it.replica, it.number, it.end(), number)),
            );
            number = leaf.next;
        }
        ranges.sort_unstable();
        let apart = ranges.windows(2).all(|pair| match pair {
            [a, b] => a.0 != b.0 || a.2 <= b.1,
            _ => true,
        });
        for (replica, start, end, leaf) in ranges {
            self.index.insert(replica, start, end, leaf);
        }
        apart
    }

    /// Returns how many visible characters there are.
    #[inline]
    pub(crate) fn chars(&self) -> usize {
        self.tree.chars()
    }

    /// Returns the run that a spot is in.
    #[inline]
    pub(crate) fn run(&self, spot: Spot) -> &Run {
        &self.tree.leaf(spot.leaf).runs[spot.run]
    }

    /// Returns a run to change; its length and visibility must stay.
    #[inline]
    pub(crate) fn run_mut(&mut self, spot: Spot) -> &mut Run {
        &mut self.tree.leaf_mut(spot.leaf).runs[spot.run]
    }

    /// Returns all leaves in the order of the document.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.tree.leaves_from(Tree::FIRST)
    }

    /// Returns the leaves from `leaf` on.
    pub(crate) fn leaves_from(&self, leaf: u32) -> impl Iterator<Item = &Leaf> {
        self.tree.leaves_from(leaf)
    }

    /// Returns where a character is, none if it is not here. O(log n), less beside the last change.
    #[inline]
    pub(crate) fn find(&self, id: Id) -> Option<Spot> {
        let (leaf, recent) = self.recent;
        let runs = &self.tree.leaf(leaf).runs;
        for run in [recent, recent + 1] {
            if let Some(offset) = runs.get(run).and_then(|run| run.offset_of(id)) {
                return Some(Spot { leaf, run, offset });
            }
        }
        self.find_anywhere(id)
    }

    fn find_anywhere(&self, id: Id) -> Option<Spot> {
        let leaf = self.index.leaf(id)?;
        let (run, offset) = self.tree.leaf(leaf).find(id)?;
        Some(Spot { leaf, run, offset })
    }

    /// Returns the first character of the same replica that is here and has this number or a
    /// higher one.
    pub(crate) fn find_from(&self, id: Id) -> Option<Spot> {
        self.find(id).or_else(|| {
            let mut stretches = self.index.stretches_from(id);
            stretches.find_map(|it| self.find_in(id.replica, it))
        })
    }

    /// Returns the first character of a replica with a number in a stretch.
    fn find_in(&self, replica: u32, stretch: Stretch) -> Option<Spot> {
        let Stretch { start, end, leaf } = stretch;
        let runs = self.tree.leaf(leaf).runs.iter().enumerate();
        let (run, number) = runs
            .filter(|(_, run)| run.replica == replica && run.number < end && run.end() > start)
            .map(|(index, run)| (index, run.number))
            .min_by_key(|(_, number)| *number)?;
        Some(Spot {
            leaf,
            run,
            offset: start.saturating_sub(number) as u32,
        })
    }

    /// Returns the spot of visible character number `index`, none if there are fewer.
    #[inline]
    pub(crate) fn locate(&self, index: usize) -> Option<Spot> {
        self.locate_recent(index)
            .or_else(|| self.locate_anywhere(index))
    }

    /// The same, if it is in the leaf that was last located.
    #[inline]
    pub(crate) fn locate_recent(&self, index: usize) -> Option<Spot> {
        let (leaf, start) = self.start.0.get();
        if leaf == NONE || index < start || index - start >= self.tree.leaf(leaf).text.chars() {
            return None;
        }
        let (run, offset) = self.tree.leaf(leaf).locate(index - start)?;
        Some(Spot { leaf, run, offset })
    }

    fn locate_anywhere(&self, index: usize) -> Option<Spot> {
        let (leaf, start) = self.tree.locate(index);
        self.start.0.set((leaf, start));
        let (run, offset) = self.tree.leaf(leaf).locate(index - start)?;
        Some(Spot { leaf, run, offset })
    }

    /// Returns how many visible characters stand before a spot.
    pub(crate) fn position(&self, spot: Spot) -> usize {
        let leaf = self.tree.leaf(spot.leaf);
        let run = &leaf.runs[spot.run];
        let inside = if run.visible { spot.offset as usize } else { 0 };
        self.tree.chars_before(spot.leaf) + leaf.chars_before(spot.run) + inside
    }

    /// Returns how many visible characters stand before a gap.
    pub(crate) fn gap_position(&self, gap: Gap) -> usize {
        self.tree.chars_before(gap.leaf) + self.tree.leaf(gap.leaf).chars_before(gap.run)
    }

    /// Compares the places of two characters in the document. O(log n).
    pub(crate) fn order(&self, a: Spot, b: Spot) -> Ordering {
        self.tree
            .order(a.leaf, b.leaf)
            .then(a.run.cmp(&b.run))
            .then(a.offset.cmp(&b.offset))
    }

    /// Returns the run behind a gap: itself, or the first of the next leaf; none at the end.
    #[inline]
    pub(crate) fn run_at(&self, gap: Gap) -> Option<Spot> {
        let leaf = self.tree.leaf(gap.leaf);
        let (leaf, run) = if gap.run < leaf.runs.len() {
            (gap.leaf, gap.run)
        } else if leaf.next != NONE {
            (leaf.next, 0)
        } else {
            return None;
        };
        Some(Spot {
            leaf,
            run,
            offset: 0,
        })
    }

    /// Returns the last character before a gap, none at the start of the document.
    pub(crate) fn before(&self, gap: Gap) -> Option<Spot> {
        let (leaf, run) = match gap.run.checked_sub(1) {
            Some(run) => (gap.leaf, run),
            None => {
                let previous = self.tree.leaf(gap.leaf).previous;
                if previous == NONE {
                    return None;
                }
                (previous, self.tree.leaf(previous).runs.len() - 1)
            }
        };
        let offset = self.tree.leaf(leaf).runs[run].len - 1;
        Some(Spot { leaf, run, offset })
    }

    /// Returns the gap that the document begins with.
    pub(crate) fn first_gap(&self) -> Gap {
        Gap {
            leaf: Tree::FIRST,
            run: 0,
        }
    }

    /// Makes the gap before a character, cutting its run if it is not the first of it.
    pub(crate) fn gap_before(&mut self, spot: Spot) -> Gap {
        if spot.offset == 0 {
            return Gap {
                leaf: spot.leaf,
                run: spot.run,
            };
        }
        let spot = self.make_room_at(spot, 1);
        self.tree
            .leaf_mut(spot.leaf)
            .split_run(spot.run, spot.offset);
        Gap {
            leaf: spot.leaf,
            run: spot.run + 1,
        }
    }

    /// Returns how many characters of ASCII the run that was last changed can get at its end,
    /// none if `first` does not continue it or something hangs on its end.
    #[inline]
    pub(crate) fn room_for_typing(&self, first: Id) -> Option<usize> {
        let (leaf, run) = self.recent;
        self.tree.leaf(leaf).room_for_typing(run, first)
    }

    /// Appends characters of ASCII, the first called `first`, to the run that was last changed;
    /// there must be [room](Self::room_for_typing) for them.
    #[inline]
    pub(crate) fn type_text(&mut self, first: Id, text: &str) {
        let (leaf, run) = self.recent;
        let count = text.len();
        self.tree.leaf_mut(leaf).type_text(run, text);
        let end = first.number + count as u64;
        self.index.insert(first.replica, first.number, end, leaf);
        self.changed(leaf, run, count, 0);
    }

    /// Appends a character of ASCII to the run that was last changed, if it continues that and
    /// nothing else hangs on the end.
    #[inline]
    pub(crate) fn type_on(&mut self, first: Id, typed: u8) -> bool {
        let (leaf, run) = self.recent;
        if !self.tree.leaf_mut(leaf).type_on(run, first, typed) {
            return false;
        }
        self.index
            .insert(first.replica, first.number, first.number + 1, leaf);
        self.changed(leaf, run, 1, 0);
        true
    }

    /// Inserts a run of visible characters at a gap; returns the gap behind it. The text may be
    /// longer than a leaf holds. Marks of children must be set already.
    #[inline]
    pub(crate) fn insert(&mut self, gap: Gap, run: Run, text: &str) -> Gap {
        if text.len() <= PIECE_BYTES_MAX {
            self.insert_piece(gap, run, text)
        } else {
            self.insert_long(gap, run, text)
        }
    }

    fn insert_long(&mut self, mut gap: Gap, mut run: Run, mut text: &str) -> Gap {
        let (has_right, total) = (run.has_right, run.len);
        let mut done = 0;
        while !text.is_empty() {
            let mut bytes = PIECE_BYTES_MAX.min(text.len());
            while !text.is_char_boundary(bytes) {
                bytes -= 1;
            }
            let (piece, rest) = text.split_at(bytes);
            run.len = piece.chars().count() as u32;
            done += run.len;
            run.has_right = has_right || done < total;
            gap = self.insert_piece(gap, run, piece);
            run.continue_behind();
            text = rest;
        }
        gap
    }

    /// Inserts a run whose text fits into one leaf; returns the gap behind it.
    #[inline]
    fn insert_piece(&mut self, gap: Gap, run: Run, text: &str) -> Gap {
        let chars = run.visible_len();
        if let Some(before) = gap.run.checked_sub(1)
            && self.tree.leaf_mut(gap.leaf).extend_run(before, &run, text)
        {
            self.changed(gap.leaf, before, chars, 0);
            self.index
                .insert(run.replica, run.number, run.end(), gap.leaf);
            return gap;
        }
        let Gap { leaf, run: at } = self.make_room(gap, text.len());
        self.tree.leaf_mut(leaf).insert_run(at, run, text);
        self.changed(leaf, at, chars, 0);
        self.index.insert(run.replica, run.number, run.end(), leaf);
        Gap { leaf, run: at + 1 }
    }

    /// Inserts a run of deleted characters; returns the gap behind it.
    pub(crate) fn insert_deleted(&mut self, gap: Gap, mut run: Run) -> Gap {
        run.visible = false;
        self.insert_piece(gap, run, "")
    }

    /// Deletes up to `count` characters from a spot on, as far as its run goes. Returns how many.
    pub(crate) fn delete(&mut self, spot: Spot, count: u64) -> u32 {
        let run = self.run(spot);
        let count = u64::from(run.len - spot.offset).min(count) as u32;
        if !run.visible {
            return count;
        }
        let spot = self.make_room_at(spot, 2);
        self.tree
            .leaf_mut(spot.leaf)
            .delete(spot.run, spot.offset, count);
        let beside = if spot.offset == 0 {
            spot.run.saturating_sub(1)
        } else {
            spot.run
        };
        self.changed(spot.leaf, beside, 0, count as usize);
        count
    }

    /// Keeps counts and hints after a change in a leaf.
    #[inline]
    fn changed(&mut self, leaf: u32, run: usize, added: usize, removed: usize) {
        self.tree.change_chars(leaf, added, removed);
        self.recent = (leaf, run);
        if self.start.0.get().0 != leaf {
            self.start.0.set((NONE, 0));
        }
    }

    /// Makes room for `runs` more runs in the leaf of a spot; returns the spot's new place.
    fn make_room_at(&mut self, spot: Spot, runs: usize) -> Spot {
        let leaf = self.tree.leaf(spot.leaf);
        if leaf.runs.len() + runs <= LEAF_RUNS_MAX {
            return spot;
        }
        let middle = leaf.runs.len() / 2;
        let behind = self.split_leaf(spot.leaf, middle);
        match spot.run.checked_sub(middle) {
            Some(run) => Spot {
                leaf: behind,
                run,
                ..spot
            },
            None => spot,
        }
    }

    /// Makes room for one more run with `bytes` of text at a gap; returns the gap's new place.
    fn make_room(&mut self, gap: Gap, bytes: usize) -> Gap {
        let leaf = self.tree.leaf(gap.leaf);
        let (runs, text) = (leaf.runs.len(), leaf.text.bytes());
        if runs < LEAF_RUNS_MAX && (text + bytes <= LEAF_TEXT_BYTES_MAX || text == 0) {
            return gap;
        }
        if gap.run > 0 && gap.run < runs && text + bytes <= LEAF_TEXT_BYTES_MAX {
            let middle = runs / 2;
            let behind = self.split_leaf(gap.leaf, middle);
            return match gap.run.checked_sub(middle) {
                Some(run) if run > 0 => Gap { leaf: behind, run },
                _ => gap,
            };
        }
        // At an end of the leaf, or for want of room for text: cut where the new run goes.
        let behind = self.split_leaf(gap.leaf, gap.run);
        let left = self.tree.leaf(gap.leaf);
        if left.text.bytes() + bytes <= LEAF_TEXT_BYTES_MAX && left.runs.len() < LEAF_RUNS_MAX {
            return gap;
        }
        let right = self.tree.leaf(behind);
        let gap = Gap {
            leaf: behind,
            run: 0,
        };
        if right.runs.is_empty() || right.text.bytes() + bytes <= LEAF_TEXT_BYTES_MAX {
            return gap;
        }
        // Both halves are long: a leaf of its own between them.
        let left = right.previous;
        let leaf = self.split_leaf(left, self.tree.leaf(left).runs.len());
        Gap { leaf, run: 0 }
    }

    /// Moves the runs from `run` on to a new leaf behind; returns its number.
    fn split_leaf(&mut self, leaf: u32, run: usize) -> u32 {
        let rest = self.tree.leaf_mut(leaf).split_off(run);
        let new = self.tree.insert_after(leaf, rest);
        let Self { tree, index, .. } = self;
        for run in &tree.leaf(new).runs {
            index.relocate(run.replica, run.number, run.end(), new);
        }
        new
    }
}
