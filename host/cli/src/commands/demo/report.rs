//! What the demo tells while it runs, and the proof that it ends with.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

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
}

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
}

impl TopicProof {
    fn is_equal_everywhere(&self) -> bool {
        self.digests.windows(2).all(|pair| pair[0] == pair[1])
    }
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
        }
    }

    /// Begins an act of the story.
    pub(crate) fn act(&mut self, title: &str) {
        self.acts += 1;
        println!("\n{}. {title}", self.acts);
    }

    /// Tells something.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        println!("   {}", text.as_ref());
    }

    /// Records whether a claim held.
    pub(crate) fn claim(&mut self, claim: &str, held: bool, detail: impl Into<String>) {
        let detail = detail.into();
        println!("   {} {claim}: {detail}", if held { "✓" } else { "✗" });
        self.held &= held;
        self.claims.push(Claim {
            act: self.acts,
            claim: claim.to_owned(),
            held,
            detail,
        });
    }

    /// Records a topic as all nodes see it; differing digests are a claim that did not hold.
    pub(crate) fn topic(&mut self, proof: TopicProof) {
        self.held &= proof.is_equal_everywhere();
        self.topics.push(proof);
    }

    /// Prints the table and writes the file, if one is wanted. True if everything held.
    pub(crate) fn finish(mut self, path: Option<&Path>) -> Result<bool> {
        self.seconds = self.started.elapsed().as_secs_f64();
        self.print();
        if let Some(path) = path {
            let json = serde_json::to_vec_pretty(&self)?;
            std::fs::write(path, json)
                .with_context(|| format!("cannot write the report to {}", path.display()))?;
        }
        Ok(self.held)
    }

    fn print(&self) {
        println!("\nWhat was proved\n");
        println!(
            "   {:<10} {:>8} {:>9} {:>10}   digest on each node",
            "topic", "objects", "ops", "bytes"
        );
        for proof in &self.topics {
            let digests: Vec<&str> = proof
                .digests
                .iter()
                .map(|digest| digest.get(..8).unwrap_or(digest))
                .collect();
            let verdict = if proof.is_equal_everywhere() {
                "equal"
            } else {
                "DIFFERENT"
            };
            println!(
                "   {:<10} {:>8} {:>9} {:>10}   {} ({verdict})",
                proof.topic,
                proof.objects,
                proof.ops,
                proof.bytes,
                digests.join(" "),
            );
        }
        let held = self.claims.iter().filter(|claim| claim.held).count();
        println!(
            "\n   {held} of {} claims held on {} nodes, in {:.1} s.",
            self.claims.len(),
            self.nodes,
            self.seconds
        );
        for claim in self.claims.iter().filter(|claim| !claim.held) {
            println!(
                "   NOT TRUE (act {}): {} — {}",
                claim.act, claim.claim, claim.detail
            );
        }
    }
}
