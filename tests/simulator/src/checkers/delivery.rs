//! Who heard what: every live node every message, once.

use std::collections::BTreeMap;
use std::time::Duration;

use replicant_protocol::ids::Hash;

use crate::Index;

/// A message as the scenario said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Its hash.
    pub id: Hash,
    /// When.
    pub at: Duration,
}

/// A message as it was delivered to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// When it was first delivered.
    pub at: Duration,
    /// How many nodes it went through, the sender not counted.
    pub hops: u32,
    /// How often it was delivered; more than once is a fault.
    pub count: u32,
}

/// What a node delivered. A node that says something has heard it with 0 hops.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    receipts: BTreeMap<Hash, Receipt>,
}

impl Heard {
    /// Notes a delivery.
    pub fn add(&mut self, id: Hash, at: Duration, hops: u32) {
        let first = Receipt { at, hops, count: 0 };
        self.receipts.entry(id).or_insert(first).count += 1;
    }

    /// How a message was delivered.
    pub fn get(&self, id: &Hash) -> Option<&Receipt> {
        self.receipts.get(id)
    }
}

/// How far messages came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reach {
    /// Deliveries that there should have been: messages times nodes.
    pub expected_count: u64,
    /// Messages times nodes that did not get them.
    pub missed_count: u64,
    /// Messages times nodes that got them more than once.
    pub repeated_count: u64,
    /// The longest time from saying to a delivery.
    pub last: Duration,
    /// The longest way to a delivery.
    pub hops_max: u32,
    /// Deliveries by their hops.
    pub by_hops: BTreeMap<u32, u64>,
    /// Deliveries by the time they took, in steps of 10 ms.
    pub by_time: BTreeMap<u128, u64>,
}

impl Reach {
    /// The share of deliveries that happened, in per cent.
    pub fn percent(&self) -> f64 {
        100.0 - 100.0 * self.missed_count as f64 / self.expected_count as f64
    }

    /// Adds how far other messages came.
    pub fn add(&mut self, other: &Self) {
        self.expected_count += other.expected_count;
        self.missed_count += other.missed_count;
        self.repeated_count += other.repeated_count;
        self.last = self.last.max(other.last);
        self.hops_max = self.hops_max.max(other.hops_max);
        for (hops, count) in &other.by_hops {
            *self.by_hops.entry(*hops).or_default() += count;
        }
        for (time, count) in &other.by_time {
            *self.by_time.entry(*time).or_default() += count;
        }
    }
}

/// How far messages came among these nodes. Give only nodes that should have heard them.
pub fn reach<'a>(said: &[Said], nodes: impl Iterator<Item = (Index, &'a Heard)>) -> Reach {
    let mut reach = Reach::default();
    for (_, heard) in nodes {
        for message in said {
            reach.expected_count += 1;
            let Some(receipt) = heard.get(&message.id) else {
                reach.missed_count += 1;
                continue;
            };
            reach.repeated_count += u64::from(receipt.count > 1);
            let took = receipt.at.saturating_sub(message.at);
            reach.last = reach.last.max(took);
            *reach.by_time.entry(took.as_millis() / 10).or_default() += 1;
            reach.hops_max = reach.hops_max.max(receipt.hops);
            *reach.by_hops.entry(receipt.hops).or_default() += 1;
        }
    }
    reach
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_and_what_came_twice_is_counted() {
        let (id, at) = (Hash::of(b"x"), Duration::from_secs(1));
        let said = [Said { id, at }];
        let mut nodes = [Heard::default(), Heard::default(), Heard::default()];
        nodes[0].add(id, at, 0);
        for late in [3, 9] {
            nodes[1].add(id, Duration::from_secs(late), 2);
        }
        let found = reach(&said, (0..).zip(&nodes));
        let counts = (
            found.expected_count,
            found.missed_count,
            found.repeated_count,
        );
        assert_eq!(counts, (3, 1, 1));
        assert_eq!((found.last, found.hops_max), (Duration::from_secs(2), 2));
        assert!((found.percent() - 66.7).abs() < 0.1);
        assert_eq!(found.by_hops, BTreeMap::from([(0, 1), (2, 1)]));
    }
}
