//! Progress on a terminal; nothing where standard error is none.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::output::grouped;

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
