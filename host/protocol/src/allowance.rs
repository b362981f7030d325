//! How often something may happen: so often at once, and so often in a second after.

use std::time::Duration;

/// What of an allowance is spent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowance {
    /// In thousandths.
    spent: u64,
    at: Duration,
}

impl Allowance {
    /// Whether it may happen once more.
    pub(crate) fn take(&mut self, now: Duration, per_second: u32, at_once: u32) -> bool {
        let millis = now.saturating_sub(self.at).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let paid = millis.saturating_mul(u64::from(per_second));
        (self.spent, self.at) = (self.spent.saturating_sub(paid), now);
        let after = self.spent + 1_000;
        let may = after <= u64::from(at_once) * 1_000;
        if may {
            self.spent = after;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_often_at_once_and_then_so_often_in_a_second() {
        let mut allowance = Allowance::default();
        let mut take = |millis| allowance.take(Duration::from_millis(millis), 2, 3);
        let at_once: Vec<bool> = (0..4).map(|_| take(10_000)).collect();
        assert_eq!(at_once, [true, true, true, false]);
        let after: Vec<bool> = [10_499, 10_500, 10_501]
            .into_iter()
            .map(&mut take)
            .collect();
        assert_eq!(after, [false, true, false]);
    }
}
