//! Arrivals in the order of sending.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Index;

/// From this size on it is looked through for what has passed.
const SWEEP_COUNT: usize = 1 << 16;

/// When the last message between two nodes arrives.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals {
    last: BTreeMap<(Index, Index), Duration>,
    sweep_count: usize,
}

impl Arrivals {
    /// The time at which a message may arrive that would arrive at `at`: not before those that
    /// were sent earlier.
    pub(super) fn in_order(
        &mut self,
        now: Duration,
        from: Index,
        to: Index,
        at: Duration,
    ) -> Duration {
        if self.last.len() >= self.sweep_count.max(SWEEP_COUNT) {
            self.last.retain(|_, last| *last > now);
            self.sweep_count = 2 * self.last.len();
        }
        let last = self.last.entry((from, to)).or_default();
        *last = at.max(*last);
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_whose_messages_have_arrived_are_forgotten() {
        let mut arrivals = Arrivals::default();
        for second in 0..3 * SWEEP_COUNT as u64 {
            let now = Duration::from_secs(second);
            arrivals.in_order(now, second as Index, 0, now + Duration::from_secs(9));
            assert!(arrivals.last.len() <= SWEEP_COUNT);
        }
    }
}
