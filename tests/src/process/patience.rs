//! Waiting for what other processes do.

use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails. Long, as machines are busy at times.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until something holds, which `what` names.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
