//! Many runs on several threads, with the same outcome on any number of them.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Config;
use crate::generate::script;
use crate::law::{Outcome, Stop};
use crate::laws;
use crate::object::{Component, Subject};
use crate::report::Progress;
use crate::script::Script;
use crate::tally::Tally;

/// Runs whose outcomes are kept until they are added up, in their order.
const BLOCK: u64 = 1_024;

/// All runs up to the first that ended early.
#[derive(Default)]
pub(crate) struct Ran {
    /// How many those are.
    pub(crate) runs: u64,
    /// What they amount to.
    pub(crate) tally: Tally,
    /// How the last one ended, if early.
    pub(crate) early: Option<(Script, Stop)>,
}

/// One run.
struct Run {
    number: u64,
    tally: Tally,
    early: Option<(Script, Stop)>,
}

/// Does all runs up to the first that fails.
pub(crate) fn all(
    component: &Component,
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
) -> Ran {
    let done = AtomicU64::new(0);
    let one = |number: u64| {
        let run = one(component, config, number);
        progress(Progress::Runs(done.fetch_add(1, Ordering::Relaxed) + 1));
        run
    };
    let mut ran = Ran::default();
    while ran.runs < config.runs && ran.early.is_none() {
        let end = config.runs.min(ran.runs.saturating_add(BLOCK));
        let threads = threads(config.threads, end - ran.runs);
        ran.add(block(ran.runs..end, threads, &one));
    }
    ran
}

/// How many threads there are for so many runs: no more than those, nor than cores.
fn threads(wanted: usize, runs: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runs = usize::try_from(runs).unwrap_or(usize::MAX);
    wanted.min(cores).min(runs)
}

impl Ran {
    /// Adds further runs, in any order, up to the first that ended early.
    fn add(&mut self, mut runs: Vec<Run>) {
        runs.sort_by_key(|run| run.number);
        for run in runs {
            self.runs += 1;
            self.tally.add(run.tally);
            self.early = run.early;
            if self.early.is_some() {
                return;
            }
        }
    }
}

/// Does runs on several threads: at least all up to the first that ends early.
fn block(numbers: Range<u64>, threads: usize, one: &(dyn Fn(u64) -> Run + Sync)) -> Vec<Run> {
    let next = AtomicU64::new(numbers.start);
    // The lowest run that ended early: those above it are of no interest.
    let lowest = AtomicU64::new(numbers.end);
    let runs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= lowest.load(Ordering::Relaxed) {
                        return;
                    }
                    let run = one(number);
                    if run.early.is_some() {
                        lowest.fetch_min(number, Ordering::Relaxed);
                    }
                    let mut runs = runs.lock().unwrap_or_else(|broken| broken.into_inner());
                    runs.push(run);
                }
            });
        }
    });
    runs.into_inner()
        .unwrap_or_else(|broken| broken.into_inner())
}

/// Lives through one history and checks every law on it.
fn one(component: &Component, config: &Config, number: u64) -> Run {
    let subject = &Subject::new(component);
    let (script, lived) = script(subject, config, config.seed.wrapping_add(number));
    let checked: Outcome = lived.and_then(|mut world| {
        world.settle()?;
        let mut laws = config.laws.iter();
        laws.try_for_each(|law| laws::check(*law, subject, &script, &mut world))
    });
    Run {
        number,
        tally: subject.take_tally(),
        early: checked.err().map(|stop| (script, stop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Law;

    fn run(number: u64, is_early: bool) -> Run {
        let script = || Script {
            seed: number,
            replicas: vec![1],
            steps: Vec::new(),
        };
        let stop = || Stop::broken(Law::NeverFaults, "test");
        Run {
            number,
            tally: Tally {
                deliveries: 1 << number,
                ..Tally::default()
            },
            early: is_early.then(|| (script(), stop())),
        }
    }

    #[test]
    fn runs_beyond_the_first_that_ended_early_do_not_count() {
        let mut ran = Ran::default();
        ran.add(vec![run(1, false), run(0, false)]);
        ran.add(vec![
            run(5, true),
            run(4, false),
            run(2, false),
            run(3, true),
        ]);
        assert_eq!((ran.runs, ran.tally.deliveries), (4, 0b1111));
        assert_eq!(ran.early.unwrap().0.seed, 3);
    }

    #[test]
    fn no_run_below_one_that_ended_early_is_left_out() {
        let early = |number| run(number, number >= 7 && number % 3 == 1);
        let mut runs = block(0..40, 4, &early);
        runs.retain(|run| run.number <= 7);
        runs.sort_by_key(|run| run.number);
        let numbers: Vec<u64> = runs.iter().map(|run| run.number).collect();
        assert_eq!(numbers, (0..=7).collect::<Vec<_>>());
    }

    #[test]
    fn there_are_no_more_threads_than_runs_or_cores() {
        assert_eq!(threads(usize::MAX, 1), 1);
        assert_eq!(threads(1, u64::MAX), 1);
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(threads(usize::MAX, u64::MAX), cores);
    }

    #[test]
    fn more_runs_than_a_block_has_are_all_done() {
        let count = AtomicU64::new(0);
        let counted = |number| {
            count.fetch_add(1, Ordering::Relaxed);
            run(number % 8, false)
        };
        let runs = block(0..BLOCK, 3, &counted);
        assert_eq!((runs.len() as u64, count.into_inner()), (BLOCK, BLOCK));
    }
}
