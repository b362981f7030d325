//! How often something may happen.

use std::time::Duration;

/// Up to so many in a second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    second: u64,
    count: u32,
}

impl Rate {
    /// Whether it may happen once more.
    pub(super) fn take(&mut self, now: Duration, per_second: u32) -> bool {
        if self.second != now.as_secs() {
            (self.second, self.count) = (now.as_secs(), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_second_begins_anew() {
        let mut rate = Rate::default();
        let at = Duration::from_millis;
        let taken: Vec<bool> = [1_000, 1_500, 1_999, 2_000]
            .iter()
            .map(|millis| rate.take(at(*millis), 2))
            .collect();
        assert_eq!(taken, [true, true, false, true]);
    }
}
