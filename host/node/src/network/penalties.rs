//! Who is refused for a while.
//!
//! Two lists: nodes that misbehaved after they proved their key (at once), and sources (addresses)
//! that sent nonsense before that (after a number of offences, since an address may be shared).
//! Both are bounded and everything on them expires.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use replicant_protocol::ids::NodeId;

/// Where a connection comes from, as far as one party controls it: an IPv4 address, or an IPv6
/// network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

/// The two lists.
#[derive(Debug)]
pub(super) struct Penalties {
    nodes: Expiring<NodeId>,
    sources: Expiring<Source>,
    offences_max: u32,
}

impl Penalties {
    /// Starts with nobody refused.
    pub(super) fn new(offences_max: u32, time: Duration, entries_max: usize) -> Self {
        Self {
            nodes: Expiring::new(time, entries_max),
            sources: Expiring::new(time, entries_max),
            offences_max: offences_max.max(1),
        }
    }

    /// Refuses a node from now on.
    pub(super) fn punish_node(&mut self, now: Duration, node: NodeId) {
        self.nodes.add(now, node);
    }

    /// Counts an offence of a source.
    pub(super) fn count_offence(&mut self, now: Duration, source: Source) {
        self.sources.add(now, source);
    }

    /// Whether a node is refused.
    pub(super) fn is_node_refused(&self, now: Duration, node: &NodeId) -> bool {
        self.nodes.count(now, node) > 0
    }

    /// Whether a source is refused.
    pub(super) fn is_source_refused(&self, now: Duration, source: &Source) -> bool {
        self.sources.count(now, source) >= self.offences_max
    }

    /// How many nodes and sources are on the lists, expired ones included.
    pub(super) fn len(&self) -> usize {
        self.nodes.entries.len() + self.sources.entries.len()
    }
}

/// Counts per key, forgotten a fixed time after the last offence.
#[derive(Debug)]
struct Expiring<K> {
    entries: BTreeMap<K, Entry>,
    time: Duration,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry {
    count: u32,
    until: Duration,
}

impl<K: Ord + Copy> Expiring<K> {
    fn new(time: Duration, entries_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            time,
            entries_max: entries_max.max(1),
        }
    }

    /// Costs a walk over all entries when the list is full, else O(log n).
    fn add(&mut self, now: Duration, key: K) {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.entries.retain(|_, entry| entry.until > now);
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(first) = first.map(|(key, _)| *key)
                && self.entries.len() >= self.entries_max
            {
                self.entries.remove(&first);
            }
        }
        let count = self.count(now, &key).saturating_add(1);
        let until = now.saturating_add(self.time);
        self.entries.insert(key, Entry { count, until });
    }

    fn count(&self, now: Duration, key: &K) -> u32 {
        let entry = self.entries.get(key).filter(|entry| entry.until > now);
        entry.map_or(0, |entry| entry.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn a_node_is_refused_at_once_and_for_a_while() {
        let mut penalties = Penalties::new(3, TIME, 4);
        let now = Duration::from_secs(1);
        penalties.punish_node(now, node(1));
        assert!(penalties.is_node_refused(now, &node(1)));
        assert!(!penalties.is_node_refused(now, &node(2)));
        assert!(!penalties.is_node_refused(now + TIME, &node(1)));
    }

    #[test]
    fn a_source_is_refused_after_several_offences_only() {
        let mut penalties = Penalties::new(3, TIME, 4);
        let now = Duration::from_secs(1);
        let source = Source::from(IpAddr::from([127, 0, 0, 1]));
        for _ in 0..2 {
            penalties.count_offence(now, source);
        }
        assert!(!penalties.is_source_refused(now, &source));
        penalties.count_offence(now, source);
        assert!(penalties.is_source_refused(now, &source));
        penalties.count_offence(now + TIME, source);
        assert!(!penalties.is_source_refused(now + TIME, &source));
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_gives_way() {
        let mut penalties = Penalties::new(1, TIME, 4);
        for second in 0..100 {
            penalties.punish_node(Duration::from_millis(second), node(second as u8));
        }
        let now = Duration::from_millis(100);
        assert_eq!(penalties.len(), 4);
        assert!(!penalties.is_node_refused(now, &node(95)));
        assert!(penalties.is_node_refused(now, &node(96)));
        assert!(penalties.is_node_refused(now, &node(99)));
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
    }
}
