//! Where a new character goes: the order of FugueMax.
//!
//! Source: Matthew Weidner and Martin Kleppmann, "The Art of the Fugue: Minimizing Interleaving in
//! Collaborative Text Editing" (2023), the Fugue algorithm and its variant FugueMax. The text is
//! the in-order traversal of a tree. A character is the right child of its left origin if that had
//! no right children where it was typed, and else the left child of its right origin. Left
//! siblings stand in the order of their names; right siblings in the *reverse* order of their
//! right origins, ties in the order of their names.
//!
//! Deviations: the tree is not stored. A run knows the parent of its first character, and the
//! traversal is what is kept; so a place is found by walking over runs, as list-based algorithms
//! do (YATA; Kevin Jahns' Yjs, and Joseph Gentle's variant of it that the paper proves equal to
//! FugueMax). And the op says itself on which side of which parent its character hangs. So *every*
//! op has one place that follows from immutable facts alone, also one that no honest replica would
//! make: whatever a hostile replica names as parent and right origin, all replicas agree.
//!
//! Cost: O(log n) if the parent has no other child on that side (two flags of a run tell), which
//! holds for everything but concurrent insertions at the same place; else O(k log n) for k runs
//! in the part of the tree that must be walked over.

use std::cmp::Ordering;

use crate::id::{Id, Replicas};
use crate::run::Kind;
use crate::sequence::{Gap, Sequence, Spot};

/// Finds the place of a new right child of `parent` (of the root, if that is [`Id::EDGE`]) and
/// marks the parent. None if parent or right origin is not here.
#[inline]
pub(crate) fn after(
    sequence: &mut Sequence,
    replicas: &Replicas,
    parent: Option<Spot>,
    new: Id,
    right: Id,
) -> Gap {
    let Some(spot) = parent else {
        let first = sequence.first_gap();
        return RightSiblings::new(sequence, replicas, None, new, right).gap_from(first);
    };
    let run = sequence.run(spot);
    let behind = Gap {
        leaf: spot.leaf,
        run: spot.run + 1,
    };
    if spot.offset + 1 < run.len {
        return after_inner(sequence, replicas, spot, new, right);
    }
    if run.has_right {
        return RightSiblings::new(sequence, replicas, parent, new, right).gap_from(behind);
    }
    sequence.run_mut(spot).has_right = true;
    behind
}

/// The same for a parent in the middle of a run: its continuation is the first sibling.
fn after_inner(
    sequence: &mut Sequence,
    replicas: &Replicas,
    parent: Spot,
    new: Id,
    right: Id,
) -> Gap {
    let run = sequence.run(parent);
    let (sibling, sibling_right) = (run.id_at(parent.offset + 1), run.right());
    let siblings = RightSiblings::new(sequence, replicas, Some(parent), new, right);
    if siblings.is_before(sibling, sibling_right) {
        return sequence.gap_before(Spot {
            offset: parent.offset + 1,
            ..parent
        });
    }
    siblings.gap_from(Gap {
        leaf: parent.leaf,
        run: parent.run + 1,
    })
}

/// Finds the place of a new left child of `parent` and marks that.
#[inline]
pub(crate) fn before(sequence: &mut Sequence, replicas: &Replicas, parent: Spot, new: Id) -> Gap {
    let gap = sequence.gap_before(parent);
    let first = Spot {
        leaf: gap.leaf,
        run: gap.run,
        offset: 0,
    };
    let run = sequence.run_mut(first);
    if run.has_left {
        return before_siblings(sequence, replicas, first, new);
    }
    run.has_left = true;
    gap
}

/// Walks to the right over the right children of one parent and all that hangs below them.
struct RightSiblings<'a> {
    sequence: &'a Sequence,
    replicas: &'a Replicas,
    /// None is the root.
    parent: Option<Spot>,
    parent_id: Id,
    new: Id,
    right: Id,
    right_spot: Option<Spot>,
}

impl<'a> RightSiblings<'a> {
    fn new(
        sequence: &'a Sequence,
        replicas: &'a Replicas,
        parent: Option<Spot>,
        new: Id,
        right: Id,
    ) -> Self {
        let id = |spot| sequence.run(spot).id_at(spot.offset);
        Self {
            sequence,
            replicas,
            parent,
            parent_id: parent.map_or(Id::EDGE, id),
            new,
            right,
            right_spot: sequence.find(right),
        }
    }

    /// Returns the place of the new character, given the gap where a next sibling would begin.
    fn gap_from(&self, mut gap: Gap) -> Gap {
        while let Some(spot) = self.sequence.run_at(gap) {
            let top = self.top_of(spot);
            let run = self.sequence.run(top);
            match self.compare_parent(run.parent()) {
                Ordering::Less => break,
                Ordering::Equal if self.is_before(run.first(), run.right()) => break,
                Ordering::Equal | Ordering::Greater => {}
            }
            gap = Gap {
                leaf: top.leaf,
                run: top.run + 1,
            };
        }
        gap
    }

    /// Follows left children upwards from the first character of a run to the first one that is a
    /// right child; all between the two hangs below that one.
    fn top_of(&self, spot: Spot) -> Spot {
        let mut top = spot;
        loop {
            let run = self.sequence.run(top);
            if run.kind != Kind::Before {
                return top;
            }
            // A character with left children is the first of its run, and always here.
            match self.sequence.find(run.right()) {
                Some(above) => top = above,
                None => return top,
            }
        }
    }

    /// Compares the parent of a later character with ours: equal for a sibling, greater for what
    /// hangs below a sibling, less for what is outside.
    fn compare_parent(&self, other: Id) -> Ordering {
        if other == self.parent_id {
            return Ordering::Equal;
        }
        let Some(parent) = self.parent else {
            return Ordering::Greater;
        };
        if other.is_edge() {
            return Ordering::Less;
        }
        match self.sequence.find(other) {
            Some(other) => self.sequence.order(other, parent),
            None => Ordering::Less,
        }
    }

    /// Says whether the new character stands before a sibling.
    fn is_before(&self, sibling: Id, sibling_right: Id) -> bool {
        let by_right = match (self.right.is_edge(), sibling_right.is_edge()) {
            _ if self.right == sibling_right => Ordering::Equal,
            (true, _) => Ordering::Greater,
            (_, true) => Ordering::Less,
            _ => match (self.right_spot, self.sequence.find(sibling_right)) {
                (Some(new), Some(sibling)) => self.sequence.order(new, sibling),
                _ => Ordering::Equal,
            },
        };
        match by_right {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => self.replicas.global(self.new) < self.replicas.global(sibling),
        }
    }
}

/// Walks to the left over the left children of `parent`, the first character of its run, and all
/// that hangs below them.
fn before_siblings(sequence: &Sequence, replicas: &Replicas, parent: Spot, new: Id) -> Gap {
    let mut gap = Gap {
        leaf: parent.leaf,
        run: parent.run,
    };
    while let Some(last) = sequence.before(gap) {
        let Some(top) = left_top_of(sequence, last) else {
            break;
        };
        let run = sequence.run(top);
        let Some(above) = sequence.find(run.right()) else {
            break;
        };
        match sequence.order(above, parent) {
            Ordering::Greater => break,
            Ordering::Equal if replicas.global(new) > replicas.global(run.first()) => break,
            Ordering::Equal | Ordering::Less => {}
        }
        gap = Gap {
            leaf: top.leaf,
            run: top.run,
        };
    }
    gap
}

/// Follows right children upwards from a character to the first one that is a left child; all
/// between the two hangs below that one. None if the root comes first.
fn left_top_of(sequence: &Sequence, spot: Spot) -> Option<Spot> {
    let mut top = spot;
    loop {
        top.offset = 0;
        let run = sequence.run(top);
        if run.kind == Kind::Before {
            return Some(top);
        }
        top = sequence.find(run.parent())?;
    }
}
