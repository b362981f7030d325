//! A run: characters with consecutive names that stand beside each other, kept as one record.

use crate::id::Id;

/// The most characters in one run of a state in memory.
pub(crate) const RUN_CHARS_MAX: u32 = 1 << 30;

/// How the first character of a run hangs in the tree of the Fugue papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Right child of the character with the previous number, and with the same right origin: the
    /// continuation of what the same replica typed before.
    Continues,
    /// Right child of `parent` (of the root, if that is [`Id::EDGE`]), with its own right origin.
    After,
    /// Left child of `right`.
    Before,
}

impl Kind {
    /// Returns the number that stands for it in saved bytes.
    pub(crate) fn to_bits(self) -> u8 {
        match self {
            Self::Continues => 0,
            Self::After => 1,
            Self::Before => 2,
        }
    }

    /// Returns what a number in saved bytes stands for.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continues),
            1 => Some(Self::After),
            2 => Some(Self::Before),
            _ => None,
        }
    }
}

/// Consecutive characters of one replica, all visible or all deleted.
///
/// Each but the first is the right child of the one before it. All of them have the right origin
/// `right`, except for the first one of a run of kind `Before`, which needs none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Number of the first character.
    pub(crate) number: u64,
    parent_number: u64,
    right_number: u64,
    /// Index of the replica that typed it.
    pub(crate) replica: u32,
    parent_replica: u32,
    right_replica: u32,
    /// How many characters.
    pub(crate) len: u32,
    /// How the first character hangs in the tree.
    pub(crate) kind: Kind,
    /// Whether the characters are part of the value.
    pub(crate) visible: bool,
    /// Whether the first character has left children.
    pub(crate) has_left: bool,
    /// Whether the last character has right children.
    pub(crate) has_right: bool,
}

impl Run {
    /// Makes a visible run without children. `parent` counts only for [`Kind::After`].
    #[inline]
    pub(crate) fn new(first: Id, len: u32, kind: Kind, parent: Id, right: Id) -> Self {
        Self {
            number: first.number,
            parent_number: parent.number,
            right_number: right.number,
            replica: first.replica,
            parent_replica: parent.replica,
            right_replica: right.replica,
            len,
            kind,
            visible: true,
            has_left: false,
            has_right: false,
        }
    }

    /// Returns the name of the first character.
    #[inline]
    pub(crate) fn first(&self) -> Id {
        self.id_at(0)
    }

    /// Returns the name of the last character.
    #[inline]
    pub(crate) fn last(&self) -> Id {
        self.id_at(self.len.wrapping_sub(1))
    }

    /// Returns the name of the character at an offset.
    #[inline]
    pub(crate) fn id_at(&self, offset: u32) -> Id {
        Id {
            replica: self.replica,
            number: self.number.wrapping_add(u64::from(offset)),
        }
    }

    /// Returns the number after that of the last character.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.number + u64::from(self.len)
    }

    /// Returns the parent of the first character, as far as it is a right child.
    #[inline]
    pub(crate) fn parent(&self) -> Id {
        match self.kind {
            Kind::Continues => self.first().previous(),
            Kind::After | Kind::Before => Id {
                replica: self.parent_replica,
                number: self.parent_number,
            },
        }
    }

    /// Returns the right origin; for a left child its parent.
    #[inline]
    pub(crate) fn right(&self) -> Id {
        Id {
            replica: self.right_replica,
            number: self.right_number,
        }
    }

    /// Changes the right origin.
    pub(crate) fn set_right(&mut self, right: Id) {
        (self.right_replica, self.right_number) = (right.replica, right.number);
    }

    /// Returns the same run with other indexes of replicas.
    pub(crate) fn renamed(mut self, name: impl Fn(u32) -> u32) -> Self {
        self.replica = name(self.replica);
        if !self.parent().is_edge() && self.kind == Kind::After {
            self.parent_replica = name(self.parent_replica);
        }
        if !self.right().is_edge() {
            self.right_replica = name(self.right_replica);
        }
        self
    }

    /// Returns the offset of a character, none if it is not in this run.
    #[inline]
    pub(crate) fn offset_of(&self, id: Id) -> Option<u32> {
        let offset = id.number.wrapping_sub(self.number);
        (self.replica == id.replica && offset < u64::from(self.len)).then_some(offset as u32)
    }

    /// Says whether a character is in this run.
    #[inline]
    pub(crate) fn has(&self, id: Id) -> bool {
        let offset = id.number.wrapping_sub(self.number);
        (self.replica == id.replica) & (offset < u64::from(self.len))
    }

    /// Returns how many characters are part of the value.
    #[inline]
    pub(crate) fn visible_len(&self) -> usize {
        if self.visible { self.len as usize } else { 0 }
    }

    /// Says whether `next`, standing right behind, is the same stretch of the tree. It has no left
    /// children then: they would stand between the two.
    #[inline]
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        next.kind == Kind::Continues && next.replica == self.replica && next.number == self.end()
    }

    /// Says whether `next`, standing right behind, can become part of this record.
    #[inline]
    pub(crate) fn can_absorb(&self, next: &Self) -> bool {
        self.visible == next.visible
            && self.is_continued_by(next)
            && self.len + next.len <= RUN_CHARS_MAX
    }

    /// Takes in `next`, for which [`Run::can_absorb`] holds.
    #[inline]
    pub(crate) fn absorb(&mut self, next: &Self) {
        self.len += next.len;
        self.has_right = next.has_right;
    }

    /// Takes the first `count` characters of `next`, which continues this run and is longer.
    #[inline]
    pub(crate) fn take_from_next(&mut self, next: &mut Self, count: u32) {
        self.len += count;
        next.len -= count;
        next.number += u64::from(count);
    }

    /// Gives its last `count` characters to `next`, which continues this run; some must be left.
    #[inline]
    pub(crate) fn give_to_next(&mut self, next: &mut Self, count: u32) {
        self.len -= count;
        next.len += count;
        next.number -= u64::from(count);
    }

    /// Becomes the header of what the same replica typed right behind this run.
    pub(crate) fn continue_behind(&mut self) {
        self.number = self.end();
        self.kind = Kind::Continues;
        self.has_left = false;
    }

    /// Cuts off what is at and behind `offset` (in `1..len`) and returns it.
    #[inline]
    pub(crate) fn split_off(&mut self, offset: u32) -> Self {
        let mut rest = *self;
        rest.number += u64::from(offset);
        rest.len -= offset;
        rest.kind = Kind::Continues;
        rest.has_left = false;
        self.len = offset;
        self.has_right = true;
        rest
    }
}
