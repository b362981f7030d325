//! Progress on a terminal; nothing where standard error is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work whose extent is known.
pub(crate) fn bar(total: u64, what: &str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)";
    styled(ProgressBar::new(total), template, what)
}

/// A counter for work whose end is not known.
pub(crate) fn counter(what: &str) -> ProgressBar {
    let counter = styled(
        ProgressBar::no_length(),
        "{spinner} {human_pos} {msg} ({per_sec})",
        what,
    );
    counter.enable_steady_tick(Duration::from_millis(200));
    counter
}

fn styled(bar: ProgressBar, template: &str, what: &str) -> ProgressBar {
    // The templates above are the only ones, and they are well-formed.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}
