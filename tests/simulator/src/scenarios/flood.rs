//! Flooding over a random graph: what every other broadcast is compared with.

use std::time::Duration;

use rand::RngExt;
use replicant_protocol::ids::Hash;

use crate::checkers::{Reach, Said, reach};
use crate::worlds::{FloodNode, random_graph};
use crate::{Engine, Figure, Index, Network, Outcome, Plot, Progress};

const MESSAGES_COUNT: u32 = 20;
const CHORDS: u32 = 2;

/// Random nodes say something, one after the other, to a graph of six neighbours on average.
pub(super) fn flood(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut engine = Engine::new(seed, Network::default());
    for neighbours in random_graph(nodes, CHORDS, &mut engine.rng) {
        engine.add(FloodNode::new(engine.now, neighbours));
    }
    let mut said = Vec::new();
    for number in 0..MESSAGES_COUNT {
        progress("flooding", f64::from(number) / f64::from(MESSAGES_COUNT));
        let payload = format!("message {number}").into_bytes();
        said.push(Said {
            id: Hash::of(&payload),
            at: engine.now,
        });
        let sender = engine.rng.random_range(0..nodes);
        engine.input(sender, payload.into());
        engine.run_for(Duration::from_secs(1));
    }
    let found = reach(&said, engine.nodes().map(|(node, it)| (node, &it.heard)));
    let duplicates: u64 = engine.nodes().map(|(_, it)| it.duplicate_count).sum();
    Outcome {
        figures: figures(&found, duplicates),
        plots: vec![Plot::hops(&found.by_hops)],
        log_hash: engine.log_hash(),
    }
}

fn figures(found: &Reach, duplicates: u64) -> Vec<Figure> {
    let redundancy = duplicates as f64 / found.expected_count as f64;
    vec![
        Figure::at_least("reached", found.percent(), "%", 100.0),
        Figure::at_most("delivered twice", found.repeated_count as f64, "", 0.0),
        Figure::told("last node", found.last.as_secs_f64() * 1e3, "ms"),
        Figure::told("last hop", f64::from(found.hops_max), "hops"),
        Figure::told("redundancy", redundancy, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_everything_once_and_the_same_seed_gives_the_same_hash() {
        let run = |seed| flood(300, seed, &mut |_, _| ());
        let (first, again, other) = (run(1), run(1), run(2));
        assert!(first.holds(), "{first:?}");
        assert_eq!(first, again);
        assert_ne!(first.log_hash, other.log_hash);
    }
}
