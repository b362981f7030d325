//! What an object costs that nobody uses.

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::local_cluster::LocalCluster;
use crate::output::line;
use crate::{progress, signals};

const TOPIC: &str = "bench";
const TYPE: &str = "or-set";

#[derive(Args)]
pub(crate) struct IdleObjectsArguments {
    /// How many objects to make
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    objects: u32,
}

impl Default for IdleObjectsArguments {
    fn default() -> Self {
        Self { objects: 100_000 }
    }
}

pub(crate) fn run(arguments: &IdleObjectsArguments, as_json: bool) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("replicant-bench-")
        .tempdir()?;
    let cluster = LocalCluster::start(folder.path(), &["a"])?;
    let node = &cluster.nodes[0];
    let command = [json!({"add": "an element"})];
    node.client.update(TOPIC, "warm-up", Some(TYPE), &command)?;
    let before = resident_bytes(node.process_id())?;

    let bar = progress::bar(arguments.objects.into(), "objects");
    for index in 0..arguments.objects {
        signals::check()?;
        node.client
            .update(TOPIC, &format!("object-{index}"), Some(TYPE), &command)?;
        progress::one_more(&bar);
    }
    bar.finish_and_clear();
    let resident = resident_bytes(node.process_id())?.saturating_sub(before);
    let saved = node.client.digest(TOPIC)?["bytes"]
        .as_u64()
        .context("no byte count")?;

    let objects = f64::from(arguments.objects);
    let (resident_each, saved_each) = (resident as f64 / objects, saved as f64 / objects);
    if as_json {
        let figures = json!({
            "objects": arguments.objects, "resident_bytes_each": resident_each,
            "saved_bytes_each": saved_each,
        });
        line(&figures.to_string())?;
    } else {
        line(&format!(
            "{} objects: {resident_each:.0} bytes of resident memory each, {:.0} beyond the \
             {saved_each:.0} that are saved",
            arguments.objects,
            resident_each - saved_each
        ))?;
    }
    Ok(())
}

/// Resident memory of a process, as the kernel tells it.
fn resident_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {path}; this figure needs Linux"))?;
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS line")?;
    let kilobytes = resident
        .split_whitespace()
        .nth(1)
        .context("no figure in VmRSS")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
