//! What becomes of a message on its way.

mod latency;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, RngExt};

use super::Index;

pub use latency::Latency;

/// What carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Each message by itself, as UDP does: it may be lost, doubled, overtaken.
    Datagrams,
    /// Messages between two nodes arrive in the order they were sent, once, as TCP does. One that
    /// is lost is sent again after this time, then after twice that, and holds up those behind it.
    Streams(Duration),
}

/// How often a message is sent again in a stream before it counts as lost.
const RETRANSMISSIONS_MAX: u32 = 8;

/// The network between the nodes. May be changed while a simulation runs; what is on its way
/// already arrives.
#[derive(Debug, Clone)]
pub struct Network {
    /// How long a message takes.
    pub latency: Latency,
    /// The chance that a message is lost; 0 to 1.
    pub loss: f64,
    /// The chance that a message arrives twice; 0 to 1.
    pub duplication: f64,
    /// What carries messages.
    pub transport: Transport,
    /// Which part of a divided network a node is in; nodes that are not named are in part 0.
    pub parts: BTreeMap<Index, u32>,
    /// Between which parts nothing travels: (from, to). One-way when only one direction is named.
    /// Who sends to a node that it cannot reach, or that cannot answer, is told after
    /// [`Network::silence_max`] that the session broke, if it is still so by then.
    pub cuts: BTreeSet<(u32, u32)>,
    /// Nodes that take longer over everything: each message waits up to so long before they take
    /// it.
    pub slow: BTreeMap<Index, Duration>,
    /// How long a sender keeps trying to reach a machine that does not answer at all before it is
    /// told that the peer is gone (TCP's user time-out).
    pub silence_max: Duration,
}

impl Default for Network {
    /// 10 to 50 ms one way, nothing lost: the model that all figures of gossip are measured in.
    fn default() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50)),
            loss: 0.0,
            duplication: 0.0,
            transport: Transport::Datagrams,
            parts: BTreeMap::new(),
            cuts: BTreeSet::new(),
            slow: BTreeMap::new(),
            silence_max: Duration::from_secs(5),
        }
    }
}

impl Network {
    /// Whether anything can travel from one node to the other.
    pub fn is_open(&self, from: Index, to: Index) -> bool {
        if self.cuts.is_empty() {
            return true;
        }
        let part = |node| self.parts.get(&node).copied().unwrap_or(0);
        !self.cuts.contains(&(part(from), part(to)))
    }

    /// Whether two nodes reach each other.
    pub(super) fn is_open_both_ways(&self, a: Index, b: Index) -> bool {
        self.is_open(a, b) && self.is_open(b, a)
    }

    /// How long a message from one node to the other takes; `None` if it is lost.
    pub(super) fn travel(&self, from: Index, to: Index, rng: &mut impl Rng) -> Option<Duration> {
        if !self.is_open(from, to) {
            return None;
        }
        let Transport::Streams(retransmission) = self.transport else {
            let arrives = !self.is_lost(rng);
            return arrives.then(|| self.delay(from, to, rng));
        };
        let mut waited = Duration::ZERO;
        for doubling in 0..RETRANSMISSIONS_MAX {
            if !self.is_lost(rng) {
                return Some(waited + self.delay(from, to, rng));
            }
            waited += retransmission * 2_u32.pow(doubling);
        }
        None
    }

    fn is_lost(&self, rng: &mut impl Rng) -> bool {
        self.loss > 0.0 && rng.random_bool(self.loss)
    }

    /// How long a message takes that is not lost.
    pub(super) fn delay(&self, from: Index, to: Index, rng: &mut impl Rng) -> Duration {
        let mut delay = self.latency.draw(from, to, rng);
        if let Some(most) = self.slow.get(&to) {
            delay += Latency::Uniform(Duration::ZERO, *most).draw(from, to, rng);
        }
        delay
    }

    /// Whether a message arrives a second time.
    pub(super) fn is_doubled(&self, rng: &mut impl Rng) -> bool {
        self.transport == Transport::Datagrams
            && self.duplication > 0.0
            && rng.random_bool(self.duplication)
    }
}
