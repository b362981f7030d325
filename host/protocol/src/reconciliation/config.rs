//! The limits of reconciliation.

use std::time::Duration;

/// How many parts a range is divided into.
pub(super) const PARTS: usize = 16;

/// Up to so many elements of a range are named instead of divided: 192 bytes against 170 for
/// sixteen sums, and a message less.
pub(super) const NAMED_MAX: usize = 32;

/// The settings of reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How often a random peer is compared with; varied by a quarter. Costs 60 bytes when nothing
    /// differs. Default 10 s.
    pub compare_interval: Duration,
    /// How many comparisons this node leads at once. More: a returning node catches up faster and
    /// gets more things twice. Default 2.
    pub comparisons_max: usize,
    /// How many comparisons of peers it answers at once; others are told to come again. Default 8.
    pub serves_max: usize,
    /// How many peers are known. Default 4,096.
    pub peers_max: usize,
    /// How long a peer may take to answer. Default 5 s.
    pub timeout: Duration,
    /// How many messages of a peer a comparison has at most; log₁₆ n and two are needed. Default
    /// 16: enough for any set that fits into a machine.
    pub rounds_max: u8,
    /// How many bytes of ranges a message has, about; 1 KiB to 60 KiB. What does not fit waits for
    /// the next comparison, which goes on there. Default 48 KiB.
    pub ranges_bytes_max: usize,
    /// How many elements are pushed on one message. Default 1,024.
    pub push_count_max: usize,
    /// How many bytes a peer gets at most in each `budget_interval`, elements included; beyond
    /// that it is told to come again. Default 2 MiB.
    pub budget_bytes: usize,
    /// See above. Default 1 s.
    pub budget_interval: Duration,
    /// How long after a deep comparison there is no other. It costs 0.2 s of processor time for
    /// each million elements. Default 60 s.
    pub deep_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            compare_interval: Duration::from_secs(10),
            comparisons_max: 2,
            serves_max: 8,
            peers_max: 4_096,
            timeout: Duration::from_secs(5),
            rounds_max: 16,
            ranges_bytes_max: 48 * 1024,
            push_count_max: 1_024,
            budget_bytes: 2 << 20,
            budget_interval: Duration::from_secs(1),
            deep_interval: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// The settings with nonsense taken out.
    pub(super) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(10);
        self.compare_interval = self.compare_interval.max(least);
        self.timeout = self.timeout.max(least);
        self.comparisons_max = self.comparisons_max.max(1);
        self.serves_max = self.serves_max.max(1);
        self.rounds_max = self.rounds_max.max(4);
        self.ranges_bytes_max = self.ranges_bytes_max.clamp(1_024, 60 * 1024);
        self.push_count_max = self.push_count_max.max(1);
        self
    }
}
