//! Runs a target as a test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::mutation::input_of;

/// Runs a target with many inputs. One seed decides each; a failure names it.
pub(crate) fn run(cases: u64, seeds: &[Vec<u8>], target: fn(&[u8])) {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let only = number("REPLICANT_SEED");
    let end = number("REPLICANT_FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    for seed in only.unwrap_or(0).. {
        let is_over = match end {
            _ if only.is_some() => seed > only.unwrap_or(0),
            Some(end) => Instant::now() >= end,
            None => seed >= cases,
        };
        if is_over {
            return eprintln!("{seed} cases");
        }
        let input = input_of(seed, seeds);
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(
            outcome.is_ok(),
            "fails; REPLICANT_SEED={seed} replays it: {input:02x?}"
        );
    }
}
