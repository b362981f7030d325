//! A node's own clock, which may be ahead and run too fast or too slow.

use std::time::Duration;

const MILLION: i128 = 1_000_000;
/// A clock runs at least at half its speed and at most at one and a half.
const DRIFT_PPM_MAX: i32 = 500_000;

/// How a node's clock reads. Clocks only ever go forward, as monotonic clocks do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Up to here, by the simulation's clock, its reading is settled …
    since: Duration,
    /// … as so far ahead.
    ahead_nanos: i128,
    /// From there on it gains so many millionths.
    drift_ppm: i32,
}

impl Clock {
    /// Puts the clock forward, and lets it run faster or slower from now on.
    pub(super) fn skew(&mut self, now: Duration, ahead: Duration, drift_ppm: i32) {
        self.ahead_nanos = self.gained(now) + ahead.as_nanos() as i128;
        self.since = now;
        self.drift_ppm = drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX);
    }

    fn gained(&self, now: Duration) -> i128 {
        let span = now.as_nanos() as i128 - self.since.as_nanos() as i128;
        self.ahead_nanos + (span * i128::from(self.drift_ppm)).div_euclid(MILLION)
    }

    /// What it shows at a time of the simulation that is not before the last [`Clock::skew`].
    pub(super) fn local(&self, now: Duration) -> Duration {
        nanos(now.as_nanos() as i128 + self.gained(now))
    }

    /// The first time of the simulation at which it shows `local` or more.
    pub(super) fn global(&self, local: Duration) -> Duration {
        let since = self.since.as_nanos() as i128;
        let span = local.as_nanos() as i128 - since - self.ahead_nanos;
        let speed = MILLION + i128::from(self.drift_ppm);
        // What rounding can make of it, at half the speed, is less than four.
        let mut at = nanos(since + span * MILLION / speed - 4);
        while self.local(at) < local {
            at += Duration::from_nanos(1);
        }
        at
    }
}

fn nanos(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_clock_is_found_again_whatever_its_speed() {
        let start = Duration::from_secs(1_000);
        for drift in [-500_000, -100, 0, 1, 333, 500_000] {
            let mut clock = Clock::default();
            clock.skew(start, Duration::from_secs(3), drift);
            assert_eq!(clock.local(start), Duration::from_secs(1_003));
            for later in [1_003_000_000_001, 1_004_123_456_789, 9_999_999_999_999] {
                let wanted = Duration::from_nanos(later);
                let at = clock.global(wanted);
                assert!(clock.local(at) >= wanted);
                assert!(clock.local(at - Duration::from_nanos(1)) < wanted);
            }
        }
    }

    #[test]
    fn a_second_skew_adds_to_what_was_gained() {
        let mut clock = Clock::default();
        clock.skew(Duration::ZERO, Duration::ZERO, 100_000);
        clock.skew(Duration::from_secs(10), Duration::from_secs(1), 0);
        assert_eq!(
            clock.local(Duration::from_secs(20)),
            Duration::from_secs(22)
        );
    }
}
