//! What a scenario does next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Spanned;

use super::format::ScenarioFile;
use super::tables::Timed;
use crate::Index;
use crate::worlds::Disk;

/// Something that a scenario does. Numbers are places in the file's lists.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Crash(usize),
    /// One more node goes.
    Churn(usize),
    Return(Index, Disk),
    Cut(usize),
    Heal,
    Slow(usize),
    Fast(BTreeSet<Index>),
    Stall(usize),
    Skew(usize),
    Lose(usize),
    LoseNoMore,
    /// The next message of a broadcast.
    Say(usize),
}

/// Steps in the order of their time; those of one time in the order they were put down. Times
/// count from when the world has settled.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    steps: BTreeMap<(Duration, u64), Step>,
    sequence: u64,
}

impl Agenda {
    /// What the file says will happen.
    pub(super) fn of(file: &ScenarioFile) -> Self {
        let mut agenda = Self::default();
        agenda.add_all(&file.crash, Step::Crash, None);
        agenda.add_all(&file.churn, Step::Churn, None);
        agenda.add_all(&file.partition, Step::Cut, Some(Step::Heal));
        agenda.add_all(&file.slow, Step::Slow, None);
        agenda.add_all(&file.stall, Step::Stall, None);
        agenda.add_all(&file.skew, Step::Skew, None);
        agenda.add_all(&file.loss, Step::Lose, Some(Step::LoseNoMore));
        agenda.add_all(&file.broadcast, Step::Say, None);
        agenda
    }

    fn add_all<T: Timed>(
        &mut self,
        entries: &[Spanned<T>],
        begin: impl Fn(usize) -> Step,
        end: Option<Step>,
    ) {
        for (place, entry) in entries.iter().enumerate() {
            let entry = entry.get_ref();
            // An end that falls together with a beginning comes first.
            if let Some(end) = &end {
                self.add(entry.at() + entry.lasts(), end.clone());
            }
            self.add(entry.at(), begin(place));
        }
    }

    /// Puts a step down.
    pub(super) fn add(&mut self, at: Duration, step: Step) {
        self.sequence += 1;
        self.steps.insert((at, self.sequence), step);
    }

    /// The next step, if it is not after `end`.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, Step)> {
        let entry = self.steps.first_entry()?;
        let at = entry.key().0;
        (at <= end).then(|| (at, entry.remove()))
    }
}
