//! Measures Replicant's text beside diamond-types, loro, yrs and automerge, all in one run: rounds
//! in which every library does everything once, and of each figure the median.
//!
//! ```text
//! cargo run --release [-- [--quick] [--rounds N] [--json FILE] [--only NAME]]
//! ```
//!
//! Slow libraries make and apply only the first edits of the trace as updates of their own (the
//! table says how many; updates cost them more the longer the text is, so that favours them).
//! `--quick` shortens that further and does one round.

mod clock;
#[cfg(feature = "sandbox")]
mod crossing;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod result;
#[cfg(feature = "sandbox")]
mod sandbox;
mod trace;

use std::collections::BTreeMap;

use result::{Figures, median};
use trace::Trace;

/// One library and how to measure it once.
type Contestant<'a> = (&'static str, Box<dyn Fn() -> Figures + 'a>);

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let default = if quick { 1 } else { 3 };
    let rounds = option("--rounds").map_or(default, |text| text.parse().expect("a number"));
    let trace = Trace::read("automerge-paper");
    let mut contestants = contestants(&trace, quick);
    if let Some(only) = option("--only") {
        contestants.retain(|(name, _)| name.contains(&only));
    }
    let mut figures: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 1..=rounds {
        for (name, measure) in &contestants {
            eprintln!("round {round} of {rounds}: {name}");
            figures.entry(name).or_default().push(measure());
        }
    }
    let rows: Vec<(&str, Figures)> = contestants
        .iter()
        .map(|(name, _)| (*name, median(&figures[name])))
        .collect();
    result::print(trace.name, &rows);
    let crossings = crossings(&trace, rounds);
    if let Some(file) = option("--json") {
        let json = serde_json::json!({ "trace": trace.name, "rounds": rounds,
            "libraries": result::json(&rows), "crossings": crossings });
        std::fs::write(&file, format!("{json:#}\n")).expect("the file can be written");
    }
}

/// Measures what the sandbox costs our types.
#[cfg(feature = "sandbox")]
fn crossings(trace: &Trace, rounds: usize) -> serde_json::Value {
    let runtime = replicant_runtime::Runtime::new(Default::default()).expect("a runtime");
    let types = crossing::all(&runtime, &trace.patches());
    let measure = |of: &crossing::Crossing| (0..rounds).map(|_| of.measure()).collect();
    let rows: Vec<_> = types.iter().map(|of| (of.name(), measure(of))).collect();
    crossing::print(&rows)
}

#[cfg(not(feature = "sandbox"))]
fn crossings(_: &Trace, _: usize) -> serde_json::Value {
    serde_json::Value::Null
}

/// Returns whoever takes part in this build.
fn contestants(trace: &Trace, quick: bool) -> Vec<Contestant<'_>> {
    let patches = trace.patches();
    let end = trace.end.as_str();
    let mut all: Vec<Contestant<'_>> = Vec::new();
    let own = patches.clone();
    all.push((
        "replicant text, native",
        Box::new(move || ours::measure(&own, end)),
    ));
    #[cfg(feature = "sandbox")]
    {
        let runtime = replicant_runtime::Runtime::new(Default::default()).expect("a runtime");
        let module = sandbox::load(&runtime, "replicant-text");
        let own = patches.clone();
        all.push((
            "replicant text, sandbox",
            Box::new(move || sandbox::measure(&module, &own, end)),
        ));
    }
    #[cfg(feature = "peers")]
    {
        use peers::{automerge::Automerge, diamond::Diamond, loro::Loro, measure, yrs::Yrs};
        let few = |edits: usize| if quick { edits / 10 } else { edits };
        let own = patches.clone();
        all.push((
            "diamond-types 1.0.0",
            Box::new(move || measure::<Diamond>(&own, end, usize::MAX)),
        ));
        let own = patches.clone();
        let edits = if quick { 50_000 } else { usize::MAX };
        all.push((
            "loro 1.17.1",
            Box::new(move || measure::<Loro>(&own, end, edits)),
        ));
        let own = patches.clone();
        let edits = few(50_000);
        all.push((
            "yrs 0.28.1",
            Box::new(move || measure::<Yrs>(&own, end, edits)),
        ));
        let edits = few(10_000);
        all.push((
            "automerge 0.12.0",
            Box::new(move || measure::<Automerge>(&patches, end, edits)),
        ));
    }
    let _ = quick;
    all
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}
