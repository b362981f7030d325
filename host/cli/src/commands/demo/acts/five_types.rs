//! The five types that ship with Replicant, updated on all nodes at once.

use std::thread;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::{TOPIC, update, value};
use crate::commands::demo::report::Report;
use crate::local_cluster::LocalCluster;

const INCREMENTS: u64 = 50;

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    report.act("Five data types, each a WebAssembly component, updated on all nodes at once");
    on_every_node(cluster, |index, client| {
        for _ in 0..INCREMENTS {
            update(client, "visits", "g-counter", json!({"increment": 1}))?;
        }
        update(client, "stock", "pn-counter", json!({"increment": 10}))?;
        update(client, "stock", "pn-counter", json!({"decrement": 3}))?;
        update(
            client,
            "cart",
            "or-set",
            json!({"add": format!("from node {index}")}),
        )?;
        update(
            client,
            "title",
            "lww-register",
            json!({"set": format!("by node {index}")}),
        )?;
        update(
            client,
            "note",
            "text",
            json!({"insert": {"at": 0, "text": format!("<{index}>")}}),
        )
    })?;

    let nodes = cluster.nodes.len() as u64;
    expect(
        cluster,
        report,
        "visits",
        "g-counter",
        &json!(INCREMENTS * nodes),
    )?;
    expect(cluster, report, "stock", "pn-counter", &json!(7 * nodes))?;
    let cart: Vec<String> = (0..nodes)
        .map(|index| format!("from node {index}"))
        .collect();
    expect(cluster, report, "cart", "or-set", &json!(cart))?;
    one_title_won(cluster, report)?;
    the_note_is_whole(cluster, report)
}

fn one_title_won(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    let nodes = cluster.nodes.len();
    let title = cluster.agree("the title", |client| value(client, "title"))?;
    let is_one_of_them = (0..nodes).any(|index| title == json!(format!("by node {index}")));
    let claim = "lww-register: one write won, the same everywhere";
    report.claim(claim, is_one_of_them, title.to_string());
    report.show((TOPIC, "title"), title);
    Ok(())
}

fn the_note_is_whole(cluster: &LocalCluster, report: &mut Report) -> Result<()> {
    let nodes = cluster.nodes.len();
    cluster.wait_for("all of the note", &json!("<0>".len() * nodes), |client| {
        client.query(TOPIC, "note", &json!("length"))
    })?;
    let note = cluster.agree("the note", |client| value(client, "note"))?;
    let text = note.as_str().unwrap_or_default();
    let whole = (0..nodes).all(|index| text.contains(&format!("<{index}>")));
    report.claim(
        "text: nobody's typing was torn apart",
        whole,
        note.to_string(),
    );
    report.show((TOPIC, "note"), note);
    Ok(())
}

fn expect(
    cluster: &LocalCluster,
    report: &mut Report,
    id: &'static str,
    type_name: &str,
    expected: &Value,
) -> Result<()> {
    cluster.wait_for(id, expected, |client| value(client, id))?;
    report.claim(
        &format!("{type_name}: nothing lost, nothing twice"),
        true,
        expected.to_string(),
    );
    report.show((TOPIC, id), expected.clone());
    Ok(())
}

/// Runs `work` for every node at the same time.
pub(super) fn on_every_node(
    cluster: &LocalCluster,
    work: impl Fn(usize, &crate::client::Client) -> Result<()> + Sync,
) -> Result<()> {
    thread::scope(|scope| {
        let started: Vec<_> = cluster
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let work = &work;
                scope.spawn(move || work(index, &node.client))
            })
            .collect();
        started.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a thread of the demo panicked"))?
        })
    })
}
