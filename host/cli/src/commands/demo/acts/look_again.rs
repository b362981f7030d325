//! Everything once more: what was true for a moment has to be true at the end.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::value_in;
use crate::commands::demo::report::{Report, TopicProof};
use crate::local_cluster::LocalCluster;

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("At the end, everything once more on every node");
    let shown = report.take_shown();
    let mut changed = Vec::new();
    for node in &cluster.nodes {
        for ((topic, id), value) in &shown {
            if value_in(&node.client, topic, id)? != *value {
                changed.push(format!("{topic}/{id} on {}", node.name));
            }
        }
    }
    let detail = match changed.is_empty() {
        true => format!("{} objects on {} nodes", shown.len(), cluster.nodes.len()),
        false => changed.join(", "),
    };
    let claim = "every object still shows what it showed above";
    report.claim(claim, changed.is_empty(), detail);
    Ok(())
}

/// A topic's digest on every node, taken once all have the same version.
pub(crate) fn compare(cluster: &LocalCluster, topic: &str) -> Result<TopicProof> {
    cluster.agree("the version", |client| {
        Ok(client.digest(topic)?["version"].clone())
    })?;
    let digests: Vec<Value> = cluster
        .nodes
        .iter()
        .map(|node| node.client.digest(topic))
        .collect::<Result<_>>()?;
    let first = &digests[0];
    let count = |name: &str| first[name].as_u64().with_context(|| format!("no {name}"));
    let hashes = digests.iter().map(|digest| digest["digest"].as_str());
    Ok(TopicProof {
        topic: topic.to_owned(),
        objects: count("objects")?,
        ops: count("ops")?,
        bytes: count("bytes")?,
        // The rest of it is counts of the same things; what no node can show proves nothing.
        equal: digests.iter().all(|digest| digest == first) && count("unavailable")? == 0,
        digests: hashes
            .map(|hash| hash.map(str::to_owned).context("no digest"))
            .collect::<Result<_>>()?,
    })
}
