//! Progress on a terminal; where standard error is none, nothing, or a line now and then.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::output::{aside, grouped};

/// A bar for work whose extent is known.
pub(crate) fn bar(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos}/{human_len} ({rate} a second, {eta} left)";
    styled(ProgressBar::new(total), template, what)
}

/// A bar for a file that is read; the message says what came of it so far.
pub(crate) fn bytes(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} {wide_bar} {percent} % ({eta} left)";
    styled(ProgressBar::new(total), template, what)
}

/// A bar for work of which only the share is known.
pub(crate) fn share(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} {wide_bar} {percent} % ({elapsed}, {eta} left)";
    styled(ProgressBar::new(total), template, what)
}

/// A counter for work whose end is not known.
pub(crate) fn counter(what: &str) -> ProgressBar {
    let counter = styled(
        ProgressBar::no_length(),
        "{spinner} {msg} ({elapsed})",
        what,
    );
    counter.enable_steady_tick(Duration::from_millis(200));
    counter
}

/// One more is done of what a bar counts. Where no bar can be drawn, a line says so at each tenth
/// of the whole.
pub(crate) fn one_more(bar: &ProgressBar) {
    bar.inc(1);
    let (done, whole) = (bar.position(), bar.length().unwrap_or_default());
    if bar.is_hidden() && is_tenth(done, whole) {
        let (done, whole) = (grouped(done), grouped(whole));
        aside(&format!("{done} of {whole} {}", bar.message()));
    }
}

/// When to say a line of work that takes long, where no bar can be drawn: every ten seconds at
/// most.
pub(crate) struct NowAndThen {
    last: Instant,
}

/// How long it is quiet in between, and at first.
const QUIET: Duration = Duration::from_secs(10);

impl NowAndThen {
    pub(crate) fn new(started: Instant) -> Self {
        Self { last: started }
    }

    /// Whether a line is due; if so, the next is a while later.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.last) >= QUIET;
        if is_due {
            self.last = now;
        }
        is_due
    }
}

/// Whether this many is where a tenth of the whole ends, but for the last.
fn is_tenth(done: u64, whole: u64) -> bool {
    done < whole && done.is_multiple_of(whole.div_ceil(10))
}

fn styled(bar: ProgressBar, template: &str, what: &str) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        // Whoever cannot be written to sees no rate.
        let _ = out.write_str(&grouped(state.per_sec() as u64));
    };
    // The templates above are the only ones, and they are well-formed.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.with_message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds_at_most() {
        let start = Instant::now();
        let mut lines = NowAndThen::new(start);
        let at = [0, 9, 10, 11, 19, 45, 50, 56].map(Duration::from_secs);
        let due = at.map(|at| lines.is_due(start + at));
        assert_eq!(due, [false, false, true, false, false, true, false, true]);
    }

    #[test]
    fn nine_lines_at_most_are_said_of_any_whole() {
        for whole in [0, 1, 9, 10, 11, 99, 100_000] {
            let lines = (1..=whole).filter(|done| is_tenth(*done, whole)).count();
            assert!(lines <= 9, "{whole}: {lines}");
        }
        let said = |whole| (1..=whole).filter(move |done| is_tenth(*done, whole));
        assert_eq!(Vec::from_iter(said(40)), [4, 8, 12, 16, 20, 24, 28, 32, 36]);
    }
}
