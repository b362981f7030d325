//! How `sim` tells what it found.

use std::io;
use std::path::Path;
use std::time::Duration;

use replicant_simulator::{Bound, Figure, Outcome};
use serde_json::{Value, json};

use crate::output::{self, Table, counted, grouped, line, quoted};

/// One run.
pub(super) struct Ran {
    pub(super) scenario: String,
    pub(super) nodes: u32,
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    pub(super) memory_peak_bytes: Option<u64>,
}

/// One line of JSON with everything.
pub(super) fn json(ran: &Ran) -> io::Result<()> {
    let figures = ran.outcome.figures.iter().map(figure);
    let value = json!({
        "scenario": ran.scenario,
        "nodes": ran.nodes,
        "seed": ran.seed,
        "holds": ran.outcome.holds(),
        "figures": figures.collect::<Vec<_>>(),
        "log_hash": ran.outcome.log_hash.to_hex().as_str(),
        "took_ms": ran.took.as_millis() as u64,
        "memory_peak_bytes": ran.memory_peak_bytes,
    });
    line(&value.to_string())
}

fn figure(figure: &Figure) -> Value {
    let (at_least, at_most) = match figure.bound {
        Some(Bound::AtLeast(least)) => (Some(least), None),
        Some(Bound::AtMost(most)) => (None, Some(most)),
        None => (None, None),
    };
    json!({
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "at_least": at_least,
        "at_most": at_most,
        "holds": figure.holds(),
    })
}

/// What decided a run, and what came of it as a whole.
pub(super) fn seed(ran: &Ran) -> io::Result<()> {
    let memory = ran.memory_peak_bytes.map(output::size);
    line(&format!(
        "{}: {}, seed {}: events {} in {:.1} s, {} at most",
        ran.scenario,
        counted(u64::from(ran.nodes), "node", "nodes"),
        ran.seed,
        output::short(ran.outcome.log_hash.to_hex().as_str()),
        ran.took.as_secs_f64(),
        memory.as_deref().unwrap_or("memory unknown"),
    ))
}

/// The figures of all runs: for several seeds the worst of each, and how many hold.
pub(super) fn table(runs: &[Ran]) -> io::Result<()> {
    line("")?;
    let several = runs.len() > 1;
    let head = match several {
        true => ["figure", "least", "most", "bound", "holds"].as_slice(),
        false => &["figure", "value", "bound", "holds"],
    };
    let mut table = Table::new(head);
    let first = runs.first().map(|ran| ran.outcome.figures.as_slice());
    for (place, shown) in first.unwrap_or_default().iter().enumerate() {
        let same = runs.iter().filter_map(|ran| ran.outcome.figures.get(place));
        let same = Vec::from_iter(same.filter(|it| it.name == shown.name));
        let values = same.iter().map(|it| it.value);
        // What is no number is shown: `f64::min` would pass over it.
        let least = values.clone().min_by(f64::total_cmp).unwrap_or(f64::NAN);
        let most = values.max_by(f64::total_cmp).unwrap_or(f64::NAN);
        let mut row = vec![shown.name.clone(), with_unit(least, shown.unit)];
        if several {
            row.push(with_unit(most, shown.unit));
        }
        let holding = same.iter().filter(|it| it.holds()).count();
        let (bound, holds) = match shown.bound {
            None => (String::new(), String::new()),
            Some(bound) => (bound_text(bound, shown.unit), verdict(holding, runs.len())),
        };
        row.extend([bound, holds]);
        table.row(&row);
    }
    table.print("no figures")?;
    line("")?;
    line(&summary(runs))
}

fn verdict(holding: usize, all: usize) -> String {
    match (holding == all, all) {
        (true, _) => "yes".to_owned(),
        (false, 1) => "NO".to_owned(),
        (false, _) => format!("NO, {holding} of {all}"),
    }
}

fn summary(runs: &[Ran]) -> String {
    let failed = Vec::from_iter(runs.iter().filter(|ran| !ran.outcome.holds()));
    match failed.first() {
        None => "every figure is within its bound".to_owned(),
        Some(ran) => format!(
            "not every figure is within its bound; again with `replicant sim {} --nodes {} --seed \
             {}`",
            quoted(Path::new(&ran.scenario)),
            ran.nodes,
            ran.seed
        ),
    }
}

fn bound_text(bound: Bound, unit: &str) -> String {
    match bound {
        Bound::AtMost(most) => format!("at most {}", with_unit(most, unit)),
        Bound::AtLeast(least) => format!("at least {}", with_unit(least, unit)),
    }
}

/// A value with as many digits as say something. Of what never came to be there is none, and what
/// did not happen took for ever.
fn with_unit(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "none" } else { "never" }.to_owned();
    }
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        1000.0.. => 0,
        100.0.. => 1,
        _ if unit == "%" => 3,
        1.0.. => 2,
        _ => 4,
    };
    let text = match value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        true => grouped(value as u64),
        false => format!("{value:.digits$}"),
    };
    format!("{text} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_digits_where_they_matter() {
        for (value, unit, told) in [
            (12_345.0, "", "12,345"),
            (99.95, "%", "99.950 %"),
            (0.01234, "", "0.0123"),
            (359.94, "ms", "359.9 ms"),
            (f64::NAN, "s", "none"),
            (f64::INFINITY, "ms", "never"),
        ] {
            assert_eq!(with_unit(value, unit), told);
        }
    }
}
