//! From the name of a character to the leaf that it is in.

use std::collections::BTreeMap;

use crate::id::Id;

/// For each replica, which leaf its characters are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    replicas: Vec<Ranges>,
}

/// Ranges of numbers by their start. A range ends where the next begins; it may cover numbers that
/// no character has. Ranges beside each other are in different leaves.
#[derive(Clone, Debug, Default)]
struct Ranges {
    leaves: BTreeMap<u64, u32>,
    /// No character here has this number or a higher one.
    end: u64,
    /// The leaf of the last range.
    last: u32,
}

impl Index {
    /// Returns the only leaf that can hold a character.
    pub(crate) fn leaf(&self, id: Id) -> Option<u32> {
        let ranges = self.replicas.get(id.replica as usize)?;
        let (_, leaf) = ranges.leaves.range(..=id.number).next_back()?;
        Some(*leaf)
    }

    /// Returns where the next range of a replica begins above `number`, and its leaf.
    pub(crate) fn next_range(&self, replica: u32, number: u64) -> Option<(u64, u32)> {
        let ranges = self.replicas.get(replica as usize)?;
        let (start, leaf) = ranges.leaves.range(number.checked_add(1)?..).next()?;
        Some((*start, *leaf))
    }

    /// Records that the characters `start..end`, new here, are in `leaf`.
    #[inline]
    pub(crate) fn insert(&mut self, replica: u32, start: u64, end: u64, leaf: u32) {
        while self.replicas.len() <= replica as usize {
            self.replicas.push(Ranges::default());
        }
        let ranges = &mut self.replicas[replica as usize];
        if start < ranges.end {
            // An op that had to wait for another: rare.
            ranges.relocate(start, end, leaf);
            return;
        }
        if ranges.last != leaf || ranges.end == 0 {
            ranges.leaves.insert(start, leaf);
            ranges.last = leaf;
        }
        ranges.end = end;
    }

    /// Records that the characters `start..end` moved to `leaf`, all from the same other leaf.
    pub(crate) fn relocate(&mut self, replica: u32, start: u64, end: u64, leaf: u32) {
        if let Some(ranges) = self.replicas.get_mut(replica as usize) {
            ranges.relocate(start, end, leaf);
        }
    }
}

impl Ranges {
    /// Makes `start..end`, which lies in one range or before all of them, a range in `leaf`.
    fn relocate(&mut self, start: u64, end: u64, leaf: u32) {
        let covering = self.leaves.range(..=start).next_back();
        let covering = covering.map(|(_, leaf)| *leaf);
        if covering == Some(leaf) {
            return;
        }
        match self.leaves.range(end..).next() {
            Some((&at, &behind)) if at == end => {
                if behind == leaf {
                    self.leaves.remove(&end);
                }
            }
            _ => {
                if let Some(old) = covering
                    && end < self.end
                {
                    self.leaves.insert(end, old);
                }
            }
        }
        match self.leaves.range(..start).next_back() {
            Some((_, before)) if *before == leaf => {
                self.leaves.remove(&start);
            }
            _ => {
                self.leaves.insert(start, leaf);
            }
        }
        if let Some((_, last)) = self.leaves.last_key_value() {
            self.last = *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_moves_and_late_arrivals() {
        let mut index = Index::default();
        let mut model = BTreeMap::new();
        let mut seed = 3_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        // Blocks of five numbers, some late, each moved as a whole.
        for _ in 0..4_000 {
            let start = random(200) * 5;
            let leaf = random(9) as u32;
            match model.insert(start, leaf) {
                None => index.insert(0, start, start + 5, leaf),
                Some(old) if old != leaf => index.relocate(0, start, start + 5, leaf),
                Some(_) => {}
            }
            for (start, leaf) in &model {
                for number in *start..*start + 5 {
                    assert_eq!(index.leaf(Id { replica: 0, number }), Some(*leaf));
                }
            }
        }
    }
}
