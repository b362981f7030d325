//! One node is killed in the middle of its writes, and loses nothing that it acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use super::{TOPIC, update, value};
use crate::client::Client;
use crate::commands::demo::report::Report;
use crate::local_cluster::{LocalCluster, LocalNode};
use crate::signals;

const ID: &str = "survivor";
/// The node is killed once so many increments were acknowledged; the writer goes on meanwhile.
const ACKNOWLEDGED_BEFORE_KILL: u64 = 100;
const VICTIM: usize = 1;

pub(crate) fn play(cluster: &mut LocalCluster, report: &mut Report) -> Result<()> {
    report.act("One node is killed with kill -9 while it writes, and restarted");
    let acknowledged = write_until_killed(cluster)?;
    report.say(format!(
        "killed after {acknowledged} acknowledged increments; starting it again, with the others \
         off the network"
    ));

    switch_others(cluster, false)?;
    cluster.restart(VICTIM)?;
    let found = count(&cluster.nodes[VICTIM].client)?;
    // One increment may have been stored without its answer getting out.
    let is_all = found == acknowledged || found == acknowledged + 1;
    report.claim(
        "its own disk has everything that it acknowledged, and nothing twice",
        is_all,
        format!("{acknowledged} acknowledged, {found} found"),
    );

    switch_others(cluster, true)?;
    cluster.wait_for("the counter", &found, count)?;
    update(
        &cluster.nodes[VICTIM].client,
        ID,
        "g-counter",
        json!({"increment": 1}),
    )?;
    let next = found + 1;
    cluster.wait_for("the next increment", &next, count)?;
    let claim = "it is back in the cluster and goes on writing";
    report.claim(claim, true, next.to_string());
    report.show((TOPIC, ID), json!(next));
    Ok(())
}

/// Increments one by one, kills the node meanwhile; how many increments were acknowledged.
fn write_until_killed(cluster: &mut LocalCluster) -> Result<u64> {
    let client = cluster.nodes[VICTIM].client.clone();
    let acknowledged = AtomicU64::new(0);
    thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(|| {
            while update(&client, ID, "g-counter", json!({"increment": 1})).is_ok() {
                acknowledged.fetch_add(1, Ordering::AcqRel);
            }
        });
        while acknowledged.load(Ordering::Acquire) < ACKNOWLEDGED_BEFORE_KILL
            && !writer.is_finished()
        {
            thread::sleep(Duration::from_millis(1));
        }
        cluster.kill(VICTIM)?;
        writer.join().map_err(|_| anyhow!("the writer panicked"))
    })?;
    signals::check()?;
    match acknowledged.into_inner() {
        too_few if too_few < ACKNOWLEDGED_BEFORE_KILL => {
            bail!("the node refused an increment after {too_few}, before it was killed")
        }
        acknowledged => Ok(acknowledged),
    }
}

/// Takes all nodes but the victim off the network, or puts them back.
fn switch_others(cluster: &LocalCluster, enabled: bool) -> Result<()> {
    let is_other = |(index, node): (usize, _)| (index != VICTIM).then_some(node);
    let mut others = cluster.nodes.iter().enumerate().filter_map(is_other);
    others.try_for_each(|other: &LocalNode| other.client.set_network(enabled))
}

fn count(client: &Client) -> Result<u64> {
    value(client, ID)?.as_u64().context("no number")
}
