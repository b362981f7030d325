//! SWIM with Lifeguard: crashes, slow nodes, load, coming and going.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use replicant_protocol::membership::{Config, Metadata};

use crate::checkers::{Detection, detection, disagreements, given_up};
use crate::worlds::{Keys, SwimInput, SwimNode, swim_config};
use crate::{Crash, Engine, Figure, Index, Line, Network, Outcome, Plot, Progress};

const SECOND: Duration = Duration::from_secs(1);

/// A cluster in which all know all, for a while.
pub(super) struct Cluster {
    pub(super) engine: Engine<SwimNode>,
    keys: Arc<Keys>,
    config: Config,
}

impl Cluster {
    pub(super) fn new(nodes: Index, seed: u64, config: Config, network: Network) -> Self {
        let mut engine = Engine::new(seed, network);
        let keys = Keys::new(nodes);
        for node in 0..nodes {
            let (now, rng) = (engine.now, &mut engine.rng);
            let node = SwimNode::new(node, 0, &config, &keys, now, rng);
            engine.add(node);
        }
        let records: Vec<_> = engine
            .nodes()
            .flat_map(|(_, node)| node.swim().records())
            .collect();
        for node in 0..nodes {
            engine.input(node, SwimInput::Known(records.clone()));
        }
        engine.run_for(10 * SECOND);
        Self {
            engine,
            keys,
            config,
        }
    }

    /// Starts a node again that knows nobody but `seed`.
    fn restart(&mut self, node: Index, seed: Index) {
        let (now, keys) = (self.engine.now, &self.keys);
        let process = SwimNode::new(node, 1, &self.config, keys, now, &mut self.engine.rng);
        self.engine.restart(node, process);
        self.engine.input(node, SwimInput::Join(seed));
    }

    /// How long it takes until all agree, looked at so often; `None` if longer than `most`.
    fn agreement(&mut self, step: Duration, most: Duration) -> Option<Duration> {
        let start = self.engine.now;
        while self.engine.now < start + most {
            self.engine.run_for(step);
            if disagreements(&self.engine) == 0 {
                return Some(self.engine.now - start);
            }
        }
        None
    }
}

pub(super) fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64())
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(super) fn largest(values: &[f64]) -> f64 {
    // `f64::max` would pass over what is no number.
    values
        .iter()
        .copied()
        .max_by(f64::total_cmp)
        .unwrap_or(f64::NAN)
}

const CRASHES: u32 = 10;

/// Machines go silently, one every 8 s.
pub(super) fn crash(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut cluster = Cluster::new(nodes, seed, swim_config(nodes), Network::default());
    let engine = &mut cluster.engine;
    let mut detections = Vec::new();
    let mut victims = BTreeSet::new();
    for number in 0..CRASHES {
        progress("crashing", f64::from(number) / f64::from(CRASHES));
        let victim = engine.rng.random_range(0..nodes);
        if engine.crash(victim, Crash::Silent).is_none() {
            continue;
        }
        victims.insert(victim);
        let at = engine.now;
        engine.run_for(8 * SECOND);
        detections.push(detection(engine, victim, at));
    }
    let of = |time: fn(&Detection) -> Option<Duration>| -> Vec<f64> {
        detections
            .iter()
            .map(|found| seconds(time(found)))
            .collect()
    };
    let suspicion = of(|found| found.first_suspicion);
    let death = of(|found| found.first_death);
    let all = of(|found| found.all_know);
    let wrong = given_up(engine, |node| !victims.contains(&node)).count();
    let noticed: [(&str, &[f64]); 3] = [
        ("first suspects", &suspicion),
        ("first gives up", &death),
        ("all have", &all),
    ];
    let plots = vec![Plot::noticed("crashes, by when", &noticed)];
    Outcome {
        figures: vec![
            Figure::told("median first suspicion", median(suspicion.clone()), "s"),
            Figure::at_most("median first given up", median(death.clone()), "s", 2.0),
            Figure::told("median all have given it up", median(all.clone()), "s"),
            Figure::at_most("slowest: all have given it up", largest(&all), "s", 5.0),
            Figure::at_most("given up that were there", wrong as f64, "", 0.0),
        ],
        plots,
        log_hash: engine.log_hash(),
    }
}

/// How long the slow nodes are watched: two minutes, and with more than 300 nodes as long as they
/// are blocked as often in all. What plain SWIM says of each other's false deaths grows with the
/// square of how many there are.
fn slow_span(nodes: Index) -> Duration {
    Duration::from_secs(120).mul_f64((300.0 / f64::from(nodes)).min(1.0))
}

/// How often nodes that were well were given up, while one of twenty was blocked now and then.
fn false_deaths(nodes: Index, seed: u64, config: Config) -> (f64, f64, blake3::Hash) {
    let mut cluster = Cluster::new(nodes, seed, config, Network::default());
    let engine = &mut cluster.engine;
    let slow: Vec<Index> = (0..nodes).filter(|node| node.is_multiple_of(20)).collect();
    let end = engine.now + slow_span(nodes);
    let mut next: Vec<(Duration, Index)> = slow.iter().map(|node| (engine.now, *node)).collect();
    while let Some((at, node)) = next.iter().min().copied().filter(|(at, _)| *at < end) {
        engine.run_until(at);
        let span = Duration::from_millis(engine.rng.random_range(500..8_000));
        let well = Duration::from_millis(engine.rng.random_range(10..2_000));
        engine.block(node, span);
        next.retain(|(_, of)| *of != node);
        next.push((at + span + well, node));
    }
    engine.run_for(30 * SECOND);
    let is_well = |node: Index| !node.is_multiple_of(20);
    let all = given_up(engine, is_well).count();
    let by_well = given_up(engine, is_well).filter(|(who, _)| is_well(*who));
    (all as f64, by_well.count() as f64, engine.log_hash())
}

/// What is given to plain SWIM besides: a suspicion of five periods per decade of members, as in
/// the measurements of Lifeguard's paper.
const PATIENT_MULTIPLIER: u32 = 5;

/// One node of twenty is blocked again and again: without Lifeguard, and with as much patience as
/// here or more; with Lifeguard as in its paper; and as it is here, where nobody's word is enough
/// to give a member up.
pub(super) fn slow(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let own = swim_config(nodes);
    let paper = Config {
        trusts_death: true,
        forgives_own_stall: false,
        ..own.clone()
    };
    let mut figures = Vec::new();
    let mut hasher = blake3::Hasher::new();
    let mut counts = Vec::new();
    let patient = Config {
        suspicion_multiplier: PATIENT_MULTIPLIER,
        ..own.clone()
    };
    let configs = [
        ("plain SWIM", own.clone().without_lifeguard()),
        ("patient plain SWIM", patient.without_lifeguard()),
        ("Lifeguard as in its paper", paper),
        ("ours", own),
    ];
    for (number, (name, config)) in configs.iter().enumerate() {
        progress(name, number as f64 / configs.len() as f64);
        let (all, by_well, hash) = false_deaths(nodes, seed, config.clone());
        figures.push(Figure::told(format!("{name}: well, but given up"), all, ""));
        figures.push(Figure::told(
            format!("{name}: by those that are well"),
            by_well,
            "",
        ));
        counts.push(all);
        hasher.update(hash.as_bytes());
    }
    for (index, (name, _)) in configs.iter().enumerate().take(2) {
        let times = counts[index] / counts[3].max(1.0);
        let name = format!("times fewer than {name}");
        figures.push(Figure::at_least(name, times, "", 50.0));
    }
    Outcome {
        figures,
        plots: Vec::new(),
        log_hash: hasher.finalize(),
    }
}

/// Messages and bytes that a node sends in a second while nothing happens.
fn load_of(nodes: Index, seed: u64) -> (f64, f64, blake3::Hash) {
    let mut cluster = Cluster::new(nodes, seed, swim_config(nodes), Network::default());
    let engine = &mut cluster.engine;
    let before = engine.counts();
    let span = 60 * SECOND;
    engine.run_for(span);
    let after = engine.counts();
    let per_node = f64::from(nodes) * span.as_secs_f64();
    let messages = (after.messages_count - before.messages_count) as f64 / per_node;
    let bytes = (after.bytes_count - before.bytes_count) as f64 / per_node;
    (messages, bytes, engine.log_hash())
}

/// What a node sends with a tenth, a third and all of the nodes.
pub(super) fn load(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let sizes = [nodes / 10, nodes * 3 / 10, nodes];
    let mut figures = Vec::new();
    let mut hasher = blake3::Hasher::new();
    let mut loads = Vec::new();
    let mut drawn = [
        ("messages a second", Vec::new()),
        ("bytes a second", Vec::new()),
    ];
    for (number, size) in sizes.into_iter().enumerate() {
        progress("watching", number as f64 / sizes.len() as f64);
        let (messages, bytes, hash) = load_of(size, seed);
        figures.push(Figure::told(
            format!("{size} nodes: messages"),
            messages,
            "/s",
        ));
        figures.push(Figure::told(format!("{size} nodes: bytes"), bytes, "/s"));
        loads.push((messages, bytes));
        drawn[0].1.push((f64::from(size), messages));
        drawn[1].1.push((f64::from(size), bytes));
        hasher.update(hash.as_bytes());
    }
    let ratio = |of: fn(&(f64, f64)) -> f64| of(&loads[loads.len() - 1]) / of(&loads[0]);
    figures.push(Figure::at_most(
        "messages: most nodes to fewest",
        ratio(|of| of.0),
        "",
        1.1,
    ));
    figures.push(Figure::at_most(
        "bytes: most nodes to fewest",
        ratio(|of| of.1),
        "",
        1.1,
    ));
    let plots = drawn.map(|(y, points)| Plot {
        title: format!("{y}, by how many nodes"),
        x: "nodes",
        y,
        lines: vec![Line {
            name: "a node".to_owned(),
            points,
        }],
    });
    Outcome {
        figures,
        plots: plots.into(),
        log_hash: hasher.finalize(),
    }
}

/// Members leave, come back, tell something else of themselves; the network parts and heals.
pub(super) fn life(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut cluster = Cluster::new(nodes, seed, swim_config(nodes), Network::default());
    let step = Duration::from_millis(500);
    progress("joining", 0.0);
    let count = 5.min(nodes / 4);
    for node in 1..=count {
        cluster.engine.crash(node, Crash::Noticed);
    }
    cluster.engine.run_for(20 * SECOND);
    (1..=count).for_each(|node| cluster.restart(node, 0));
    let joined = cluster.agreement(step, 60 * SECOND);
    progress("leaving", 0.3);
    for node in 1..=count {
        cluster.engine.input(node, SwimInput::Leave);
        cluster.engine.run_for(SECOND / 10);
        cluster.engine.crash(node, Crash::Noticed);
    }
    let left = cluster.agreement(step, 60 * SECOND);
    progress("telling", 0.5);
    let told = metadata_spread(&mut cluster);
    progress("parting", 0.6);
    for node in 0..nodes / 2 {
        cluster.engine.network.parts.insert(node, 1);
    }
    cluster.engine.network.cuts.extend([(0, 1), (1, 0)]);
    cluster.engine.run_for(60 * SECOND);
    let apart = disagreements(&cluster.engine) as f64;
    cluster.engine.network.cuts.clear();
    progress("healing", 0.8);
    let healed = cluster.agreement(SECOND, 300 * SECOND);
    Outcome {
        figures: vec![
            Figure::at_most("back, and known to all", seconds(joined), "s", 10.0),
            Figure::at_most("left, and all know", seconds(left), "s", 10.0),
            Figure::at_most("new metadata, and all know", seconds(told), "s", 5.0),
            Figure::at_least("parted: pairs apart", apart, "", f64::from(nodes)),
            Figure::at_most("healed, and all agree", seconds(healed), "s", 120.0),
        ],
        plots: Vec::new(),
        log_hash: cluster.engine.log_hash(),
    }
}

/// How long until all have what one tells anew of itself.
fn metadata_spread(cluster: &mut Cluster) -> Option<Duration> {
    let topic = "shop/eu".parse().ok()?;
    let metadata = Metadata::new([topic].into(), vec![7]).ok()?;
    let engine = &mut cluster.engine;
    engine.input(0, SwimInput::Metadata(metadata.clone()));
    let (start, id) = (engine.now, cluster.keys.id(0));
    for _ in 0..200 {
        engine.run_for(Duration::from_millis(50));
        let knows = |node: &SwimNode| {
            let member = node.swim().member(&id);
            member.is_some_and(|member| member.metadata == metadata)
        };
        if engine.nodes().skip(1).all(|(_, node)| knows(node)) {
            return Some(engine.now - start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(run: crate::scenarios::Run, nodes: Index) {
        let run = |seed| run(nodes, seed, &mut |_, _| ());
        let (first, again) = (run(1), run(1));
        assert!(first.holds(), "{first:?}");
        assert_eq!(first, again);
    }

    #[test]
    fn a_silent_crash_is_known_to_all_within_seconds() {
        check(crash, 40);
    }

    #[test]
    fn slow_nodes_have_few_others_given_up() {
        check(slow, 40);
    }

    #[test]
    fn what_a_node_sends_does_not_grow_with_the_cluster() {
        check(load, 100);
    }

    #[test]
    fn who_comes_leaves_or_is_parted_is_known_to_all() {
        check(life, 40);
    }
}
