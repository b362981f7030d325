//! Versions: which ops of a topic have been delivered.
//!
//! Guarantee: a [`VersionVector`] holds no zero counters, so equal versions are equal values, have
//! equal bytes and equal hashes.
//!
//! Source: Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (IEEE
//! Transactions on Software Engineering, 1983). Delivery is causal and without gaps, so one counter
//! per replica says it all.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use crate::ids::{Counter, Dot, Hash, ReplicaId};

/// How many replicas a version may name. At most 18 bytes an entry; and a bundle can depend on all
/// of them and has still room for ops. Replication accepts no further replica at this bound.
pub const REPLICAS_MAX: usize = 4_096;

/// Replica → highest counter delivered; a replica that is not named stands at 0.
///
/// CBOR: a map from replica id to counter, keys ascending, no zeros. Decoding accepts nothing
/// else and at most [`REPLICAS_MAX`] entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    counters: BTreeMap<ReplicaId, Counter>,
}

impl VersionVector {
    /// The version of an empty topic.
    pub const fn new() -> Self {
        Self {
            counters: BTreeMap::new(),
        }
    }

    /// The highest counter of a replica; 0 if nothing was delivered.
    pub fn get(&self, replica: ReplicaId) -> Counter {
        self.counters.get(&replica).copied().unwrap_or_default()
    }

    /// Whether this version includes an op.
    pub fn contains(&self, dot: Dot) -> bool {
        self.get(dot.replica) >= dot.counter
    }

    /// Raises the counter of a replica. A smaller or equal counter changes nothing.
    pub fn advance(&mut self, replica: ReplicaId, counter: Counter) {
        if counter > self.get(replica) {
            self.counters.insert(replica, counter);
        }
    }

    /// Makes this version include everything that `other` includes.
    pub fn merge(&mut self, other: &Self) {
        for (replica, counter) in other.iter() {
            self.advance(replica, counter);
        }
    }

    /// Whether this version includes everything that `other` includes.
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(replica, counter)| self.get(replica) >= counter)
    }

    /// The entries of this version that are larger than those of `older`, ascending by replica.
    pub fn since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = (ReplicaId, Counter)> + 'a {
        self.iter()
            .filter(|(replica, counter)| *counter > older.get(*replica))
    }

    /// How many ops this version includes that `older` does not. Stops at the largest number.
    pub fn ops_since(&self, older: &Self) -> u64 {
        self.since(older).fold(0, |sum: u64, (replica, counter)| {
            sum.saturating_add(counter.get() - older.get(replica).get())
        })
    }

    /// How many ops both versions include. Stops at the largest number.
    pub fn ops_shared(&self, other: &Self) -> u64 {
        self.iter().fold(0, |sum: u64, (replica, counter)| {
            sum.saturating_add(counter.min(other.get(replica)).get())
        })
    }

    /// All entries, ascending by replica. No counter is 0.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, Counter)> + '_ {
        self.counters
            .iter()
            .map(|(replica, counter)| (*replica, *counter))
    }

    /// How many replicas this version names.
    pub fn replicas_count(&self) -> usize {
        self.counters.len()
    }

    /// Whether this version includes no op at all.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// A hash of the whole version: equal exactly for equal versions.
    pub fn hash(&self) -> Hash {
        let mut bytes = Vec::with_capacity(16 * self.counters.len());
        for (replica, counter) in self.iter() {
            bytes.extend_from_slice(&replica.get().to_le_bytes());
            bytes.extend_from_slice(&counter.get().to_le_bytes());
        }
        Hash::derive("replicant 2026-11 version vector", &[&bytes])
    }
}

/// Causal order: less if `other` includes everything here and more; none if each includes what
/// the other lacks.
impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (other.covers(self), self.covers(other)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}

impl FromIterator<(ReplicaId, Counter)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Counter)>>(entries: I) -> Self {
        let mut version = Self::new();
        entries
            .into_iter()
            .for_each(|(replica, counter)| version.advance(replica, counter));
        version
    }
}

impl<C> Encode<C> for VersionVector {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(self.counters.len() as u64)?;
        for (replica, counter) in self.iter() {
            replica.encode(e, ctx)?;
            counter.encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for VersionVector {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let error = minicbor::decode::Error::message;
        let count = d
            .map()?
            .ok_or_else(|| error("a version of indefinite length"))?;
        if count > REPLICAS_MAX as u64 {
            return Err(error("a version with too many replicas"));
        }
        let mut version = Self::new();
        let mut last = None;
        for _ in 0..count {
            let replica = ReplicaId::decode(d, ctx)?;
            let counter = Counter::decode(d, ctx)?;
            if last >= Some(replica) {
                return Err(error("a version whose replicas do not ascend"));
            }
            if counter == Counter::ZERO {
                return Err(error("a version with a zero counter"));
            }
            last = Some(replica);
            version.counters.insert(replica, counter);
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(entries: &[(u64, u64)]) -> VersionVector {
        entries
            .iter()
            .map(|(r, c)| (ReplicaId::new(*r).unwrap(), Counter::new(*c)))
            .collect()
    }

    fn any_version() -> impl Strategy<Value = VersionVector> {
        proptest::collection::vec((1_u64..6, 0_u64..5), 0..6).prop_map(|entries| version(&entries))
    }

    #[test]
    fn zero_counters_leave_no_trace() {
        assert_eq!(version(&[(1, 0)]), VersionVector::new());
        assert_eq!(version(&[(1, 0)]).hash(), VersionVector::new().hash());
    }

    #[test]
    fn since_lists_what_grew() {
        let (old, new) = (
            version(&[(1, 2), (2, 5)]),
            version(&[(1, 4), (2, 5), (3, 1)]),
        );
        let changed: VersionVector = new.since(&old).collect();
        assert_eq!(changed, version(&[(1, 4), (3, 1)]));
        assert_eq!(new.ops_since(&old), 3);
        assert_eq!(old.ops_since(&new), 0);
        assert_eq!((old.ops_shared(&new), new.ops_shared(&old)), (7, 7));
    }

    #[test]
    fn decoding_refuses_what_encoding_never_writes() {
        for bytes in [
            &[0xa1, 1, 0][..],         // a zero counter
            &[0xa1, 0, 1],             // replica 0
            &[0xa2, 2, 1, 1, 1],       // descending
            &[0xa2, 1, 1, 1, 1],       // twice the same
            &[0xbf, 1, 1, 0xff],       // indefinite length
            &[0xa2, 1, 1],             // cut off
            &[0xba, 0, 1, 0, 1, 1, 1], // more entries than allowed
        ] {
            assert!(
                minicbor::decode::<VersionVector>(bytes).is_err(),
                "{bytes:x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn encoding_is_read_back(version in any_version()) {
            let bytes = minicbor::to_vec(&version).unwrap();
            prop_assert_eq!(minicbor::decode::<VersionVector>(&bytes).unwrap(), version);
        }

        #[test]
        fn merge_is_the_least_upper_bound(a in any_version(), b in any_version()) {
            let mut both = a.clone();
            both.merge(&b);
            prop_assert!(both.covers(&a) && both.covers(&b));
            for (replica, counter) in both.iter() {
                prop_assert!(counter == a.get(replica).max(b.get(replica)));
            }
        }

        #[test]
        fn order_agrees_with_covering(a in any_version(), b in any_version()) {
            prop_assert_eq!(a <= b, b.covers(&a));
            prop_assert_eq!(a == b, a.hash() == b.hash());
            prop_assert_eq!(a.ops_since(&b) == 0, b.covers(&a));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = minicbor::decode::<VersionVector>(&bytes);
        }
    }
}
