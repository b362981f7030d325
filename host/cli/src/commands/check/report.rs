//! How `check` tells what it found.

use std::io;
use std::path::Path;
use std::time::Duration;

use replicant::data::cbor_to_json;
use replicant_check::{
    COST_OPS_MAX, CostPoint, Evidence, Failure, Law, QueryCount, QuerySource, Report, Script,
    Violation,
};
use serde_json::{Value, json};

use super::CheckArguments;
use crate::output::{Table, counted, grouped, line, printable, quoted};

/// Data as people read it: JSON, or its bytes where it is no CBOR.
pub(super) fn show(data: &[u8]) -> String {
    match cbor_to_json(data) {
        Ok(text) => printable(&text),
        Err(_) => format!("the bytes {}", hexadecimal(data)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Prints a report for people.
pub(super) fn print(
    report: &Report,
    took: Duration,
    saved: Option<&Path>,
    arguments: &CheckArguments,
) -> io::Result<()> {
    let from = report.from.as_ref();
    let from = from.map(|from| format!(" after {from}"));
    line(&format!(
        "{}{}: {} from seed {}, {} delivered in {:.1} s ({} a second)",
        report.module,
        from.unwrap_or_default(),
        counted(report.runs, "history", "histories"),
        report.seed,
        counted(report.deliveries, "op", "ops"),
        took.as_secs_f64(),
        grouped((report.deliveries as f64 / took.as_secs_f64().max(1e-9)) as u64),
    ))?;
    commands(report)?;
    queries(report)?;
    line("")?;
    laws(report)?;
    if !report.cost.is_empty() {
        line("")?;
        cost(&report.cost)?;
    }
    notes(report)?;
    let told = match &report.failure {
        Some(failure) => {
            line("")?;
            return failed(failure, saved, arguments);
        }
        None => closing(report, !arguments.laws.is_empty()),
    };
    told.map_or(Ok(()), |told| line(&format!("\n{told}")))
}

/// What holds, in a sentence that says no more than what was looked at; none if nothing was.
fn closing(report: &Report, are_chosen: bool) -> Option<String> {
    let checked = report.laws.iter().filter(|law| !report.is_unchecked(**law));
    let checked: Vec<&str> = checked.map(|law| law.name()).collect();
    let told = match &checked[..] {
        [] => return None,
        _ if !are_chosen && report.unchecked.is_empty() => "every law holds".to_owned(),
        _ if !are_chosen => "every law that was checked holds".to_owned(),
        [only] => return Some(format!("{only} holds in every history; {NO_OTHER}")),
        [but_last @ .., last] => {
            let laws = format!("{} and {last}", but_last.join(", "));
            return Some(format!("{laws} hold in every history; {NO_OTHER}"));
        }
    };
    Some(format!("{told} in every history"))
}

/// Why others are not mentioned.
const NO_OTHER: &str = "no other law was asked for (--law)";

/// Says what was given, and what became of it.
fn commands(report: &Report) -> io::Result<()> {
    let given = counted(report.commands, "command", "commands");
    let Some((command, words)) = &report.first_refused else {
        return line(&format!("{given} given, none refused"));
    };
    line(&format!(
        "{given} given, {} refused; the first of these, {}: {}",
        grouped(report.refused),
        show(command),
        printable(words)
    ))
}

/// Says what was asked.
fn queries(report: &Report) -> io::Result<()> {
    let sum = |count: fn(&QueryCount) -> u64| report.queries.iter().map(count).sum();
    let (asked, answered) = (sum(|count| count.asked), sum(|count| count.answered));
    let of = report.queries.iter().map(|count| {
        let from = match count.source {
            QuerySource::Value => "\"value\"",
            QuerySource::Schema => "from the query schema",
            QuerySource::Given => "from --queries",
            QuerySource::Commands => "commands taken for queries",
            QuerySource::Damaged => "damaged",
        };
        let (asked, answered) = (grouped(count.asked), grouped(count.answered));
        format!("{from} {answered} of {asked}")
    });
    let of: Vec<String> = of.collect();
    if of.is_empty() {
        return Ok(());
    }
    line(&format!(
        "{} asked, {} answered: {}",
        counted(asked, "distinct query", "distinct queries"),
        grouped(answered),
        of.join(", ")
    ))
}

/// Says what was not looked at, and what would be needed.
fn notes(report: &Report) -> io::Result<()> {
    let mut notes = Vec::new();
    for unchecked in &report.unchecked {
        let more = match unchecked.law {
            Law::CostIsBounded => "--commands FILE can give commands with more variety",
            _ => "--runs and --steps look further",
        };
        let (law, reason) = (unchecked.law, &unchecked.reason);
        notes.push(format!("{law} is not checked: {reason}; {more}"));
    }
    if let [_, .., last] = &report.cost[..]
        && last.ops < COST_OPS_MAX
    {
        let ops = grouped(last.ops);
        notes.push(format!(
            "cost-is-bounded was measured up to {ops} ops: the commands have too little variety \
             for more; --commands FILE can give others"
        ));
    }
    if !report.queries.is_empty() && !report.answered_own_queries() {
        notes.push(
            "the type answered no query of its own: its query schema describes none, or none that \
             it answers; --queries FILE can give some"
                .to_owned(),
        );
    }
    if !notes.is_empty() && report.failure.is_none() {
        line("")?;
        notes
            .iter()
            .try_for_each(|note| line(&format!("note: {note}")))?;
    }
    Ok(())
}

fn laws(report: &Report) -> io::Result<()> {
    let broken = report.failure.as_ref().map(|failure| failure.violation.law);
    let mut table = Table::new(&["law", "holds", "says"]);
    for &law in &report.laws {
        let holds = match broken {
            Some(broken) if broken == law => "BROKEN",
            // Histories end where a law is broken: those after it were not looked at there.
            Some(_) => "-",
            None if report.is_unchecked(law) => "not checked",
            None => "yes",
        };
        table.row(&[law.name(), holds, law.statement()]);
    }
    table.print("")
}

fn cost(points: &[CostPoint]) -> io::Result<()> {
    let mut table = Table::new(&[
        "ops so far",
        "fuel per update",
        "fuel per apply",
        "saved bytes",
    ]);
    for point in points {
        table.row(&[
            grouped(point.ops),
            grouped(point.update_fuel as u64),
            grouped(point.apply_fuel as u64),
            grouped(point.saved_bytes as u64),
        ]);
    }
    table.print("")
}

fn failed(failure: &Failure, saved: Option<&Path>, arguments: &CheckArguments) -> io::Result<()> {
    line(&format!(
        "{} is BROKEN: {}",
        failure.violation.law,
        failure.violation.law.statement()
    ))?;
    if let Some(script) = &failure.script {
        line("")?;
        let (steps, before) = (script.steps.len() as u64, failure.steps_before);
        line(&match (steps, failure.comes_again) {
            (0, true) => format!("A fresh object shows it (the history had {before} steps):"),
            (0, false) => "It came before the first step of the history:".to_owned(),
            (_, true) => format!(
                "The shortest history that was found ({}; it had {before}):",
                counted(steps, "step", "steps"),
            ),
            (_, false) => format!("It came after {}:", counted(steps, "step", "steps")),
        })?;
        story(script)?;
    }
    line("")?;
    seen(&failure.violation)?;
    let again = match saved {
        Some(saved) => format!("{} --replay {}", arguments.files(), quoted(saved)),
        // The seed says more than any history that could be saved.
        None if failure.script.is_some() => arguments.history_of(failure.seed),
        None => return Ok(()),
    };
    line(&format!("\nTo see it again:\n    replicant check {again}"))
}

fn story(script: &Script) -> io::Result<()> {
    let mut lines = script.lines(&show).into_iter();
    lines.try_for_each(|text| line(&printable(&format!("    {text}"))))
}

fn seen(violation: &Violation) -> io::Result<()> {
    let mut lines = violation.lines(&show).into_iter();
    lines.try_for_each(|text| line(&printable(&text)))
}

/// Prints what a history led to when it was run again.
pub(super) fn print_replay(script: &Script, found: Option<&Violation>) -> io::Result<()> {
    story(script)?;
    line("")?;
    match found {
        None if script.steps.is_empty() => line(
            "this history breaks no law any more; it has no steps, so that only a fresh object was \
             looked at: check the component without --replay",
        ),
        None => line("this history breaks no law any more"),
        Some(violation) => {
            line(&format!(
                "{} is BROKEN: {}",
                violation.law,
                violation.law.statement()
            ))?;
            seen(violation)
        }
    }
}

/// Prints a report as one line of JSON.
pub(super) fn json(report: &Report, took: Duration, saved: Option<&Path>) -> io::Result<()> {
    let failure = report.failure.as_ref().map(|failure| {
        json!({
            "violation": violation_json(&failure.violation),
            "script": failure.script,
            "steps_before": failure.steps_before,
            "seed": failure.seed,
            "comes_again": failure.comes_again,
            "saved": saved,
        })
    });
    let unchecked = report.unchecked.iter();
    let unchecked = unchecked.map(|of| json!({"law": of.law.name(), "reason": of.reason}));
    let report = json!({
        "module": report.module,
        "from": report.from,
        "seed": report.seed,
        "runs": report.runs,
        "deliveries": report.deliveries,
        "commands": report.commands,
        "refused": report.refused,
        "queries": report.queries,
        "seconds": took.as_secs_f64(),
        "laws": report.laws.iter().copied().map(Law::name).collect::<Vec<_>>(),
        "unchecked": unchecked.collect::<Vec<_>>(),
        "cost": report.cost,
        "holds": report.failure.is_none(),
        "failure": failure,
    });
    line(&report.to_string())
}

/// Prints what a history led to, as one line of JSON.
pub(super) fn json_of_replay(script: &Script, found: Option<&Violation>) -> io::Result<()> {
    let report = json!({
        "script": script,
        "holds": found.is_none(),
        "violation": found.map(violation_json),
    });
    line(&report.to_string())
}

fn violation_json(violation: &Violation) -> Value {
    let evidence = violation.evidence.iter();
    let evidence = evidence.map(|(side, evidence)| match evidence {
        Evidence::Words(words) => json!({"side": side, "words": words}),
        Evidence::State(bytes) => json!({"side": side, "state": hexadecimal(bytes)}),
        Evidence::Data(data) => {
            let text = cbor_to_json(data).ok();
            match text.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
                Some(value) => json!({"side": side, "data": value}),
                None => json!({"side": side, "bytes": hexadecimal(data)}),
            }
        }
    });
    json!({
        "law": violation.law.name(),
        "what": violation.what,
        "evidence": evidence.collect::<Vec<_>>(),
    })
}
