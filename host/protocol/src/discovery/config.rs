//! How often, and how many.

use std::time::Duration;

/// Times and bounds of discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The pause between two beacons while the node is alone, varied by a quarter. Shorter: found
    /// sooner, more datagrams. Default 2 s.
    pub alone_interval: Duration,
    /// The pause otherwise: two groups find each other in about this time. Default 30 s.
    pub together_interval: Duration,
    /// The least pause between two answers. An answer waits for up to a quarter of it, so that not
    /// all answer at once. Default 1 s.
    pub answer_interval: Duration,
    /// Candidates that are remembered; further ones are ignored until one is forgotten. Default
    /// 16.
    pub candidates_max: usize,
    /// How long a candidate is remembered, which is dialed once in this time. Default 10 s.
    pub candidate_time: Duration,
    /// Candidates that are given to be dialed in a second. Default 4.
    pub dials_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alone_interval: Duration::from_secs(2),
            together_interval: Duration::from_secs(30),
            answer_interval: Duration::from_secs(1),
            candidates_max: 16,
            candidate_time: Duration::from_secs(10),
            dials_per_second: 4,
        }
    }
}

impl Config {
    /// The configuration with times that work: none that makes a loop of beacons.
    pub(super) fn within_range(mut self) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        for time in [
            &mut self.alone_interval,
            &mut self.together_interval,
            &mut self.answer_interval,
            &mut self.candidate_time,
        ] {
            *time = (*time).clamp(Duration::from_millis(10), DAY);
        }
        self.candidates_max = self.candidates_max.clamp(1, 1_024);
        self.dials_per_second = self.dials_per_second.clamp(1, 1_000);
        self
    }
}
