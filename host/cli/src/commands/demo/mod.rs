//! `replicant demo`: a cluster on this machine, from nothing to converged, narrated.

mod acts;
mod report;
mod trace;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::report::Report;
use self::trace::Trace;
use crate::local_cluster::LocalCluster;
use crate::{exit, signals};

const NAMES: [&str; 3] = ["ada", "bob", "cyd"];
/// What `--fast` types of the paper.
const FAST_EDITS: usize = 20_000;

/// Shows three nodes replicate types that are WebAssembly components.
#[derive(Args)]
pub(crate) struct DemoArguments {
    /// Type only the beginning of the paper
    #[arg(long)]
    fast: bool,
    /// Write what was proved to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Type this editing history instead (editing-traces format, may be gzipped)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The crate of the user-written type
    #[arg(long, value_name = "DIR", default_value = "examples/poll")]
    example: PathBuf,
    /// Keep the nodes' data in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Plays all acts. An error if something could not be done or did not hold.
pub(crate) fn run(arguments: &DemoArguments) -> Result<()> {
    signals::note(exit::INTERRUPTED).context("cannot listen for signals")?;
    // Whatever can be found wrong is found before anything is started.
    if !arguments.example.join("Cargo.toml").is_file() {
        bail!(
            "no crate at {}: run the demo in a checkout of Replicant, or name the example with \
             --example DIR",
            arguments.example.display()
        );
    }
    if let Some(folder) = &arguments.keep {
        check_empty(folder)?;
    }
    crate::guest::check_toolchain()?;
    let trace = Trace::read(arguments.trace.as_deref(), arguments.edits_max())?;
    let file = arguments.report.as_deref().map(create).transpose()?;
    let temporary = tempfile::Builder::new()
        .prefix("replicant-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());

    let started = LocalCluster::start(folder, &NAMES);
    signals::check()?;
    let mut cluster = started.context("cannot start the nodes")?;
    let mut report = Report::new(NAMES.len());
    let played = play(arguments, &mut cluster, &trace, &mut report);
    signals::check()?;
    if let Err(error) = played {
        report.claim("the demo ran to its end", false, format!("{error:#}"));
    }
    if !report.finish(file)? {
        bail!("something that Replicant promises did not hold; see above");
    }
    Ok(())
}

impl DemoArguments {
    fn edits_max(&self) -> usize {
        match self.fast {
            true => FAST_EDITS,
            false => usize::MAX,
        }
    }
}

/// The nodes' folders are made in there: not among other things, such as a node's data.
fn check_empty(folder: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    if entries.count() > 0 {
        bail!(
            "{} holds other things; name a folder with --keep that is empty or not there yet",
            folder.display()
        );
    }
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write the report to {}", path.display()))
}

fn play(
    arguments: &DemoArguments,
    cluster: &mut LocalCluster,
    trace: &Trace,
    report: &mut Report,
) -> Result<()> {
    acts::cluster_forms::play(cluster, report)?;
    acts::five_types::play(cluster, report)?;
    acts::user_type::play(cluster, report, &arguments.example)?;
    acts::paper::play(cluster, report, trace)?;
    acts::partition::play(cluster, report)?;
    acts::crash::play(cluster, report)?;
    acts::look_again::play(cluster, report)?;
    for topic in [acts::TOPIC, acts::paper::TOPIC] {
        report.topic(acts::look_again::compare(cluster, topic)?);
    }
    Ok(())
}
