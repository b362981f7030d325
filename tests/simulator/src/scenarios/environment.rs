//! What the protocols do in an environment: the figures beside those that theory expects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use replicant_protocol::broadcast::rapid;
use replicant_protocol::environment::{Environment, Parameters};
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::membership::Config;

use super::rapid::live_sender;
use super::swim::{Cluster, largest, median, seconds};
use crate::checkers::{Detection, Said, detection, false_suspicions, given_up, reach};
use crate::worlds::{RapidNode, Say};
use crate::{Crash, Engine, Index, Latency, Network, Progress, node_id};

const CRASHES: Index = 10;
/// How many rapid broadcasts are made.
const BROADCASTS: u32 = 100;

/// What was measured with some parameters in some environment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// How many nodes were simulated.
    pub nodes: Index,
    /// From a silent crash to the first suspicion, in seconds; the median.
    pub first_suspicion: f64,
    /// Until somebody gives the node up.
    pub first_death: f64,
    /// Until everybody did; the longest. No number if somebody did not in time.
    pub all_know: f64,
    /// How often a live node was suspected, per node and hour; by how many at once does not count.
    pub false_suspicions_per_node_hour: f64,
    /// How often a live node was given up, per node and hour.
    pub false_deaths_per_node_hour: f64,
    /// Messages that a node sends, per second, while nothing happens.
    pub messages_per_second: f64,
    /// Bytes in them.
    pub bytes_per_second: f64,
    /// The share of rapid broadcasts that reached every live node, while as many are down as the
    /// environment says.
    pub reach_probability: f64,
}

/// The links of an environment: between a tenth and a half of the round trip one way.
fn network(env: &Environment) -> Network {
    let (least, most) = (env.round_trip / 10, env.round_trip / 2);
    Network {
        latency: Latency::Uniform(least, most),
        loss: env.loss,
        ..Network::default()
    }
}

/// Runs the protocols in an environment, with as many nodes as it expects. SWIM first quietly, then
/// machines go silently, one after the other; then rapid broadcasts.
pub fn measure(
    env: &Environment,
    parameters: &Parameters,
    seed: u64,
    progress: &mut Progress<'_>,
) -> Measured {
    let nodes = env.expected_size;
    let swim = &parameters.swim;
    let mut cluster = Cluster::new(nodes, seed, Config::from(swim), network(env));
    let engine = &mut cluster.engine;
    let start = engine.now;
    let quiet = swim.probe_interval * 60;
    progress("watching", 0.0);
    let before = engine.counts();
    engine.run_for(quiet);
    let after = engine.counts();
    let per_node = f64::from(nodes) * quiet.as_secs_f64();
    // Long enough for the theory to be wrong by half.
    let expected = env.expected(parameters);
    let patience = expected.all_know * 3 / 2 + swim.probe_interval * 10;
    let mut detections = Vec::new();
    let crashes = CRASHES.min(nodes / 2);
    for victim in 0..crashes {
        progress("crashing", f64::from(victim) / f64::from(crashes));
        let at = engine.now;
        engine.crash(victim, Crash::Silent);
        engine.run_for(patience);
        detections.push(detection(engine, victim, at));
    }
    let of = |time: fn(&Detection) -> Option<Duration>| -> Vec<f64> {
        let times = detections.iter().map(|found| seconds(time(found)));
        times.collect()
    };
    let is_well = |node| node >= crashes;
    // By how many others it was given up does not count, whether it was does.
    let wrong = given_up(engine, is_well).count() as f64 / f64::from(nodes);
    // What one suspicion causes is over when all have heard of it.
    let together = expected.all_know - expected.first_death + swim.probe_interval;
    let suspicions = false_suspicions(engine, is_well, start, together) as f64;
    let hours = (engine.now - start).as_secs_f64() / 3_600.0;
    let node_hours = f64::from(nodes - crashes) * hours;
    Measured {
        nodes,
        first_suspicion: median(of(|found| found.first_suspicion)),
        first_death: median(of(|found| found.first_death)),
        all_know: largest(&of(|found| found.all_know)),
        false_suspicions_per_node_hour: suspicions / node_hours,
        false_deaths_per_node_hour: wrong / node_hours,
        messages_per_second: (after.messages_count - before.messages_count) as f64 / per_node,
        bytes_per_second: (after.bytes_count - before.bytes_count) as f64 / per_node,
        reach_probability: reach_probability(env, parameters, seed, progress),
    }
}

/// Nodes are down as often as the environment says, and nobody knows which.
fn reach_probability(
    env: &Environment,
    parameters: &Parameters,
    seed: u64,
    progress: &mut Progress<'_>,
) -> f64 {
    let nodes = env.expected_size;
    let config = rapid::Config {
        fanout: Some(parameters.rapid.fanout_count),
        pull_timeout: parameters.rapid.pull_timeout,
        ..rapid::Config::for_latency(env.round_trip / 2)
    };
    let mut view: Vec<NodeId> = (0..nodes).map(node_id).collect();
    view.sort_unstable();
    let view: Arc<[NodeId]> = view.into();
    let mut engine = Engine::new(seed, network(env));
    for own in 0..nodes {
        engine.add(RapidNode::new(own, config.clone(), view.clone()));
    }
    let mut down = BTreeSet::new();
    for node in 1..nodes {
        if engine.rng.random::<f64>() > env.reliability {
            engine.crash(node, Crash::Silent);
            down.insert(node);
        }
    }
    let mut complete_count = 0;
    for number in 0..BROADCASTS {
        progress("saying", f64::from(number) / f64::from(BROADCASTS));
        let payload = number.to_be_bytes().to_vec();
        let said = Said {
            id: Hash::of(&payload),
            at: engine.now,
        };
        let sender = live_sender(&mut engine, &down);
        let payload = payload.into();
        engine.input(sender, Say { payload, ask: None });
        engine.run_for(env.round_trip * 20);
        let heard = engine.nodes().map(|(node, it)| (node, &it.heard));
        complete_count += u32::from(reach(&[said], heard).missed_count == 0);
    }
    f64::from(complete_count) / f64::from(BROADCASTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_near_to_what_is_expected() {
        let env = Environment {
            expected_size: 50,
            ..Environment::lan()
        };
        let parameters = env.parameters();
        let expected = env.expected(&parameters);
        let found = measure(&env, &parameters, 1, &mut |_, _| ());
        let near = |found: f64, expected: f64| (0.5..2.0).contains(&(found / expected));
        let first = expected.first_suspicion.as_secs_f64();
        assert!(near(found.first_suspicion, first), "{found:?}");
        let all_know = expected.all_know.as_secs_f64();
        assert!(near(found.all_know, all_know), "{found:?} {expected:?}");
        assert!(near(
            found.messages_per_second,
            expected.messages_per_second
        ));
        assert!(near(found.bytes_per_second, expected.bytes_per_second));
        assert_eq!(found.false_suspicions_per_node_hour, 0.0);
        assert_eq!(found.false_deaths_per_node_hour, 0.0);
        assert_eq!(found.reach_probability, 1.0);
    }

    /// What others do where a probe is lost was not expected: half of all messages.
    #[test]
    fn the_load_where_much_is_lost_is_as_expected() {
        let env = Environment {
            expected_size: 50,
            ..Environment::edge()
        };
        let parameters = env.parameters();
        let expected = env.expected(&parameters);
        let found = measure(&env, &parameters, 1, &mut |_, _| ());
        let messages = found.messages_per_second / expected.messages_per_second;
        let bytes = found.bytes_per_second / expected.bytes_per_second;
        assert!((0.8..1.25).contains(&messages), "{messages}: {found:?}");
        assert!((0.7..1.4).contains(&bytes), "{bytes}: {found:?}");
    }

    /// It was expected, and not measured.
    #[test]
    fn where_much_is_lost_as_many_are_suspected_falsely_as_is_expected() {
        let env = Environment {
            expected_size: 30,
            loss: 0.2,
            ..Environment::lan()
        };
        let parameters = env.parameters();
        let expected = env.expected(&parameters).false_suspicions_per_node_hour;
        let found = measure(&env, &parameters, 1, &mut |_, _| ());
        let share = found.false_suspicions_per_node_hour / expected;
        assert!((0.2..5.0).contains(&share), "{share}: {found:?}");
    }
}
