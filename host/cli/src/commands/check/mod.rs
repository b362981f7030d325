//! `replicant check`: finds out whether a component converges.

mod report;
mod saved;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use indicatif::ProgressBar;
use replicant::data::check_cbor;
use replicant_check::{CheckError, Config, Law, Progress, Runtime};

use crate::exit::Unfit;
use crate::output::quoted;
use crate::{files, output, progress, sandbox};

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The component (.wasm)
    file: PathBuf,
    /// How many random histories to run
    #[arg(long, default_value_t = Config::default().runs)]
    runs: u64,
    /// Steps of a history: commands, deliveries, snapshots; at most 10000
    #[arg(long, default_value_t = Config::default().steps)]
    steps: u32,
    /// The most replicas of a history
    #[arg(long, default_value_t = Config::default().replicas_max)]
    replicas: usize,
    /// The seed of the first history; the same seed gives the same report
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many threads, at most one for each core and each history; the report does not depend on
    /// it [default: cores, at most 8]
    #[arg(long)]
    threads: Option<usize>,
    /// Check this law only; may be given several times
    #[arg(long = "law", value_name = "LAW", value_parser = law_parser())]
    laws: Vec<Law>,
    /// An older version: what it saved has to load, and go on with ops of both. It lives through as
    /// many histories as --runs says, besides those of the component
    #[arg(long, value_name = "OLDER.wasm")]
    from: Option<PathBuf>,
    /// Take commands from this file, one in JSON a line, instead of the component's own samples
    #[arg(long, value_name = "FILE")]
    commands: Option<PathBuf>,
    /// Ask queries from this file too, one in JSON a line
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// Run a saved history again instead of random ones
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["runs", "steps", "replicas", "seed", "threads",
                               "commands", "save", "laws"])]
    replay: Option<PathBuf>,
    /// Where a history that breaks a law is saved [default: NAME-LAW.json]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print the report in JSON
    #[arg(long)]
    json: bool,
}

impl CheckArguments {
    /// What a history was checked with, as it stands on the command line.
    fn files(&self) -> String {
        let mut files = quoted(&self.file);
        for (option, file) in [("from", &self.from), ("queries", &self.queries)] {
            if let Some(file) = file {
                files.push_str(&format!(" --{option} {}", quoted(file)));
            }
        }
        files
    }

    /// What makes the history of this seed once more, as it stands on the command line.
    fn history_of(&self, seed: u64) -> String {
        let mut line = self.files();
        if let Some(file) = &self.commands {
            line.push_str(&format!(" --commands {}", quoted(file)));
        }
        for law in &self.laws {
            line.push_str(&format!(" --law {law}"));
        }
        let default = Config::default();
        if self.steps != default.steps {
            line.push_str(&format!(" --steps {}", self.steps));
        }
        if self.replicas != default.replicas_max {
            line.push_str(&format!(" --replicas {}", self.replicas));
        }
        format!("{line} --seed {seed} --runs 1")
    }
}

/// Reads a law by its name.
fn law_parser() -> impl clap::builder::TypedValueParser<Value = Law> {
    let by_name = |name: String| Law::ALL.into_iter().find(|law| law.name() == name);
    PossibleValuesParser::new(Law::ALL.map(Law::name))
        .try_map(move |name| by_name(name).ok_or("no such law"))
}

pub(crate) fn run(arguments: &CheckArguments) -> Result<()> {
    match verdict(arguments).map_err(Unfit::could_not_run)? {
        true => Ok(()),
        false => Err(Unfit::Told.into()),
    }
}

/// Whether all laws hold. Everything is printed.
fn verdict(arguments: &CheckArguments) -> Result<bool> {
    let file = arguments.file.display();
    let component = files::component(&arguments.file)?;
    let runtime = sandbox::start()?;
    let config = config(arguments)?;
    if let Some(script) = &arguments.replay {
        return replay(arguments, &runtime, &component, &config, script);
    }
    let bar = Bar::new(config.runs);
    let started = Instant::now();
    let report = replicant_check::check(&runtime, &component, &config, &|step| bar.show(step));
    bar.finish();
    let report = report.map_err(with_the_command);
    let report = report.with_context(|| format!("{file} was not checked"))?;
    let took = started.elapsed();
    let saved = match &report.failure {
        Some(failure) if failure.comes_again => {
            saved::save(arguments.save.as_deref(), &report.module, failure)
        }
        _ => Ok(None),
    };
    // What was found is worth more than where it is kept.
    let saved = saved.unwrap_or_else(|error| {
        let error = output::printable(&format!("{error:#}"));
        output::aside(&format!("warning: {error}"));
        None
    });
    match arguments.json {
        true => report::json(&report, took, saved.as_deref())?,
        false => report::print(&report, took, saved.as_deref(), arguments)?,
    }
    if report.failure.is_none() && report.laws.iter().all(|law| report.is_unchecked(*law)) {
        bail!("no law that was asked for could be checked, so nothing is known of {file}");
    }
    Ok(report.failure.is_none())
}

/// Shows the first command that was refused, if nothing but that happened.
fn with_the_command(error: CheckError) -> anyhow::Error {
    let refused = match &error {
        CheckError::NothingHappened { first_refused, .. } => first_refused.clone(),
        _ => None,
    };
    match refused {
        Some((command, _)) => anyhow!("{error} (the command: {})", report::show(&command)),
        None => error.into(),
    }
}

/// Whether nodes pass data on to clients.
pub(crate) fn readable(data: &[u8]) -> Result<(), String> {
    check_cbor(data).map_err(|error| error.to_string())
}

fn config(arguments: &CheckArguments) -> Result<Config> {
    let default = Config::default();
    let lines = |file: &Option<PathBuf>, what| match file {
        Some(file) => saved::lines(file, what),
        None => Ok(Vec::new()),
    };
    Ok(Config {
        seed: arguments.seed,
        runs: arguments.runs,
        steps: arguments.steps,
        replicas_max: arguments.replicas,
        threads: arguments.threads.unwrap_or(default.threads),
        laws: match arguments.laws.is_empty() {
            // Commands of a file need not come from `sample`, and need not be valid.
            true => default.laws,
            false => arguments.laws.clone(),
        },
        laws_must_apply: !arguments.laws.is_empty(),
        commands: lines(&arguments.commands, "commands")?,
        queries: lines(&arguments.queries, "queries")?,
        from: arguments
            .from
            .as_deref()
            .map(files::component)
            .transpose()?,
        readable,
        ..default
    })
}

fn replay(
    arguments: &CheckArguments,
    runtime: &Runtime,
    component: &[u8],
    config: &Config,
    file: &Path,
) -> Result<bool> {
    let history = saved::read(file)?;
    let mut config = config.clone();
    if arguments.laws.is_empty() {
        config.laws = vec![history.law];
    }
    let found = replicant_check::replay(runtime, component, &history, &config)
        .with_context(|| format!("{} was not replayed", file.display()))?;
    match arguments.json {
        true => report::json_of_replay(&history.script, found.as_ref())?,
        false => report::print_replay(&history.script, found.as_ref())?,
    }
    Ok(found.is_none())
}

/// Progress on a terminal.
struct Bar {
    bar: ProgressBar,
    /// Several threads tell of their runs, in any order.
    most: Mutex<u64>,
}

impl Bar {
    fn new(runs: u64) -> Self {
        Self {
            bar: progress::bar(runs, "histories"),
            most: Mutex::new(0),
        }
    }

    fn show(&self, step: Progress) {
        match step {
            Progress::Runs(done) => {
                let mut most = self
                    .most
                    .lock()
                    .unwrap_or_else(|broken| broken.into_inner());
                *most = done.max(*most);
                self.bar.set_position(*most);
            }
            Progress::Shrinking(law) => {
                self.bar
                    .set_message(format!("{law} is broken; making the history smaller"));
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Progress::Cost => self.bar.set_message("cost as history grows"),
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
