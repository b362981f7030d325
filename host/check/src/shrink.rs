//! Makes a failing script small: takes out what is not needed for the same law to be broken.
//!
//! Source: Andreas Zeller and Ralf Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input" (IEEE TSE 28(2), 2002), section 3, first over steps, then over the commands of each.

use crate::generate::verdict;
use crate::law::{Stop, Violation};
use crate::object::Subject;
use crate::script::{Action, Script};

/// Scripts of so many steps or fewer are tried with other seeds too, and with how many.
const SMALL_STEPS: usize = 10;
const MORE_SEEDS: u64 = 3;

/// The smallest script that was found, and how it fails.
pub(crate) fn shrink(
    subject: &Subject,
    script: Script,
    violation: Violation,
    tries_max: u32,
) -> (Script, Violation) {
    let mut search = Search {
        subject,
        best: script,
        violation,
        tries_left: tries_max,
    };
    loop {
        let before = size(&search.best);
        search.drop_steps();
        search.drop_commands();
        search.make_plain();
        if size(&search.best) >= before || search.tries_left == 0 {
            return (search.best, search.violation);
        }
    }
}

struct Search<'a> {
    subject: &'a Subject,
    best: Script,
    violation: Violation,
    tries_left: u32,
}

impl Search<'_> {
    /// Takes the candidate if it breaks the same law. What chance decides falls otherwise in a
    /// script that has lost steps: small ones get some seeds more.
    fn accept(&mut self, candidate: Script) -> bool {
        let more_seeds = match candidate.steps.len() {
            0..=SMALL_STEPS => MORE_SEEDS,
            _ => 0,
        };
        (0..=more_seeds).any(|more| {
            let seed = candidate.seed.wrapping_add(more << 40);
            self.accept_as_it_is(Script {
                seed,
                ..candidate.clone()
            })
        })
    }

    fn accept_as_it_is(&mut self, candidate: Script) -> bool {
        if self.tries_left == 0 {
            return false;
        }
        self.tries_left -= 1;
        match verdict(self.subject, &candidate, self.violation.law) {
            Err(Stop::Broken(violation)) if violation.law == self.violation.law => {
                (self.best, self.violation) = (candidate, *violation);
                true
            }
            _ => false,
        }
    }

    /// Takes out runs of steps, half of them first, then ever fewer at a time.
    fn drop_steps(&mut self) {
        let mut length = self.best.steps.len().div_ceil(2);
        while length > 0 {
            let mut start = 0;
            while start < self.best.steps.len() {
                let mut candidate = self.best.clone();
                let end = (start + length).min(candidate.steps.len());
                candidate.steps.drain(start..end);
                if !self.accept(candidate) {
                    start += length;
                }
            }
            length /= 2;
        }
    }

    fn drop_commands(&mut self) {
        for step in 0..self.best.steps.len() {
            let mut command = 0;
            while self.best.steps[step].commands().len() > 1.max(command) {
                let mut candidate = self.best.clone();
                if let Action::Update(update) = &mut candidate.steps[step].action {
                    update.commands.remove(command);
                }
                if !self.accept(candidate) {
                    command += 1;
                }
            }
        }
    }

    /// Takes out what makes a script harder to read: gaps between counters and in time, replicas
    /// that do nothing, ids that are large.
    fn make_plain(&mut self) {
        let mut candidate = self.best.clone();
        for step in &mut candidate.steps {
            if let Action::Update(update) = &mut step.action {
                (update.counters_taken, update.time_passed) = (0, 0);
            }
        }
        let plain_ids = (1..=candidate.replicas.len() as u64).collect();
        let ids = std::mem::replace(&mut candidate.replicas, plain_ids);
        if candidate != self.best && !self.accept(candidate.clone()) {
            candidate.replicas = ids;
            self.accept(candidate);
        }
        for index in (0..self.best.replicas.len()).rev() {
            let is_used = self.best.steps.iter().any(|step| step.replica == index);
            if is_used || self.best.replicas.len() <= 2 {
                continue;
            }
            let mut candidate = self.best.clone();
            candidate.replicas.remove(index);
            for step in &mut candidate.steps {
                step.replica -= usize::from(step.replica > index);
            }
            self.accept(candidate);
        }
    }
}

/// How much there is to read.
fn size(script: &Script) -> usize {
    let commands = script.steps.iter().map(|step| step.commands().len());
    script.steps.len() + script.replicas.len() + commands.sum::<usize>()
}
