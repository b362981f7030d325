//! Rapid broadcast among nodes of which a tenth is dead, with loss.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use replicant_protocol::broadcast::acknowledgement::{Ask, Wanted};
use replicant_protocol::broadcast::rapid::Config;
use replicant_protocol::ids::{Hash, NodeId};

use crate::checkers::{Reach, Said, Wrong, reach, wrong};
use crate::worlds::{RapidNode, Received, Say};
use crate::{Crash, Engine, Figure, Index, Network, Outcome, Plot, Process, Progress, node_id};

/// How many random nodes say something, of each size.
pub(super) const SENDERS_COUNT: u32 = 5;
const LOSS: f64 = 0.05;
const DEAD_SHARE: f64 = 0.1;
const DEADLINE: Duration = Duration::from_secs(1);

/// A size of payload, and what is asked of it.
struct Size {
    name: &'static str,
    bytes: usize,
    last_node_ms: Option<f64>,
    home_ms: Option<f64>,
    redundancy: f64,
}

const SIZES: [Size; 2] = [
    Size {
        name: "256 B",
        bytes: 256,
        last_node_ms: Some(150.0),
        home_ms: Some(300.0),
        redundancy: 16.0,
    },
    Size {
        name: "16 KiB",
        bytes: 16 * 1024,
        last_node_ms: None,
        home_ms: None,
        redundancy: 1.0,
    },
];

/// What one broadcast came to. Shares are for each live node.
struct Run {
    reach: Reach,
    /// When the last live node was counted at the sender; endless if one never was.
    home_ms: f64,
    wrong: Wrong,
    /// Copies sent, and copies received, less the one that is needed.
    redundancy_sent: f64,
    redundancy: f64,
    acknowledgements: f64,
    acknowledgements_bytes: f64,
    bytes: f64,
    /// Acknowledgements received by the node that received most, and by the sender.
    busiest_count: u64,
    sender: Received,
}

/// Links of 10 to 50 ms that lose 5 %.
pub(super) fn network() -> Network {
    Network {
        loss: LOSS,
        ..Network::default()
    }
}

/// A tenth of all nodes goes, silently.
pub(super) fn crash_some<P: Process>(engine: &mut Engine<P>) -> BTreeSet<Index> {
    let nodes = engine.len();
    let mut dead = BTreeSet::new();
    while dead.len() < (nodes as f64 * DEAD_SHARE) as usize {
        let node = engine.rng.random_range(0..nodes as Index);
        if dead.insert(node) {
            engine.crash(node, Crash::Silent);
        }
    }
    dead
}

pub(super) fn live_sender<P: Process>(engine: &mut Engine<P>, dead: &BTreeSet<Index>) -> Index {
    loop {
        let sender = engine.rng.random_range(0..engine.len() as Index);
        if !dead.contains(&sender) {
            return sender;
        }
    }
}

/// Random nodes say something, one after the other, and ask who has it. Nobody knows who is dead.
pub(super) fn rapid(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut engine = Engine::new(seed, network());
    let mut view: Vec<NodeId> = (0..nodes).map(node_id).collect();
    view.sort_unstable();
    let view: Arc<[NodeId]> = view.into();
    for own in 0..nodes {
        engine.add(RapidNode::new(own, Config::default(), view.clone()));
    }
    let dead = crash_some(&mut engine);
    let (mut figures, mut plots) = (Vec::new(), Vec::new());
    for size in &SIZES {
        let mut runs = Vec::new();
        for number in 0..SENDERS_COUNT {
            progress(size.name, f64::from(number) / f64::from(SENDERS_COUNT));
            runs.push(broadcast(&mut engine, &dead, size.bytes));
        }
        figures.extend(figures_of(size, &runs));
        plots.extend(runs.last().map(|run| Plot::hops(&run.reach.by_hops)));
    }
    Outcome {
        figures,
        plots,
        log_hash: engine.log_hash(),
    }
}

fn broadcast(engine: &mut Engine<RapidNode>, dead: &BTreeSet<Index>, bytes: usize) -> Run {
    let sender = live_sender(engine, dead);
    let mut payload = vec![0; bytes];
    payload[..8].copy_from_slice(&engine.rng.random::<u64>().to_be_bytes());
    let said = Said {
        id: Hash::of(&payload),
        at: engine.now,
    };
    let ask = Some(Ask {
        wanted: Wanted::All,
        deadline: DEADLINE,
    });
    let before: Vec<Received> = engine.nodes().map(|(_, node)| node.received).collect();
    let sent_before = sent(engine);
    let payload = payload.into();
    engine.input(sender, Say { payload, ask });
    engine.run_for(DEADLINE * 2);

    let after = engine.nodes().zip(&before);
    let received: Vec<(Index, Received)> = after
        .map(|((index, node), before)| (index, node.received.since(before)))
        .collect();
    let live = received.len() as f64;
    let each = |count: u64| count as f64 / live;
    let sum = |of: fn(&Received) -> u64| received.iter().map(|(_, it)| of(it)).sum::<u64>();
    let sent_after = sent(engine);
    let of_sender = received.iter().find(|(index, _)| *index == sender);
    Run {
        reach: reach(&[said], engine.nodes().map(|(node, it)| (node, &it.heard))),
        home_ms: home_ms(engine, sender, &said, received.len()),
        wrong: told_wrong(engine, sender, &said.id),
        redundancy_sent: each(sent_after.0 - sent_before.0) - 1.0,
        redundancy: each(sum(|it| it.bodies_count)) - 1.0,
        acknowledgements: each(sent_after.1 - sent_before.1),
        acknowledgements_bytes: each(sum(|it| it.acknowledgements_bytes)),
        bytes: each(sum(|it| it.bytes)),
        busiest_count: received
            .iter()
            .map(|(_, it)| it.acknowledgements_count)
            .max()
            .unwrap_or(0),
        sender: of_sender.map(|(_, it)| *it).unwrap_or_default(),
    }
}

/// Bodies and acknowledgements that were sent so far.
fn sent(engine: &Engine<RapidNode>) -> (u64, u64) {
    let counts = engine.nodes().map(|(_, node)| node.counts());
    counts.fold((0, 0), |(bodies, acknowledgements), it| {
        let acknowledgements = acknowledgements + it.acknowledgements_sent_count;
        (bodies + it.bodies_sent_count, acknowledgements)
    })
}

fn home_ms(engine: &Engine<RapidNode>, sender: Index, said: &Said, live: usize) -> f64 {
    let home = engine.node(sender).and_then(|it| it.homes.get(&said.id));
    let home = home.filter(|(_, count)| *count as usize >= live - 1);
    home.map_or(f64::INFINITY, |(at, _)| (*at - said.at).as_secs_f64() * 1e3)
}

fn told_wrong(engine: &Engine<RapidNode>, sender: Index, id: &Hash) -> Wrong {
    let having = engine
        .nodes()
        .filter(|(_, node)| node.heard.get(id).is_some());
    let having = having
        .map(|(index, _)| index)
        .filter(|index| *index != sender)
        .collect();
    let told = engine
        .node(sender)
        .into_iter()
        .flat_map(|node| &node.outcomes);
    let told = told.filter(|told| told.id == *id).collect::<Vec<_>>();
    match told.as_slice() {
        [told] => wrong(told, &having, engine.len() as Index),
        // Exactly one outcome was promised.
        _ => Wrong {
            unheard_count: u64::MAX,
            invented_count: 0,
        },
    }
}

fn figures_of(size: &Size, runs: &[Run]) -> Vec<Figure> {
    let figure = |name: &str, unit, most: Option<f64>, of: fn(&Run) -> f64| {
        let worst = runs.iter().map(of).fold(0.0, f64::max);
        let name = format!("{}: {name}", size.name);
        match most {
            Some(most) => Figure::at_most(name, worst, unit, most),
            None => Figure::told(name, worst, unit),
        }
    };
    vec![
        figure("missed", "nodes", Some(0.0), |run| {
            run.reach.missed_count as f64
        }),
        figure("delivered twice", "nodes", Some(0.0), |run| {
            run.reach.repeated_count as f64
        }),
        figure("last node", "ms", size.last_node_ms, |run| {
            run.reach.last.as_secs_f64() * 1e3
        }),
        figure("last hop", "hops", None, |run| {
            f64::from(run.reach.hops_max)
        }),
        figure("redundancy, sent", "", None, |run| run.redundancy_sent),
        figure("redundancy, received", "", Some(size.redundancy), |run| {
            run.redundancy
        }),
        figure("bytes a node", "B", None, |run| run.bytes),
        figure("acknowledged by all", "ms", size.home_ms, |run| run.home_ms),
        figure("said missing, but has it", "nodes", Some(0.0), |run| {
            run.wrong.unheard_count as f64
        }),
        figure("counted, but has it not", "nodes", Some(0.0), |run| {
            run.wrong.invented_count as f64
        }),
        figure("acknowledgements a node", "", Some(2.0), |run| {
            run.acknowledgements
        }),
        figure("their bytes a node", "B", None, |run| {
            run.acknowledgements_bytes
        }),
        figure("acknowledgements at the busiest", "", None, |run| {
            run.busiest_count as f64
        }),
        figure("acknowledgements at the sender", "", None, |run| {
            run.sender.acknowledgements_count as f64
        }),
        figure("their bytes at the sender", "B", None, |run| {
            run.sender.acknowledgements_bytes as f64
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_it_is_counted_and_the_same_seed_gives_the_same_hash() {
        let run = |seed| rapid(300, seed, &mut |_, _| ());
        let (first, again, other) = (run(1), run(1), run(2));
        assert!(first.holds(), "{first:#?}");
        assert_eq!(first, again);
        assert_ne!(first.log_hash, other.log_hash);
    }
}
