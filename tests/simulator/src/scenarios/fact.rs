//! Facts among many nodes: by broadcast, and, where that carries nothing, by comparing alone.

use std::time::Duration;

use rand::RngExt;
use replicant_protocol::facts::{Fact, SignedFact};
use replicant_protocol::identity::NodeIdentity;

use crate::checkers::{Reach, Said, reach};
use crate::worlds::{FactInput, FactNode, WALL_START_MS, random_graph};
use crate::{Engine, Figure, Index, Network, Outcome, Plot, Progress};

/// A gossip round: as long as a message takes at most, one way.
const ROUND: Duration = Duration::from_millis(50);
const ROUNDS: u32 = 10;
/// Six neighbours on average.
const CHORDS: u32 = 2;
const FACTS: u32 = 10;
const LOSS: f64 = 0.05;
/// How often a node compares where nothing is broadcast: a round of that.
const COMPARED: Duration = Duration::from_secs(1);
const COMPARED_ROUNDS: u32 = 30;

/// Random nodes publish facts; a twentieth of all messages is lost.
pub(super) fn fact(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    progress("broadcasting", 0.0);
    let mut told = start(nodes, seed, true, Duration::from_secs(10));
    let said = publish(&mut told, FACTS, &mut |share| {
        progress("broadcasting", 0.6 * share)
    });
    let at_once = reach(&said, told.nodes().map(|(node, it)| (node, &it.heard)));
    told.run_for(Duration::from_secs(60));
    let repaired = reach(&said, told.nodes().map(|(node, it)| (node, &it.heard)));
    progress("comparing", 0.7);
    let mut compared = start(nodes, seed, false, COMPARED);
    let alone = publish(&mut compared, 1, &mut |_| {});
    compared.run_for(COMPARED * COMPARED_ROUNDS);
    let by_comparing = reach(&alone, compared.nodes().map(|(node, it)| (node, &it.heard)));
    progress("comparing", 1.0);
    let mut log = blake3::Hasher::new();
    log.update(told.log_hash().as_bytes());
    log.update(compared.log_hash().as_bytes());
    Outcome {
        figures: figures(&at_once, &repaired, &by_comparing),
        plots: vec![
            Plot::reach("facts that are broadcast", &at_once),
            Plot::reach("a fact by comparing alone", &by_comparing),
        ],
        log_hash: log.finalize(),
    }
}

fn figures(at_once: &Reach, repaired: &Reach, by_comparing: &Reach) -> Vec<Figure> {
    let (within, rounds) = (
        share_within(at_once, ROUND * ROUNDS),
        rounds_of(at_once, ROUND),
    );
    vec![
        Figure::at_least("reached within 10 rounds", within, "%", 99.9),
        Figure::told("rounds to 99.9 %", rounds, ""),
        Figure::at_least("reached once compared", repaired.percent(), "%", 100.0),
        Figure::at_most("learned twice", repaired.repeated_count as f64, "", 0.0),
        Figure::at_least(
            "reached by comparing alone",
            by_comparing.percent(),
            "%",
            99.9,
        ),
        Figure::told(
            "its rounds to 99.9 %",
            rounds_of(by_comparing, COMPARED),
            "",
        ),
    ]
}

/// The share of deliveries within a time, in per cent.
fn share_within(reach: &Reach, span: Duration) -> f64 {
    let steps = reach.by_time.range(..span.as_millis() / 10);
    let count: u64 = steps.map(|(_, count)| count).sum();
    100.0 * count as f64 / reach.expected_count as f64
}

/// After how many rounds 99.9 % were reached.
fn rounds_of(reach: &Reach, round: Duration) -> f64 {
    let mut left = reach.expected_count - reach.expected_count / 1_000;
    for (step, count) in &reach.by_time {
        left = left.saturating_sub(*count);
        if left == 0 {
            let millis = (step + 1) as f64 * 10.0;
            return (millis / round.as_millis() as f64).ceil();
        }
    }
    f64::NAN
}

fn start(nodes: Index, seed: u64, floods: bool, interval: Duration) -> Engine<FactNode> {
    let network = Network {
        loss: LOSS,
        ..Network::default()
    };
    let mut engine = Engine::new(seed, network);
    let graph = random_graph(nodes, CHORDS, &mut engine.rng);
    for _ in 0..nodes {
        let node = FactNode::new(floods, interval, engine.now, &mut engine.rng);
        engine.add(node);
    }
    for (node, neighbours) in (0..).zip(graph) {
        engine.input(node, FactInput::Neighbours(neighbours));
    }
    // The comparisons that begin with a session are over then.
    engine.run_for(Duration::from_secs(20));
    engine
}

/// Lets random nodes publish facts, one each half second.
fn publish(engine: &mut Engine<FactNode>, count: u32, progress: &mut dyn FnMut(f64)) -> Vec<Said> {
    let issuer = NodeIdentity::from_secret(&[7; 32]);
    let nodes = engine.len() as Index;
    let mut said = Vec::new();
    for number in 0..count {
        progress(f64::from(number) / f64::from(count));
        let Some(fact) = price(&issuer, number, engine.now) else {
            continue;
        };
        said.push(Said {
            id: fact.id(),
            at: engine.now,
        });
        let node = engine.rng.random_range(0..nodes);
        engine.input(node, FactInput::Publish(Box::new(fact)));
        engine.run_for(ROUND * ROUNDS);
    }
    said
}

fn price(issuer: &NodeIdentity, number: u32, now: Duration) -> Option<SignedFact> {
    let fact = Fact {
        kind: "price".parse().ok()?,
        body: number.to_le_bytes().to_vec(),
        issuer: issuer.id(),
        issued_at_ms: WALL_START_MS + now.as_millis() as u64,
        ttl_ms: 24 * 3_600 * 1_000,
    };
    SignedFact::sign(fact, issuer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_knows_soon_and_the_same_seed_gives_the_same_hash() {
        let run = |seed| fact(150, seed, &mut |_, _| ());
        let (first, again, other) = (run(1), run(1), run(2));
        assert!(first.holds(), "{first:?}");
        assert_eq!(first.log_hash, again.log_hash);
        assert_ne!(first.log_hash, other.log_hash);
    }
    /// The figures: `cargo test --release -p replicant-simulator facts_among -- --ignored
    /// --nocapture`.
    #[test]
    #[ignore = "takes minutes"]
    fn facts_among_ten_thousand_nodes() {
        for seed in 0..10 {
            let outcome = fact(10_000, seed, &mut |_, _| ());
            let figures = outcome.figures.iter();
            let told: Vec<String> = figures
                .map(|it| format!("{} {:.2} {}", it.name, it.value, it.unit))
                .collect();
            eprintln!("seed {seed}: {}", told.join(", "));
            assert!(outcome.holds());
        }
    }
}
