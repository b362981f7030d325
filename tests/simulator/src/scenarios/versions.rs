//! Two nodes with many topics: what it takes to find those in which they differ, and to bring all
//! of them to a node that is new.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use replicant_protocol::ids::{Counter, NodeId, ReplicaId, TopicName};
use replicant_protocol::replication::anti_entropy::{Config, Message, OutEvent, State};
use replicant_protocol::version::VersionVector;

use crate::{Figure, Outcome, Progress};

/// In how many topics the nodes differ: half of them were written to here, half there.
const DIFFERENCES: usize = 100;

/// How often the new node is given time to go on, at most: a second each.
const SECONDS_MAX: u64 = 3_600;

/// Nodes with `count` topics of which 100 differ compare once; then a new node comes to one of
/// them. No network: state machines and what they say to each other. What differs is fetched at
/// once.
pub(super) fn versions(count: u32, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let (mut log, count) = (blake3::Hasher::new(), count as usize);
    progress("filling", 0.0);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ops = [vec![1; count], vec![1; count]];
    for number in 0..DIFFERENCES.min(count) {
        ops[number % 2][rng.random_range(0..count)] += 1;
    }
    let mut few = Pair::new(ops.clone(), rng);
    progress("comparing", 0.3);
    few.connect(&mut log);

    progress("a new node comes", 0.5);
    let all = ops[0].clone();
    let mut new = Pair::new([all, vec![0; count]], few.rng.clone());
    new.connect(&mut log);
    let mut seconds = 0;
    while new.differing_count() > 0 && seconds < SECONDS_MAX {
        seconds += 1;
        new.now += Duration::from_secs(1);
        new.run(&mut log);
        let share = new.differing_count() as f64 / count as f64;
        progress("a new node comes", 1.0 - share / 2.0);
    }
    let told = new.states[0].counts().reconciliation.pushed_count as f64;
    let kib = |pair: &Pair| pair.bytes as f64 / 1_024.0;
    Outcome {
        figures: vec![
            Figure::at_most(
                "topics that still differ",
                few.differing_count() as f64,
                "",
                0.0,
            ),
            Figure::at_most("bytes both ways", kib(&few), "KiB", 64.0),
            Figure::at_most("messages", few.messages as f64, "", 14.0),
            Figure::at_most("asked for in vain", few.vain as f64, "", 0.0),
            Figure::at_most(
                "new node: topics it lacks",
                new.differing_count() as f64,
                "",
                0.0,
            ),
            Figure::at_most("new node: told of each", told / count as f64, "times", 1.1),
            Figure::at_most("new node: asked for in vain", new.vain as f64, "", 0.0),
            Figure::told(
                "new node: bytes a topic",
                new.bytes as f64 / count as f64,
                "B",
            ),
            Figure::told("new node: time", seconds as f64, "s"),
        ],
        plots: Vec::new(),
        log_hash: log.finalize(),
    }
}

/// Two nodes, and how many ops of one writer each has in each topic.
struct Pair {
    states: [State; 2],
    ops: [Vec<u64>; 2],
    now: Duration,
    rng: ChaCha8Rng,
    bytes: usize,
    messages: usize,
    vain: usize,
}

impl Pair {
    fn new(ops: [Vec<u64>; 2], mut rng: ChaCha8Rng) -> Self {
        let now = Duration::from_secs(1_000);
        let states = [0, 1].map(|of: usize| {
            let mut state = State::new(now, Config::default(), &mut rng);
            for (number, count) in ops[of].iter().enumerate().filter(|(_, count)| **count > 0) {
                set(&mut state, number, *count);
            }
            state
        });
        Self {
            states,
            ops,
            now,
            rng,
            bytes: 0,
            messages: 0,
            vain: 0,
        }
    }

    fn differing_count(&self) -> usize {
        let [a, b] = &self.ops;
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    }

    fn connect(&mut self, log: &mut blake3::Hasher) {
        for of in [0, 1] {
            self.states[of].handle_peer_up(self.now, peer(1 - of), &mut self.rng);
        }
        self.run(log);
    }

    /// Does everything that can be done now.
    fn run(&mut self, log: &mut blake3::Hasher) {
        loop {
            let mut next = self.states.iter_mut().enumerate();
            let next = next.find_map(|(of, state)| Some((of, state.poll()?)));
            if let Some((of, event)) = next {
                self.handle(of, event, log);
                continue;
            }
            let is_due = |state: &State| state.next_timeout().is_some_and(|at| at <= self.now);
            let Some(of) = self.states.iter().position(is_due) else {
                return;
            };
            self.states[of].handle_timeout(self.now, &mut self.rng);
        }
    }

    fn handle(&mut self, of: usize, event: OutEvent, log: &mut blake3::Hasher) {
        match event {
            OutEvent::Send { message, .. } => {
                let bytes = message.to_bytes();
                log.update(&bytes);
                // One byte says which layer it is for.
                self.bytes += 1 + bytes.len();
                self.messages += 1;
                if let Ok(message) = Message::from_bytes(&bytes) {
                    self.states[1 - of].on_message(self.now, peer(of), message, &mut self.rng);
                }
            }
            OutEvent::Differs { topic, .. } => {
                let number = topic.as_str().rsplit('/').next();
                let number = number.and_then(|it| it.parse::<usize>().ok());
                let number = number.unwrap_or_default();
                let theirs = self.ops[1 - of][number];
                self.vain += usize::from(theirs <= self.ops[of][number]);
                self.ops[of][number] = theirs.max(self.ops[of][number]);
                set(&mut self.states[of], number, self.ops[of][number]);
            }
        }
    }
}

fn peer(number: usize) -> NodeId {
    NodeId::from_bytes([number as u8; 32])
}

fn set(state: &mut State, number: usize, ops_count: u64) {
    let topic: Result<TopicName, _> = format!("shop/{}/{number}", number % 100).parse();
    if let (Ok(topic), Ok(replica)) = (topic, ReplicaId::new(7)) {
        let version: VersionVector = [(replica, Counter::new(ops_count))].into_iter().collect();
        state.handle_version(&topic, &version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_thousand_topics_cost_what_a_hundred_thousand_may() {
        let outcome = versions(5_000, 7, &mut |_, _| {});
        assert!(outcome.holds(), "{outcome:?}");
        let again = versions(5_000, 7, &mut |_, _| {});
        assert_eq!(again.log_hash, outcome.log_hash);
        let other = versions(5_000, 8, &mut |_, _| {});
        assert_ne!(other.log_hash, outcome.log_hash);
    }
}
