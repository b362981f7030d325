//! Runs with random faults, which then end: everything must be everywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use replicant_protocol::ids::Hash;
use replicant_protocol::replication::{Config, Stats};

use crate::faults::Faults;
use crate::world::{Canary, Event, TOPICS, World};

/// How long faults last.
const FAULTY: Duration = Duration::from_secs(15);
/// How long healing may take at most: peers that seemed useless are left alone for a while.
const HEALING: Duration = Duration::from_secs(900);
/// And how long it does take at most: a few rounds of anti-entropy.
const HEALED: Duration = Duration::from_secs(120);

struct Outcome {
    failures: Vec<String>,
    history: Hash,
    acknowledged: usize,
    healed_after: Duration,
    /// Of all nodes and topics that run at the end.
    stats: Vec<Stats>,
}

/// Bounds so small that every one of them is reached.
fn small() -> Config {
    Config {
        buffer_count_max: 12,
        peer_count_max: 6,
        candidates_max: 2,
        batch_count_max: 3,
        chunk_count_max: 4,
        boundaries_max: 2,
        waiting_max: Duration::from_secs(5),
        request_timeout: Duration::from_secs(2),
        backoff_max: Duration::from_secs(20),
        ..Config::default()
    }
}

fn run(seed: u64, nodes: usize, config: Config, canary: Canary) -> Outcome {
    let mut world = World::new(seed, nodes, config, canary);
    world.plan(FAULTY, 40);
    world.run_until(FAULTY, |_| false);
    world.heal();
    let healing = world.now;
    world.run_until(healing + HEALING, |world| world.all_equal());
    world.checker.healed(nodes, TOPICS);
    if !world.all_equal() {
        let description = world.describe();
        world
            .checker
            .failures
            .push(format!("did not heal:\n{description}"));
    }
    Outcome {
        acknowledged: world.checker.acknowledged_count(),
        failures: std::mem::take(&mut world.checker.failures),
        history: world.history(),
        healed_after: world.now - healing,
        stats: world.stats(),
    }
}

fn must_heal(seeds: impl Iterator<Item = u64>, nodes: impl Fn(u64) -> usize) -> Vec<Outcome> {
    let one = |seed: u64| {
        let config = if seed.is_multiple_of(2) {
            small()
        } else {
            Config::default()
        };
        let outcome = run(seed, nodes(seed), config, Canary::None);
        assert!(
            outcome.failures.is_empty(),
            "seed {seed}: {}",
            outcome.failures.join("\n")
        );
        assert!(
            outcome.healed_after < HEALED,
            "seed {seed}: {:?}",
            outcome.healed_after
        );
        outcome
    };
    seeds.map(one).collect()
}

/// Every path that the bounds and faults are there for was taken at least once.
fn must_cover(outcomes: &[Outcome]) {
    let total = |count: fn(&Stats) -> u64| -> u64 {
        outcomes
            .iter()
            .flat_map(|outcome| &outcome.stats)
            .map(count)
            .sum()
    };
    assert!(
        outcomes
            .iter()
            .map(|outcome| outcome.acknowledged)
            .sum::<usize>()
            > 100
    );
    assert!(total(|stats| stats.duplicates) > 0);
    assert!(total(|stats| stats.dropped_full) > 0);
    assert!(total(|stats| stats.dropped_expired) > 0);
    assert!(total(|stats| stats.store_failures) > 0);
    assert!(total(|stats| stats.sync_timeouts) > 0);
    assert!(total(|stats| stats.sync_unsolicited) > 0);
    assert_eq!(total(|stats| stats.equivocations), 0);
    assert_eq!(total(|stats| stats.rejected.values().sum()), 0);
}

#[test]
fn small_clusters_heal_after_faults() {
    must_cover(&must_heal(0..100, |seed| 3 + (seed % 3) as usize));
}

#[test]
fn small_clusters_heal_after_other_faults() {
    must_cover(&must_heal(100..200, |seed| 3 + (seed % 3) as usize));
}

#[test]
fn larger_clusters_heal_after_faults() {
    must_heal(200..220, |seed| 6 + (seed % 15) as usize);
}

/// Lost once: a request that came in a new session before the other side had heard of it was
/// dropped, and a newcomer waited ten seconds for nothing.
#[test]
fn sessions_that_are_replaced_while_nodes_compare_cost_no_timeout() {
    for seed in 0..200 {
        let mut world = World::new(seed, 2, Config::default(), Canary::None);
        world.faults = Faults::none();
        world.nodes.iter_mut().for_each(|node| node.skew_ms = 0);
        world.divide(BTreeSet::from([0]));
        for topic in 0..TOPICS {
            world.after_ms(1, Event::Command { node: 0, topic });
        }
        world.run_until(Duration::from_secs(5), |_| false);
        world.divide(BTreeSet::new());
        for n in 0..3 {
            let ms = n * 40 + world.random_ms(60);
            world.after_ms(ms, Event::Replace { a: 0, b: 1 });
        }
        let begun = world.now;
        let is_done = |world: &World| world.now > begun && world.all_equal();
        world.run_until(begun + Duration::from_secs(900), is_done);
        let took = world.now - begun;
        assert!(took < Duration::from_secs(2), "seed {seed}: {took:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [3, 4] {
        let once = run(seed, 5, small(), Canary::None);
        let again = run(seed, 5, small(), Canary::None);
        assert_eq!(once.history, again.history);
        assert_eq!(once.healed_after, again.healed_after);
    }
    let other = run(5, 5, small(), Canary::None);
    assert_ne!(other.history, run(3, 5, small(), Canary::None).history);
}

#[test]
fn the_checker_notices_that_nothing_is_repaired() {
    let noticed = (0..5).any(|seed| !run(seed, 5, small(), Canary::NoRepair).failures.is_empty());
    assert!(noticed);
}

#[test]
fn the_checker_notices_that_acknowledged_ops_are_lost() {
    let canary = Canary::EarlyAcknowledgement;
    let noticed = (0..10).any(|seed| !run(seed, 3, small(), canary).failures.is_empty());
    assert!(noticed);
}

#[test]
fn one_seed() {
    let seed = std::env::var("REPLICANT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let Some(seed) = seed else { return };
    must_heal(std::iter::once(seed), |seed| match seed {
        0..200 => 3 + (seed % 3) as usize,
        _ => 6 + (seed % 15) as usize,
    });
}
