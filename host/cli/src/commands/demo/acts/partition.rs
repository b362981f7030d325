//! One node is cut off, both sides go on, and the cut heals.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{TOPIC, update, value};
use crate::client::Client;
use crate::commands::demo::report::Report;
use crate::local_cluster::{LocalCluster, LocalNode};

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("One node is cut off; both sides go on; the cut heals");
    let (left, right) = (&cluster.nodes[0], &cluster.nodes[2]);
    let stock = value(&left.client, "stock")?
        .as_i64()
        .context("the stock is no number")?;
    update(&left.client, "fruit", "or-set", json!({"add": "apple"}))?;
    let brackets = json!({"insert": {"at": 0, "text": "()"}});
    update(&left.client, "essay", "text", brackets)?;
    cluster.wait_for("the essay", &json!("()"), essay)?;
    cluster.wait_for("the fruit", &json!(["apple"]), fruit)?;

    right.client.set_network(false)?;
    report.say(format!(
        "node {} is off the network; both sides keep writing",
        right.name
    ));
    write_on_both_sides(left, right)?;
    be_apart(cluster, report)?;
    right.client.set_network(true)?;
    heal(cluster, report, stock + 3)
}

fn essay(client: &Client) -> Result<Value> {
    value(client, "essay")
}

fn fruit(client: &Client) -> Result<Value> {
    value(client, "fruit")
}

fn write_on_both_sides(left: &LocalNode, right: &LocalNode) -> Result<()> {
    update(&left.client, "fruit", "or-set", json!({"remove": "apple"}))?;
    update(&right.client, "fruit", "or-set", json!({"add": "apple"}))?;
    update(&left.client, "stock", "pn-counter", json!({"increment": 5}))?;
    update(
        &right.client,
        "stock",
        "pn-counter",
        json!({"decrement": 2}),
    )?;
    for (node, word) in [(left, "left"), (right, "right")] {
        for (offset, letter) in word.chars().enumerate() {
            let command = json!({"insert": {"at": 1 + offset, "text": letter}});
            update(&node.client, "essay", "text", command)?;
        }
    }
    Ok(())
}

/// What one side wrote reaches the node that is not cut off, so it had its time to reach the
/// other one too.
fn be_apart(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    let (left, middle, right) = (&cluster.nodes[0], &cluster.nodes[1], &cluster.nodes[2]);
    middle.wait_for("what the left side wrote", &json!("(left)"), essay)?;
    middle.wait_for("what the left side removed", &json!([]), fruit)?;
    let sessions = right.client.status()?["network"]["sessions"].clone();
    let (here, there) = (essay(&left.client)?, essay(&right.client)?);
    let is_apart = here == "(left)" && there == "(right)" && sessions == 0;
    let fruit_is_apart = fruit(&left.client)? == json!([]) && fruit(&right.client)? != json!([]);
    report.claim(
        "each side goes on without the other",
        is_apart && fruit_is_apart,
        format!(
            "nodes {} and {} read {here}, node {} reads {there}",
            left.name, middle.name, right.name
        ),
    );
    Ok(())
}

fn heal(cluster: &LocalCluster, report: &mut Report, stock: i64) -> Result<()> {
    cluster.wait_for("the stock", &json!(stock), |client| value(client, "stock"))?;
    report.claim("pn-counter: both sides count", true, stock.to_string());
    report.show((TOPIC, "stock"), json!(stock));

    let apple = json!(["apple"]);
    cluster.wait_for("the fruit", &apple, fruit)?;
    let claim = "or-set: the add wins over the remove it did not know";
    report.claim(claim, true, apple.to_string());
    report.show((TOPIC, "fruit"), apple);

    let length = json!("(left)".len() + "right".len());
    cluster.wait_for("both words", &length, |client| {
        client.query(TOPIC, "essay", &json!("length"))
    })?;
    let essay = cluster.agree("the essay", essay)?;
    let is_whole = essay == "(leftright)" || essay == "(rightleft)";
    let claim = "text: words typed at the same place are not interleaved";
    report.claim(claim, is_whole, essay.to_string());
    report.show((TOPIC, "essay"), essay);
    Ok(())
}
