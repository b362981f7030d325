//! What the host says about the ops that are made or applied.

use serde::{Deserialize, Serialize};

/// Names one op: the `counter`-th op of `replica` in the object's topic.
///
/// No two ops ever have the same dot. Dots are ordered by replica, then by counter; that order is
/// good for breaking ties, and says nothing about time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dot {
    /// The replica that made the op.
    pub replica: u64,
    /// How many ops that replica had made in the topic, this one included.
    pub counter: u64,
}

/// Under what name and at what time one op is made; the same on every replica that applies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The name of the op.
    pub dot: Dot,
    /// Hybrid logical timestamp: the upper 48 bits are milliseconds since the Unix epoch, the
    /// lower 16 a logical counter. Not smaller than that of any op that the author had applied.
    /// Ops that were made together share one, so `(timestamp, dot)` is what orders ops.
    pub timestamp: u64,
    /// The version of the op encoding: [`Crdt::WRITES`](crate::Crdt::WRITES) for an op that is
    /// made, one of [`Crdt::READS`](crate::Crdt::READS) for one that is applied.
    pub schema: u32,
}

/// When something was written, for types in which the last write wins. A stamp is greater than
/// those of all that its author had seen, and no two ops have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// By the author's hybrid clock.
    pub timestamp: u64,
    /// Decides between equal timestamps.
    pub dot: Dot,
}

impl Context {
    /// Returns the place of the op among all ops.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            timestamp: self.timestamp,
            dot: self.dot,
        }
    }

    /// Returns the milliseconds since the Unix epoch at which the op was made, by its author's
    /// clock.
    pub fn milliseconds(&self) -> u64 {
        self.timestamp >> 16
    }
}

/// The ops that every author has already applied, as a version vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stable {
    counters: Vec<Dot>,
}

impl Stable {
    /// Makes it from the highest stable counter of each replica. The order does not matter; of
    /// two entries for one replica the higher counts.
    pub fn new(counters: impl IntoIterator<Item = Dot>) -> Self {
        let mut stable = Self::default();
        for dot in counters {
            // The host's list is sorted, so this appends; and a sort would be 5 KB of code.
            let index = stable.counters.partition_point(|known| known < &dot);
            stable.counters.insert(index, dot);
        }
        stable
    }

    /// Returns the highest stable counter of `replica`, 0 if none of its ops is stable.
    pub fn counter(&self, replica: u64) -> u64 {
        let next = self.counters.partition_point(|dot| dot.replica <= replica);
        match next
            .checked_sub(1)
            .and_then(|index| self.counters.get(index))
        {
            Some(dot) if dot.replica == replica => dot.counter,
            _ => 0,
        }
    }

    /// Says whether every future op is made by an author that has applied the op `dot`.
    pub fn contains(&self, dot: Dot) -> bool {
        dot.counter <= self.counter(dot.replica)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_stable_up_to_the_counter_of_its_replica() {
        let stable = Stable::new(vec![
            Dot {
                replica: 9,
                counter: 4,
            },
            Dot {
                replica: 2,
                counter: 7,
            },
            Dot {
                replica: 9,
                counter: 3,
            },
        ]);
        assert!(stable.contains(Dot {
            replica: 2,
            counter: 7
        }));
        assert!(!stable.contains(Dot {
            replica: 2,
            counter: 8
        }));
        assert!(stable.contains(Dot {
            replica: 9,
            counter: 4
        }));
        assert!(!stable.contains(Dot {
            replica: 5,
            counter: 1
        }));
        assert_eq!(Stable::default().counter(2), 0);
    }
}
