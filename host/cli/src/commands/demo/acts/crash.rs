//! One node is killed in the middle of its writes, and loses nothing that it acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::{TOPIC, update, value};
use crate::commands::demo::report::Report;
use crate::local_cluster::LocalCluster;

const ID: &str = "survivor";
/// The node is killed once so many increments were acknowledged; the writer goes on meanwhile.
const ACKNOWLEDGED_BEFORE_KILL: u64 = 100;
const VICTIM: usize = 1;

pub(crate) fn play(cluster: &mut LocalCluster, report: &mut Report) -> Result<()> {
    report.act("One node is killed with kill -9 while it writes, and restarted");
    let client = cluster.nodes[VICTIM].client.clone();
    let acknowledged = AtomicU64::new(0);
    thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(|| {
            let command = [json!({"increment": 1})];
            while client
                .update(TOPIC, ID, Some("g-counter"), &command)
                .is_ok()
            {
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
    let acknowledged = acknowledged.into_inner();
    report.say(format!(
        "killed after {acknowledged} acknowledged increments; starting it again"
    ));

    cluster.restart(VICTIM)?;
    let count = cluster
        .agree("the counter", |client| value(client, ID))?
        .as_u64()
        .unwrap_or(0);
    // One increment may have been stored without its answer getting out.
    let held = count == acknowledged || count == acknowledged + 1;
    let detail = format!("{acknowledged} acknowledged, {count} found on every node");
    report.claim(
        "nothing acknowledged was lost, nothing counted twice",
        held,
        detail,
    );

    update(
        &cluster.nodes[VICTIM].client,
        ID,
        "g-counter",
        json!({"increment": 1}),
    )?;
    cluster.wait_for("the next increment", &json!(count + 1), |client| {
        value(client, ID)
    })?;
    report.claim(
        "the restarted node goes on writing",
        true,
        (count + 1).to_string(),
    );
    Ok(())
}
