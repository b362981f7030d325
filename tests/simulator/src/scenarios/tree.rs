//! Broadcast over partial views and a tree: how long, how deep, how many copies.

use std::time::Duration;

use rand::RngExt;
use replicant_protocol::ids::Hash;

use crate::checkers::{Reach, Said, reach};
use crate::worlds::{KEEP_ALIVE, OverlayConfig, OverlayInput, OverlayNode};
use crate::{Engine, Figure, Index, Network, Outcome, Plot, Progress};

const MESSAGES_COUNT: u32 = 100;
/// How long the overlay settles after the last node joined.
const SETTLING: Duration = Duration::from_secs(120);
/// Nodes that join in a second.
const JOINS_PER_SECOND: u32 = 500;

/// Everyone joins through one node; then random nodes say something.
pub(super) fn tree(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    run(nodes, 1, seed, progress)
}

/// The same, but everyone joins through one of 50.
pub(super) fn tree_of_fifty(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    run(nodes, 50, seed, progress)
}

/// Nodes that joined through one of the first `contacts`, and settled.
pub(super) fn settled(
    nodes: Index,
    contacts: Index,
    seed: u64,
    keeps_alive: bool,
    progress: &mut Progress<'_>,
) -> Engine<OverlayNode> {
    let mut config = OverlayConfig::of(nodes);
    config.keep_alive_interval = keeps_alive.then_some(KEEP_ALIVE);
    let mut engine = Engine::new(seed, Network::default());
    for number in 0..nodes {
        if number % 500 == 0 {
            progress("joining", f64::from(number) / f64::from(nodes));
        }
        let now = engine.now;
        let node = OverlayNode::new(&config, number, now, &mut engine.rng);
        engine.add(node);
        if number > 0 {
            let contact = engine.rng.random_range(0..contacts.min(number));
            engine.input(number, OverlayInput::Contact(contact));
        }
        engine.run_for(Duration::from_secs(1) / JOINS_PER_SECOND);
    }
    let steps = 20;
    for step in 0..steps {
        progress("settling", f64::from(step) / f64::from(steps));
        engine.run_for(SETTLING / steps);
    }
    engine
}

fn run(nodes: Index, contacts: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut engine = settled(nodes, contacts, seed, false, progress);
    let mut said = Vec::new();
    for number in 0..MESSAGES_COUNT {
        progress("saying", f64::from(number) / f64::from(MESSAGES_COUNT));
        let payload = format!("message {number}").into_bytes();
        said.push(Said {
            id: Hash::of(&payload),
            at: engine.now,
        });
        let sender = engine.rng.random_range(0..nodes);
        engine.input(sender, OverlayInput::Say(payload.into()));
        engine.run_for(Duration::from_millis(500));
    }
    engine.run_for(Duration::from_secs(5));
    let found = reach(&said, engine.nodes().map(|(node, it)| (node, &it.heard)));
    Outcome {
        figures: figures(&engine, &said, &found),
        plots: vec![Plot::hops(&found.by_hops)],
        log_hash: engine.log_hash(),
    }
}

fn figures(engine: &Engine<OverlayNode>, said: &[Said], found: &Reach) -> Vec<Figure> {
    let nodes = engine.len() as f64;
    let received: u64 = engine.nodes().map(|(_, it)| it.received_count).sum();
    let redundancy = received as f64 / said.len() as f64 / (nodes - 1.0) - 1.0;
    let lasts: Vec<f64> = said
        .iter()
        .map(|message| {
            let one = [*message];
            let reach = reach(&one, engine.nodes().map(|(node, it)| (node, &it.heard)));
            reach.last.as_secs_f64() * 1e3
        })
        .collect();
    let mean = lasts.iter().sum::<f64>() / lasts.len() as f64;
    let neighbours = engine.nodes().map(|(_, it)| it.view().neighbours_count().0);
    let eager = engine.nodes().map(|(_, it)| it.tree().eager_count().0);
    let depth = engine.nodes().map(|(_, it)| it.tree().eager_count().1);
    let known = engine.nodes().map(|(_, it)| it.view().passive_count());
    vec![
        Figure::at_least("reached", found.percent(), "%", 100.0),
        Figure::at_most("delivered twice", found.repeated_count as f64, "", 0.0),
        Figure::at_most("last node", found.last.as_secs_f64() * 1e3, "ms", 360.0),
        Figure::told("last node, mean", mean, "ms"),
        Figure::at_most("last hop", f64::from(found.hops_max), "hops", 14.0),
        Figure::at_most("redundancy", redundancy, "", 0.1),
        Figure::told("neighbours", neighbours.sum::<usize>() as f64 / nodes, ""),
        Figure::told("eager links", eager.sum::<usize>() as f64 / nodes, ""),
        Figure::told("depth", f64::from(depth.max().unwrap_or(0)), "hops"),
        Figure::told("known", known.sum::<usize>() as f64 / nodes, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_tree_reaches_everyone_in_bounds_and_the_same_seed_gives_the_same_hash() {
        let run = |seed| tree(300, seed, &mut |_, _| ());
        let (first, again, other) = (run(1), run(1), run(2));
        assert!(first.holds(), "{first:?}");
        assert_eq!(first, again);
        assert_ne!(first.log_hash, other.log_hash);
    }
}
