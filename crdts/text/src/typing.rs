//! Short ways for what typing comes to: characters of ASCII behind the one typed last, and one
//! character deleted. They handle whole bytes to whole bytes what the general way would, with the
//! same outcome; where they do not apply, they have done nothing.
//!
//! They exist because compiled to WebAssembly the general way spends most of a keystroke on
//! passing records between functions.

use replicant_sdk::Items;

use crate::id::{Id, NUMBER_MAX};
use crate::keystroke::Keystroke;
use crate::op::{DELETES, INSERTS};
use crate::sequence::Gap;
use crate::text::Text;
use crate::{typed, varint};

/// How many characters are put in at once.
const TYPED_MAX: usize = 64;

/// Reads an op that types one character of ASCII: its number, and which one.
#[inline(always)]
fn typed_one(op: &[u8]) -> Option<(u64, u8)> {
    match *op {
        [INSERTS, ref number @ .., typed] if typed.is_ascii() => {
            Some((varint::whole_short(number)?, typed))
        }
        _ => None,
    }
}

impl Text {
    /// Applies the next ops of `author`, as far as they type one character behind the other, and
    /// takes them from `ops`.
    #[inline]
    pub(crate) fn apply_typing_ahead(&mut self, author: u64, ops: &mut Items<'_>) {
        if ops.len() < 2 {
            return;
        }
        let Some((first, _)) = ops.clone().next().and_then(typed_one) else {
            return;
        };
        let Some((id, room)) = self.room_for_typing(author, first) else {
            return;
        };
        let (bytes, ends, start) = ops.as_packed();
        let packed = typed::Packed { bytes, ends, start };
        let mut text = [0; TYPED_MAX];
        let count = typed::read(packed, first, &mut text[..room.min(TYPED_MAX)]);
        if count < 2 {
            return;
        }
        let Some(text) = text.get(..count).and_then(|text| str::from_utf8(text).ok()) else {
            return;
        };
        self.sequence.type_text(id, text);
        self.replicas.reserve(id.replica, first + count as u64);
        ops.nth(count - 1);
    }

    /// Returns the name of the next character of `author`, and how many can be put behind the one
    /// typed last; none if that is not where it goes.
    #[inline]
    fn room_for_typing(&self, author: u64, number: u64) -> Option<(Id, usize)> {
        let replica = self.replicas.index(author)?;
        let is_next = number >= self.replicas.next(replica) && number < NUMBER_MAX;
        if !is_next || !self.dormant.is_empty() {
            return None;
        }
        let first = Id { replica, number };
        let room = self.sequence.room_for_typing(first)? as u64;
        Some((first, room.min(NUMBER_MAX - number) as usize))
    }

    /// Applies the bytes of an op of `author`; false if the general way has to.
    #[inline]
    pub(crate) fn apply_typing(&mut self, author: u64, op: &[u8]) -> bool {
        match *op {
            [INSERTS, ..] => {
                typed_one(op).is_some_and(|(number, typed)| self.type_on(author, number, typed))
            }
            // One range, of one own character.
            [DELETES, 1, 2, ref number @ ..] => {
                varint::whole_short(number).is_some_and(|it| self.delete_own(author, it))
            }
            _ => false,
        }
    }

    /// Puts a character behind the one that `author` typed last, if nothing else hangs on that.
    #[inline]
    fn type_on(&mut self, author: u64, number: u64, typed: u8) -> bool {
        let Some(replica) = self.replicas.index(author) else {
            return false;
        };
        let is_next = number >= self.replicas.next(replica) && number < NUMBER_MAX;
        let first = Id { replica, number };
        if !is_next || !self.dormant.is_empty() || !self.sequence.type_on(first, typed) {
            return false;
        }
        self.replicas.reserve(replica, number + 1);
        true
    }

    /// Deletes a character that `author` typed.
    #[inline]
    fn delete_own(&mut self, author: u64, number: u64) -> bool {
        let Some(replica) = self.replicas.index(author) else {
            return false;
        };
        let Some(spot) = self.sequence.find(Id { replica, number }) else {
            return false;
        };
        self.sequence.delete(spot, 1);
        true
    }

    /// Carries out a keystroke of `author` and appends its op to `out`; false if the general way
    /// has to.
    #[inline]
    pub(crate) fn update_typing(
        &mut self,
        author: u64,
        keystroke: Keystroke,
        out: &mut Vec<u8>,
    ) -> bool {
        match keystroke {
            Keystroke::Type { at, typed } => self.type_at(author, at, typed, out),
            Keystroke::Delete { at } => self.delete_at(author, at, out),
        }
    }

    #[inline]
    fn type_at(&mut self, author: u64, at: usize, typed: u8, out: &mut Vec<u8>) -> bool {
        let Some(replica) = self.replicas.index(author) else {
            return false;
        };
        let number = self.replicas.next(replica);
        let left = at
            .checked_sub(1)
            .and_then(|left| self.sequence.locate_recent(left));
        let Some(left) = left else {
            return false;
        };
        let run = self.sequence.run(left);
        let behind = Gap {
            leaf: left.leaf,
            run: left.run + 1,
        };
        // The same conditions under which the general way says `Anchor::Continues`.
        let is_last = left.offset + 1 == run.len && !run.has_right;
        if !is_last || run.replica != replica || run.end() != number {
            return false;
        }
        let right = match self.sequence.run_at(behind) {
            Some(behind) => self.sequence.run(behind).first(),
            None => Id::EDGE,
        };
        if run.right() != right || !self.type_on(author, number, typed) {
            return false;
        }
        out.push(INSERTS);
        varint::push(out, number);
        out.push(typed);
        true
    }

    #[inline]
    fn delete_at(&mut self, author: u64, at: usize, out: &mut Vec<u8>) -> bool {
        let Some(spot) = self.sequence.locate_recent(at) else {
            return false;
        };
        let id = self.sequence.run(spot).id_at(spot.offset);
        if self.replicas.index(author) != Some(id.replica) {
            return false;
        }
        out.extend([DELETES, 1, 2]);
        varint::push(out, id.number);
        self.sequence.delete(spot, 1);
        true
    }
}
