//! The last additions by each replica.

use std::fmt;
use std::slice;

use replicant_sdk::{Dot, Stable};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One dot for each of some replicas, sorted by replica; not empty. A single one, by far the most
/// common, needs no memory of its own.
#[derive(Clone, Debug)]
pub struct Additions(Dots);

#[derive(Clone, Debug)]
enum Dots {
    One(Dot),
    Many(Vec<Dot>),
}

impl Additions {
    /// A single addition.
    #[inline]
    pub fn one(dot: Dot) -> Self {
        Self(Dots::One(dot))
    }

    /// Returns them, sorted by replica.
    pub fn as_slice(&self) -> &[Dot] {
        match &self.0 {
            Dots::One(dot) => slice::from_ref(dot),
            Dots::Many(dots) => dots,
        }
    }

    /// Adds one, in place of an earlier one by the same replica.
    #[inline]
    pub fn insert(&mut self, dot: Dot) {
        match &mut self.0 {
            Dots::One(own) if own.replica == dot.replica => *own = dot.max(*own),
            Dots::One(own) => self.0 = Dots::Many(vec![dot.min(*own), dot.max(*own)]),
            Dots::Many(dots) => match dots.binary_search_by_key(&dot.replica, |own| own.replica) {
                Ok(index) => dots[index] = dot.max(dots[index]),
                Err(index) => dots.insert(index, dot),
            },
        }
    }

    /// Removes those in `seen` and earlier ones by the same replicas. Returns true if that would
    /// leave none; it has then changed nothing that matters.
    #[inline]
    pub fn remove(&mut self, seen: &Self) -> bool {
        match &mut self.0 {
            Dots::One(dot) => seen.contains(*dot),
            Dots::Many(dots) => {
                dots.retain(|dot| !seen.contains(*dot));
                if let [dot] = dots[..] {
                    self.0 = Dots::One(dot);
                    return false;
                }
                dots.is_empty()
            }
        }
    }

    /// Keeps only the greatest of those that are stable. Whoever removes one of them has seen them
    /// all, and names this one or a later one by the same replica; so they go together.
    pub fn merge(&mut self, stable: &Stable) {
        let Dots::Many(dots) = &mut self.0 else {
            return;
        };
        let kept = dots.iter().rfind(|dot| stable.contains(**dot)).copied();
        dots.retain(|dot| Some(*dot) == kept || !stable.contains(*dot));
        if let [dot] = dots[..] {
            self.0 = Dots::One(dot);
        }
    }

    /// Says whether this addition or a later one by the same replica is among them.
    #[inline]
    fn contains(&self, dot: Dot) -> bool {
        let known = match &self.0 {
            Dots::One(known) => Some(known).filter(|known| known.replica == dot.replica),
            Dots::Many(dots) => {
                let found = dots.binary_search_by_key(&dot.replica, |known| known.replica);
                found.ok().map(|index| &dots[index])
            }
        };
        known.is_some_and(|known| dot.counter <= known.counter)
    }
}

impl PartialEq for Additions {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Additions {}

impl Serialize for Additions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

/// Refuses what [`Additions`] cannot be: empty, or not sorted.
impl<'de> Deserialize<'de> for Additions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AdditionsVisitor)
    }
}

struct AdditionsVisitor;

impl<'de> Visitor<'de> for AdditionsVisitor {
    type Value = Additions;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("additions by different replicas, sorted by replica")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Additions, A::Error> {
        let Some(first) = list.next_element()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let Some(second) = list.next_element()? else {
            return Ok(Additions::one(first));
        };
        let mut dots = vec![first, second];
        while let Some(dot) = list.next_element()? {
            dots.push(dot);
        }
        if dots
            .windows(2)
            .all(|pair| pair[0].replica < pair[1].replica)
        {
            Ok(Additions(Dots::Many(dots)))
        } else {
            Err(de::Error::custom(
                "additions that are not sorted by replica",
            ))
        }
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

    fn additions(dots: &[Dot]) -> Additions {
        let mut additions = Additions::one(dots[0]);
        dots.iter().for_each(|dot| additions.insert(*dot));
        additions
    }

    #[test]
    fn the_last_one_of_each_replica_is_kept() {
        assert_eq!(additions(&[B1, A2, A1]).as_slice(), [A2, B1]);
        assert_eq!(additions(&[A1, A2]).as_slice(), [A2]);
    }

    #[test]
    fn removing_spares_what_was_not_seen() {
        let mut both = additions(&[A2, B1]);
        assert!(!both.remove(&additions(&[A1])));
        assert_eq!(both.as_slice(), [A2, B1]);
        assert!(!both.remove(&additions(&[A2])));
        assert_eq!(both.as_slice(), [B1]);
        assert!(both.remove(&additions(&[A2, B1])));
    }

    #[test]
    fn what_is_not_stable_is_not_merged() {
        let mut both = additions(&[A2, B1]);
        both.merge(&Stable::new([A1, B1]));
        assert_eq!(both.as_slice(), [A2, B1]);
        both.merge(&Stable::new([A2, B1]));
        assert_eq!(both.as_slice(), [B1]);
    }

    #[test]
    fn only_sorted_lists_are_read() {
        let read = |dots: &[Dot]| {
            let mut bytes = Vec::new();
            postcard_bytes::append(dots, &mut bytes);
            postcard_bytes::read::<Additions>(&bytes)
        };
        assert_eq!(read(&[A2, B1]), Ok(additions(&[A2, B1])));
        assert_eq!(read(&[A1]), Ok(additions(&[A1])));
        assert!(read(&[]).is_err());
        assert!(read(&[B1, A1]).is_err());
        assert!(read(&[A1, A2]).is_err());
    }
}
