//! Small worlds on virtual time: everybody is a neighbour of everybody among all nodes, and the
//! shared tree is a message to each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::Hash;
use crate::membership::hyparview::Entry;

pub(super) const SETTLING: Duration = Duration::from_secs(30);

pub(super) fn id(number: u32) -> NodeId {
    NodeId::from_bytes(*Hash::of(&number.to_be_bytes()).as_bytes())
}

pub(super) fn entry(number: u32) -> Entry {
    let [_, _, a, b] = number.to_be_bytes();
    Entry {
        node: id(number),
        address: ([10, 0, a, b], 7_400).into(),
    }
}

pub(super) fn path(name: &str) -> TopicName {
    name.parse().unwrap()
}

#[derive(Debug)]
enum Parcel {
    Message(TopicName, Message),
    Call(Call),
    Publication(TopicName, Arc<[u8]>),
    Unreachable,
}

pub(super) struct Node {
    pub(super) circles: Circles,
    subscriptions: BTreeSet<TopicName>,
    /// What it heard, and how often.
    pub(super) heard: BTreeMap<Vec<u8>, u32>,
    seen: BTreeSet<Hash>,
    /// Publications that came along the shared tree.
    pub(super) shared_count: u32,
    /// Messages about circles that came.
    pub(super) messages_count: u32,
}

pub(super) struct World {
    pub(super) now: Duration,
    config: Config,
    rng: ChaCha8Rng,
    pub(super) nodes: BTreeMap<u32, Node>,
    on_the_way: BTreeMap<(Duration, u64), (u32, u32, Parcel)>,
    numbers: BTreeMap<NodeId, u32>,
    /// The topics of publications.
    topics: BTreeMap<Hash, TopicName>,
    sequence: u64,
    /// Nothing passes between who is in it and who is not.
    pub(super) cut_off: BTreeSet<u32>,
}

impl World {
    pub(super) fn new(seed: u64, count: u32, config: Config) -> Self {
        let mut world = Self {
            now: Duration::from_secs(10),
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            numbers: BTreeMap::new(),
            topics: BTreeMap::new(),
            sequence: 0,
            cut_off: BTreeSet::new(),
        };
        for number in 0..count {
            let config = world.config.clone();
            let circles = Circles::new(config, entry(number), 1, world.now, &mut world.rng);
            let node = Node {
                circles,
                subscriptions: BTreeSet::new(),
                heard: BTreeMap::new(),
                seen: BTreeSet::new(),
                shared_count: 0,
                messages_count: 0,
            };
            world.numbers.insert(id(number), number);
            world.nodes.insert(number, node);
        }
        for (one, other) in (0..count).flat_map(|one| (0..count).map(move |it| (one, it))) {
            if one != other {
                world.with(one, |circles, now| {
                    circles.handle_neighbour_up(now, id(other));
                });
            }
        }
        world
    }

    pub(super) fn with(&mut self, number: u32, act: impl FnOnce(&mut Circles, Duration)) {
        if let Some(node) = self.nodes.get_mut(&number) {
            act(&mut node.circles, self.now);
            self.drain(number);
        }
    }

    pub(super) fn subscribe(&mut self, number: u32, name: &str) {
        let node = self.nodes.get_mut(&number).unwrap();
        node.subscriptions.insert(path(name));
        self.with(number, |circles, now| {
            circles.handle_subscribe(now, &path(name));
        });
    }

    pub(super) fn unsubscribe(&mut self, number: u32, name: &str) {
        let node = self.nodes.get_mut(&number).unwrap();
        node.subscriptions.remove(&path(name));
        self.with(number, |circles, now| {
            circles.handle_unsubscribe(now, &path(name));
        });
    }

    /// Says something. Whether it takes the shared tree.
    pub(super) fn publish(&mut self, number: u32, topic: &str, said: &[u8]) -> bool {
        let payload: Arc<[u8]> = said.into();
        self.topics.insert(Hash::of(said), path(topic));
        self.hear(number, &path(topic), &payload);
        let mut is_shared = false;
        self.with(number, |circles, now| {
            is_shared = circles.handle_publish(now, &path(topic), &payload);
        });
        if is_shared {
            self.say_to_all(number, &payload);
        }
        is_shared
    }

    fn say_to_all(&mut self, number: u32, payload: &Arc<[u8]>) {
        let topic = self.topics[&Hash::of(payload)].clone();
        self.post_to_all(number, || {
            Parcel::Publication(topic.clone(), payload.clone())
        });
    }

    /// As a node does: heard once, if something at or above the topic is listened to.
    fn hear(&mut self, number: u32, topic: &TopicName, payload: &Arc<[u8]>) {
        let node = self.nodes.get_mut(&number).unwrap();
        let mut paths = topic.and_above();
        let listens = paths.any(|at| node.subscriptions.contains(at));
        if node.seen.insert(Hash::of(payload)) && listens {
            *node.heard.entry(payload.to_vec()).or_default() += 1;
        }
    }

    fn post_to_all(&mut self, from: u32, parcel: impl Fn() -> Parcel) {
        let others: Vec<u32> = self.nodes.keys().copied().collect();
        for to in others.into_iter().filter(|to| *to != from) {
            self.post(from, to, parcel());
        }
    }

    fn post(&mut self, from: u32, to: u32, parcel: Parcel) {
        let is_cut = self.cut_off.contains(&from) != self.cut_off.contains(&to);
        let is_up = self.nodes.contains_key(&to);
        let (from, to, parcel) = match (is_up && !is_cut, &parcel) {
            (true, _) => (from, to, parcel),
            (false, Parcel::Message(..)) => (to, from, Parcel::Unreachable),
            (false, _) => return,
        };
        self.sequence += 1;
        let at = self.now + Duration::from_millis(self.rng.random_range(10..50));
        self.on_the_way
            .insert((at, self.sequence), (from, to, parcel));
    }

    fn drain(&mut self, number: u32) {
        while let Some(event) = self
            .nodes
            .get_mut(&number)
            .and_then(|it| it.circles.poll_event())
        {
            match event {
                OutEvent::Send {
                    to, path, message, ..
                } => {
                    let message = Message::from_bytes(&message.to_bytes()).unwrap();
                    match self.numbers.get(&to) {
                        Some(to) => self.post(number, *to, Parcel::Message(path, message)),
                        None => self.with(number, |it, now| it.handle_unreachable(now, to)),
                    }
                }
                OutEvent::SendInTree { to, path, message } => {
                    for to in to {
                        let message = Message::Tree(message.clone());
                        let to = self.numbers[&to];
                        self.post(number, to, Parcel::Message(path.clone(), message));
                    }
                }
                OutEvent::Call(call) => self.post_to_all(number, || Parcel::Call(call.clone())),
                OutEvent::SayToAll(payload) => self.say_to_all(number, &payload),
                OutEvent::Deliver { path, delivery } => {
                    let topic = self.topics[&delivery.id].clone();
                    self.hear(number, &topic, &delivery.payload);
                    self.with(number, |circles, now| {
                        circles.handle_accepted(now, &path, delivery);
                    });
                }
                OutEvent::Hold(_) | OutEvent::LetGo(_) => {}
            }
        }
    }

    pub(super) fn crash(&mut self, number: u32) {
        self.nodes.remove(&number);
        let others: Vec<u32> = self.nodes.keys().copied().collect();
        for other in others {
            self.with(other, |circles, now| {
                circles.handle_session_closed(now, id(number));
            });
        }
    }

    pub(super) fn cut(&mut self, numbers: std::ops::Range<u32>) {
        self.cut_off = numbers.collect();
        let all: Vec<u32> = self.nodes.keys().copied().collect();
        for one in &all {
            for other in &all {
                if self.cut_off.contains(one) != self.cut_off.contains(other) {
                    self.with(*one, |it, now| it.handle_session_closed(now, id(*other)));
                }
            }
        }
    }

    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timeouts = self.nodes.iter();
            let timeouts = timeouts.filter_map(|(n, it)| Some((it.circles.next_timeout()?, *n)));
            let timeout = timeouts.min();
            let parcel = self.on_the_way.keys().next().copied();
            let next = timeout.map(|(at, _)| at).into_iter();
            let Some(at) = next.chain(parcel.map(|(at, _)| at)).min() else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            match (parcel, timeout) {
                (Some(key), _) if key.0 == at => self.deliver(key),
                (_, Some((_, number))) => self.with(number, Circles::handle_timeout),
                _ => {}
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, key: (Duration, u64)) {
        let Some((from, to, parcel)) = self.on_the_way.remove(&key) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        match parcel {
            Parcel::Message(path, message) => {
                node.messages_count += 1;
                self.with(to, |circles, now| {
                    circles.on_message(now, id(from), &path, message).unwrap();
                });
            }
            Parcel::Call(call) => self.with(to, |circles, now| {
                circles.on_call(now, &call);
            }),
            Parcel::Publication(topic, payload) => {
                node.shared_count += 1;
                self.hear(to, &topic, &payload);
            }
            Parcel::Unreachable => self.with(to, |it, now| it.handle_unreachable(now, id(from))),
        }
    }

    /// Who heard something, each once.
    pub(super) fn heard(&self, said: &[u8]) -> Vec<u32> {
        let heard = self.nodes.iter();
        let heard = heard.filter_map(|(number, node)| {
            let count = *node.heard.get(said)?;
            assert_eq!(count, 1, "{number} heard it {count} times");
            Some(*number)
        });
        heard.collect()
    }

    pub(super) fn shared_count(&self) -> u32 {
        self.nodes.values().map(|node| node.shared_count).sum()
    }
}
