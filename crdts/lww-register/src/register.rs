//! The order of writes.

use replicant_sdk::Stamp;
use serde::{Deserialize, Serialize};

/// The last write: either a value, or that there is none.
#[derive(Debug, Serialize, Deserialize)]
pub struct Register<T> {
    last: Option<(Stamp, Option<T>)>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl<T> Register<T> {
    /// Writes `value` unless a later write is there. Returns whether it was written.
    pub fn write(&mut self, stamp: Stamp, value: Option<T>) -> bool {
        let is_later = self.last.as_ref().is_none_or(|(last, _)| stamp > *last);
        if is_later {
            self.last = Some((stamp, value));
        }
        is_later
    }

    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&T> {
        self.last.as_ref()?.1.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use replicant_sdk::Dot;

    use super::*;

    fn stamp(timestamp: u64, replica: u64, counter: u64) -> Stamp {
        Stamp {
            timestamp,
            dot: Dot { replica, counter },
        }
    }

    #[test]
    fn the_latest_write_wins_in_any_order() {
        let mut writes = [
            (stamp(5, 1, 9), Some("early")),
            (stamp(6, 1, 10), Some("smaller replica")),
            (stamp(6, 2, 3), Some("smaller counter")),
            (stamp(6, 2, 4), Some("last")),
        ];
        for _ in 0..writes.len() {
            writes.rotate_left(1);
            let mut register = Register::default();
            for (stamp, value) in writes {
                register.write(stamp, value);
            }
            assert_eq!(register.value(), Some(&"last"));
        }
    }

    #[test]
    fn a_cleared_register_keeps_the_time_of_clearing() {
        let mut register = Register::default();
        assert!(register.write(stamp(7, 1, 1), None));
        assert!(!register.write(stamp(6, 2, 1), Some("older")));
        assert_eq!(register.value(), None);
    }
}
