//! How much is taken from a peer per second.

use std::time::Duration;

/// A token bucket that may go into debt: what was read is charged, and the debt says how long to
/// wait before reading on. Holds a second's worth.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: u32,
    /// Above zero: may be used at once. Below: owed.
    tokens: f64,
    at: Duration,
}

impl Rate {
    /// Starts full.
    pub(super) fn new(now: Duration, per_second: u32) -> Self {
        let per_second = per_second.max(1);
        Self {
            per_second,
            tokens: f64::from(per_second),
            at: now,
        }
    }

    /// Charges `amount`. Gives how long to wait until nothing is owed.
    pub(super) fn charge(&mut self, now: Duration, amount: usize) -> Duration {
        let full = f64::from(self.per_second);
        let gained = now.saturating_sub(self.at).as_secs_f64() * full;
        self.at = now.max(self.at);
        self.tokens = (self.tokens + gained).min(full) - amount as f64;
        Duration::from_secs_f64((-self.tokens).max(0.0) / full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_is_free_and_more_has_to_wait() {
        let mut rate = Rate::new(Duration::ZERO, 100);
        assert_eq!(rate.charge(Duration::ZERO, 100), Duration::ZERO);
        assert_eq!(rate.charge(Duration::ZERO, 50), Duration::from_millis(500));
        let later = Duration::from_millis(500);
        assert_eq!(rate.charge(later, 0), Duration::ZERO);
    }

    #[test]
    fn idle_time_is_not_saved_up_beyond_a_second() {
        let mut rate = Rate::new(Duration::ZERO, 100);
        let late = Duration::from_secs(1_000);
        assert_eq!(rate.charge(late, 200), Duration::from_secs(1));
    }
}
