//! Several nodes' trees on a virtual clock, without sockets: a network of sessions for tests.

use std::collections::VecDeque;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::acknowledgement::{
    Acknowledged, Ask, AskError, ShortId, Wanted,
};
use replicant_protocol::broadcast::{acknowledging, plumtree, rapid};
use replicant_protocol::topics::{self, SignedPublication};

use super::super::overlays::{OverlayEvent, Overlays, Scope};
use super::*;

const LATENCY: Duration = Duration::from_millis(5);

/// After so long trees are trimmed.
pub(super) const SETTLED: Duration = Duration::from_secs(150);

/// After so long what is said has come to all that it can reach.
pub(super) const SOON: Duration = Duration::from_secs(2);

/// For how long acknowledgements are waited for.
pub(super) const ASKED_FOR: Duration = Duration::from_secs(5);

/// An ask for acknowledgements.
pub(super) fn ask(wanted: Wanted) -> Ask {
    let deadline = ASKED_FOR;
    Ask { wanted, deadline }
}

/// A publication as a tree carries it.
pub(super) fn in_tree(signed: &SignedPublication) -> plumtree::Message {
    plumtree::Message::Gossip {
        hops: 1,
        spread: 0,
        payload: signed.as_bytes().clone(),
    }
}

pub(super) struct Node {
    identity: Arc<NodeIdentity>,
    pub(super) overlays: Overlays,
    heard: Vec<Vec<u8>>,
    pub(super) delivered: Vec<Vec<u8>>,
    pub(super) misbehaved: Vec<NodeId>,
    pub(super) counted: Vec<Count>,
    pub(super) acknowledged: Vec<Acknowledged>,
}

struct Flight {
    due: Duration,
    from: usize,
    to: NodeId,
    said: Said,
}

enum Said {
    InTree(Scope, plumtree::Message),
    Rapidly(Scope, rapid::Message),
    Acknowledge(acknowledging::Message),
}

/// Nodes with sessions between some; news of members and subscriptions travels as the test says.
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    sessions: BTreeSet<(usize, usize)>,
    flights: VecDeque<Flight>,
    /// To whom nothing goes out.
    pub(super) stuck: BTreeSet<usize>,
    pub(super) gossips_count: usize,
    pub(super) acknowledgements_count: usize,
    /// Payloads and chunks that were said rapidly.
    pub(super) bodies_count: usize,
}

fn start(number: u8, now: Duration) -> Node {
    let identity = identity(number + 1);
    let id = identity.id();
    let topics = topics::State::new(topics::Config::default(), id, now.as_millis() as u64 + 1);
    let config = config(number + 1, &[]);
    let ways = (config.tree, &config.rapid);
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(number) + 100);
    Node {
        overlays: Overlays::new(id, topics, ways, 4, now, &mut rng),
        identity,
        heard: Vec::new(),
        delivered: Vec::new(),
        misbehaved: Vec::new(),
        counted: Vec::new(),
        acknowledged: Vec::new(),
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// The one outcome that a node was told.
    #[track_caller]
    pub(super) fn told(&mut self, index: usize) -> Acknowledged {
        let told = std::mem::take(&mut self.nodes[index].acknowledged);
        let [told] = told.try_into().unwrap();
        told
    }

    pub(super) fn new(count: u8) -> Self {
        let now = Duration::from_secs(1);
        Self {
            now,
            nodes: (0..count).map(|number| start(number, now)).collect(),
            sessions: BTreeSet::new(),
            flights: VecDeque::new(),
            stuck: BTreeSet::new(),
            gossips_count: 0,
            acknowledgements_count: 0,
            bodies_count: 0,
        }
    }

    /// Nodes that all know each other and subscribe to a path, with sessions between all.
    pub(super) fn listening(count: u8, path: &str) -> Self {
        let mut world = Self::new(count);
        for index in 0..world.nodes.len() {
            world.subscribe(index, path);
            for other in 0..index {
                world.connect(index, other);
            }
        }
        world.introduce_all();
        world
    }

    /// The same, but for node 0: it does not listen, and has a session with node 1 alone. The
    /// others stand in a ring.
    pub(super) fn outside(count: u8, path: &str) -> Self {
        let mut world = Self::new(count);
        let others_count = world.nodes.len() - 1;
        for index in 1..=others_count {
            world.subscribe(index, path);
            world.connect(index, index % others_count + 1);
        }
        world.connect(0, 1);
        world.introduce_all();
        world
    }

    pub(super) fn id(&self, index: usize) -> NodeId {
        self.nodes[index].identity.id()
    }

    pub(super) fn subscribe(&mut self, index: usize, path: &str) {
        let topics = &mut self.nodes[index].overlays.topics;
        topics.handle_subscribe(&topic(path)).unwrap();
        self.run(Duration::ZERO);
    }

    /// A node listens no more, and all know.
    pub(super) fn unsubscribe(&mut self, index: usize, path: &str) {
        let topics = &mut self.nodes[index].overlays.topics;
        topics.handle_unsubscribe(&topic(path));
        self.introduce_all();
    }

    /// All learn of a node that is none of these.
    pub(super) fn introduce_newcomer(&mut self, newcomer: NodeId) {
        for node in &mut self.nodes {
            node.overlays.handle_member(self.now, newcomer, &[]);
        }
    }

    /// One learns of another, and of what it subscribes to.
    pub(super) fn introduce(&mut self, index: usize, other: usize) {
        let (id, now) = (self.id(other), self.now);
        let topics = &self.nodes[other].overlays.topics;
        let paths: Vec<TopicName> = topics.subscriptions().cloned().collect();
        let overlays = &mut self.nodes[index].overlays;
        overlays.handle_member(now, id, &paths);
    }

    pub(super) fn introduce_all(&mut self) {
        for index in 0..self.nodes.len() {
            for other in (0..self.nodes.len()).filter(|other| *other != index) {
                self.introduce(index, other);
            }
        }
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        self.sessions.insert(pair(a, b));
        let (id_a, id_b, now) = (self.id(a), self.id(b), self.now);
        self.nodes[a].overlays.handle_session_up(now, id_b);
        self.nodes[b].overlays.handle_session_up(now, id_a);
    }

    pub(super) fn disconnect(&mut self, a: usize, b: usize) {
        self.sessions.remove(&pair(a, b));
        let (id_a, id_b, now) = (self.id(a), self.id(b), self.now);
        self.nodes[a].overlays.handle_session_down(now, id_b);
        self.nodes[b].overlays.handle_session_down(now, id_a);
    }

    /// The node loses all sessions.
    pub(super) fn isolate(&mut self, index: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != index) {
            self.disconnect(index, other);
        }
    }

    /// The node starts over, and has no session.
    pub(super) fn restart(&mut self, index: usize) {
        self.isolate(index);
        self.nodes[index] = start(index as u8, self.now);
    }

    pub(super) fn publish(&mut self, index: usize, name: &str, payload: &[u8]) {
        self.say(index, name, payload, None).unwrap();
    }

    /// Says something rapidly. Gives under which id it is acknowledged, if that is asked.
    pub(super) fn publish_rapidly(
        &mut self,
        index: usize,
        name: &str,
        payload: &[u8],
        ask: Option<Ask>,
    ) -> Result<Option<Hash>, AskError> {
        let now = self.now;
        let signed = self.signed(index, name, payload, ask);
        let overlays = &mut self.nodes[index].overlays;
        overlays.publish_rapidly(now, signed, ask)
    }

    /// Says something that is to be acknowledged. Gives under which id.
    pub(super) fn ask(&mut self, index: usize, name: &str, ask: Ask) -> Result<Hash, AskError> {
        let id = self.say(index, name, b"asked", Some(ask))?;
        Ok(id.unwrap())
    }

    fn say(
        &mut self,
        index: usize,
        name: &str,
        payload: &[u8],
        ask: Option<Ask>,
    ) -> Result<Option<Hash>, AskError> {
        let now = self.now;
        let signed = self.signed(index, name, payload, ask);
        let node = &mut self.nodes[index];
        let asked = ask.map(|ask| node.overlays.ask(now, &signed, ask));
        let id = asked.transpose()?;
        node.overlays.publish(now, signed);
        Ok(id)
    }

    /// What a node signs, to be said in a topic.
    pub(super) fn signed(
        &mut self,
        index: usize,
        name: &str,
        payload: &[u8],
        ask: Option<Ask>,
    ) -> SignedPublication {
        let node = &mut self.nodes[index];
        let identity = node.identity.clone();
        let topics = &mut node.overlays.topics;
        let deadline = ask.map(|ask| ask.deadline);
        let signed = topics.handle_publish(&topic(name), payload.to_vec(), deadline, &identity);
        signed.unwrap()
    }

    /// A node takes a message of rapid broadcast of another. Whether it is right.
    pub(super) fn hear_rapidly(
        &mut self,
        index: usize,
        from: usize,
        scope: &Scope,
        message: rapid::Message,
    ) -> Result<(), rapid::MessageError> {
        let (from, now) = (self.id(from), self.now);
        let overlays = &mut self.nodes[index].overlays;
        overlays.on_rapid_message(now, from, scope, message)
    }

    /// A node takes an acknowledgement of the last node.
    pub(super) fn acknowledge(&mut self, index: usize, id: Hash, names: Vec<ShortId>) {
        let message = acknowledging::Message { id, names };
        let (now, from) = (self.now, self.id(self.nodes.len() - 1));
        let overlays = &mut self.nodes[index].overlays;
        overlays.on_acknowledgement(now, from, message);
    }

    pub(super) fn broadcast(&mut self, index: usize, payload: &[u8]) {
        let now = self.now;
        let overlays = &mut self.nodes[index].overlays;
        overlays.broadcast(now, payload.into()).unwrap();
    }

    /// Says something to everybody, rapidly.
    pub(super) fn broadcast_rapidly(&mut self, index: usize, payload: &[u8]) {
        let now = self.now;
        let overlays = &mut self.nodes[index].overlays;
        overlays.broadcast_rapidly(now, payload.into()).unwrap();
    }

    /// A node takes a message of another.
    pub(super) fn hear(
        &mut self,
        index: usize,
        from: usize,
        scope: Scope,
        message: plumtree::Message,
    ) {
        let (from, now) = (self.id(from), self.now);
        let overlays = &mut self.nodes[index].overlays;
        overlays.on_message(now, from, &scope, message).unwrap();
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let timers = self.nodes.iter().map(|node| node.overlays.next_timeout());
            let next = timers.chain([self.flights.front().map(|flight| flight.due)]);
            let next = next.flatten().min().unwrap_or(Duration::MAX).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            while let Some(flight) = self.flights.pop_front_if(|flight| flight.due <= next) {
                self.arrive(flight);
            }
            for node in &mut self.nodes {
                node.overlays.handle_timeout(next);
            }
        }
    }

    fn arrive(&mut self, flight: Flight) {
        let to = (0..self.nodes.len()).find(|index| self.id(*index) == flight.to);
        if let Some(to) = to
            && self.sessions.contains(&pair(flight.from, to))
        {
            match flight.said {
                Said::InTree(scope, message) => self.hear(to, flight.from, scope, message),
                Said::Rapidly(scope, message) => {
                    let taken = self.hear_rapidly(to, flight.from, &scope, message);
                    taken.unwrap();
                }
                Said::Acknowledge(message) => {
                    let from = self.id(flight.from);
                    let overlays = &mut self.nodes[to].overlays;
                    overlays.on_acknowledgement(self.now, from, message);
                }
            }
        }
    }

    /// Carries out everything, and what comes of it at nodes that were asked before.
    fn drain(&mut self) {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for index in 0..self.nodes.len() {
                while let Some(event) = self.nodes[index].overlays.poll_event(self.now) {
                    self.carry_out(index, event);
                    is_quiet = false;
                }
            }
        }
    }

    fn carry_out(&mut self, index: usize, event: OverlayEvent) {
        let now = self.now;
        let node = &mut self.nodes[index];
        match event {
            OverlayEvent::Send { scope, to, message } => self.send(index, scope, to, message),
            OverlayEvent::SendRapidly { scope, to, message } => {
                use rapid::Message::{Acknowledge, Chunk, Push};
                match &message {
                    Push { .. } | Chunk { .. } => self.bodies_count += to.len(),
                    Acknowledge { .. } => self.acknowledgements_count += to.len(),
                    _ => {}
                }
                for to in to {
                    self.fly(index, to, Said::Rapidly(scope.clone(), message.clone()));
                }
            }
            OverlayEvent::HandIn { to, signed } => {
                let from = self.id(index);
                for other in 0..self.nodes.len() {
                    let has_session = self.sessions.contains(&pair(index, other));
                    if has_session && to.contains(&self.id(other)) {
                        let overlays = &mut self.nodes[other].overlays;
                        overlays.on_hand_in(now, from, signed.as_bytes());
                    }
                }
            }
            OverlayEvent::Deliver(delivery) => {
                node.delivered.push(delivery.payload.to_vec());
                node.overlays.accept(now, delivery);
            }
            OverlayEvent::DeliverRapidly(delivery) => {
                node.delivered.push(delivery.payload.to_vec());
                node.overlays.accept_rapidly(now, delivery);
            }
            OverlayEvent::Heard(signed) => node.heard.push(signed.publication().payload.clone()),
            OverlayEvent::Acknowledge { to, message } => {
                let is_stuck = self.stuck.iter().any(|stuck| self.id(*stuck) == to);
                match is_stuck {
                    true => self.nodes[index].overlays.handle_unacknowledged(&message),
                    false => {
                        self.acknowledgements_count += 1;
                        self.fly(index, to, Said::Acknowledge(message));
                    }
                }
            }
            OverlayEvent::Acknowledged(told) => node.acknowledged.push(told),
            OverlayEvent::Subscribed(_) => {}
            OverlayEvent::Misbehaved { peer, .. } => node.misbehaved.push(peer),
            OverlayEvent::Forbidden { .. } => node.counted.push(Count::PublicationsForbidden),
            OverlayEvent::Counted(count) => node.counted.push(count),
        }
    }

    fn send(&mut self, from: usize, scope: Scope, to: Vec<NodeId>, message: plumtree::Message) {
        let stuck: Vec<NodeId> = self.stuck.iter().map(|index| self.id(*index)).collect();
        let (unsent, sent): (Vec<_>, Vec<_>) = to.into_iter().partition(|to| stuck.contains(to));
        let overlays = &mut self.nodes[from].overlays;
        overlays.handle_unsent(self.now, &scope, &unsent, &message);
        for to in sent {
            let is_gossip = matches!(message, plumtree::Message::Gossip { .. });
            self.gossips_count += usize::from(is_gossip);
            self.fly(from, to, Said::InTree(scope.clone(), message.clone()));
        }
    }

    fn fly(&mut self, from: usize, to: NodeId, said: Said) {
        self.flights.push_back(Flight {
            due: self.now + LATENCY,
            from,
            to,
            said,
        });
    }

    /// What a node heard, in order.
    pub(super) fn heard(&self, index: usize) -> Vec<&[u8]> {
        let heard = self.nodes[index].heard.iter();
        heard.map(|payload| &payload[..]).collect()
    }
}
