//! The keystrokes of a real paper, typed into one node while another writes in the same text.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use super::value_in;
use crate::client::Client;
use crate::commands::demo::report::Report;
use crate::commands::demo::trace::Trace;
use crate::local_cluster::LocalCluster;
use crate::output::grouped;
use crate::signals;

pub(crate) const TOPIC: &str = "papers";
const ID: &str = "paper";
const CHUNK: usize = 1_000;
/// Between the paper and the notes: both writers have it before they begin.
const DIVIDER: &str = "\n--- notes ---\n";
const NOTE_PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn play(cluster: &LocalCluster, report: &mut Report, trace: &Trace) -> Result<()> {
    report.act("A real paper, typed key by key, while somebody else writes in the same text");
    let (writer, other) = (&cluster.nodes[0].client, &cluster.nodes[1].client);
    writer.update(TOPIC, ID, Some("text"), &[json!({"append": DIVIDER})])?;
    let divider = json!(DIVIDER);
    cluster.wait_for("the divider", &divider, |client| {
        value_in(client, TOPIC, ID)
    })?;

    let started = Instant::now();
    let together = type_together(writer, other, trace)?;
    let seconds = started.elapsed().as_secs_f64();
    report.say(format!(
        "{} edits typed into node {} in {seconds:.1} s",
        grouped(trace.len() as u64),
        cluster.nodes[0].name,
    ));
    report.claim(
        "two nodes wrote in the same text at the same time",
        together.meanwhile > 0,
        format!(
            "notes into node {} meanwhile: {}",
            cluster.nodes[1].name, together.meanwhile
        ),
    );

    let expected = json!(format!("{}{DIVIDER}{}", trace.end, together.notes.concat()));
    cluster.wait_for("the whole paper with its notes", &expected, |client| {
        value_in(client, TOPIC, ID)
    })?;
    let characters = expected.as_str().unwrap_or_default().chars().count();
    report.claim(
        "text: every keystroke of both arrived, in place",
        true,
        format!(
            "{} characters, equal to the recorded paper and all notes",
            grouped(characters as u64)
        ),
    );
    report.show((TOPIC, ID), expected);
    Ok(())
}

/// What was written beside the paper.
struct Together {
    notes: Vec<String>,
    /// How many notes were acknowledged before the last of the paper was typed.
    meanwhile: usize,
}

/// Types the trace into `writer` and notes into `other` until it is done.
fn type_together(writer: &Client, other: &Client, trace: &Trace) -> Result<Together> {
    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let notes = scope.spawn(|| write_notes(other, &done, &count));
        let typed = type_trace(writer, trace, || {
            // The first note may take longer than all of a short paper.
            while count.load(Ordering::Acquire) == 0 && !notes.is_finished() {
                thread::sleep(NOTE_PAUSE);
            }
        });
        let meanwhile = count.load(Ordering::Acquire);
        done.store(true, Ordering::Release);
        let notes = notes
            .join()
            .map_err(|_| anyhow!("the note writer panicked"))??;
        typed?;
        Ok(Together { notes, meanwhile })
    })
}

fn type_trace(client: &Client, trace: &Trace, before_the_last: impl Fn()) -> Result<()> {
    let commands = trace.commands();
    let progress = crate::progress::bar(commands.len() as u64, "typing");
    let mut chunks = commands.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        signals::check()?;
        if chunks.peek().is_none() {
            before_the_last();
        }
        client
            .update(TOPIC, ID, None, chunk)
            .context("the paper's writer was refused")?;
        progress.inc(chunk.len() as u64);
    }
    progress.finish_and_clear();
    Ok(())
}

/// Appends notes, at least one, until `done`.
fn write_notes(client: &Client, done: &AtomicBool, count: &AtomicUsize) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    loop {
        let note = format!("note {}\n", notes.len() + 1);
        client.update(TOPIC, ID, None, &[json!({"append": note})])?;
        notes.push(note);
        count.store(notes.len(), Ordering::Release);
        if done.load(Ordering::Acquire) {
            return Ok(notes);
        }
        thread::sleep(NOTE_PAUSE);
    }
}
