//! When to try again after the disk failed.

use std::time::{Duration, Instant};

/// The first pause after a failure. Long enough that a full disk is not hammered, short enough
/// that nobody notices a hiccup.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause: how late a node notices at worst that the disk works again.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// After each opening there is at least this many times as long for reading.
const OPENING_SHARE: u32 = 9;

/// A failure that lasts: its reason, and from when on another attempt is allowed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: String,
    retry_at: Instant,
    pause: Duration,
}

impl Failure {
    /// The failure after `before`, if there was one: each pause is twice as long as the last, and
    /// long in proportion to what opening the database anew took, since nobody reads meanwhile.
    pub(super) fn after(
        before: Option<&Self>,
        reason: String,
        now: Instant,
        opening: Duration,
    ) -> Self {
        let pause = before.map_or(PAUSE_MIN, |before| (before.pause * 2).min(PAUSE_MAX));
        Self {
            reason,
            retry_at: now + pause.max(opening * OPENING_SHARE),
            pause,
        }
    }

    /// Whether another attempt is allowed.
    pub(super) fn may_retry(&self, now: Instant) -> bool {
        now >= self.retry_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let now = Instant::now();
        let full = || "full".to_owned();
        let mut failure = Failure::after(None, full(), now, Duration::ZERO);
        assert!(!failure.may_retry(now));
        assert!(failure.may_retry(now + PAUSE_MIN));
        for _ in 0..20 {
            failure = Failure::after(Some(&failure), full(), now, Duration::ZERO);
        }
        assert!(!failure.may_retry(now + PAUSE_MAX - Duration::from_millis(1)));
        assert!(failure.may_retry(now + PAUSE_MAX));
    }

    #[test]
    fn a_database_that_takes_long_to_open_is_left_open_for_longer() {
        let (now, opening) = (Instant::now(), Duration::from_secs(5));
        let failure = Failure::after(None, "full".to_owned(), now, opening);
        assert!(!failure.may_retry(now + Duration::from_secs(44)));
        assert!(failure.may_retry(now + Duration::from_secs(45)));
        let next = Failure::after(Some(&failure), "full".to_owned(), now, Duration::ZERO);
        assert!(next.may_retry(now + 2 * PAUSE_MIN));
    }
}
