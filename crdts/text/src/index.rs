//! From the name of a character to the leaf that it is in.
//!
//! The numbers of a replica are cut into pages. Mostly all characters of a page are in one leaf, or
//! the first in one and the others in another, and then that is all there is to know; else the
//! page has an entry for each number. Replicas number their characters one after the other, so the
//! page of a number is mostly found at once.

use crate::id::Id;

/// How many numbers a page has. More make smaller indexes of long runs, and larger ones of many
/// short runs.
const PAGE_NUMBERS: usize = 32;

/// For each replica, which leaf its characters are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    replicas: Vec<Pages>,
}

/// The pages of one replica.
#[derive(Clone, Debug, Default)]
struct Pages {
    /// Ascending; those are missing that no character is in.
    list: Vec<Page>,
    /// The leaves of pages that are in several, by number, [`PAGE_NUMBERS`] for each page;
    /// meaningless where no character is.
    several: Vec<u32>,
    /// Places in `several` that no page uses.
    unused: Vec<u32>,
    /// No character here has this number or a higher one.
    end: u64,
    /// The leaf of the character before that, and up to which number its page says so already.
    last: (u32, u64),
}

#[derive(Clone, Copy, Debug)]
struct Page {
    /// Its first number is this times [`PAGE_NUMBERS`].
    number: u64,
    leaves: Leaves,
}

#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// All characters are in this leaf.
    One(u32),
    /// Those below number `cut` of the page are in the first, the others in the second.
    Two { before: u32, behind: u32, cut: u8 },
    /// They are in those from this place in `several` on.
    Several(u32),
}

/// Consecutive numbers whose characters are in one leaf, as far as there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first number.
    pub(crate) start: u64,
    /// The number behind the last.
    pub(crate) end: u64,
    /// The leaf.
    pub(crate) leaf: u32,
}

impl Index {
    /// Returns the only leaf that can hold a character.
    #[inline]
    pub(crate) fn leaf(&self, id: Id) -> Option<u32> {
        let pages = self.replicas.get(id.replica as usize)?;
        let page = pages.list.get(pages.find(page_of(id.number)).ok()?)?;
        Some(pages.leaf(page.leaves, offset_of(id.number)))
    }

    /// Returns, in ascending order, where characters with this number and higher ones can be.
    pub(crate) fn stretches_from(&self, id: Id) -> impl Iterator<Item = Stretch> {
        let pages = self.replicas.get(id.replica as usize);
        pages.into_iter().flat_map(move |pages| {
            let first = pages.find(page_of(id.number)).unwrap_or_else(|at| at);
            let list = pages.list.iter().skip(first);
            list.flat_map(move |page| pages.stretches(*page, id.number))
        })
    }

    /// Records that the characters `start..end`, new here, are in `leaf`.
    #[inline]
    pub(crate) fn insert(&mut self, replica: u32, start: u64, end: u64, leaf: u32) {
        while self.replicas.len() <= replica as usize {
            self.replicas.push(Pages::default());
        }
        let pages = &mut self.replicas[replica as usize];
        if start < pages.end || pages.last.0 != leaf || end > pages.last.1 {
            pages.insert(start, end, leaf);
        }
        pages.end = pages.end.max(end);
    }

    /// Records that the characters `start..end` moved to `leaf`.
    pub(crate) fn relocate(&mut self, replica: u32, start: u64, end: u64, leaf: u32) {
        if let Some(pages) = self.replicas.get_mut(replica as usize) {
            pages.set(start, end, leaf);
        }
    }
}

impl Leaves {
    /// Says that numbers of a page below `cut` are in one leaf, and the others in another.
    fn cut(before: u32, behind: u32, cut: usize) -> Self {
        if before == behind || cut == PAGE_NUMBERS {
            Self::One(before)
        } else if cut == 0 {
            Self::One(behind)
        } else {
            let cut = cut as u8;
            Self::Two {
                before,
                behind,
                cut,
            }
        }
    }
}

impl Pages {
    /// Returns the leaf of a number of a page.
    #[inline]
    fn leaf(&self, leaves: Leaves, offset: usize) -> u32 {
        match leaves {
            Leaves::One(leaf) => leaf,
            Leaves::Two { before, cut, .. } if offset < usize::from(cut) => before,
            Leaves::Two { behind, .. } => behind,
            Leaves::Several(at) => self.several[at as usize + offset],
        }
    }

    /// Returns where in the list a page is; as an error, where it would be.
    #[inline]
    fn find(&self, number: u64) -> Result<usize, usize> {
        match self.list.get(number as usize) {
            Some(page) if page.number == number => Ok(number as usize),
            _ if self.list.last().is_none_or(|last| last.number < number) => Err(self.list.len()),
            _ => self.list.binary_search_by_key(&number, |page| page.number),
        }
    }

    /// Cuts what a page says about `from` and higher numbers into stretches.
    fn stretches(&self, page: Page, from: u64) -> impl Iterator<Item = Stretch> {
        let first = page.number * PAGE_NUMBERS as u64;
        let each: [u32; PAGE_NUMBERS] = std::array::from_fn(|it| self.leaf(page.leaves, it));
        let mut offset = from.saturating_sub(first).min(PAGE_NUMBERS as u64) as usize;
        std::iter::from_fn(move || {
            let leaf = *each.get(offset)?;
            let start = first + offset as u64;
            offset += each[offset..].iter().take_while(|it| **it == leaf).count();
            let end = first + offset as u64;
            Some(Stretch { start, end, leaf })
        })
    }

    /// Records new characters. What follows them will likely be in the same leaf, so their last
    /// page says so already.
    fn insert(&mut self, start: u64, end: u64, leaf: u32) {
        if start < self.end {
            // An insertion that had to wait for another: rare.
            return self.set(start, end, leaf);
        }
        let page_end = page_of(end - 1) * PAGE_NUMBERS as u64 + PAGE_NUMBERS as u64;
        self.set(start, page_end, leaf);
        self.last = (leaf, page_end);
    }

    /// Records in all pages concerned that `start..end` is in `leaf`.
    fn set(&mut self, mut start: u64, end: u64, leaf: u32) {
        while start < end {
            let number = page_of(start);
            let page_end = (number + 1) * PAGE_NUMBERS as u64;
            let count = (end.min(page_end) - start) as usize;
            match self.find(number) {
                Ok(at) => self.set_in_page(at, offset_of(start), count, leaf),
                Err(at) => {
                    let leaves = Leaves::One(leaf);
                    self.list.insert(at, Page { number, leaves });
                }
            }
            start = page_end;
        }
    }

    fn set_in_page(&mut self, page: usize, offset: usize, count: usize, leaf: u32) {
        let end = offset + count;
        let leaves = &mut self.list[page].leaves;
        let (before, behind, cut) = match *leaves {
            Leaves::Several(at) if count == PAGE_NUMBERS => {
                self.unused.push(at);
                *leaves = Leaves::One(leaf);
                return;
            }
            Leaves::Several(at) => {
                let at = at as usize;
                self.several[at + offset..at + end].fill(leaf);
                return;
            }
            // It can be seen as cut anywhere.
            Leaves::One(old) => (old, old, if offset == 0 { end } else { offset }),
            Leaves::Two {
                before,
                behind,
                cut,
            } => (before, behind, usize::from(cut)),
        };
        if end == PAGE_NUMBERS && offset <= cut {
            *leaves = Leaves::cut(before, leaf, offset);
        } else if offset == 0 && end >= cut {
            *leaves = Leaves::cut(leaf, behind, end);
        } else if end <= cut && leaf == before || offset >= cut && leaf == behind {
            // So it was.
        } else {
            let at = self.add_several(before, behind, cut);
            self.list[page].leaves = Leaves::Several(at as u32);
            self.several[at + offset..at + end].fill(leaf);
        }
    }

    /// Gives a page an entry for each number; returns where they begin.
    fn add_several(&mut self, before: u32, behind: u32, cut: usize) -> usize {
        let at = match self.unused.pop() {
            Some(at) => at as usize,
            None => {
                let at = self.several.len();
                self.several.resize(at + PAGE_NUMBERS, behind);
                at
            }
        };
        self.several[at..at + cut].fill(before);
        self.several[at + cut..at + PAGE_NUMBERS].fill(behind);
        at
    }
}

#[inline]
fn page_of(number: u64) -> u64 {
    number / PAGE_NUMBERS as u64
}

#[inline]
fn offset_of(number: u64) -> usize {
    (number % PAGE_NUMBERS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use replicant_sdk::Random;

    use super::*;

    /// Compares the index with which leaf each number is in.
    fn check(index: &Index, model: &BTreeMap<u64, u32>, from: u64) {
        for (&number, leaf) in model {
            assert_eq!(index.leaf(Id { replica: 0, number }), Some(*leaf));
        }
        let wanted = model.range(from..).next();
        let id = Id {
            replica: 0,
            number: from,
        };
        let mut last = from;
        let found = index.stretches_from(id).find_map(|it| {
            assert!(it.start >= last && it.end > it.start);
            last = it.end;
            let mut inside = model.range(it.start..it.end);
            inside.find(|(_, leaf)| **leaf == it.leaf)
        });
        assert_eq!(found, wanted);
    }

    #[test]
    fn numbers_follow_moves_gaps_and_late_arrivals() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            let mut end = 0;
            for _ in 0..300 {
                let leaf = random.below(4) as u32;
                let most = if random.chance(50) { 3 } else { 200 };
                let count = 1 + random.below(most);
                let start = match random.below(9) {
                    0 => end + random.below(1_000),
                    1 => random.below(end + 1),
                    _ => end,
                };
                let numbers = start..start + count;
                let here = model.range(numbers.clone()).count() as u64;
                if here == 0 {
                    index.insert(0, start, start + count, leaf);
                } else if here == count {
                    index.relocate(0, start, start + count, leaf);
                } else {
                    continue;
                }
                model.extend(numbers.map(|number| (number, leaf)));
                end = end.max(start + count);
                check(&index, &model, random.below(end + 100));
            }
        }
    }

    #[test]
    fn a_number_near_the_highest_costs_no_more_than_another() {
        let mut index = Index::default();
        let high = crate::id::NUMBER_MAX - 5;
        index.insert(0, 3, 4, 7);
        index.insert(0, high, high + 5, 8);
        let leaf = |number| index.leaf(Id { replica: 0, number });
        assert_eq!((leaf(3), leaf(high + 4)), (Some(7), Some(8)));
        assert_eq!((leaf(1_000), index.replicas[0].list.len()), (None, 2));
    }

    #[test]
    fn a_page_that_is_in_one_leaf_again_gives_its_entries_back() {
        let mut index = Index::default();
        index.insert(0, 0, 1_000, 1);
        for leaf in 2..50 {
            index.relocate(0, 70, 80, leaf);
            index.relocate(0, 64, 128, 1);
        }
        assert_eq!(index.replicas[0].several.len(), PAGE_NUMBERS);
    }
}
