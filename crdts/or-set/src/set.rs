//! An add-wins set that keeps nothing of what was removed.
//!
//! State: for each element, the last addition by each replica that was not removed. Only the last
//! one is needed: whoever has seen an addition has seen the earlier ones by the same replica, so a
//! removal that names an addition means those too.
//!
//! Why removals need no trace: a removal comes after the additions that it names (causal
//! delivery), and none of them comes again (exactly once).

use std::collections::BTreeMap;
use std::slice;

use replicant_sdk::Dot;
use serde::{Deserialize, Serialize};

/// A set of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddWinsSet {
    elements: BTreeMap<String, Additions>,
}

impl AddWinsSet {
    /// Applies the addition `dot` of an element. Returns whether it was not in the set before.
    /// O(log n) comparisons.
    #[inline]
    pub fn add(&mut self, element: &str, dot: Dot) -> bool {
        if let Some(additions) = self.elements.get_mut(element) {
            additions.insert(dot);
            return false;
        }
        self.elements
            .insert(element.to_owned(), Additions::One(dot));
        true
    }

    /// Removes what the additions in `seen` (sorted, one per replica), and earlier ones by the same
    /// replicas, put in. Returns whether the element has left the set. O(log n) comparisons.
    pub fn remove(&mut self, element: &str, seen: &[Dot]) -> bool {
        let Some(additions) = self.elements.get_mut(element) else {
            return false;
        };
        let is_gone = additions.remove(seen);
        if is_gone {
            self.elements.remove(element);
        }
        is_gone
    }

    /// Removes what the additions in `seen` (sorted, one per replica), and earlier ones by the same
    /// replicas, put in of any element. Calls `left` with each element that has left the set. O(n).
    pub fn clear(&mut self, seen: &[Dot], mut left: impl FnMut(String)) {
        let gone = self
            .elements
            .extract_if(.., |_, additions| additions.remove(seen));
        gone.for_each(|(element, _)| left(element));
    }

    /// Returns the last addition of an element by each replica, by replica; none if it is not in
    /// the set.
    pub fn additions(&self, element: &str) -> &[Dot] {
        self.elements.get(element).map_or(&[], Additions::as_slice)
    }

    /// Returns the last addition of anything by each replica, by replica. O(n).
    pub fn last_additions(&self) -> Vec<Dot> {
        let mut last = BTreeMap::new();
        for dot in self.elements.values().flat_map(Additions::as_slice) {
            let counter = last.entry(dot.replica).or_insert(0);
            *counter = dot.counter.max(*counter);
        }
        last.into_iter()
            .map(|(replica, counter)| Dot { replica, counter })
            .collect()
    }

    /// Says whether an element is in the set.
    pub fn contains(&self, element: &str) -> bool {
        self.elements.contains_key(element)
    }

    /// Returns the elements in order.
    pub fn elements(&self) -> impl Iterator<Item = &str> {
        self.elements.keys().map(String::as_str)
    }

    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Says whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

/// At most one dot per replica, sorted by replica; not empty. One replica's addition, by far the
/// most common, needs no memory of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Dot>", into = "Vec<Dot>")]
enum Additions {
    One(Dot),
    Many(Vec<Dot>),
}

impl Additions {
    fn as_slice(&self) -> &[Dot] {
        match self {
            Self::One(dot) => slice::from_ref(dot),
            Self::Many(dots) => dots,
        }
    }

    #[inline]
    fn insert(&mut self, dot: Dot) {
        match self {
            Self::One(own) if own.replica == dot.replica => *own = dot.max(*own),
            Self::One(own) => *self = Self::Many(vec![dot.min(*own), dot.max(*own)]),
            Self::Many(dots) => match dots.binary_search_by_key(&dot.replica, |own| own.replica) {
                Ok(index) => dots[index] = dot.max(dots[index]),
                Err(index) => dots.insert(index, dot),
            },
        }
    }

    /// Removes the additions up to those in `seen`, and says whether none is left.
    fn remove(&mut self, seen: &[Dot]) -> bool {
        let is_seen = |dot: &Dot| {
            let found = seen.binary_search_by_key(&dot.replica, |seen| seen.replica);
            found.is_ok_and(|index| seen[index].counter >= dot.counter)
        };
        match self {
            Self::One(dot) => is_seen(dot),
            Self::Many(dots) => {
                dots.retain(|dot| !is_seen(dot));
                if let [dot] = dots[..] {
                    *self = Self::One(dot);
                    return false;
                }
                dots.is_empty()
            }
        }
    }
}

impl PartialEq for Additions {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Additions {}

impl From<Vec<Dot>> for Additions {
    fn from(dots: Vec<Dot>) -> Self {
        match dots[..] {
            [dot] => Self::One(dot),
            _ => Self::Many(dots),
        }
    }
}

impl From<Additions> for Vec<Dot> {
    fn from(additions: Additions) -> Self {
        additions.as_slice().to_vec()
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

    #[test]
    fn an_element_is_added_once_however_often() {
        let mut set = AddWinsSet::default();
        assert!(set.add("x", B1));
        assert!(!set.add("x", A1));
        assert!(!set.add("x", A2));
        assert_eq!(set.additions("x"), [A2, B1]);
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_removal_spares_additions_that_it_has_not_seen() {
        let mut set = set(&[("x", A1), ("x", B1)]);
        assert!(!set.remove("x", &[A1]));
        assert_eq!(set.additions("x"), [B1]);
        assert!(set.remove("x", &[B1]));
        assert!(set.is_empty());
    }

    #[test]
    fn a_removal_means_earlier_additions_by_the_same_replica_too() {
        let mut set = set(&[("x", A1), ("x", B2)]);
        assert!(!set.remove("x", &[A2, B1]));
        assert_eq!(set.additions("x"), [B2]);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut set = set(&[("x", A1)]);
        assert!(!set.remove("y", &[A1]));
        assert!(!set.remove("x", &[]));
        assert!(set.contains("x"));
    }

    #[test]
    fn clearing_spares_additions_that_it_has_not_seen() {
        let mut set = set(&[("x", A1), ("y", A2), ("z", B1), ("z", A1)]);
        let seen = set.last_additions();
        assert_eq!(seen, [A2, B1]);
        set.add("y", B2);
        let mut left = Vec::new();
        set.clear(&seen, |element| left.push(element));
        assert_eq!(left, ["x", "z"]);
        assert_eq!(set.elements().collect::<Vec<_>>(), ["y"]);
    }

    #[test]
    fn sets_reached_in_different_orders_have_the_same_bytes() {
        let one = set(&[("x", A1), ("x", B1), ("y", A2)]);
        let mut other = set(&[("y", A2), ("x", B1), ("x", A1), ("z", B2)]);
        other.remove("z", &[B2]);
        let bytes = |set: &AddWinsSet| {
            let mut bytes = Vec::new();
            replicant_sdk::postcard_bytes::append(set, &mut bytes);
            bytes
        };
        assert_eq!(bytes(&one), bytes(&other));
        assert_eq!(replicant_sdk::postcard_bytes::read(&bytes(&one)), Ok(one));
    }
}
