//! `replicant sim`: the protocols in simulation, thousands of nodes in one thread.

mod memory;
mod plot;
mod report;

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use indicatif::ProgressBar;
use replicant_simulator::file::{FILE_BYTES_MAX, NODES, ScenarioFile};
use replicant_simulator::scenarios::{self, Found};

use crate::exit::{Unfit, WrongArgument};
use crate::output::{Table, aside};
use crate::progress::NowAndThen;
use crate::{files, progress};
use report::Ran;

/// More seeds than this are more than anybody waits for.
const SEEDS_MAX: u64 = 10_000;

/// Steps of the bar.
const STEPS: f64 = 1_000.0;

#[derive(Args)]
pub(crate) struct SimArguments {
    /// The scenario: a name of --list, or a file ending in .toml
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// List the scenarios that are built in
    #[arg(long, exclusive = true)]
    list: bool,
    /// How many nodes [default: what the scenario says]
    #[arg(long, value_parser = nodes_parser())]
    nodes: Option<u32>,
    /// The seed that decides the run; the same seed gives the same events, and the same hash
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// Run each of these seeds; B is not one of them
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// Print the figures in JSON, one line for each seed
    #[arg(long)]
    json: bool,
    /// Draw what can be drawn of the runs
    #[arg(long, value_name = "FILE.svg", value_parser = svg)]
    plot: Option<PathBuf>,
}

fn nodes_parser() -> RangedU64ValueParser<u32> {
    let (least, most) = (u64::from(*NODES.start()), u64::from(*NODES.end()));
    RangedU64ValueParser::new().range(least..=most)
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = text.split_once("..");
    let range = range.and_then(|(first, end)| Some(number(first)?..number(end)?));
    match range {
        Some(range) if !range.is_empty() && range.end - range.start <= SEEDS_MAX => Ok(range),
        _ => Err(format!(
            "write the first seed, two dots and the seed after the last, as in 1..6; at most \
             {SEEDS_MAX}"
        )),
    }
}

fn svg(text: &str) -> Result<PathBuf, String> {
    match text.ends_with(".svg") {
        true => Ok(text.into()),
        false => Err("only SVG is drawn: the name has to end in .svg".to_owned()),
    }
}

pub(crate) fn run(arguments: &SimArguments) -> Result<()> {
    let Some(name) = arguments.scenario.as_deref().filter(|_| !arguments.list) else {
        return list();
    };
    let scenario = find(name)?;
    let seeds: Vec<u64> = match &arguments.seeds {
        Some(seeds) => seeds.clone().collect(),
        None => vec![arguments.seed],
    };
    if arguments.plot.is_some() && !scenario.is_drawn() {
        bail!(WrongArgument(format!(
            "--plot: of {name} there is nothing to draw; how broadcasts spread and failures are \
             noticed is drawn, as of tree, rapid, swim, and files with a [[broadcast]]"
        )));
    }
    let plot = arguments.plot.as_deref().map(writable).transpose()?;
    let mut runs = Vec::new();
    for seed in seeds {
        let ran = run_one(arguments, name, &scenario, seed);
        match arguments.json {
            true => report::json(&ran)?,
            false => report::seed(&ran)?,
        }
        runs.push(ran);
    }
    if !arguments.json {
        report::table(&runs)?;
    }
    if let (Some(mut file), Some(path)) = (plot, &arguments.plot) {
        let text = plot::svg(&runs);
        let written = file
            .set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    match runs.iter().all(|ran| ran.outcome.holds()) {
        true => Ok(()),
        false => Err(Unfit::Told.into()),
    }
}

/// Opens the file of the plots, as it is: whether it can be written is known before the runs, which
/// take long.
fn writable(path: &Path) -> Result<File> {
    let mut options = File::options();
    let opened = options.write(true).create(true).truncate(false).open(path);
    opened.with_context(|| WrongArgument(format!("cannot write {}", path.display())))
}

fn list() -> Result<()> {
    let mut table = Table::new(&["scenario", "nodes", "what happens"]);
    for name in scenarios::names() {
        if let Some(found) = scenarios::find(name) {
            let name = name.replace('_', "-");
            table.row(&[name.as_str(), &found.nodes().to_string(), found.about()]);
        }
    }
    Ok(table.print("none")?)
}

fn find(name: &str) -> Result<Found> {
    if name.ends_with(".toml") {
        return read(Path::new(name));
    }
    let unknown = || {
        WrongArgument(format!(
            "no scenario is called {name}; `replicant sim --list` names them, and a file ends in \
             .toml"
        ))
    };
    Ok(scenarios::find(name).ok_or_else(unknown)?)
}

fn read(file: &Path) -> Result<Found> {
    let name = file.display();
    let wrong = |reason: String| WrongArgument(format!("{name}: {reason}"));
    let text = files::text(file, FILE_BYTES_MAX as u64);
    let text = text.map_err(|error| WrongArgument(format!("{error:#}")))?;
    let parsed = ScenarioFile::parse(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Found::File(Box::new(parsed)))
}

fn run_one(arguments: &SimArguments, name: &str, scenario: &Found, seed: u64) -> Ran {
    let nodes = arguments.nodes.unwrap_or(scenario.nodes());
    let bar = progress::share(STEPS as u64, &format!("seed {seed}"));
    let started = Instant::now();
    let mut lines = NowAndThen::new(started);
    let is_told = bar.is_hidden() && !arguments.json;
    let outcome = scenario.run(nodes, seed, &mut |what, done| {
        show(&bar, seed, what, done);
        if is_told && lines.is_due(Instant::now()) {
            let percent = (done.clamp(0.0, 1.0) * 100.0) as u64;
            aside(&format!("seed {seed}: {what}, {percent} %"));
        }
    });
    bar.finish_and_clear();
    Ran {
        scenario: name.to_owned(),
        nodes,
        seed,
        outcome,
        took: started.elapsed(),
        memory_peak_bytes: memory::peak_bytes(),
    }
}

fn show(bar: &ProgressBar, seed: u64, what: &str, done: f64) {
    bar.set_message(format!("seed {seed}: {what}"));
    bar.set_position((done.clamp(0.0, 1.0) * STEPS) as u64);
}
