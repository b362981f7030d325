//! Sessions that no neighbour holds: those that are being made, and those that are let go.
//!
//! Guarantees: each ends after a while in which nothing was said through it; there are at most
//! [`LOOSE_MAX`], and at the bound one of the source that has most of them ends.

use std::collections::BTreeMap;
use std::time::Duration;

use replicant_protocol::ids::NodeId;

use super::penalties::Source;

/// How many there are at most.
pub(super) const LOOSE_MAX: usize = 24;

/// How many further ones may be on their way into the table of sessions or out of it.
pub(super) const MOVING_MAX: usize = 8;

#[derive(Debug)]
struct Session {
    source: Source,
    /// In the order of coming.
    number: u64,
    until: Duration,
}

/// The sessions.
#[derive(Debug)]
pub(super) struct Loose {
    sessions: BTreeMap<NodeId, Session>,
    kept_for: Duration,
    count: u64,
}

impl Loose {
    /// Starts with none; each is kept for so long after it was used.
    pub(super) fn new(kept_for: Duration) -> Self {
        Self {
            sessions: BTreeMap::new(),
            kept_for,
            count: 0,
        }
    }

    /// Takes a session in. Gives who has to make room for it.
    pub(super) fn add(&mut self, now: Duration, node: NodeId, source: Source) -> Option<NodeId> {
        self.count += 1;
        let session = Session {
            source,
            number: self.count,
            until: now.saturating_add(self.kept_for),
        };
        self.sessions.insert(node, session);
        if self.sessions.len() <= LOOSE_MAX {
            return None;
        }
        let mut counts: BTreeMap<Source, usize> = BTreeMap::new();
        for session in self.sessions.values() {
            *counts.entry(session.source).or_default() += 1;
        }
        let most = counts.values().copied().max();
        let of_most = self.sessions.iter();
        let of_most = of_most.filter(|(_, of)| counts.get(&of.source).copied() == most);
        let oldest = of_most.min_by_key(|(_, of)| of.number);
        let oldest = oldest.map(|(node, _)| *node);
        if let Some(oldest) = &oldest {
            self.sessions.remove(oldest);
        }
        oldest
    }

    /// Something is said through a session.
    pub(super) fn keep(&mut self, now: Duration, node: &NodeId) {
        if let Some(session) = self.sessions.get_mut(node) {
            session.until = now.saturating_add(self.kept_for);
        }
    }

    /// A session is held, or over.
    pub(super) fn remove(&mut self, node: &NodeId) {
        self.sessions.remove(node);
    }

    /// Those that nobody used for long. They are forgotten here.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<NodeId> {
        let ended = self.sessions.extract_if(.., |_, of| of.until <= now);
        ended.map(|(node, _)| node).collect()
    }

    /// When the next one ends.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.sessions.values().map(|session| session.until).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const KEPT: Duration = Duration::from_secs(2);

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn source(number: u8) -> Source {
        IpAddr::from([10, 0, 0, number]).into()
    }

    #[test]
    fn a_session_ends_when_nothing_was_said_through_it_for_a_while() {
        let mut loose = Loose::new(KEPT);
        let at = Duration::from_secs;
        assert_eq!(loose.add(at(1), node(1), source(1)), None);
        loose.add(at(1), node(2), source(1));
        loose.keep(at(2), &node(2));
        assert_eq!(loose.next_timeout(), Some(at(3)));
        assert_eq!(loose.expire(at(3)), [node(1)]);
        assert_eq!(loose.expire(at(3)), []);
        loose.remove(&node(2));
        assert_eq!(loose.next_timeout(), None);
    }

    #[test]
    fn at_the_bound_the_source_that_has_most_makes_room() {
        let mut loose = Loose::new(KEPT);
        let now = Duration::from_secs(1);
        assert_eq!(loose.add(now, node(200), source(2)), None);
        for number in 1..LOOSE_MAX as u8 {
            assert_eq!(loose.add(now, node(number), source(1)), None);
        }
        for number in 100..150 {
            let before = loose.add(now, node(number), source(1));
            assert!(before.is_some_and(|gone| gone != node(200)));
            assert_eq!(loose.sessions.len(), LOOSE_MAX);
        }
        assert!(loose.sessions.contains_key(&node(200)));
    }
}
