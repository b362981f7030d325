//! An add-wins set that keeps nothing of what was removed.
//!
//! State: for each element, the last addition by each replica that was not removed. Only the last
//! one is needed: whoever has seen an addition has seen the earlier ones by the same replica, so a
//! removal that names an addition means those too.
//!
//! Why removals need no trace: a removal comes after the additions that it names (causal
//! delivery), and none of them comes again (exactly once). A removal that names additions which its
//! author cannot have seen is forged; what it removes depends on what has arrived, until the
//! history is replayed in one order for all.

use std::fmt;

use replicant_sdk::{Dot, Stable};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::additions::Additions;
use crate::element::Element;
use crate::trie::Trie;

/// A set of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddWinsSet {
    members: Trie<Additions>,
}

impl AddWinsSet {
    /// Applies the addition `dot` of an element. Returns whether it was not in the set before.
    #[inline]
    pub fn add(&mut self, element: &str, dot: Dot) -> bool {
        self.members.put(
            element.into(),
            |additions| additions.insert(dot),
            || Additions::one(dot),
        )
    }

    /// Removes what the additions in `seen`, and earlier ones by the same replicas, put in. Returns
    /// whether the element has left the set.
    #[inline]
    pub fn remove(&mut self, element: &str, seen: &Additions) -> bool {
        self.members
            .remove_if(&element.into(), |additions| additions.remove(seen))
    }

    /// Removes what the additions in `seen`, and earlier ones by the same replicas, put in of any
    /// element. Calls `gone` for each element that has left the set. O(n).
    pub fn clear(&mut self, seen: &Additions, mut gone: impl FnMut(&Element)) {
        self.members.retain(|element, additions| {
            let is_gone = additions.remove(seen);
            if is_gone {
                gone(element);
            }
            !is_gone
        });
    }

    /// Of additions that everybody has seen, keeps one for each element. Returns whether more can
    /// be forgotten later. O(n).
    pub fn compact(&mut self, stable: &Stable) -> bool {
        let mut has_more = false;
        self.members.retain(|_, additions| {
            additions.merge(stable);
            has_more |= additions.as_slice().len() > 1;
            true
        });
        has_more
    }

    /// Returns the last addition of an element by each replica, or none if it is not in the set.
    pub fn additions(&self, element: &str) -> Option<&Additions> {
        self.members.get(&element.into())
    }

    /// Returns the last addition of anything by each replica, or none if the set is empty. O(n).
    pub fn last_additions(&self) -> Option<Additions> {
        let mut last: Option<Additions> = None;
        self.members.visit(|_, additions| match &mut last {
            None => last = Some(additions.clone()),
            Some(last) => additions
                .as_slice()
                .iter()
                .for_each(|dot| last.insert(*dot)),
        });
        last
    }

    /// Says whether an element is in the set.
    pub fn contains(&self, element: &str) -> bool {
        self.additions(element).is_some()
    }

    /// Returns the elements in order. O(n log n).
    pub fn elements(&self) -> Vec<&Element> {
        let mut elements = Vec::with_capacity(self.len());
        self.members.visit(|element, _| elements.push(element));
        elements.sort_unstable();
        elements
    }

    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Says whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// By hash, which is the order of the map: another would take O(n log n).
impl Serialize for AddWinsSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        let mut written = Ok(());
        self.members.visit(|element, additions| {
            if written.is_ok() {
                written = list.serialize_element(&(element, additions));
            }
        });
        written.and_then(|()| list.end())
    }
}

/// Refuses elements that are not in order: there is one encoding of a set.
impl<'de> Deserialize<'de> for AddWinsSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(SetVisitor)
    }
}

struct SetVisitor;

impl<'de> Visitor<'de> for SetVisitor {
    type Value = AddWinsSet;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("elements by hash, with their additions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AddWinsSet, A::Error> {
        let (mut set, mut last) = (AddWinsSet::default(), 0);
        while let Some((element, additions)) = list.next_element::<(Element, Additions)>()? {
            let hash = element.hash();
            if hash < last || !set.members.put(element, |_| (), || additions) {
                return Err(de::Error::custom("elements that are not in order"));
            }
            last = hash;
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use replicant_sdk::postcard_bytes;

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

    fn bytes(item: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        postcard_bytes::append(item, &mut bytes);
        bytes
    }

    fn texts(set: &AddWinsSet) -> Vec<String> {
        let elements = set.elements();
        elements.into_iter().map(Element::to_text).collect()
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
        let mut gone = Vec::new();
        set.clear(&seen, |element| gone.push(element.to_text()));
        gone.sort_unstable();
        assert_eq!(gone, ["x", "z"]);
        assert_eq!(texts(&set), ["y"]);
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn sets_reached_in_different_orders_have_the_same_bytes() {
        let one = set(&[("x", A1), ("x", B1), ("y", A2)]);
        let mut other = set(&[("y", A2), ("x", B1), ("x", A1), ("z", B2)]);
        other.remove("z", &seen(&[B2]));
        assert_eq!(bytes(&one), bytes(&other));
        assert_eq!(postcard_bytes::read(&bytes(&one)), Ok(one));
    }

    #[test]
    fn only_bytes_in_order_are_read() {
        let read = |members: &[(&str, Additions)]| {
            postcard_bytes::read::<AddWinsSet>(&bytes(&members)).is_ok()
        };
        let (x, y) = (("x", seen(&[A1])), ("y", seen(&[A2])));
        assert!(read(&[x.clone(), y.clone()]));
        assert!(!read(&[y, x.clone()]));
        assert!(!read(&[x.clone(), x]));
    }

    #[test]
    fn of_the_additions_that_all_have_seen_one_stays() {
        let mut set = set(&[("x", A1), ("x", B1), ("y", A2), ("y", B2), ("z", B1)]);
        assert!(set.compact(&Stable::default()));
        assert!(set.compact(&Stable::new([A1, B1])));
        assert_eq!(set.additions("x").unwrap().as_slice(), [B1]);
        assert_eq!(set.additions("y").unwrap().as_slice(), [A2, B2]);
        assert!(!set.compact(&Stable::new([A2, B2])));
        assert_eq!(set.additions("y").unwrap().as_slice(), [B2]);
        assert_eq!(set.additions("z").unwrap().as_slice(), [B1]);
    }
}
