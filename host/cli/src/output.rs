//! What people read: tables, values, text that cannot take over their terminal.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Replaces control characters: what a node or a type says must not move the cursor, change
/// colours or ring bells. Line breaks and tabs are kept.
pub(crate) fn printable(text: &str) -> String {
    let is_kept = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| {
            if is_kept(c) && !reorders(c) {
                c
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

/// Whether a character makes a terminal show text in another order than it stands.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints a line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Says something beside the results, on standard error. Whoever does not listen misses it: that is
/// no reason to fail.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints what the API answered, exactly, as one line.
pub(crate) fn json(text: &str) -> io::Result<()> {
    line(text.trim_end())
}

/// Prints a value as people read it: a text as it is, anything else as indented JSON.
pub(crate) fn value(value: &Value) -> io::Result<()> {
    match value {
        Value::String(text) => line(&printable(text)),
        other => line(&printable(&format!("{other:#}"))),
    }
}

/// Columns with a head, as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            rows: vec![head.iter().map(|cell| cell.to_uppercase()).collect()],
        }
    }

    pub(crate) fn row<S: ToString>(&mut self, cells: &[S]) {
        let cells = cells.iter().map(|cell| one_line(&cell.to_string()));
        self.rows.push(cells.collect());
    }

    /// Prints it, or `empty` if it has no rows.
    pub(crate) fn print(&self, empty: &str) -> io::Result<()> {
        match self.rows.len() {
            1 => line(empty),
            _ => self.write(&mut io::stdout().lock()),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            let text = cells.collect::<Vec<_>>().join("  ");
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

/// A text on one line, each run of white space as one blank.
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What is wrong with JSON on a line of its own, whose number whoever read it says: the reader of
/// JSON has seen no other line.
pub(crate) fn without_line(error: &str) -> String {
    error.replace(" at line 1 column ", " at column ")
}

/// A number as people read it: `259,778`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 history`, `2,000 histories`.
pub(crate) fn counted(number: u64, one: &str, more: &str) -> String {
    let what = if number == 1 { one } else { more };
    format!("{} {what}", grouped(number))
}

/// A path as it can be typed into a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Bytes as people read them: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    if size < 1.0 {
        return format!("{bytes} B");
    }
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1024.0 && units.len() > 0 {
        size /= 1024.0;
        unit = units.next();
    }
    format!("{size:.1} {}", unit.unwrap_or(&UNITS[0]))
}

/// Seconds as people read them: `2d 3h`, `4m 5s`.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, minutes) => format!("{minutes}m {rest}s"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// How long ago that was, by this machine's clock, given in milliseconds since 1970.
pub(crate) fn ago(at_ms: u64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let passed = now.saturating_sub(Duration::from_millis(at_ms));
    format!("{} ago", duration(passed.as_secs()))
}

/// The first eight digits of an id or hash: enough to tell a few apart.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A field of an answer as a text; `?` if it is not there.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or("?")
}

/// A field of an answer as a number.
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or(0)
}

/// A field of an answer as `yes` or `no`.
pub(crate) fn yes(value: &Value, field: &str) -> &'static str {
    if value[field] == true { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["id", "state"]);
        table.row(&["a", "alive"]);
        table.row(&["longer", "é"]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let expected = "ID      STATE\na       alive\nlonger  é\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\u{7}\u{202e}c\r\n\td"),
            "a�[31mb��c�\n\td"
        );
        let mut table = Table::new(&["id"]);
        table.row(&["one\ntwo"]);
        assert_eq!(table.rows[1][0], "one two");
    }

    #[test]
    fn numbers_sizes_and_times_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(
            grouped(18_446_744_073_709_551_615),
            "18,446,744,073,709,551,615"
        );
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(16 << 20), "16.0 MiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
        assert_eq!(duration(59), "59s");
        assert_eq!(duration(3_599), "59m 59s");
        assert_eq!(duration(3_600), "1h 0m");
        assert_eq!(duration(200_000), "2d 7h");
        assert_eq!(counted(1, "history", "histories"), "1 history");
        assert_eq!(counted(2_000, "history", "histories"), "2,000 histories");
        assert_eq!(counted(0, "op", "ops"), "0 ops");
        assert!(ago(0).ends_with("h ago"), "{}", ago(0));
        assert_eq!(ago(u64::MAX), "0s ago");
    }

    #[test]
    fn a_path_can_be_typed_as_it_is_told() {
        assert_eq!(quoted(Path::new("a/b-1.2_c.json")), "a/b-1.2_c.json");
        for path in [
            "my types/x.json",
            "it's",
            "$HOME",
            "a;b",
            "*",
            "~x",
            "",
            "a\nb",
        ] {
            let script = format!("printf %s {}", quoted(Path::new(path)));
            let told = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(told.unwrap().stdout, path.as_bytes(), "{script}");
        }
    }
}
