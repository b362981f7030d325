//! What one round measured, and medians over rounds.

use std::time::Duration;

use serde_json::{Value, json};

/// The figures of one round of one library. None: not measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// How many edits were made.
    pub edits: usize,
    /// How many of them were made and applied as updates of their own: fewer for slow libraries.
    pub update_edits: usize,
    /// All edits, at one replica.
    pub local: Option<Duration>,
    /// Those ops at another replica, in the same batches.
    pub remote_batched: Option<Duration>,
    /// Each edit made as an update of its own.
    pub made: Option<Duration>,
    /// Those updates applied one by one at another replica.
    pub applied: Option<Duration>,
    /// The whole state to bytes.
    pub save: Option<Duration>,
    /// Bytes to a state, and its text read.
    pub load: Option<Duration>,
    /// How many bytes.
    pub saved_bytes: Option<usize>,
    /// How many bytes the ops of `local` have.
    pub op_bytes: Option<usize>,
}

/// Returns the figure in the middle for each kind.
pub fn median(rounds: &[Figures]) -> Figures {
    let time = |of: fn(&Figures) -> Option<Duration>| {
        let mut times: Vec<Duration> = rounds.iter().filter_map(of).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let last = rounds.last().cloned().unwrap_or_default();
    Figures {
        local: time(|it| it.local),
        remote_batched: time(|it| it.remote_batched),
        made: time(|it| it.made),
        applied: time(|it| it.applied),
        save: time(|it| it.save),
        load: time(|it| it.load),
        ..last
    }
}

/// Prints one table, a line for each library.
pub fn print(title: &str, rows: &[(&str, Figures)]) {
    println!("\n{title}\n");
    println!(
        "| library | all edits locally, ms | µs an edit | batches applied, ms | edits as updates \
         | made, µs | applied, µs | bytes an update | saved bytes | save, ms | load and read, ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (name, figures) in rows {
        let milliseconds = |time: Option<Duration>| cell(time.map(|it| it.as_secs_f64() * 1e3));
        let each = |time: Option<Duration>, edits: usize| {
            cell(time.map(|it| it.as_secs_f64() * 1e6 / edits.max(1) as f64))
        };
        let bytes = figures
            .op_bytes
            .map(|it| it as f64 / figures.update_edits.max(1) as f64);
        let columns = [
            milliseconds(figures.local),
            each(figures.local, figures.edits),
            milliseconds(figures.remote_batched),
            figures.update_edits.to_string(),
            each(figures.made, figures.update_edits),
            each(figures.applied, figures.update_edits),
            cell(bytes),
            figures
                .saved_bytes
                .map_or("–".into(), |bytes| bytes.to_string()),
            milliseconds(figures.save),
            milliseconds(figures.load),
        ];
        println!("| {name} | {} |", columns.join(" | "));
    }
}

fn cell(number: Option<f64>) -> String {
    match number {
        None => "–".to_owned(),
        Some(number) if number >= 100.0 => format!("{number:.0}"),
        Some(number) if number >= 10.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.3}"),
    }
}

/// The same as JSON; times in nanoseconds.
pub fn json(rows: &[(&str, Figures)]) -> Value {
    let time = |time: Option<Duration>| time.map(|it| it.as_nanos() as u64);
    rows.iter()
        .map(|(name, figures)| {
            json!({
                "library": name,
                "edits": figures.edits,
                "update_edits": figures.update_edits,
                "local_ns": time(figures.local),
                "remote_batched_ns": time(figures.remote_batched),
                "made_ns": time(figures.made),
                "applied_ns": time(figures.applied),
                "save_ns": time(figures.save),
                "load_ns": time(figures.load),
                "saved_bytes": figures.saved_bytes,
                "op_bytes": figures.op_bytes,
            })
        })
        .collect()
}
