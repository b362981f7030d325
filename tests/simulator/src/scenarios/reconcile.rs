//! Two large sets that differ in a few elements: what it takes to make them one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::reconciliation::{Config, Key, Message, OutEvent, State};

use crate::{Figure, Outcome, Progress};

/// In how many elements the sets differ: half of them are here, half there.
const DIFFERENCES: u32 = 100;

/// Elements of a month, by the millisecond.
const SPAN_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// Two sets of `count` elements each, differing in 100, are compared once. No network: two state
/// machines and what they say to each other. Processor time is told; it is the machine's.
pub(super) fn reconcile(count: u32, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let now = Duration::from_secs(1_000);
    let mut states = [0, 1].map(|_| State::new(Config::default(), now, &mut rng));
    let began = Instant::now();
    fill(&mut states, count, &mut rng, progress);
    let filled = began.elapsed();
    progress("comparing", 0.9);
    let mut log = blake3::Hasher::new();
    let began = Instant::now();
    let run = compare(&mut states, now, &mut rng, &mut log);
    let elapsed = began.elapsed();
    progress("comparing", 1.0);
    let [a, b] = states.each_ref().map(|state| state.set().root());
    let missed = if a == b { 0.0 } else { 1.0 };
    let kib = run.bytes as f64 / 1_024.0;
    let inserted = filled.as_secs_f64() * 1e6 / f64::from(2 * count.max(1));
    Outcome {
        figures: vec![
            Figure::at_most("sets that still differ", missed, "", 0.0),
            Figure::at_most("bytes both ways", kib, "KiB", 64.0),
            Figure::at_most("messages", run.messages as f64, "", 12.0),
            Figure::told("elements that were sent", run.pushed as f64, ""),
            Figure::told("processor time of both", elapsed.as_secs_f64() * 1e3, "ms"),
            Figure::told("taking an element in", inserted, "µs"),
        ],
        plots: Vec::new(),
        log_hash: log.finalize(),
    }
}

fn fill(states: &mut [State; 2], count: u32, rng: &mut ChaCha8Rng, progress: &mut Progress<'_>) {
    let half = DIFFERENCES / 2;
    for number in 0..count.saturating_add(half) {
        let key = Key {
            timestamp: 1_800_000_000_000 + rng.random_range(0..SPAN_MS),
            id: Hash::from_bytes(rng.random()),
        };
        // The first 50 are here only, the next 50 there only.
        if !(half..2 * half).contains(&number) {
            states[0].insert(key, 200);
        }
        if number >= half {
            states[1].insert(key, 200);
        }
        if number % 65_536 == 0 {
            progress("filling", 0.9 * f64::from(number) / f64::from(count.max(1)));
        }
    }
}

#[derive(Default)]
struct Run {
    messages: usize,
    bytes: usize,
    pushed: usize,
}

fn compare(
    states: &mut [State; 2],
    now: Duration,
    rng: &mut ChaCha8Rng,
    log: &mut blake3::Hasher,
) -> Run {
    let peer = |number: usize| NodeId::from_bytes([number as u8; 32]);
    let mut run = Run::default();
    let mut queue = VecDeque::new();
    // Both begin; one of the two goes on.
    states[0].handle_peer_up(now, peer(1), rng);
    states[1].handle_peer_up(now, peer(0), rng);
    loop {
        for (from, state) in states.iter_mut().enumerate() {
            while let Some(event) = state.poll_event() {
                queue.push_back((from, event));
            }
        }
        let Some((from, event)) = queue.pop_front() else {
            return run;
        };
        let to = 1 - from;
        match event {
            OutEvent::Send { message, .. } => {
                let bytes = message.to_bytes();
                log.update(&bytes);
                // One byte says which layer it is for.
                (run.messages, run.bytes) = (run.messages + 1, run.bytes + 1 + bytes.len());
                if let Ok(message) = Message::from_bytes(&bytes) {
                    states[to].on_message(now, peer(from), message, rng);
                }
            }
            OutEvent::Push { keys, .. } => {
                run.pushed += keys.len();
                keys.into_iter().for_each(|key| {
                    states[to].insert(key, 200);
                });
            }
            OutEvent::Unserved { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_elements_take_less_than_a_million_may() {
        let outcome = reconcile(20_000, 7, &mut |_, _| {});
        assert!(outcome.holds(), "{outcome:?}");
        assert_eq!(
            reconcile(20_000, 7, &mut |_, _| {}).log_hash,
            outcome.log_hash
        );
        assert_ne!(
            reconcile(20_000, 8, &mut |_, _| {}).log_hash,
            outcome.log_hash
        );
    }

    /// The figure itself: `cargo test --release -p replicant-simulator a_million -- --ignored
    /// --nocapture`.
    #[test]
    #[ignore = "takes seconds in release, minutes otherwise"]
    fn a_million_elements() {
        for seed in 0..10 {
            let outcome = reconcile(1_000_000, seed, &mut |_, _| {});
            let figures = outcome.figures.iter();
            let told: Vec<String> = figures
                .map(|it| format!("{} {:.1} {}", it.name, it.value, it.unit))
                .collect();
            eprintln!("seed {seed}: {}", told.join(", "));
            assert!(outcome.holds());
        }
    }
}
