//! What goes wrong in a simulated run.

use rand::{Rng, RngExt};

/// How likely what goes wrong, in percent where nothing else is said.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    pub(crate) store_failure: u32,
    pub(crate) latency_ms_max: u64,
    /// Of crashes and restarts of random nodes over the whole run.
    pub(crate) crashes: u32,
    /// How often the network falls into two parts for a while.
    pub(crate) partitions: u32,
    /// How often a session is replaced by another one.
    pub(crate) replacements: u32,
    /// How far clocks are off, in either direction.
    pub(crate) skew_ms_max: i64,
}

impl Faults {
    pub(crate) fn none() -> Self {
        Self {
            loss: 0,
            duplication: 0,
            store_failure: 0,
            latency_ms_max: 30,
            crashes: 0,
            partitions: 0,
            replacements: 0,
            skew_ms_max: 0,
        }
    }

    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        Self {
            loss: rng.random_range(0..40),
            duplication: rng.random_range(0..30),
            store_failure: rng.random_range(0..15),
            latency_ms_max: rng.random_range(1..800),
            crashes: rng.random_range(0..4),
            partitions: rng.random_range(0..3),
            replacements: rng.random_range(0..8),
            skew_ms_max: *[0, 1_000, 45_000].get(rng.random_range(0..3)).unwrap(),
        }
    }
}

pub(crate) fn percent(rng: &mut impl Rng, chance: u32) -> bool {
    rng.random_range(0..100) < chance
}
