//! `replicant demo`: a cluster on this machine, from nothing to converged, narrated.

mod acts;
mod report;
mod trace;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::report::{Report, TopicProof};
use self::trace::Trace;
use crate::local_cluster::LocalCluster;

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
    if !arguments.example.join("Cargo.toml").is_file() {
        bail!(
            "no crate at {}: run the demo in a checkout of Replicant, or name the example with \
             --example DIR",
            arguments.example.display()
        );
    }
    let edits_max = if arguments.fast {
        FAST_EDITS
    } else {
        usize::MAX
    };
    let trace = Trace::read(arguments.trace.as_deref(), edits_max)?;
    let temporary = tempfile::Builder::new()
        .prefix("replicant-demo-")
        .tempdir()?;
    let folder = arguments
        .keep
        .clone()
        .unwrap_or_else(|| temporary.path().to_path_buf());

    let mut report = Report::new(NAMES.len());
    let played = play(arguments, &folder, &trace, &mut report);
    if let Err(error) = played {
        report.claim("the demo ran to its end", false, format!("{error:#}"));
    }
    if !report.finish(arguments.report.as_deref())? {
        bail!("something that Replicant promises did not hold; see above");
    }
    Ok(())
}

fn play(
    arguments: &DemoArguments,
    folder: &std::path::Path,
    trace: &Trace,
    report: &mut Report,
) -> Result<()> {
    let mut cluster = LocalCluster::start(folder, &NAMES).context("cannot start the nodes")?;
    acts::cluster_forms::play(&cluster, report)?;
    acts::five_types::play(&cluster, report)?;
    acts::user_type::play(&cluster, report, &arguments.example)?;
    acts::paper::play(&cluster, report, trace)?;
    acts::partition::play(&cluster, report)?;
    acts::crash::play(&mut cluster, report)?;
    for topic in [acts::TOPIC, acts::paper::TOPIC] {
        report.topic(compare(&cluster, topic)?);
    }
    Ok(())
}

/// A topic's digest on every node, taken once all have the same version.
fn compare(cluster: &LocalCluster, topic: &str) -> Result<TopicProof> {
    cluster.agree("the version", |client| {
        Ok(client.digest(topic)?["version"].clone())
    })?;
    let mut proof = TopicProof {
        topic: topic.to_owned(),
        objects: 0,
        ops: 0,
        bytes: 0,
        digests: Vec::new(),
    };
    for node in &cluster.nodes {
        let digest = node.client.digest(topic)?;
        proof.objects = digest["objects"].as_u64().context("no object count")?;
        proof.ops = digest["ops"].as_u64().context("no op count")?;
        proof.bytes = digest["bytes"].as_u64().context("no byte count")?;
        proof
            .digests
            .push(digest["digest"].as_str().context("no digest")?.to_owned());
    }
    Ok(proof)
}
