//! What becomes of a message on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, RngExt};

use super::Index;

/// How long a message is on its way, one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Latency {
    /// Each message anew, with equal chance anywhere between the two.
    Uniform(Duration, Duration),
}

impl Latency {
    fn draw(&self, rng: &mut impl Rng) -> Duration {
        match self {
            Self::Uniform(least, most) => {
                let nanos = rng.random_range(least.as_nanos() as u64..=most.as_nanos() as u64);
                Duration::from_nanos(nanos)
            }
        }
    }
}

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
    /// Which part of a divided network a node is in; nodes that are not named are in part 0.
    pub parts: BTreeMap<Index, u32>,
    /// Between which parts nothing travels: (from, to). One-way when only one direction is named.
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

    /// How long a message from one node to the other takes; `None` if it is lost.
    pub(super) fn travel(&self, from: Index, to: Index, rng: &mut impl Rng) -> Option<Duration> {
        if !self.is_open(from, to) || (self.loss > 0.0 && rng.random_bool(self.loss)) {
            return None;
        }
        Some(self.delay(to, rng))
    }

    /// How long a message takes that is not lost.
    pub(super) fn delay(&self, to: Index, rng: &mut impl Rng) -> Duration {
        let mut delay = self.latency.draw(rng);
        if let Some(most) = self.slow.get(&to) {
            delay += Latency::Uniform(Duration::ZERO, *most).draw(rng);
        }
        delay
    }

    /// Whether a message arrives a second time.
    pub(super) fn is_doubled(&self, rng: &mut impl Rng) -> bool {
        self.duplication > 0.0 && rng.random_bool(self.duplication)
    }
}
