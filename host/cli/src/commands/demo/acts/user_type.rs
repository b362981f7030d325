//! A type that a user wrote is built and loaded while the cluster runs.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{TOPIC, update, value};
use crate::client::Client;
use crate::commands::demo::report::Report;
use crate::files;
use crate::local_cluster::LocalCluster;

/// The type in the example's folder.
const TYPE: &str = "poll";

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report, example: &Path) -> Result<()> {
    report.act("A type that a user wrote, built and loaded while the cluster runs");
    report.say(format!("building {} ...", example.display()));
    let component = crate::guest::build(example)?;
    let bytes = files::component(&component)?;
    let module = cluster.nodes[0].client.load_module(&bytes)?;
    if module["name"] != TYPE {
        bail!(
            "{} makes the type {}, not a {TYPE}",
            example.display(),
            module["name"]
        );
    }
    report.say(format!(
        "{}@{} ({} bytes) loaded into node {}",
        module["name"].as_str().unwrap_or("?"),
        module["version"].as_str().unwrap_or("?"),
        bytes.len(),
        cluster.nodes[0].name,
    ));
    let hash = cluster.agree("the module", |client| {
        let module = client.module(TYPE)?;
        module.get("hash").cloned().context("no hash")
    })?;
    let short: String = hash.as_str().unwrap_or_default().chars().take(8).collect();
    report.claim(
        "every node fetched it by its content hash and runs the same bytes",
        true,
        short,
    );

    vote(cluster, report)
}

fn vote(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    let id = "lunch";
    for option in ["pizza", "soup"] {
        update(
            &cluster.nodes[0].client,
            id,
            TYPE,
            json!({"propose": option}),
        )?;
    }
    let proposed = json!({"pizza": 0, "soup": 0});
    cluster.wait_for("the options", &proposed, |client| tally(client, id))?;

    let last = cluster.nodes.len() - 1;
    for (index, node) in cluster.nodes.iter().enumerate() {
        let option = if index == last { "soup" } else { "pizza" };
        let ballot = json!({"vote": {"voter": node.name, "option": option}});
        update(&node.client, id, TYPE, ballot)?;
    }
    let expected = json!({"pizza": last, "soup": 1});
    cluster.wait_for("every vote", &expected, |client| tally(client, id))?;
    report.claim(
        "its objects converge like the built-in ones",
        true,
        expected.to_string(),
    );
    report.show((TOPIC, id), value(&cluster.nodes[0].client, id)?);
    Ok(())
}

fn tally(client: &Client, id: &str) -> Result<Value> {
    Ok(value(client, id)?["tally"].take())
}
