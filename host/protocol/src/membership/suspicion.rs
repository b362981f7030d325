//! How long suspects have to refute, and how often others may accuse.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::NodeId;

use super::Config;

/// A suspect's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// Since when this node suspects it; later by what this node stalled itself.
    pub(super) since: Duration,
    /// Whether somebody gave it up already.
    pub(super) is_hastened: bool,
    /// When it is given up.
    pub(super) until: Duration,
}

impl Suspicion {
    /// A suspicion that begins.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            since: now,
            is_hastened: false,
            until: now,
        }
    }

    /// Sets the end anew, with so many accusers among `count` members.
    pub(super) fn reckon(&mut self, config: &Config, count: usize, accusers_count: usize) {
        let least = config.suspicion_timeout(count);
        let timeout = match self.is_hastened {
            true => least,
            false => config.suspicion_timeout_with(count, accusers_count),
        };
        self.until = self.since + timeout;
    }

    /// Adds to a suspect's time what this node itself stalled.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.since += by;
        self.until += by;
    }
}

/// How many accusations of one accuser are taken at once. A correct node makes one a period at
/// most; some may have been held up on the way.
const ACCUSATIONS_AT_ONCE_MAX: u32 = 8;

/// How many accusations may still be taken from each accuser: one more each period.
#[derive(Debug, Default)]
pub(super) struct Accusers {
    /// How many were taken lately, and since when none was given back.
    taken: BTreeMap<NodeId, (u32, Duration)>,
}

impl Accusers {
    /// Whether a further accusation of `accuser` is taken.
    pub(super) fn may_accuse(&mut self, now: Duration, accuser: NodeId, period: Duration) -> bool {
        let (taken, since) = self.taken.entry(accuser).or_insert((0, now));
        give_back(taken, since, now, period);
        let may = *taken < ACCUSATIONS_AT_ONCE_MAX;
        *taken += u32::from(may);
        may
    }

    /// Forgets accusers that were quiet.
    pub(super) fn forget_quiet(&mut self, now: Duration, period: Duration) {
        self.taken.retain(|_, (taken, since)| {
            give_back(taken, since, now, period);
            *taken > 0
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }
}

fn give_back(taken: &mut u32, since: &mut Duration, now: Duration, period: Duration) {
    let periods = now.saturating_sub(*since).as_nanos() / period.as_nanos().max(1);
    let periods = u32::try_from(periods).unwrap_or(u32::MAX);
    *taken = taken.saturating_sub(periods);
    *since = match *taken {
        0 => now,
        _ => *since + period * periods,
    };
}
