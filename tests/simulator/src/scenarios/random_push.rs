//! Plain random push, for comparison with rapid broadcast.

use std::time::Duration;

use rand::RngExt;
use replicant_protocol::ids::Hash;

use crate::checkers::{Said, reach};
use crate::worlds::RandomPushNode;
use crate::{Engine, Figure, Index, Outcome, Plot, Progress};

use super::rapid::{SENDERS_COUNT, crash_some, live_sender, network};

/// As rapid broadcast computes it for 10,000 nodes.
const FANOUT: u32 = 17;

/// Random nodes say something; all conditions are those of the scenario `rapid`.
pub(super) fn random_push(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut engine = Engine::new(seed, network());
    for own in 0..nodes {
        engine.add(RandomPushNode::new(own, nodes, FANOUT));
    }
    let dead = crash_some(&mut engine);
    let mut said = Vec::new();
    for number in 0..SENDERS_COUNT {
        progress("pushing", f64::from(number) / f64::from(SENDERS_COUNT));
        let id = Hash::of(&engine.rng.random::<u64>().to_be_bytes());
        let at = engine.now;
        said.push(Said { id, at });
        let sender = live_sender(&mut engine, &dead);
        engine.input(sender, id);
        engine.run_for(Duration::from_secs(2));
    }
    let found = reach(&said, engine.nodes().map(|(node, it)| (node, &it.heard)));
    let sent: u64 = engine.nodes().map(|(_, it)| it.sent_count).sum();
    let received: u64 = engine.nodes().map(|(_, it)| it.received_count).sum();
    let each = |count: u64| count as f64 / found.expected_count as f64 - 1.0;
    Outcome {
        figures: vec![
            Figure::told("missed", found.missed_count as f64, "nodes"),
            Figure::told("last node", found.last.as_secs_f64() * 1e3, "ms"),
            Figure::told("last hop", f64::from(found.hops_max), "hops"),
            Figure::told("redundancy, sent", each(sent), ""),
            Figure::told("redundancy, received", each(received), ""),
        ],
        plots: vec![Plot::hops(&found.by_hops)],
        log_hash: engine.log_hash(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_nearly_all_and_the_same_seed_gives_the_same_hash() {
        let run = |seed| random_push(300, seed, &mut |_, _| ());
        let (first, again) = (run(1), run(1));
        assert_eq!(first, again);
        let missed = &first.figures[0];
        assert!(missed.value <= 2.0, "{first:?}");
    }
}
