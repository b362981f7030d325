//! The clock of the benchmarks: processor time of this thread, so that other programs on the
//! machine disturb little. Everything that is measured runs in one thread.

use std::time::Duration;

use cpu_time::ThreadTime;

/// When something began.
pub struct Clock(ThreadTime);

impl Clock {
    /// Starts it.
    pub fn start() -> Self {
        Self(ThreadTime::now())
    }

    /// Returns the processor time since then.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
