//! From the name of a character to the leaf that it is in.
//!
//! The numbers of a replica are cut into pages. Mostly all characters of a page are in one leaf,
//! and then that is all there is to know; else the page has an entry for each number. Replicas
//! number their characters one after the other, so the page of a number is mostly found at once.

use crate::id::Id;

/// How many numbers a page has. More make smaller indexes of long runs, and larger ones of many
/// short runs.
const PAGE_NUMBERS: usize = 64;

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
    /// The leaves of pages that are in several, by number; meaningless where no character is.
    several: Vec<[u32; PAGE_NUMBERS]>,
    /// Elements of `several` that no page uses.
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
    /// They are in those of this element of `several`.
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
        match page.leaves {
            Leaves::One(leaf) => Some(leaf),
            Leaves::Several(at) => Some(pages.several[at as usize][offset_of(id.number)]),
        }
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

impl Pages {
    /// Returns where in the list a page is; as an error, where it would be.
    #[inline]
    fn find(&self, number: u64) -> Result<usize, usize> {
        match self.list.get(number as usize) {
            Some(page) if page.number == number => Ok(number as usize),
            _ => self.list.binary_search_by_key(&number, |page| page.number),
        }
    }

    /// Cuts what a page says about `from` and higher numbers into stretches.
    fn stretches(&self, page: Page, from: u64) -> impl Iterator<Item = Stretch> {
        let first = page.number * PAGE_NUMBERS as u64;
        let one = match page.leaves {
            Leaves::One(leaf) => [leaf; PAGE_NUMBERS],
            Leaves::Several(at) => self.several[at as usize],
        };
        let mut offset = from.saturating_sub(first).min(PAGE_NUMBERS as u64) as usize;
        std::iter::from_fn(move || {
            let leaf = *one.get(offset)?;
            let start = first + offset as u64;
            offset += one[offset..].iter().take_while(|it| **it == leaf).count();
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

    fn set_in_page(&mut self, at: usize, offset: usize, count: usize, leaf: u32) {
        let leaves = &mut self.list[at].leaves;
        match *leaves {
            Leaves::One(old) if old == leaf => {}
            old if count == PAGE_NUMBERS => {
                *leaves = Leaves::One(leaf);
                if let Leaves::Several(at) = old {
                    self.unused.push(at);
                }
            }
            Leaves::Several(at) => {
                self.several[at as usize][offset..offset + count].fill(leaf);
            }
            Leaves::One(old) => {
                let mut each = [old; PAGE_NUMBERS];
                each[offset..offset + count].fill(leaf);
                let at = match self.unused.pop() {
                    Some(at) => at,
                    None => {
                        self.several.push(each);
                        self.several.len() as u32 - 1
                    }
                };
                self.several[at as usize] = each;
                *leaves = Leaves::Several(at);
            }
        }
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
        assert_eq!(index.replicas[0].several.len(), 1);
    }
}
