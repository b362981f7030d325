//! Small overlays on virtual time: a run is a function of its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::tests::{entry, id, small};
use super::*;
use crate::ids::NodeId;
use crate::membership::{Membership as _, OutEvent};

/// Four intervals at which views are mixed with contacts: within that two parts are one.
const IN_ONE_PART: Duration = Duration::from_secs(40);

struct World {
    now: Duration,
    rng: ChaCha8Rng,
    nodes: BTreeMap<NodeId, HyParView>,
    /// (when, sequence) → (from, to, message); `None` tells that `from` cannot be reached.
    on_the_way: BTreeMap<(Duration, u64), (NodeId, NodeId, Option<Message>)>,
    sequence: u64,
    /// Nothing passes between who is in it and who is not.
    cut_off: BTreeSet<NodeId>,
    contact_interval: Duration,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: Duration::from_secs(10),
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            sequence: 0,
            cut_off: BTreeSet::new(),
            contact_interval: Duration::from_secs(10),
        }
    }

    fn start(&mut self, number: u32, contact: Option<u32>) {
        self.start_with(number, contact.as_slice());
    }

    fn start_with(&mut self, number: u32, contacts: &[u32]) {
        let config = Config {
            shuffle_interval: Duration::from_secs(4),
            contact_interval: self.contact_interval,
            rotation_interval: Duration::from_secs(60),
            ..small()
        };
        let mut view = HyParView::new(config, entry(number), self.now, &mut self.rng);
        for contact in contacts {
            view.handle_seed(self.now, entry(*contact), &mut self.rng);
        }
        self.nodes.insert(id(number), view);
        self.drain(id(number));
    }

    fn drain(&mut self, node: NodeId) {
        let Some(view) = self.nodes.get_mut(&node) else {
            return;
        };
        while let Some(event) = view.poll_event() {
            if let OutEvent::Send { to, message, .. } = event {
                let bytes = message.to_bytes();
                let message = Message::from_bytes(&bytes).unwrap();
                let delay = Duration::from_millis(self.rng.random_range(10..50));
                self.sequence += 1;
                let at = (self.now + delay, self.sequence);
                self.on_the_way.insert(at, (node, to, Some(message)));
            }
        }
    }

    fn crash(&mut self, number: u32) {
        self.nodes.remove(&id(number));
        let peers: Vec<NodeId> = self.nodes.keys().copied().collect();
        for peer in peers {
            self.break_off(id(number), peer);
        }
    }

    fn break_off(&mut self, gone: NodeId, peer: NodeId) {
        self.sequence += 1;
        let at = (self.now + Duration::from_millis(30), self.sequence);
        self.on_the_way.insert(at, (gone, peer, None));
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timeouts = self.nodes.iter().filter_map(|(id, view)| {
                let at = view.next_timeout()?;
                Some((at, *id))
            });
            let timeout = timeouts.min();
            let message = self.on_the_way.keys().next().copied();
            let at = match (timeout, message) {
                (Some((at, _)), Some((other, _))) => at.min(other),
                (Some((at, _)), None) | (None, Some((at, _))) => at,
                (None, None) => break,
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            match message {
                Some(key) if key.0 == at => self.deliver(key),
                _ => {
                    if let Some((_, node)) = timeout {
                        let view = self.nodes.get_mut(&node).unwrap();
                        view.handle_timeout(self.now, &mut self.rng);
                        self.drain(node);
                    }
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, key: (Duration, u64)) {
        let Some((from, to, message)) = self.on_the_way.remove(&key) else {
            return;
        };
        if self.cut_off.contains(&from) != self.cut_off.contains(&to) {
            // Who cannot be reached is told to be, as a driver does.
            return match message {
                Some(_) => self.break_off(to, from),
                None => self.tell_closed(to, from),
            };
        }
        match (self.nodes.get_mut(&to), message) {
            (Some(view), Some(message)) => {
                view.on_message(self.now, from, message, &mut self.rng)
                    .unwrap();
            }
            (Some(view), None) => view.handle_session_closed(self.now, from, &mut self.rng),
            (None, Some(_)) => self.break_off(to, from),
            (None, None) => {}
        }
        self.drain(to);
    }

    fn tell_closed(&mut self, node: NodeId, peer: NodeId) {
        if let Some(view) = self.nodes.get_mut(&node) {
            view.handle_session_closed(self.now, peer, &mut self.rng);
        }
        self.drain(node);
    }

    /// The network between these and all others breaks.
    fn cut(&mut self, numbers: std::ops::Range<u32>) {
        self.cut_off = numbers.map(id).collect();
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for (node, peers) in self.neighbours() {
            let is_cut = self.cut_off.contains(&node);
            for peer in nodes.iter().filter(|peer| peers.contains(peer)) {
                if self.cut_off.contains(peer) != is_cut {
                    self.break_off(*peer, node);
                }
            }
        }
    }

    /// How long it takes until all are in one part; at most so long.
    fn time_to_connect(&mut self, at_most: Duration) -> Duration {
        let begun = self.now;
        while !self.is_connected() && self.now < begun + at_most {
            self.run(Duration::from_secs(1));
        }
        self.now - begun
    }

    fn neighbours(&self) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
        let of = |(id, view): (&NodeId, &HyParView)| {
            let members = view.members().into_iter().map(|member| member.node);
            (*id, members.filter(|node| node != id).collect())
        };
        self.nodes.iter().map(of).collect()
    }

    /// Whether all are in one part, over links that both sides hold.
    fn is_connected(&self) -> bool {
        let graph = self.neighbours();
        let mut seen: BTreeSet<NodeId> = graph.keys().take(1).copied().collect();
        let mut open: Vec<NodeId> = seen.iter().copied().collect();
        while let Some(node) = open.pop() {
            for peer in &graph[&node] {
                let is_mutual = graph.get(peer).is_some_and(|back| back.contains(&node));
                if is_mutual && seen.insert(*peer) {
                    open.push(*peer);
                }
            }
        }
        seen.len() == graph.len()
    }
}

#[test]
fn nodes_that_join_through_one_form_one_part() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        for number in 0..30 {
            world.start(number, (number > 0).then_some(0));
        }
        world.run(Duration::from_secs(60));
        assert!(world.is_connected(), "seed {seed}");
        let within = |peers: &BTreeSet<NodeId>| peers.len() <= small().active_max;
        assert!(world.neighbours().values().all(within), "seed {seed}");
    }
}

#[test]
fn survivors_of_a_crash_of_half_find_each_other() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        for number in 0..30 {
            world.start(number, (number > 0).then_some(0));
        }
        world.run(Duration::from_secs(60));
        (0..15).for_each(|number| world.crash(number));
        world.run(Duration::from_secs(60));
        assert!(world.is_connected(), "seed {seed}");
    }
}

#[test]
fn who_finds_its_contact_down_joins_when_it_is_back() {
    let mut world = World::new(1);
    (1..5).for_each(|number| world.start(number, Some(0)));
    world.run(Duration::from_secs(30));
    assert!(world.neighbours().values().all(BTreeSet::is_empty));
    world.start(0, None);
    world.run(Duration::from_secs(60));
    assert!(world.is_connected());
}

/// Lost once: those that had joined through one contact formed a part, and those that had joined
/// through another one formed a second, for minutes.
#[test]
fn nodes_that_start_together_with_several_contacts_form_one_part() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        world.contact_interval = Duration::from_secs(300);
        (0..12).for_each(|number| world.start(number, None));
        // Some join through a seed before that has reached any other.
        let of = |node| [0, 4, 8].map(|seed| (node, seed));
        let mut named: Vec<(u32, u32)> = (0..12).flat_map(of).collect();
        named.shuffle(&mut world.rng);
        for (node, seed) in named {
            world.run(Duration::from_millis(20));
            let view = world.nodes.get_mut(&id(node)).unwrap();
            view.handle_seed(world.now, entry(seed), &mut world.rng);
            world.drain(id(node));
        }
        world.run(Duration::from_secs(30));
        assert!(world.is_connected(), "seed {seed}");
    }
}

/// Everybody has two contacts, one in each part. The parts formed while the network between them
/// was broken: neither ever heard of a node of the other, but for the contact's name.
#[test]
fn two_parts_that_never_heard_of_each_other_find_together_through_contacts() {
    let mut worst = Duration::ZERO;
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.cut_off = (15..30).map(id).collect();
        for number in 0..30 {
            world.start_with(number, &[0, 15]);
        }
        world.run(Duration::from_secs(60));
        assert!(!world.is_connected(), "seed {seed}");
        world.cut_off.clear();
        worst = worst.max(world.time_to_connect(IN_ONE_PART * 2));
    }
    assert!(worst <= IN_ONE_PART, "{worst:?}");
}

/// Nobody has a contact: who were neighbours remember each other.
#[test]
fn two_parts_of_a_broken_network_find_together_when_it_is_whole() {
    let mut worst = Duration::ZERO;
    for seed in 0..20 {
        let mut world = World::new(seed);
        for number in 0..30 {
            world.start(number, (number > 0).then_some(0));
        }
        world.run(Duration::from_secs(60));
        for view in world.nodes.values_mut() {
            view.contacts.clear();
        }
        world.cut(15..30);
        world.run(Duration::from_secs(300));
        assert!(!world.is_connected(), "seed {seed}");
        world.cut_off.clear();
        worst = worst.max(world.time_to_connect(IN_ONE_PART * 2));
    }
    assert!(worst <= IN_ONE_PART, "{worst:?}");
}
