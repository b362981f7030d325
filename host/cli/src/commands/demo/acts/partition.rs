//! One node is cut off, both sides go on, and the cut heals.

use anyhow::Result;
use serde_json::json;

use super::{TOPIC, update, value};
use crate::commands::demo::report::Report;
use crate::local_cluster::{LocalCluster, LocalNode};

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("One node is cut off; both sides go on; the cut heals");
    let (left, right) = (&cluster.nodes[0], &cluster.nodes[2]);
    let stock = value(&left.client, "stock")?.as_i64().unwrap_or_default();
    update(&left.client, "fruit", "or-set", json!({"add": "apple"}))?;
    update(
        &left.client,
        "essay",
        "text",
        json!({"insert": {"at": 0, "text": "()"}}),
    )?;
    cluster.wait_for("the essay", &json!("()"), |client| value(client, "essay"))?;
    cluster.wait_for("the fruit", &json!(["apple"]), |client| {
        value(client, "fruit")
    })?;

    right.client.set_network(false)?;
    report.say(format!(
        "node {} is off the network; both sides keep writing",
        right.name
    ));
    write_on_both_sides(left, right)?;
    let (here, there) = (
        value(&left.client, "essay")?,
        value(&right.client, "essay")?,
    );
    report.say(format!(
        "node {} reads {here}, node {} reads {there}",
        left.name, right.name
    ));
    let detail = format!("{here} / {there}");
    report.claim(
        "the two sides differ while they are apart",
        here != there,
        detail,
    );

    right.client.set_network(true)?;
    heal(cluster, report, stock + 3)
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

fn heal(cluster: &LocalCluster, report: &mut Report, stock: i64) -> Result<()> {
    cluster.wait_for("the stock", &json!(stock), |client| value(client, "stock"))?;
    report.claim("pn-counter: both sides count", true, stock.to_string());

    cluster.wait_for("the fruit", &json!(["apple"]), |client| {
        value(client, "fruit")
    })?;
    report.claim(
        "or-set: the add wins over the remove it did not know",
        true,
        "[\"apple\"]",
    );

    let length = json!("(left)".len() + "right".len());
    cluster.wait_for("both words", &length, |client| {
        client.query(TOPIC, "essay", &json!("length"))
    })?;
    let essay = cluster.agree("the essay", |client| value(client, "essay"))?;
    let text = essay.as_str().unwrap_or_default();
    let whole = text.contains("left") && text.contains("right");
    let claim = "text: words typed at the same place are not interleaved";
    report.claim(claim, whole, essay.to_string());
    Ok(())
}
