//! The state of a text, and the *effect* of ops on it.

use replicant_sdk::Events;
use serde::Serialize;

use crate::dormant::{Dormant, Waiting};
use crate::gap_text::char_slice;
use crate::id::{CharId, Id, NUMBER_MAX, Replicas};
use crate::op::{Anchor, Insertion, Op, Range};
use crate::place;
use crate::run::{Kind, Run};
use crate::sequence::{Gap, Sequence, Spot};

/// A text that many people edit at once.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub(crate) replicas: Replicas,
    pub(crate) sequence: Sequence,
    pub(crate) dormant: Dormant,
}

/// What changed. Positions are those right before the change; several events of one op follow
/// each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Text appeared.
    Insert {
        /// How many characters stand before it.
        at: u64,
        /// What it says.
        text: String,
    },
    /// Text disappeared.
    Delete {
        /// How many characters stand before it.
        at: u64,
        /// How many characters it had.
        count: u64,
    },
}

/// Where an insertion goes, as far as that is here.
struct Origins {
    parent: Option<Spot>,
    kind: Kind,
    parent_id: Id,
    right: Id,
}

impl Text {
    /// Returns how many characters the text has.
    pub fn length(&self) -> usize {
        self.sequence.chars()
    }

    /// Returns the whole text.
    pub fn content(&self) -> String {
        let leaves = self.sequence.leaves();
        let mut content = String::with_capacity(leaves.map(|leaf| leaf.text.bytes()).sum());
        for leaf in self.sequence.leaves() {
            leaf.text.append_to(&mut content);
        }
        content
    }

    /// Returns up to `count` characters from position `at` on.
    pub fn slice(&self, at: usize, count: usize) -> String {
        let mut slice = String::new();
        let Some(spot) = self.sequence.locate(at) else {
            return slice;
        };
        let mut skip = at
            - self.sequence.position(Spot {
                run: 0,
                offset: 0,
                ..spot
            });
        let mut rest = count;
        for leaf in self.sequence.leaves_from(spot.leaf) {
            leaf.text.append_slice_to(skip, rest, &mut slice);
            rest -= rest.min(leaf.text.chars() - skip);
            skip = 0;
            if rest == 0 {
                break;
            }
        }
        slice
    }

    /// Applies an op of `author`.
    #[inline]
    pub(crate) fn apply(&mut self, author: u64, op: &Op<'_>, events: &mut Events<Event>) {
        for range in op.ranges() {
            self.delete(range, events);
        }
        if let Some(insertion) = &op.insertion {
            self.insert(author, insertion, events);
        }
    }

    /// Deletes the characters of a range that are here, and dooms the others.
    #[inline]
    fn delete(&mut self, range: Range, events: &mut Events<Event>) {
        let Range { first, len } = range;
        let local = self.replicas.local(first);
        if let Some(spot) = local.and_then(|id| self.sequence.find(id))
            && u64::from(self.sequence.run(spot).len - spot.offset) >= len
        {
            self.delete_run(spot, len, events);
        } else {
            self.delete_pieces(range, local, events);
        }
    }

    /// The same for characters that are in several runs, or not all here.
    fn delete_pieces(&mut self, range: Range, local: Option<Id>, events: &mut Events<Event>) {
        let Range { first, len } = range;
        let end = first.number + len;
        let mut number = first.number;
        while number < end {
            let wanted = local.map(|id| Id { number, ..id });
            let found = wanted.and_then(|id| self.sequence.find_from(id));
            let here = found.map(|spot| (spot, self.sequence.run(spot).id_at(spot.offset).number));
            let present = here.map_or(end, |(_, number)| number.min(end));
            if number < present {
                self.dormant.doom(Range {
                    first: CharId { number, ..first },
                    len: present - number,
                });
            }
            number = present;
            if let Some((spot, _)) = here
                && number < end
            {
                number += u64::from(self.delete_run(spot, end - number, events));
            }
        }
    }

    /// Deletes up to `count` characters from a spot on, within its run. Returns how many.
    #[inline]
    fn delete_run(&mut self, spot: Spot, count: u64, events: &mut Events<Event>) -> u32 {
        let at = (events.wanted() && self.sequence.run(spot).visible)
            .then(|| self.sequence.position(spot) as u64);
        let count = self.sequence.delete(spot, count);
        if let Some(at) = at {
            events.emit(|| Event::Delete {
                at,
                count: u64::from(count),
            });
        }
        count
    }

    /// Inserts new characters, or lets them wait for their origins. What reuses a number of its
    /// author has no effect: all replicas see the ops of one author in the same order.
    #[inline]
    fn insert(&mut self, author: u64, insertion: &Insertion<'_>, events: &mut Events<Event>) {
        let Insertion { number, text, .. } = *insertion;
        let len = char_count(text);
        let end = number + len;
        if end > NUMBER_MAX || len > u64::from(crate::run::RUN_CHARS_MAX) {
            return;
        }
        let replica = self.replicas.intern(author);
        if number < self.replicas.next(replica) {
            return;
        }
        self.replicas.reserve(replica, end);
        let first = Id { replica, number };
        match self.origins(first, insertion.anchor) {
            Ok(origins) => self.integrate(first, len as u32, &origins, text, events),
            Err(missing) => {
                let waiting = Waiting::from(*insertion);
                self.dormant
                    .wait(self.replicas.global(first), waiting, missing);
                return;
            }
        }
        if !self.dormant.is_nobody_waiting() {
            self.wake(first, len, events);
        }
    }

    /// Integrates what waited for new characters, and what waited for that, and so on.
    #[cold]
    fn wake(&mut self, first: Id, len: u64, events: &mut Events<Event>) {
        let first = self.replicas.global(first);
        let mut arrived = vec![Range { first, len }];
        while let Some(range) = arrived.pop() {
            for (first, waiting) in self.dormant.wake(range) {
                let Some(id) = self.replicas.local(first) else {
                    continue;
                };
                match self.origins(id, waiting.anchor) {
                    Ok(origins) => {
                        let len = char_count(&waiting.text);
                        self.integrate(id, len as u32, &origins, &waiting.text, events);
                        arrived.push(Range { first, len });
                    }
                    Err(missing) => self.dormant.wait(first, waiting, missing),
                }
            }
        }
    }

    /// Looks up what an insertion hangs on.
    ///
    /// # Errors
    ///
    /// The name of a character that is not here.
    #[inline]
    fn origins(&self, first: Id, anchor: Anchor) -> Result<Origins, CharId> {
        let find = |id: CharId| {
            let local = self.replicas.local(id).ok_or(id)?;
            let spot = self.sequence.find(local).ok_or(id)?;
            Ok((local, spot))
        };
        let (parent, parent_id, right) = match anchor {
            Anchor::Continues => {
                let parent_id = first.previous();
                let missing = || self.replicas.global(parent_id);
                let spot = self.sequence.find(parent_id).ok_or_else(missing)?;
                (Some(spot), parent_id, self.sequence.run(spot).right())
            }
            Anchor::Before { parent } => {
                let (id, spot) = find(parent)?;
                return Ok(Origins {
                    parent: Some(spot),
                    kind: Kind::Before,
                    parent_id: Id::EDGE,
                    right: id,
                });
            }
            Anchor::After { parent, right } => {
                let (parent_id, spot) = match parent {
                    Some(parent) => find(parent).map(|(id, spot)| (id, Some(spot)))?,
                    None => (Id::EDGE, None),
                };
                let right = match right {
                    Some(right) => find(right)?.0,
                    None => Id::EDGE,
                };
                (spot, parent_id, right)
            }
        };
        let continues = parent_id == first.previous()
            && parent.is_some_and(|spot| self.sequence.run(spot).right() == right);
        Ok(Origins {
            parent,
            kind: if continues {
                Kind::Continues
            } else {
                Kind::After
            },
            parent_id,
            right,
        })
    }

    /// Returns a character that an insertion hangs on and that is not here; none if all are.
    pub(crate) fn missing(&self, first: Id, anchor: Anchor) -> Option<CharId> {
        self.origins(first, anchor).err()
    }

    /// Puts new characters into the sequence; those that were deleted before they came, as
    /// deleted.
    #[inline]
    fn integrate(
        &mut self,
        first: Id,
        len: u32,
        origins: &Origins,
        text: &str,
        events: &mut Events<Event>,
    ) {
        let Origins {
            parent,
            kind,
            parent_id,
            right,
        } = *origins;
        let gap = match (kind, parent) {
            (Kind::Before, Some(parent)) => {
                place::before(&mut self.sequence, &self.replicas, parent, first)
            }
            _ => place::after(&mut self.sequence, &self.replicas, parent, first, right),
        };
        let run = Run::new(first, len, kind, parent_id, right);
        if self.dormant.is_nothing_doomed() {
            self.show(gap, run, text, events);
        } else {
            self.integrate_partly(gap, run, text, events);
        }
    }

    #[inline]
    fn show(&mut self, gap: Gap, run: Run, text: &str, events: &mut Events<Event>) -> Gap {
        if events.wanted() {
            let at = self.sequence.gap_position(gap) as u64;
            let text = text.to_owned();
            events.emit(|| Event::Insert { at, text });
        }
        self.sequence.insert(gap, run, text)
    }

    #[cold]
    fn integrate_partly(
        &mut self,
        mut gap: Gap,
        mut run: Run,
        mut text: &str,
        events: &mut Events<Event>,
    ) {
        loop {
            let range = Range {
                first: self.replicas.global(run.first()),
                len: u64::from(run.len),
            };
            let Some(doomed) = self.dormant.first_doomed(range) else {
                self.show(gap, run, text, events);
                return;
            };
            let shown = (doomed.first.number - run.number) as u32;
            if shown > 0 {
                let rest = run.split_off(shown);
                let piece = char_slice(text, 0, shown as usize);
                gap = self.show(gap, run, piece, events);
                text = &text[piece.len()..];
                run = rest;
            }
            self.dormant.undoom(doomed);
            let count = doomed.len as u32;
            text = &text[char_slice(text, 0, count as usize).len()..];
            if count == run.len {
                self.sequence.insert_deleted(gap, run);
                return;
            }
            let rest = run.split_off(count);
            gap = self.sequence.insert_deleted(gap, run);
            run = rest;
        }
    }
}

/// Counts Unicode scalar values; quick for the single characters that people type.
#[inline]
fn char_count(text: &str) -> u64 {
    if text.len() == 1 {
        1
    } else {
        text.chars().count() as u64
    }
}
