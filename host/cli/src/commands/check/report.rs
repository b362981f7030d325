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
    components: &str,
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
    line("")?;
    match &report.failure {
        None if report.unchecked.is_empty() => line("every law holds in every history"),
        None => line("every law that was checked holds in every history"),
        Some(failure) => failed(failure, saved, components),
    }
}

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

fn failed(failure: &Failure, saved: Option<&Path>, components: &str) -> io::Result<()> {
    line(&format!(
        "{} is BROKEN: {}",
        failure.violation.law,
        failure.violation.law.statement()
    ))?;
    if let Some(script) = &failure.script {
        line("")?;
        line(&format!(
            "The shortest history that was found ({}; it had {}):",
            counted(script.steps.len() as u64, "step", "steps"),
            failure.steps_before
        ))?;
        story(script)?;
    }
    line("")?;
    seen(&failure.violation)?;
    if let Some(saved) = saved {
        line("")?;
        line("To see it again:")?;
        line(&format!(
            "    replicant check {components} --replay {}",
            quoted(saved)
        ))?;
    }
    Ok(())
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
