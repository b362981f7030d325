//! A map that finds an element without comparing it with others on the way.
//!
//! It is a tree of which every level follows four bits of the element's hash (Phil Bagwell, "Ideal
//! Hash Trees", EPFL 2001, without the compression of nodes), so that an op costs a few steps
//! without a loop inside, and moves nothing. Loops are what WebAssembly under metering is slow at:
//! this is half the time of a B-tree there.
//!
//! Whoever chooses elements of one hash gains nothing: below the last bits they are kept in order.
//! The order of iteration is that of hash and element, whatever the history.

use std::collections::BTreeMap;
use std::mem;

use crate::element::Element;

/// The bits of a hash that one level follows.
const LEVEL_BITS: u32 = 4;

/// What one level tells apart.
const SLOTS: usize = 1 << LEVEL_BITS;

/// A map from elements to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trie<V> {
    root: Slot<V>,
    count: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Slot<V> {
    /// No element has a hash that begins so.
    #[default]
    Empty,
    /// One element does.
    One(Box<(Element, V)>),
    /// Several do; they are told apart by the next bits.
    Many(Box<[Slot<V>; SLOTS]>),
    /// Several do, and there are no further bits. Boxed, so that a slot is no larger than others.
    #[allow(clippy::box_collection)]
    Same(Box<BTreeMap<Element, V>>),
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self {
            root: Slot::Empty,
            count: 0,
        }
    }
}

impl<V> Trie<V> {
    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Says whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the value of an element, if it is there.
    pub fn get(&self, element: &Element) -> Option<&V> {
        let mut path = Path::to(element);
        let mut slot = &self.root;
        loop {
            match slot {
                Slot::Empty => return None,
                Slot::One(member) => return Some(&member.1).filter(|_| member.0 == *element),
                Slot::Many(slots) => slot = &slots[path.next()],
                Slot::Same(members) => return members.get(element),
            }
        }
    }

    /// Changes the value of an element that is there, or makes one. Returns whether it was made.
    #[inline]
    pub fn put(
        &mut self,
        element: Element,
        change: impl FnOnce(&mut V),
        make: impl FnOnce() -> V,
    ) -> bool {
        let mut path = Path::to(&element);
        let mut slot = &mut self.root;
        loop {
            match slot {
                Slot::Empty => {
                    *slot = Slot::One(Box::new((element, make())));
                    break;
                }
                Slot::One(member) if member.0 == element => {
                    change(&mut member.1);
                    return false;
                }
                Slot::One(_) => slot.split(path.depth),
                Slot::Many(slots) => slot = &mut slots[path.next()],
                Slot::Same(members) => {
                    if let Some(value) = members.get_mut(&element) {
                        change(value);
                        return false;
                    }
                    members.insert(element, make());
                    break;
                }
            }
        }
        self.count += 1;
        true
    }

    /// Removes an element if it is there and `is_gone` says so of its value. Returns whether it was
    /// removed.
    #[inline]
    pub fn remove_if(&mut self, element: &Element, is_gone: impl FnOnce(&mut V) -> bool) -> bool {
        let is_removed = self.root.remove_if(element, Path::to(element), is_gone);
        self.count -= usize::from(is_removed);
        is_removed
    }

    /// Keeps the elements of which `is_kept` says so.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&Element, &mut V) -> bool) {
        let mut count = 0;
        self.root.retain(&mut |element, value| {
            let kept = is_kept(element, value);
            count += usize::from(kept);
            kept
        });
        self.count = count;
    }

    /// Calls `visit` for every element, by hash.
    pub fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Element, &'a V)) {
        self.root.visit(&mut visit);
    }
}

impl<V> Slot<V> {
    /// Makes room beside the only element, which is `depth` bits away from the root.
    fn split(&mut self, depth: u32) {
        let Self::One(member) = mem::take(self) else {
            return;
        };
        if depth == u64::BITS {
            *self = Self::Same(Box::new(BTreeMap::from([*member])));
            return;
        }
        let mut path = Path::to(&member.0);
        path.rest <<= depth;
        let mut slots = Box::<[Self; SLOTS]>::default();
        slots[path.next()] = Self::One(member);
        *self = Self::Many(slots);
    }

    fn remove_if(
        &mut self,
        element: &Element,
        mut path: Path,
        is_gone: impl FnOnce(&mut V) -> bool,
    ) -> bool {
        let is_removed = match self {
            Self::Empty => false,
            Self::One(member) => {
                let is_removed = member.0 == *element && is_gone(&mut member.1);
                if is_removed {
                    *self = Self::Empty;
                }
                return is_removed;
            }
            Self::Many(slots) => slots[path.next()].remove_if(element, path, is_gone),
            Self::Same(members) => {
                members.get_mut(element).is_some_and(is_gone) && members.remove(element).is_some()
            }
        };
        if is_removed {
            self.shrink();
        }
        is_removed
    }

    fn retain(&mut self, is_kept: &mut impl FnMut(&Element, &mut V) -> bool) {
        match self {
            Self::Empty => {}
            Self::One(member) => {
                if !is_kept(&member.0, &mut member.1) {
                    *self = Self::Empty;
                }
            }
            Self::Many(slots) => {
                slots.iter_mut().for_each(|slot| slot.retain(is_kept));
                self.shrink();
            }
            Self::Same(members) => {
                members.retain(is_kept);
                self.shrink();
            }
        }
    }

    /// Gives up the room for several elements if there are no more than one: what was removed
    /// leaves no trace.
    fn shrink(&mut self) {
        match self {
            Self::Many(slots) => {
                let mut used = slots.iter_mut().filter(|slot| !matches!(slot, Self::Empty));
                match (used.next(), used.next()) {
                    (None, _) => *self = Self::Empty,
                    (Some(only @ Self::One(_)), None) => *self = mem::take(only),
                    _ => {}
                }
            }
            Self::Same(members) if members.len() < 2 => {
                *self = members
                    .pop_first()
                    .map_or(Self::Empty, |member| Self::One(Box::new(member)));
            }
            _ => {}
        }
    }

    fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a Element, &'a V)) {
        match self {
            Self::Empty => {}
            Self::One(member) => visit(&member.0, &member.1),
            Self::Many(slots) => slots.iter().for_each(|slot| slot.visit(visit)),
            Self::Same(members) => members
                .iter()
                .for_each(|(element, value)| visit(element, value)),
        }
    }
}

/// The bits of a hash that are left to follow.
struct Path {
    rest: u64,
    /// How many were followed.
    depth: u32,
}

impl Path {
    #[inline]
    fn to(element: &Element) -> Self {
        Self {
            rest: element.hash(),
            depth: 0,
        }
    }

    /// Returns the index of the next slot.
    #[inline]
    fn next(&mut self) -> usize {
        let index = self.rest >> (u64::BITS - LEVEL_BITS);
        self.rest <<= LEVEL_BITS;
        self.depth += LEVEL_BITS;
        index as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map of texts to how often they were put.
    fn put(trie: &mut Trie<u32>, text: &str) -> bool {
        trie.put(text.into(), |count| *count += 1, || 1)
    }

    fn contents(trie: &Trie<u32>) -> Vec<(String, u32)> {
        let mut contents = Vec::new();
        trie.visit(|element, count| contents.push((element.to_text(), *count)));
        contents
    }

    fn words(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("element {index}")).collect()
    }

    fn of(words: &[String]) -> Trie<u32> {
        let mut trie = Trie::default();
        for word in words {
            put(&mut trie, word);
        }
        trie
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let mut trie = Trie::default();
        for word in words(1_000) {
            assert!(put(&mut trie, &word));
        }
        for word in words(500) {
            assert!(!put(&mut trie, &word));
        }
        assert_eq!(trie.len(), 1_000);
        for (index, word) in words(2_000).iter().enumerate() {
            let count = trie.get(&word.as_str().into()).copied().unwrap_or(0);
            assert_eq!(count, u32::from(index < 1_000) + u32::from(index < 500));
        }
    }

    #[test]
    fn neither_the_order_nor_what_was_removed_leaves_a_trace() {
        let one = of(&words(1_000));
        let mut backwards = words(3_000);
        backwards.reverse();
        let mut other = of(&backwards);
        for word in &words(3_000)[1_000..] {
            assert!(!other.remove_if(&word.as_str().into(), |_| false));
            assert!(other.remove_if(&word.as_str().into(), |_| true));
            assert!(!other.remove_if(&word.as_str().into(), |_| true));
        }
        assert_eq!(one, other);
        let mut third = of(&words(3_000));
        third.retain(|element, _| one.get(element).is_some());
        assert_eq!(one, third);
        third.retain(|_, _| false);
        assert_eq!(third, Trie::default());
    }

    #[test]
    fn elements_of_one_hash_are_told_apart() {
        let (a, b, c) = ("a".into(), "b".into(), "c".into());
        let mut slot = Slot::One(Box::new((a, 1)));
        slot.split(u64::BITS);
        let mut trie = Trie {
            root: slot,
            count: 1,
        };
        assert!(put(&mut trie, "c") && put(&mut trie, "b") && !put(&mut trie, "a"));
        let expected = [("a", 2), ("b", 1), ("c", 1)].map(|(text, count)| (text.to_owned(), count));
        assert_eq!(contents(&trie), expected);
        assert_eq!((trie.get(&b), trie.get(&"d".into())), (Some(&1), None));
        assert!(trie.remove_if(&b, |_| true) && !trie.remove_if(&b, |_| true));
        trie.retain(|element, _| *element == c);
        assert_eq!(trie.len(), 1);
        assert_eq!(trie.root, Slot::One(Box::new((c, 1))));
    }
}
