//! `replicant dev`: one node, and a type that is built, checked and loaded into it whenever its
//! sources change.

mod running;
mod sources;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use replicant_check::{Config, Law, Runtime};
use replicant_project::{Build, Project};
use tempfile::TempDir;

use self::running::Running;
use self::sources::Sources;
use crate::commands::build::{self, Built};
use crate::output::{aside, counted, line, printable, quoted};
use crate::signals::Interrupted;
use crate::{exit, progress, sandbox, signals};

/// Steps of a history of the quick check, and how often one that breaks a law is made smaller.
const STEPS: u32 = 40;
const SHRINK_TRIES_MAX: u32 = 100;

#[derive(Args)]
pub(crate) struct DevArguments {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the node keeps its data; made if it is not there. Left out: a temporary folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the node serves the HTTP API (port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    api: SocketAddr,
    /// Where the node listens for others (port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many random histories to check each build with; 0 checks nothing
    #[arg(long, default_value_t = 10)]
    runs: u64,
}

pub(crate) fn run(arguments: &DevArguments) -> Result<()> {
    // Whatever can be found wrong is found before anything is started.
    let project = build::project(&arguments.folder)?;
    let runtime = sandbox::start()?;
    signals::note(exit::INTERRUPTED).context("cannot listen for signals")?;
    let (data, _temporary) = data_folder(arguments.data.as_deref())?;
    let (listen, api) = (arguments.listen.to_string(), arguments.api.to_string());
    let started = Running::start(&data, &listen, &api);
    if signals::check().is_err() {
        return Ok(());
    }
    let mut running = started.context(
        "the node does not start (if another one uses the address, --api 127.0.0.1:0 takes a free \
         one)",
    )?;
    line(&format!(
        "node: API on http://{}, data in {}",
        running.node.api(),
        data.display()
    ))?;
    let ended = watch(arguments, &project, &runtime, &mut running);
    running.node.stop();
    match ended {
        Err(error) if error.is::<Interrupted>() => Ok(line("stopped")?),
        ended => ended,
    }
}

/// Where the node keeps its data, and what removes that folder if it is a temporary one.
fn data_folder(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(folder) = wanted {
        return Ok((folder.to_path_buf(), None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("replicant-dev-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    // One that is there already is taken for a node's.
    Ok((temporary.path().join("node"), Some(temporary)))
}

/// Builds and loads, again and again, until a signal comes or the node ends.
fn watch(
    arguments: &DevArguments,
    project: &Project,
    runtime: &Runtime,
    running: &mut Running,
) -> Result<()> {
    loop {
        // Looked at before, so that what changes during a build is not missed.
        let seen = Sources::of(project);
        if let Err(error) = once(arguments, project, runtime, running) {
            // A signal ends the tools, too.
            signals::check()?;
            aside(&format!("error: {}", printable(&format!("{error:#}"))));
            line("the node goes on with what it has; waiting for a change")?;
        }
        let changed = seen.wait_for_change(project, &mut || running.node.check_alive())?;
        line(&format!("\n{} changed", changed.display()))?;
    }
}

/// One round: build, check, load, look at the objects.
fn once(
    arguments: &DevArguments,
    project: &Project,
    runtime: &Runtime,
    running: &Running,
) -> Result<()> {
    let number = running.next_build()?;
    let started = Instant::now();
    let place = project.folder.join("target/dev.wasm");
    let built = build::build(runtime, project, &Build::numbered(number), Some(&place))?;
    line(&format!(
        "built {} in {:.1} s",
        built.module.label(),
        started.elapsed().as_secs_f64()
    ))?;
    signals::check()?;
    if arguments.runs > 0 {
        check(arguments.runs, runtime, &built)?;
    }
    signals::check()?;
    running
        .load(&built.bytes, &built.module)
        .context("the node did not take it")?;
    let objects = running.objects(&built.module.description().name)?;
    line(&match &objects.complaint {
        None => format!("loaded; objects that were kept: {}", objects.count),
        Some(why) => format!(
            "loaded; of {}, {} cannot be read by this version, as {}\n(let `load` and \
             `effect` read what older versions wrote, or start again with fresh data)",
            counted(objects.count as u64, "object", "objects"),
            objects.unreadable,
            printable(why),
        ),
    })?;
    Ok(())
}

/// A quick check; an error if a law is broken.
fn check(runs: u64, runtime: &Runtime, built: &Built) -> Result<()> {
    let bar = progress::bar(runs, "histories");
    let config = Config {
        runs,
        steps: STEPS,
        shrink_tries_max: SHRINK_TRIES_MAX,
        // That needs thousands of ops.
        laws: Law::ALL
            .into_iter()
            .filter(|law| *law != Law::CostIsBounded)
            .collect(),
        readable: super::check::readable,
        ..Config::default()
    };
    let started = Instant::now();
    let report = replicant_check::check(runtime, &built.bytes, &config, &|step| {
        if let replicant_check::Progress::Runs(done) = step {
            bar.set_position(done);
        }
    });
    bar.finish_and_clear();
    let report = report?;
    if let Some(failure) = report.failure {
        let law = failure.violation.law;
        bail!(
            "the law {} is broken: {}. `replicant check {}` shows how. It was not loaded",
            law.name(),
            law.statement(),
            quoted(&built.file),
        );
    }
    let unchecked = report.unchecked.iter().map(|of| of.law);
    let unchecked = unchecked.chain([Law::CostIsBounded]).map(Law::name);
    line(&format!(
        "checked: no law is broken in {}, {} not looked at ({:.1} s)",
        counted(runs, "history", "histories"),
        unchecked.collect::<Vec<_>>().join(" and "),
        started.elapsed().as_secs_f64()
    ))?;
    Ok(())
}
