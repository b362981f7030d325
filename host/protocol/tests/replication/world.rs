//! A cluster on virtual time: one queue of events, one seeded generator, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use replicant_protocol::broadcast::plumtree;
use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::Hash;
use replicant_protocol::replication::{Config, Stats};
use replicant_protocol::wire::Message;

use crate::checker::Checker;
use crate::faults::{Faults, percent};
use crate::node::{Node, Topic, topic_name};

pub(crate) const TOPICS: usize = 2;

/// Deliberate mistakes: each must make the checker fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canary {
    None,
    /// Requests for what is missing never arrive.
    NoRepair,
    /// Confirmed before it is stored.
    EarlyAcknowledgement,
}

pub(crate) enum Event {
    Arrive {
        from: usize,
        to: usize,
        session: u64,
        bytes: Vec<u8>,
    },
    Timer {
        node: usize,
        number: u64,
    },
    Command {
        node: usize,
        topic: usize,
    },
    Stored {
        node: usize,
        topic: usize,
        life: u64,
    },
    Crash {
        node: usize,
    },
    Restart {
        node: usize,
    },
    Divide {
        side: BTreeSet<usize>,
    },
    /// Another session takes the place of the one between two nodes.
    Replace {
        a: usize,
        b: usize,
    },
    /// A node hears that its session with another ended, or that the next one is open.
    Session {
        node: usize,
        other: usize,
        session: u64,
        is_up: bool,
    },
}

pub(crate) struct World {
    pub(crate) rng: ChaCha8Rng,
    pub(crate) faults: Faults,
    pub(crate) nodes: Vec<Node>,
    pub(crate) checker: Checker,
    pub(crate) now: Duration,
    pub(crate) config: Config,
    pub(crate) canary: Canary,
    queue: BTreeMap<(Duration, u64), Event>,
    events_count: u64,
    timers: Vec<u64>,
    pub(crate) links: BTreeSet<(usize, usize)>,
    /// Which session there is between two nodes; what was sent in an earlier one is lost.
    pub(crate) sessions: BTreeMap<(usize, usize), u64>,
    /// One side of a partition; empty if there is none.
    side: BTreeSet<usize>,
    /// Hash over everything that happened, in order.
    history: Hash,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize, config: Config, canary: Canary) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let faults = Faults::random(&mut rng);
        let mut world = Self {
            nodes: (0..nodes).map(|n| Node::new(n as u8 + 1, TOPICS)).collect(),
            rng,
            faults,
            checker: Checker::default(),
            now: Duration::ZERO,
            config,
            canary,
            queue: BTreeMap::new(),
            events_count: 0,
            timers: vec![0; nodes],
            links: BTreeSet::new(),
            sessions: BTreeMap::new(),
            side: BTreeSet::new(),
            history: Hash::ZERO,
        };
        world.connect_graph();
        for node in 0..nodes {
            let skew = world.faults.skew_ms_max;
            world.nodes[node].skew_ms = world.rng.random_range(-skew..=skew);
            world.start(node);
        }
        world
    }

    /// A random connected graph: a ring with chords.
    fn connect_graph(&mut self) {
        let count = self.nodes.len();
        for node in 0..count {
            let next = (node + 1) % count;
            self.links.insert((node.min(next), node.max(next)));
            let other = self.rng.random_range(0..count);
            if other != node {
                self.links.insert((node.min(other), node.max(other)));
            }
        }
    }

    pub(crate) fn neighbours(&self, node: usize) -> Vec<usize> {
        let other = |(a, b): &(usize, usize)| match node {
            node if node == *a => Some(*b),
            node if node == *b => Some(*a),
            _ => None,
        };
        self.links
            .iter()
            .filter_map(other)
            .filter(|other| self.is_open(node, *other))
            .collect()
    }

    pub(crate) fn is_open(&self, a: usize, b: usize) -> bool {
        self.side.contains(&a) == self.side.contains(&b)
            && self.nodes[a].running.is_some()
            && self.nodes[b].running.is_some()
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.events_count += 1;
        self.queue.insert((time, self.events_count), event);
    }

    pub(crate) fn after_ms(&mut self, ms: u64, event: Event) {
        self.at(self.now + Duration::from_millis(ms), event);
    }

    pub(crate) fn random_ms(&mut self, max: u64) -> u64 {
        self.rng.random_range(0..=max)
    }

    /// Plans commands, crashes and partitions over the next `span`.
    pub(crate) fn plan(&mut self, span: Duration, commands: usize) {
        let span_ms = span.as_millis() as u64;
        let count = self.nodes.len();
        for _ in 0..commands {
            let (node, topic) = (
                self.rng.random_range(0..count),
                self.rng.random_range(0..TOPICS),
            );
            let ms = self.random_ms(span_ms);
            self.after_ms(ms, Event::Command { node, topic });
        }
        for _ in 0..self.faults.crashes {
            let node = self.rng.random_range(0..count);
            let (ms, pause) = (self.random_ms(span_ms), self.random_ms(3_000));
            self.after_ms(ms, Event::Crash { node });
            self.after_ms(ms + pause, Event::Restart { node });
        }
        for _ in 0..self.faults.partitions {
            let side = (0..count)
                .filter(|_| self.rng.random_range(0..2) == 0)
                .collect();
            let (ms, pause) = (self.random_ms(span_ms), self.random_ms(8_000));
            self.after_ms(ms, Event::Divide { side });
            self.after_ms(
                ms + pause,
                Event::Divide {
                    side: BTreeSet::new(),
                },
            );
        }
        for _ in 0..self.faults.replacements {
            let (a, b) = (
                self.rng.random_range(0..count),
                self.rng.random_range(0..count),
            );
            let ms = self.random_ms(span_ms);
            self.after_ms(ms, Event::Replace { a, b });
        }
    }

    /// Ends all faults: everybody runs, everybody is connected, the clocks are right.
    pub(crate) fn heal(&mut self) {
        self.faults = Faults::none();
        self.divide(BTreeSet::new());
        for node in 0..self.nodes.len() {
            self.restart(node);
            self.nodes[node].skew_ms = 0;
        }
    }

    /// Handles events until `end`, or until `done` says so.
    pub(crate) fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) {
        while let Some((time, _)) = self.queue.keys().next() {
            if *time > end || done(self) {
                break;
            }
            if let Some(((time, _), event)) = self.queue.pop_first() {
                self.now = time;
                self.handle(event);
            }
        }
    }

    pub(crate) fn all_equal(&self) -> bool {
        let versions = |node: &Node| -> Vec<Hash> {
            let running = node.running.as_ref();
            let topics = running.into_iter().flat_map(|running| &running.topics);
            topics.map(|topic| topic.state.version().hash()).collect()
        };
        let idle = |node: &Node| {
            node.running.as_ref().is_some_and(|running| {
                running
                    .topics
                    .iter()
                    .all(|topic| topic.storing.is_none() && topic.commands == 0)
            })
        };
        let first = versions(&self.nodes[0]);
        self.nodes
            .iter()
            .all(|node| idle(node) && versions(node) == first)
    }

    pub(crate) fn stats(&self) -> Vec<Stats> {
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        running
            .flat_map(|running| &running.topics)
            .map(|topic| topic.state.stats())
            .collect()
    }

    /// What every node says of itself, for whoever reads a failure.
    pub(crate) fn describe(&self) -> String {
        let topics = self.nodes.iter().enumerate().flat_map(|(index, node)| {
            let topics = node.running.iter().flat_map(|running| &running.topics);
            topics.map(move |topic| (index, topic))
        });
        let line = |(index, topic): (usize, &Topic)| {
            let (state, stats) = (&topic.state, topic.state.stats());
            let version: Vec<_> = state
                .version()
                .iter()
                .map(|(r, c)| format!("{r}:{c}"))
                .collect();
            format!("node {index} {} {version:?} {stats:?}\n", state.topic())
        };
        topics.map(line).collect()
    }

    pub(crate) fn history(&self) -> Hash {
        self.history
    }

    pub(crate) fn record(&mut self, what: &str, bytes: &[u8]) {
        let time = self.now.as_nanos().to_le_bytes();
        let parts = [self.history.as_bytes(), &time[..], what.as_bytes(), bytes];
        self.history = Hash::derive("simulated history", &parts);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive {
                from,
                to,
                session,
                bytes,
            } => {
                if session == self.session(from, to) {
                    self.arrive(from, to, &bytes);
                }
            }
            Event::Timer { node, number } => self.timer(node, number),
            Event::Command { node, topic } => self.command(node, topic),
            Event::Stored { node, topic, life } => self.stored(node, topic, life),
            Event::Crash { node } => self.crash(node),
            Event::Restart { node } => self.restart(node),
            Event::Divide { side } => self.divide(side),
            Event::Replace { a, b } => self.replace(a, b),
            Event::Session {
                node,
                other,
                session,
                is_up,
            } => self.hear_of_session(node, other, session, is_up),
        }
    }

    fn arrive(&mut self, from: usize, to: usize, bytes: &[u8]) {
        if !self.is_open(from, to) {
            return;
        }
        self.record(&format!("{from} to {to}"), bytes);
        let (now, peer) = (self.now, self.nodes[from].id());
        let node = &mut self.nodes[to];
        let wall_ms = node.wall_ms(now);
        let Some(running) = &mut node.running else {
            return;
        };
        match Message::from_bytes(bytes).unwrap() {
            Message::Broadcast(plumtree::Message::Gossip { payload, .. }) => {
                let bundle = SignedBundle::decode(&payload).unwrap();
                let index = topic_index(&bundle.body().topic);
                let state = &mut running.topics[index].state;
                state.on_bundle(now, wall_ms, peer, bundle, &node.disks[index]);
            }
            Message::Replication(message) => {
                let index = topic_index(message.topic());
                let state = &mut running.topics[index].state;
                state.on_message(now, wall_ms, peer, message, &node.disks[index]);
            }
            Message::AntiEntropy(message) => {
                let rng = &mut self.rng;
                running.anti_entropy.on_message(now, peer, message, rng);
            }
            other => panic!("nobody sends {other:?}"),
        }
        self.drain(to);
    }

    fn timer(&mut self, index: usize, number: u64) {
        if self.timers[index] != number {
            return;
        }
        let now = self.now;
        let node = &mut self.nodes[index];
        let wall_ms = node.wall_ms(now);
        let Some(running) = &mut node.running else {
            return;
        };
        for (topic, disk) in running.topics.iter_mut().zip(&node.disks) {
            topic.state.handle_timeout(now, wall_ms, disk);
        }
        running.anti_entropy.handle_timeout(now, &mut self.rng);
        self.record("timer", &[index as u8]);
        self.drain(index);
    }

    fn command(&mut self, index: usize, topic: usize) {
        let Some(running) = &mut self.nodes[index].running else {
            return;
        };
        running.topics[topic].commands += self.rng.random_range(1..4);
        self.drain(index);
    }

    fn stored(&mut self, index: usize, topic: usize, life: u64) {
        if self.nodes[index].life != life {
            return;
        }
        let failed = percent(&mut self.rng, self.faults.store_failure);
        let now = self.now;
        let node = &mut self.nodes[index];
        let wall_ms = node.wall_ms(now);
        let Some(running) = &mut node.running else {
            return;
        };
        let of = &mut running.topics[topic];
        let Some(job) = of.storing.take() else { return };
        if failed {
            of.state
                .handle_store_failed(now, wall_ms, &node.disks[topic])
                .unwrap();
        } else {
            let disk = &mut node.disks[topic];
            disk.store(&job.remote);
            disk.store(&job.local);
            of.state.handle_stored(now).unwrap();
            let version = of.state.version();
            running
                .anti_entropy
                .handle_version(&topic_name(topic), version);
            self.checker
                .stored(index, topic, &self.nodes[index].disks[topic]);
            self.checker.acknowledged(topic, &job.local);
        }
        self.record("stored", &[index as u8, topic as u8, u8::from(failed)]);
        self.drain(index);
    }

    fn start(&mut self, index: usize) {
        let now = self.now;
        self.nodes[index].start(now, &self.config, &mut self.rng);
        for other in self.neighbours(index) {
            self.session_up(index, other);
            self.session_up(other, index);
        }
        self.drain(index);
    }

    fn crash(&mut self, index: usize) {
        let neighbours = self.neighbours(index);
        let Some(running) = self.nodes[index].crash() else {
            return;
        };
        // What was on its way to the disk may have arrived all the same.
        for (number, topic) in running.topics.into_iter().enumerate() {
            let Some(job) = topic.storing.filter(|_| self.rng.random_range(0..2) == 0) else {
                continue;
            };
            let disk = &mut self.nodes[index].disks[number];
            disk.store(&job.remote);
            disk.store(&job.local);
            self.checker
                .stored(index, number, &self.nodes[index].disks[number]);
        }
        self.record("crash", &[index as u8]);
        for other in neighbours {
            self.session_down(other, index);
        }
    }

    fn restart(&mut self, index: usize) {
        if self.nodes[index].running.is_none() {
            self.record("restart", &[index as u8]);
            self.start(index);
        }
    }

    /// Changes who can reach whom; sessions break and open accordingly.
    pub(crate) fn divide(&mut self, side: BTreeSet<usize>) {
        self.record(
            "divide",
            &side.iter().map(|node| *node as u8).collect::<Vec<_>>(),
        );
        let before: Vec<_> = (0..self.nodes.len()).map(|n| self.neighbours(n)).collect();
        self.side = side;
        for (node, before) in before.into_iter().enumerate() {
            let after = self.neighbours(node);
            for other in before.iter().filter(|other| !after.contains(other)) {
                self.session_down(node, *other);
            }
            for other in after.into_iter().filter(|other| !before.contains(other)) {
                self.session_up(node, other);
            }
        }
    }

    pub(crate) fn set_timer(&mut self, index: usize) {
        let Some(running) = &self.nodes[index].running else {
            return;
        };
        let topics = running
            .topics
            .iter()
            .filter_map(|topic| topic.state.next_timeout());
        let Some(next) = topics.chain(running.anti_entropy.next_timeout()).min() else {
            return;
        };
        self.timers[index] += 1;
        let number = self.timers[index];
        self.at(
            next.max(self.now),
            Event::Timer {
                node: index,
                number,
            },
        );
    }
}

pub(crate) fn topic_index(topic: &replicant_protocol::ids::TopicName) -> usize {
    topic
        .as_str()
        .strip_prefix("topic/")
        .unwrap()
        .parse()
        .unwrap()
}
