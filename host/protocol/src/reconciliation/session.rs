//! What a node answers to ranges.

use std::collections::BTreeSet;

use super::Key;
use super::config::{Config, NAMED_MAX, PARTS};
use super::ranges::{Bound, Content, Range};
use super::set::{Salt, Set};
use super::sum::{Short, short_name};
use super::tree::Prefix;

/// An answer, and what came out on the way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) ranges: Vec<Range>,
    pub(super) ranges_bytes: usize,
    /// What the peer lacks.
    pub(super) pushes: Vec<Key>,
    pub(super) pushes_bytes: usize,
    /// How many elements of the peer are asked for.
    pub(super) wanted_count: u32,
}

impl Answer {
    /// Everything is the same.
    pub(super) fn equal() -> Self {
        let (to, content) = (Bound::End, Content::Settled);
        Self {
            ranges: vec![Range { to, content }],
            ranges_bytes: 2,
            pushes: Vec::new(),
            pushes_bytes: 0,
            wanted_count: 0,
        }
    }

    /// Whether the peer has nothing to answer.
    pub(super) fn is_settled(&self) -> bool {
        let is_settled = |range: &Range| range.content == Content::Settled;
        self.ranges.iter().all(is_settled)
    }

    /// Up to where it speaks of everything.
    pub(super) fn covered(&self) -> Bound {
        covered(&self.ranges)
    }
}

/// Up to where ranges reach.
pub(super) fn covered(ranges: &[Range]) -> Bound {
    ranges
        .last()
        .map_or(Bound::Below(Key::START), |last| last.to)
}

/// Makes an answer, within its limits.
pub(super) struct Answering<'a> {
    set: &'a Set,
    salt: Salt,
    bytes_left: usize,
    push_count_left: usize,
    push_bytes_left: usize,
    answer: Answer,
    /// A limit is reached.
    is_full: bool,
}

/// A range of this node's elements.
struct Own {
    from: Prefix,
    to: Prefix,
    end: Bound,
}

impl Own {
    fn count(&self) -> usize {
        self.to.count.saturating_sub(self.from.count)
    }
}

impl<'a> Answering<'a> {
    /// `budget_bytes` is what may be sent in all.
    pub(super) fn new(set: &'a Set, salt: Salt, config: &Config, budget_bytes: usize) -> Self {
        Self {
            set,
            salt,
            bytes_left: config.ranges_bytes_max,
            push_count_left: config.push_count_max,
            push_bytes_left: budget_bytes,
            answer: Answer {
                ranges: Vec::new(),
                ranges_bytes: 0,
                pushes: Vec::new(),
                pushes_bytes: 0,
                wanted_count: 0,
            },
            is_full: false,
        }
    }

    /// The first answer to a peer whose root differs: all from `from` on.
    pub(super) fn describe(mut self, from: Key) -> Answer {
        let start = Bound::Below(from);
        if from > Key::START {
            self.put(start, Content::Settled);
        }
        let own = self.own(self.set.before(&start), Bound::End);
        self.divide(&own);
        self.answer
    }

    /// The answer to ranges; below `floor` nothing is looked at.
    pub(super) fn answer(mut self, theirs: &[Range], floor: Key) -> Answer {
        let mut from = Prefix::default();
        for range in theirs {
            if self.is_full {
                break;
            }
            let own = self.own(from, range.to);
            from = own.to;
            match &range.content {
                _ if range.to <= Bound::Below(floor) => self.put(range.to, Content::Settled),
                Content::Settled => self.put(range.to, Content::Settled),
                Content::Sum(sum) => self.on_sum(&own, sum),
                Content::Named(names) => self.on_named(&own, names),
                Content::Wanted(names) => self.on_wanted(&own, names),
            }
        }
        self.answer
    }

    fn own(&self, from: Prefix, end: Bound) -> Own {
        let to = self.set.before(&end);
        Own { from, to, end }
    }

    fn put(&mut self, to: Bound, content: Content) {
        let is_behind = self.answer.ranges.last().is_some_and(|last| last.to >= to);
        if self.is_full || is_behind {
            return;
        }
        if content == Content::Settled
            && let Some(last) = self.answer.ranges.last_mut()
            && last.content == Content::Settled
        {
            last.to = to;
            return;
        }
        let range = Range { to, content };
        let last = self.answer.ranges.last().map(|last| last.to);
        let bytes = range.packed_bytes(last);
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                self.answer.ranges_bytes += bytes;
                self.answer.ranges.push(range);
            }
            None => self.is_full = true,
        }
    }

    fn on_sum(&mut self, own: &Own, sum: &Short) {
        match self.set.fingerprint(self.salt, &own.from, &own.to) == *sum {
            true => self.put(own.end, Content::Settled),
            false => self.divide(own),
        }
    }

    /// Names the elements of a range if they are few, else sums up parts of it.
    fn divide(&mut self, own: &Own) {
        if own.count() <= NAMED_MAX {
            let names = self.names(own).map(|(name, _)| name);
            let names = BTreeSet::from_iter(names).into_iter().collect();
            return self.put(own.end, Content::Named(names));
        }
        let mut from = own.from;
        for part in 1..=PARTS {
            let end = own.from.count + own.count() * part / PARTS;
            let end = match part {
                PARTS => own.end,
                _ => match (self.set.at(end - 1), self.set.at(end)) {
                    (Some(left), Some(right)) => Bound::between(&left.key, &right.key),
                    _ => own.end,
                },
            };
            let to = self.set.before(&end);
            let sum = self.set.fingerprint(self.salt, &from, &to);
            self.put(end, Content::Sum(sum));
            from = to;
        }
    }

    /// The names of this node's elements in a range, in the order of their keys.
    fn names(&self, own: &Own) -> impl Iterator<Item = (Short, (Key, u32))> {
        let entries = (own.from.count..own.to.count).filter_map(|rank| self.set.at(rank));
        let nonce = self.salt.nonce;
        entries.map(move |entry| (short_name(nonce, &entry.key), (entry.key, entry.weight)))
    }

    /// Pushes what the peer lacks, and asks for what it has more.
    fn on_named(&mut self, own: &Own, theirs: &[Short]) {
        let mut lacking: BTreeSet<Short> = theirs.iter().copied().collect();
        let ranks = own.from.count..own.to.count;
        for entry in ranks.filter_map(|rank| self.set.at(rank)) {
            let name = short_name(self.salt.nonce, &entry.key);
            if theirs.binary_search(&name).is_ok() {
                lacking.remove(&name);
            } else if !self.push(entry.key, entry.weight) {
                // What is behind this waits for the next comparison.
                self.put(Bound::Below(entry.key), Content::Settled);
                self.is_full = true;
                return;
            }
        }
        let content = match lacking.is_empty() {
            true => Content::Settled,
            false => Content::Wanted(lacking.into_iter().collect()),
        };
        let wanted_count = match &content {
            Content::Wanted(names) => names.len() as u32,
            _ => 0,
        };
        self.put(own.end, content);
        if !self.is_full {
            self.answer.wanted_count = self.answer.wanted_count.saturating_add(wanted_count);
        }
    }

    /// Gives whether there is room.
    fn push(&mut self, key: Key, weight: u32) -> bool {
        let bytes = weight as usize;
        let Some(left) = self.push_bytes_left.checked_sub(bytes) else {
            return false;
        };
        let Some(count_left) = self.push_count_left.checked_sub(1) else {
            return false;
        };
        (self.push_bytes_left, self.push_count_left) = (left, count_left);
        self.answer.pushes.push(key);
        self.answer.pushes_bytes += bytes;
        true
    }

    /// Only where this node named its elements can a peer want some, so there are few.
    fn on_wanted(&mut self, own: &Own, wanted: &[Short]) {
        if own.count() <= 4 * NAMED_MAX {
            let named: Vec<_> = self.names(own).collect();
            for (name, (key, weight)) in named {
                if wanted.binary_search(&name).is_ok() && !self.push(key, weight) {
                    self.put(Bound::Below(key), Content::Settled);
                    self.is_full = true;
                    return;
                }
            }
        }
        self.put(own.end, Content::Settled);
    }
}
