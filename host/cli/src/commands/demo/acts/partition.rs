//! One node is cut off, both sides go on, and the cut heals.

use anyhow::Result;
use serde_json::json;

use super::super::report::Report;
use super::{update, value};
use crate::local_cluster::LocalCluster;

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("One node is cut off; both sides go on; the cut heals");
    let (left, right) = (&cluster.nodes[0], &cluster.nodes[2]);
    let before = value(&left.client, "stock")?.as_i64().unwrap_or_default();
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
    let (here, there) = (
        value(&left.client, "essay")?,
        value(&right.client, "essay")?,
    );
    report.say(format!(
        "node {} reads {here}, node {} reads {there}",
        left.name, right.name
    ));
    report.claim(
        "the two sides differ while they are apart",
        here != there,
        format!("{here} / {there}"),
    );

    right.client.set_network(true)?;
    cluster.wait_for("the stock", &json!(before + 3), |client| {
        value(client, "stock")
    })?;
    report.claim(
        "pn-counter: both sides count",
        true,
        (before + 3).to_string(),
    );
    cluster.wait_for("the fruit", &json!(["apple"]), |client| {
        value(client, "fruit")
    })?;
    report.claim(
        "or-set: the add wins over the remove it did not know",
        true,
        "[\"apple\"]",
    );
    cluster.wait_for("both words", &json!(11), |client| {
        client.query(super::TOPIC, "essay", &json!("length"))
    })?;
    let essay = cluster.agree("the essay", |client| value(client, "essay"))?;
    let text = essay.as_str().unwrap_or_default();
    let whole = text.contains("left") && text.contains("right");
    report.claim(
        "text: words typed at the same place are not interleaved",
        whole,
        essay.to_string(),
    );
    Ok(())
}
