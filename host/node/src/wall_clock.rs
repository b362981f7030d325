//! The machine's clock. It stamps and it delays; it never decides anything replicated.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, as the machine's clock says.
pub(crate) fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// A span of time as people say it, in its two largest units: `46 min 36 s`.
pub(crate) fn spoken(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 {
        return format!("{} ms", span.as_millis());
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length);
    let shown = units.iter().skip(first.unwrap_or_default()).take(2);
    let mut left = seconds;
    let parts = shown.filter_map(|(length, name)| {
        let count = left / length;
        left %= length;
        (count > 0).then(|| format!("{count} {name}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_two_largest_units() {
        for (millis, said) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_500, "1 s"),
            (60_000, "1 min"),
            (2_796_123, "46 min 36 s"),
            (7_260_000, "2 h 1 min"),
            (86_401_000, "1 d"),
            (31_536_000_000, "365 d"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), said);
        }
    }
}
