//! What the demo tells while it runs, and the proof that it ends with.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use crate::output::short;

/// Everything that was claimed, and whether it held.
#[derive(Serialize)]
pub(crate) struct Report {
    nodes: usize,
    claims: Vec<Claim>,
    topics: Vec<TopicProof>,
    seconds: f64,
    held: bool,
    #[serde(skip)]
    started: Instant,
    #[serde(skip)]
    acts: usize,
    /// What objects showed last, to be looked at again.
    #[serde(skip)]
    shown: BTreeMap<Shown, Value>,
}

/// An object that the story showed: topic and id.
pub(crate) type Shown = (&'static str, &'static str);

#[derive(Serialize)]
struct Claim {
    act: usize,
    claim: String,
    held: bool,
    detail: String,
}

/// One topic as each node sees it after all that happened.
#[derive(Serialize)]
pub(crate) struct TopicProof {
    pub(crate) topic: String,
    pub(crate) objects: u64,
    pub(crate) ops: u64,
    pub(crate) bytes: u64,
    /// The digest that each node computed over its own saved states.
    pub(crate) digests: Vec<String>,
    /// Whether all of this is the same on every node, and covers every object.
    pub(crate) equal: bool,
}

/// Prints a line of the story. A reader who has gone changes nothing about what is proved.
fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl Report {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            claims: Vec::new(),
            topics: Vec::new(),
            seconds: 0.0,
            held: true,
            started: Instant::now(),
            acts: 0,
            shown: BTreeMap::new(),
        }
    }

    /// Begins an act of the story.
    pub(crate) fn act(&mut self, title: &str) {
        self.acts += 1;
        tell(&format!("\n{}. {title}", self.acts));
    }

    /// Tells something.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        tell(&format!("   {}", text.as_ref()));
    }

    /// Records whether a claim held.
    pub(crate) fn claim(&mut self, claim: &str, held: bool, detail: impl Into<String>) {
        let detail = detail.into();
        let mark = if held { "✓" } else { "✗" };
        tell(&format!("   {mark} {claim}: {detail}"));
        self.held &= held;
        self.claims.push(Claim {
            act: self.acts,
            claim: claim.to_owned(),
            held,
            detail,
        });
    }

    /// Remembers what an object shows on every node, in place of what it showed before.
    pub(crate) fn show(&mut self, object: Shown, value: Value) {
        self.shown.insert(object, value);
    }

    /// What was shown last, of each object.
    pub(crate) fn take_shown(&mut self) -> BTreeMap<Shown, Value> {
        std::mem::take(&mut self.shown)
    }

    /// Records a topic as all nodes see it; a difference is a claim that did not hold.
    pub(crate) fn topic(&mut self, proof: TopicProof) {
        self.held &= proof.equal;
        self.topics.push(proof);
    }

    /// Tells the table and writes the file, if one is wanted. True if everything held.
    pub(crate) fn finish(mut self, file: Option<File>) -> Result<bool> {
        self.seconds = self.started.elapsed().as_secs_f64();
        self.table().iter().for_each(|line| tell(line));
        if let Some(mut file) = file {
            let json = serde_json::to_vec_pretty(&self)?;
            file.write_all(&json).context("cannot write the report")?;
        }
        Ok(self.held)
    }

    /// What was proved, and what did not hold.
    fn table(&self) -> Vec<String> {
        let mut lines = vec!["\nWhat was proved\n".to_owned()];
        lines.push(format!(
            "   {:<10} {:>8} {:>9} {:>10}   digest on each node",
            "topic", "objects", "ops", "bytes"
        ));
        if self.topics.is_empty() {
            let nothing = "   nothing was compared at the end: the demo did not come that far";
            lines.push(nothing.to_owned());
        }
        for proof in &self.topics {
            let digests = proof.digests.iter().map(|digest| short(digest));
            lines.push(format!(
                "   {:<10} {:>8} {:>9} {:>10}   {} ({})",
                proof.topic,
                proof.objects,
                proof.ops,
                proof.bytes,
                digests.collect::<Vec<_>>().join(" "),
                if proof.equal { "equal" } else { "DIFFERENT" },
            ));
        }
        let held = self.claims.iter().filter(|claim| claim.held).count();
        lines.push(format!(
            "\n   {held} of {} claims held on {} nodes, in {:.1} s.",
            self.claims.len(),
            self.nodes,
            self.seconds
        ));
        for claim in self.claims.iter().filter(|claim| !claim.held) {
            let Claim {
                act, claim, detail, ..
            } = claim;
            lines.push(format!("   NOT TRUE (act {act}): {claim}: {detail}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(equal: bool) -> TopicProof {
        TopicProof {
            topic: "demo/notes".to_owned(),
            objects: 3,
            ops: 41,
            bytes: 512,
            digests: vec!["aa".repeat(32), "bb".repeat(32)],
            equal,
        }
    }

    #[test]
    fn what_did_not_hold_is_named_below_the_table_and_the_demo_fails() {
        let mut report = Report::new(2);
        report.act("Editing");
        report.claim("everybody sees it", true, "2 of 2 nodes");
        report.act("Parting");
        report.claim("nothing is lost", false, "node 2 lacks 7 ops");
        report.topic(proof(false));
        let table = report.table().join("\n");
        assert!(table.contains("1 of 2 claims held on 2 nodes"), "{table}");
        let said = "NOT TRUE (act 2): nothing is lost: node 2 lacks 7 ops";
        assert!(table.contains(said), "{table}");
        assert!(table.contains("(DIFFERENT)"), "{table}");
        assert!(!table.contains("everybody sees it"), "{table}");
        assert!(!report.finish(None).unwrap());
    }

    #[test]
    fn a_topic_that_differs_is_enough_to_fail_and_a_demo_that_was_cut_short_says_so() {
        let mut report = Report::new(2);
        report.topic(proof(false));
        assert!(!report.held);
        let mut report = Report::new(2);
        report.topic(proof(true));
        assert!(report.table().join("\n").contains("(equal)"));
        assert!(report.held);
        let cut_short = Report::new(2).table().join("\n");
        assert!(cut_short.contains("did not come that far"), "{cut_short}");
    }
}
