//! An add-wins set that keeps nothing of what was removed.
//!
//! State: for each element, the last addition by each replica that was not removed. Only the last
//! one is needed: whoever has seen an addition has seen the earlier ones by the same replica, so a
//! removal that names an addition means those too.
//!
//! Why removals need no trace: a removal comes after the additions that it names (causal
//! delivery), and none of them comes again (exactly once).
//!
//! Elements are found by hash, since comparing texts is what takes the time of an op, above all in
//! WebAssembly. The hash never leaves the memory: values and saved bytes are sorted by element.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hasher};

use replicant_sdk::Dot;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::additions::Additions;
use crate::element::Element;

/// A set of texts.
#[derive(Clone, Debug, Default)]
pub struct AddWinsSet {
    by_hash: BTreeMap<u64, Members>,
    count: usize,
}

/// The elements of one hash: nearly always one.
#[derive(Clone, Debug)]
enum Members {
    One(Member),
    Many(Vec<Member>),
}

#[derive(Clone, Debug)]
struct Member {
    element: Element,
    additions: Additions,
}

impl AddWinsSet {
    /// Applies the addition `dot` of an element. Returns whether it was not in the set before.
    /// O(log n).
    #[inline]
    pub fn add(&mut self, element: &str, dot: Dot) -> bool {
        self.put(
            element,
            |additions| additions.insert(dot),
            || Additions::one(dot),
        )
    }

    /// Removes what the additions in `seen`, and earlier ones by the same replicas, put in. Returns
    /// whether the element has left the set. O(log n).
    #[inline]
    pub fn remove(&mut self, element: &str, seen: &Additions) -> bool {
        let Entry::Occupied(mut found) = self.by_hash.entry(hash(element)) else {
            return false;
        };
        let is_gone =
            |member: &mut Member| member.element.is(element) && member.additions.remove(seen);
        let (gone, is_empty) = match found.get_mut() {
            Members::One(member) => {
                let gone = is_gone(member);
                (gone, gone)
            }
            Members::Many(members) => {
                let gone = members.extract_if(.., is_gone).count() > 0;
                (gone, members.is_empty())
            }
        };
        if is_empty {
            found.remove();
        }
        self.count -= usize::from(gone);
        gone
    }

    /// Removes what the additions in `seen`, and earlier ones by the same replicas, put in of any
    /// element. Returns the elements that have left the set, in order. O(n log n).
    pub fn clear(&mut self, seen: &Additions) -> Vec<String> {
        let mut gone = Vec::new();
        let mut leaves = |member: &mut Member| {
            let is_gone = member.additions.remove(seen);
            if is_gone {
                gone.push(member.element.as_str().to_owned());
            }
            is_gone
        };
        self.by_hash.retain(|_, members| match members {
            Members::One(member) => !leaves(member),
            Members::Many(members) => {
                members.retain_mut(|member| !leaves(member));
                !members.is_empty()
            }
        });
        self.count -= gone.len();
        gone.sort_unstable();
        gone
    }

    /// Returns the last addition of an element by each replica, or none if it is not in the set.
    pub fn additions(&self, element: &str) -> Option<&Additions> {
        let members = self.by_hash.get(&hash(element))?.as_slice();
        members
            .iter()
            .find(|member| member.element.is(element))
            .map(|member| &member.additions)
    }

    /// Returns the last addition of anything by each replica, or none if the set is empty. O(n).
    pub fn last_additions(&self) -> Option<Additions> {
        let mut members = self.members();
        let mut last = members.next()?.additions.clone();
        members
            .flat_map(|member| member.additions.as_slice())
            .for_each(|dot| last.insert(*dot));
        Some(last)
    }

    /// Says whether an element is in the set.
    pub fn contains(&self, element: &str) -> bool {
        self.additions(element).is_some()
    }

    /// Returns the elements in order. O(n log n).
    pub fn elements(&self) -> Vec<&str> {
        self.sorted()
            .into_iter()
            .map(|(element, _)| element)
            .collect()
    }

    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Says whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Changes the additions of an element that is there, or makes them. Returns whether they
    /// were made.
    #[inline]
    fn put(
        &mut self,
        element: &str,
        change: impl FnOnce(&mut Additions),
        make: impl FnOnce() -> Additions,
    ) -> bool {
        let member = |additions| Member {
            element: Element::from(element),
            additions,
        };
        match self.by_hash.entry(hash(element)) {
            Entry::Vacant(place) => {
                place.insert(Members::One(member(make())));
            }
            Entry::Occupied(found) => {
                let members = found.into_mut();
                if let Some(member) = members.find(element) {
                    change(&mut member.additions);
                    return false;
                }
                members.push(member(make()));
            }
        }
        self.count += 1;
        true
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.by_hash.values().flat_map(Members::as_slice)
    }

    fn sorted(&self) -> Vec<(&str, &Additions)> {
        let pairs = self
            .members()
            .map(|member| (member.element.as_str(), &member.additions));
        let mut sorted: Vec<_> = pairs.collect();
        sorted.sort_unstable_by_key(|(element, _)| *element);
        sorted
    }
}

/// Fixed keys: the same everywhere, and nobody finds many texts of one hash (SipHash).
#[inline]
fn hash(element: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(element.as_bytes());
    hasher.finish()
}

impl Members {
    #[inline]
    fn find(&mut self, element: &str) -> Option<&mut Member> {
        match self {
            Self::One(member) => Some(member).filter(|member| member.element.is(element)),
            Self::Many(members) => members.iter_mut().find(|member| member.element.is(element)),
        }
    }

    fn as_slice(&self) -> &[Member] {
        match self {
            Self::One(member) => std::slice::from_ref(member),
            Self::Many(members) => members,
        }
    }

    #[cold]
    fn push(&mut self, member: Member) {
        let mut members = match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(first) => vec![first],
            Self::Many(members) => members,
        };
        members.push(member);
        *self = Self::Many(members);
    }
}

impl PartialEq for AddWinsSet {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for AddWinsSet {}

impl Serialize for AddWinsSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sorted())
    }
}

impl<'de> Deserialize<'de> for AddWinsSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::default();
        for (element, additions) in Vec::<(String, Additions)>::deserialize(deserializer)? {
            set.put(&element, |_| (), || additions);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A1: Dot = Dot {
        replica: 1,
        counter: 1,
    };
    const A2: Dot = Dot {
        replica: 1,
        counter: 2,
    };
    const B1: Dot = Dot {
        replica: 2,
        counter: 1,
    };
    const B2: Dot = Dot {
        replica: 2,
        counter: 2,
    };

    fn set(additions: &[(&str, Dot)]) -> AddWinsSet {
        let mut set = AddWinsSet::default();
        for (element, dot) in additions {
            set.add(element, *dot);
        }
        set
    }

    fn seen(dots: &[Dot]) -> Additions {
        let mut seen = Additions::one(dots[0]);
        dots.iter().for_each(|dot| seen.insert(*dot));
        seen
    }

    #[test]
    fn an_element_is_added_once_however_often() {
        let mut set = AddWinsSet::default();
        assert!(set.add("x", B1));
        assert!(!set.add("x", A1));
        assert!(!set.add("x", A2));
        assert_eq!(set.additions("x").unwrap().as_slice(), [A2, B1]);
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_removal_spares_additions_that_it_has_not_seen() {
        let mut set = set(&[("x", A1), ("x", B1)]);
        assert!(!set.remove("x", &seen(&[A1])));
        assert_eq!(set.additions("x").unwrap().as_slice(), [B1]);
        assert!(set.remove("x", &seen(&[B1])));
        assert!(set.is_empty());
    }

    #[test]
    fn a_removal_means_earlier_additions_by_the_same_replica_too() {
        let mut set = set(&[("x", A1), ("x", B2)]);
        assert!(!set.remove("x", &seen(&[A2, B1])));
        assert_eq!(set.additions("x").unwrap().as_slice(), [B2]);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut set = set(&[("x", A1)]);
        assert!(!set.remove("y", &seen(&[A1])));
        assert!(set.contains("x"));
    }

    #[test]
    fn clearing_spares_additions_that_it_has_not_seen() {
        let mut set = set(&[("x", A1), ("y", A2), ("z", B1), ("z", A1)]);
        let seen = set.last_additions().unwrap();
        assert_eq!(seen.as_slice(), [A2, B1]);
        set.add("y", B2);
        assert_eq!(set.clear(&seen), ["x", "z"]);
        assert_eq!(set.elements(), ["y"]);
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn sets_reached_in_different_orders_have_the_same_bytes() {
        let one = set(&[("x", A1), ("x", B1), ("y", A2)]);
        let mut other = set(&[("y", A2), ("x", B1), ("x", A1), ("z", B2)]);
        other.remove("z", &seen(&[B2]));
        let bytes = |set: &AddWinsSet| {
            let mut bytes = Vec::new();
            replicant_sdk::postcard_bytes::append(set, &mut bytes);
            bytes
        };
        assert_eq!(bytes(&one), bytes(&other));
        assert_eq!(replicant_sdk::postcard_bytes::read(&bytes(&one)), Ok(one));
    }

    #[test]
    fn elements_of_one_hash_are_told_apart() {
        let member = |text: &str| Member {
            element: Element::from(text),
            additions: Additions::one(A1),
        };
        let mut set = AddWinsSet::default();
        let mut members = Members::One(member("other"));
        members.push(member("third"));
        set.by_hash.insert(hash("x"), members);
        set.count = 2;
        assert!(!set.contains("x"));
        assert!(set.add("x", B1));
        assert!(!set.add("x", B2));
        assert_eq!(set.elements(), ["other", "third", "x"]);
        assert!(set.remove("x", &seen(&[B2])));
        assert!(!set.remove("x", &seen(&[B2])));
        assert_eq!((set.elements(), set.len()), (vec!["other", "third"], 2));
        assert_eq!(set.clear(&seen(&[A1])), ["other", "third"]);
        assert!(set.is_empty() && set.by_hash.is_empty());
    }
}
