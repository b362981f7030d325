//! Nodes that share modules over lossy links, some of them liars, on virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::tests::{WALL_MS, id, signed};
use super::*;
use crate::ids::Hash;

struct Node {
    state: State,
    modules: BTreeMap<ModuleHash, Vec<u8>>,
    blamed: BTreeSet<NodeId>,
    active: BTreeMap<ModuleName, ModuleHash>,
    conflicts: usize,
}

enum Event {
    Wake(u8),
    Message(u8, u8, Vec<u8>),
    Broadcast(u8, Arc<[u8]>),
}

/// A full mesh of nodes.
struct World {
    now: Duration,
    nodes: BTreeMap<u8, Node>,
    liars: BTreeSet<u8>,
    lost_permille: u32,
    queue: BTreeMap<(Duration, u64), Event>,
    armed: BTreeMap<u8, Duration>,
    sequence: u64,
    rng: ChaCha20Rng,
    log: Hash,
}

impl World {
    fn new(seed: u64, count: u8) -> Self {
        let mut world = Self {
            now: Duration::from_secs(1_000),
            nodes: BTreeMap::new(),
            liars: BTreeSet::new(),
            lost_permille: 0,
            queue: BTreeMap::new(),
            armed: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            log: Hash::ZERO,
        };
        for number in 1..=count {
            let node = Node {
                state: State::new(Config::default(), world.now, &mut world.rng),
                modules: BTreeMap::new(),
                blamed: BTreeSet::new(),
                active: BTreeMap::new(),
                conflicts: 0,
            };
            world.nodes.insert(number, node);
        }
        for (a, b) in (1..=count).flat_map(|a| (1..=count).map(move |b| (a, b))) {
            if a != b {
                let (now, rng) = (world.now, &mut world.rng);
                let node = world.nodes.get_mut(&a).unwrap();
                node.state.handle_peer_up(now, id(b), rng);
                world.after(a);
            }
        }
        world
    }

    fn load(&mut self, number: u8, name: &str, module: &[u8], at: u64) {
        let node = self.nodes.get_mut(&number).unwrap();
        node.modules.insert(ModuleHash::of(module), module.to_vec());
        node.state
            .handle_announce(signed(name, module, number, at))
            .unwrap();
        self.after(number);
    }

    /// Runs until something holds; panics after ten minutes of virtual time.
    fn wait(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(600);
        while !holds(self) {
            let ((at, _), event) = self.queue.pop_first().unwrap();
            self.now = self.now.max(at);
            assert!(self.now < end, "in time: {what}");
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        let (now, rng) = (self.now, &mut self.rng);
        let (Event::Wake(to) | Event::Message(_, to, _) | Event::Broadcast(to, _)) = event;
        let state = &mut self.nodes.get_mut(&to).unwrap().state;
        match event {
            Event::Wake(_) if self.armed.get(&to) != Some(&now) => return,
            Event::Wake(_) => {
                self.armed.remove(&to);
                state.handle_timeout(now, rng);
            }
            Event::Message(from, _, bytes) => {
                let message = Message::from_bytes(&bytes).unwrap();
                state
                    .on_message(now, WALL_MS, id(from), message, rng)
                    .unwrap();
            }
            Event::Broadcast(_, bytes) => {
                state.on_broadcast(WALL_MS, &bytes).unwrap();
            }
        }
        self.after(to);
    }

    fn after(&mut self, number: u8) {
        while let Some(event) = self
            .nodes
            .get_mut(&number)
            .and_then(|node| node.state.poll_event())
        {
            let (head, body) = match &event {
                OutEvent::Send { to, message } => (format!("send {to}"), message.to_bytes()),
                OutEvent::Fetched { module, .. } => (format!("fetched {module}"), Vec::new()),
                event => (format!("{event:?}"), Vec::new()),
            };
            let head = format!("{:?} {number} {head}", self.now);
            self.log = Hash::derive("log", &[self.log.as_bytes(), head.as_bytes(), &body]);
            self.act(number, event);
        }
        let due = self.nodes[&number].state.next_timeout();
        if let Some(at) = due.map(|at| at.max(self.now + Duration::from_millis(1)))
            && self.armed.insert(number, at) != Some(at)
        {
            self.push(at, Event::Wake(number));
        }
    }

    fn act(&mut self, number: u8, event: OutEvent) {
        let now = self.now;
        let is_liar = self.liars.contains(&number);
        match event {
            OutEvent::Send { to, message } => {
                let to = self.number(to);
                self.transmit(Event::Message(number, to, message.to_bytes()));
            }
            OutEvent::Broadcast(bytes) => {
                let others: Vec<u8> = self
                    .nodes
                    .keys()
                    .copied()
                    .filter(|n| *n != number)
                    .collect();
                for to in others {
                    self.transmit(Event::Broadcast(to, bytes.clone()));
                }
            }
            OutEvent::Activated { announcement, .. } => {
                let of = announcement.announcement();
                let node = self.nodes.get_mut(&number).unwrap();
                node.active.insert(of.name.clone(), of.module);
                if !node.modules.contains_key(&of.module) {
                    let (size, rng) = (of.size_bytes, &mut self.rng);
                    node.state.handle_want(now, of.module, size, rng).unwrap();
                }
            }
            OutEvent::Serve { to, module, part } => {
                let node = self.nodes.get_mut(&number).unwrap();
                node.serve(to, module, part, is_liar);
            }
            OutEvent::Fetched { module, bytes } => {
                assert_eq!(ModuleHash::of(&bytes), module);
                self.nodes
                    .get_mut(&number)
                    .unwrap()
                    .modules
                    .insert(module, bytes);
            }
            OutEvent::Misbehaved { peer, .. } => {
                self.nodes.get_mut(&number).unwrap().blamed.insert(peer);
            }
            OutEvent::Conflict { .. } => self.nodes.get_mut(&number).unwrap().conflicts += 1,
            OutEvent::Learned(_) | OutEvent::Forgotten(_) | OutEvent::FetchStalled { .. } => {}
        }
    }

    fn transmit(&mut self, event: Event) {
        if self.rng.random_range(0..1_000) >= self.lost_permille {
            let latency = Duration::from_micros(self.rng.random_range(100..20_000));
            self.push(self.now + latency, event);
        }
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    fn number(&self, node: NodeId) -> u8 {
        self.nodes
            .keys()
            .copied()
            .find(|number| id(*number) == node)
            .unwrap()
    }

    fn all_have(&self, module: ModuleHash) -> bool {
        let mut honest = self
            .nodes
            .iter()
            .filter(|(number, _)| !self.liars.contains(number));
        honest.all(|(_, node)| node.modules.contains_key(&module))
    }
}

impl Node {
    /// Reads a part from the store; a liar claims to have everything and invents it.
    fn serve(&mut self, to: NodeId, module: ModuleHash, part: Part, is_liar: bool) {
        let mut bytes = self.modules.get(&module).cloned();
        if let (true, Some(bytes)) = (is_liar, &mut bytes) {
            bytes[100] ^= 1;
        }
        match part {
            Part::Manifest => {
                let manifest = bytes.as_deref().and_then(Manifest::of);
                self.state.handle_served_manifest(to, module, manifest);
            }
            Part::Chunk(index) => {
                let mut chunks = bytes.iter().flat_map(|bytes| bytes.chunks(CHUNK_BYTES));
                let chunk = chunks.nth(index as usize).map(<[u8]>::to_vec);
                self.state.handle_served_chunk(to, module, index, chunk);
            }
        }
    }
}

fn module(seed: u64, chunks: usize) -> Vec<u8> {
    let length = chunks * CHUNK_BYTES - 77;
    (0..length as u64)
        .map(|at| (at.wrapping_mul(seed + 3) >> 3) as u8)
        .collect()
}

#[test]
fn ten_nodes_get_what_one_loads_also_under_loss() {
    for seed in 0..20 {
        let mut world = World::new(seed, 10);
        world.lost_permille = [0, 50, 200][seed as usize % 3];
        let module = module(seed, 1 + seed as usize % 6);
        world.load(1 + (seed % 10) as u8, "counter", &module, 7);
        world.wait("all have the module", |world| {
            world.all_have(ModuleHash::of(&module))
        });
        assert!(world.nodes.values().all(|node| node.blamed.is_empty()));
    }
}

#[test]
fn liars_are_found_out_and_nobody_else_is_blamed() {
    for seed in 0..20 {
        let mut world = World::new(seed, 10);
        let module = module(seed, 3);
        // The liars get the module too, change it, and are asked first by some.
        world.liars.extend([2, 5, 8]);
        for liar in [2, 5, 8] {
            let node = world.nodes.get_mut(&liar).unwrap();
            node.modules.insert(ModuleHash::of(&module), module.clone());
        }
        world.lost_permille = 50;
        world.load(2, "counter", &module, 7);
        world.load(3, "counter", &module, 8);
        world.wait("all have the module", |world| {
            world.all_have(ModuleHash::of(&module))
        });
        let blamed: BTreeSet<NodeId> = world
            .nodes
            .values()
            .flat_map(|node| node.blamed.clone())
            .collect();
        assert!(blamed.is_subset(&[2, 5, 8].map(id).into()));
        assert!(blamed.contains(&id(2)), "the publisher is asked first");
    }
}

#[test]
fn all_agree_on_the_active_one_of_two_modules_and_all_know_of_the_conflict() {
    for seed in 0..20 {
        let mut world = World::new(seed, 10);
        world.lost_permille = 100;
        let (one, two) = (module(seed, 1), module(seed + 1_000, 2));
        world.load(4, "counter", &one, 9);
        world.load(7, "counter", &two, 8);
        let active = ModuleHash::of(&two);
        world.wait("all agree", |world| {
            world.nodes.values().all(|node| {
                node.active.values().all(|module| *module == active) && node.conflicts == 1
            }) && world.all_have(active)
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_gives_another() {
    let run = |seed| {
        let mut world = World::new(seed, 6);
        world.lost_permille = 100;
        let module = module(1, 4);
        world.load(1, "counter", &module, 7);
        world.wait("all have the module", |world| {
            world.all_have(ModuleHash::of(&module))
        });
        world.log
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
