//! The keystrokes of a real paper, typed into one node while another writes in the same text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use super::value_in;
use crate::client::Client;
use crate::commands::demo::report::Report;
use crate::commands::demo::trace::Trace;
use crate::local_cluster::LocalCluster;

pub(crate) const TOPIC: &str = "papers";
const ID: &str = "paper";
const CHUNK: usize = 1_000;
/// Between the paper and the notes: both writers have it before they begin.
const DIVIDER: &str = "\n--- notes ---\n";
const NOTE_PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report, trace: &Trace) -> Result<()> {
    report.act("A real paper, typed key by key, while somebody else writes in the same text");
    let (writer, other) = (&cluster.nodes[0].client, &cluster.nodes[1].client);
    writer.update(TOPIC, ID, Some("text"), &[json!({"append": DIVIDER})])?;
    let divider = json!(DIVIDER);
    cluster.wait_for("the divider", &divider, |client| {
        value_in(client, TOPIC, ID)
    })?;

    let started = Instant::now();
    let (typed, notes) = type_together(writer, other, trace)?;
    let seconds = started.elapsed().as_secs_f64();
    report.say(format!(
        "{typed} edits typed into node {} in {seconds:.1} s, meanwhile {} notes into node {}",
        cluster.nodes[0].name,
        notes.len(),
        cluster.nodes[1].name,
    ));

    let expected = json!(format!("{}{DIVIDER}{}", trace.end, notes.concat()));
    cluster.wait_for("the whole paper with its notes", &expected, |client| {
        value_in(client, TOPIC, ID)
    })?;
    let characters = expected.as_str().unwrap_or_default().chars().count();
    let detail = format!("{characters} characters, equal to the recorded paper and all notes");
    report.claim(
        "text: every keystroke of both arrived, in place",
        true,
        detail,
    );
    Ok(())
}

/// Types the trace into `writer` and notes into `other` until it is done; returns how many edits
/// and which notes.
fn type_together(writer: &Client, other: &Client, trace: &Trace) -> Result<(usize, Vec<String>)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let notes = scope.spawn(|| write_notes(other, &done));
        let typed = type_trace(writer, trace);
        done.store(true, Ordering::Release);
        let notes = notes
            .join()
            .map_err(|_| anyhow!("the note writer panicked"))??;
        typed?;
        Ok((trace.len(), notes))
    })
}

fn type_trace(client: &Client, trace: &Trace) -> Result<()> {
    let progress = crate::progress::bar(trace.len() as u64, "typing");
    for chunk in trace.commands().chunks(CHUNK) {
        client
            .update(TOPIC, ID, None, chunk)
            .context("the paper's writer was refused")?;
        progress.inc(chunk.len() as u64);
    }
    progress.finish_and_clear();
    Ok(())
}

/// Appends notes, at least one, until `done`.
fn write_notes(client: &Client, done: &AtomicBool) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    loop {
        let note = format!("note {}\n", notes.len() + 1);
        client.update(TOPIC, ID, None, &[json!({"append": note})])?;
        notes.push(note);
        if done.load(Ordering::Acquire) {
            return Ok(notes);
        }
        thread::sleep(NOTE_PAUSE);
    }
}
