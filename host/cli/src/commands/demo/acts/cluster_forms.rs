//! Three processes find each other.

use anyhow::Result;

use crate::commands::demo::report::Report;
use crate::local_cluster::LocalCluster;

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("Three nodes, each a process of its own with its own key and disk");
    let count = cluster.nodes.len();
    cluster.wait_for("all members alive", &count, |client| {
        let members = client.members()?;
        let alive = |member: &&serde_json::Value| member["state"] == "alive";
        Ok(members
            .as_array()
            .map_or(0, |list| list.iter().filter(alive).count()))
    })?;
    for node in &cluster.nodes {
        let status = node.client.status()?;
        report.say(format!(
            "{} is {}",
            node.name,
            status["node"].as_str().unwrap_or("?")
        ));
    }
    report.claim(
        "every node sees every other alive",
        true,
        format!("{count} of {count}"),
    );
    Ok(())
}
