//! How well this node itself does.

/// The largest value: intervals are stretched up to nine times (Lifeguard, section IV-A).
const HEALTH_MAX: u32 = 8;

/// Lifeguard's local health multiplier: 0 while all is well, up to 8 while probes of others fail in
/// a way that points to this node itself. It stretches the interval and the time-out of probes, so
/// that a slow node accuses more slowly. Saturates: nothing that peers do or leave out moves it
/// further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalHealth {
    value: u32,
    is_on: bool,
}

impl LocalHealth {
    pub(super) fn new(is_on: bool) -> Self {
        let value = 0;
        Self { value, is_on }
    }

    /// A probe was answered.
    pub(super) fn improve(&mut self) {
        self.value = self.value.saturating_sub(1);
    }

    /// Something points to this node: so many answers did not come that should have, or others had
    /// to be told that this node is alive.
    pub(super) fn worsen(&mut self, by: u32) {
        if self.is_on {
            self.value = self.value.saturating_add(by).min(HEALTH_MAX);
        }
    }

    /// How many times longer intervals are.
    pub(super) fn factor(&self) -> u32 {
        1 + self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_stays_between_nought_and_eight_and_off_it_stays_good() {
        let mut health = LocalHealth::new(true);
        health.improve();
        assert_eq!(health.factor(), 1);
        health.worsen(u32::MAX);
        health.worsen(3);
        assert_eq!(health.factor(), 9);
        (0..8).for_each(|_| health.improve());
        assert_eq!(health.factor(), 1);
        let mut off = LocalHealth::new(false);
        off.worsen(5);
        assert_eq!(off.factor(), 1);
    }
}
