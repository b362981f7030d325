//! A node with partial views, the tree of all nodes, and circles of subscribers: what is said in a
//! topic travels among those that listen, once they found each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use replicant_protocol::broadcast::plumtree::{self, Plumtree};
use replicant_protocol::broadcast::{Broadcast as _, OutEvent as TreeEvent};
use replicant_protocol::circles::{self, Call, Circles, OutEvent as CircleEvent};
use replicant_protocol::ids::{Hash, NodeId, TopicName};
use replicant_protocol::membership::hyparview::{self, HyParView};
use replicant_protocol::membership::{Membership as _, OutEvent as ViewEvent};
use replicant_protocol::scores::{BAD_SECONDS_MAX, Offence, Scores};
use replicant_protocol::topics::Rules;

use super::overlay::{bytes_of_tree, bytes_of_view, entry};
use super::{KEEP_ALIVE, OverlayConfig};
use crate::checkers::Heard;
use crate::{Context, Index, Process, index_of, node_id};

/// What travels along the tree of all nodes, by its first byte.
const CALL: u8 = 0;
const PUBLICATION: u8 = 1;

/// What these nodes say to each other.
#[derive(Debug, Clone)]
pub enum CircleMessage {
    /// Who the neighbours among all nodes are.
    View(hyparview::Message),
    /// What is said to all.
    Tree(plumtree::Message),
    /// About a circle.
    Circle(TopicName, circles::Message),
    /// A session's sign of life.
    Alive,
}

/// What a scenario tells a node.
#[derive(Debug)]
pub enum CircleInput {
    /// A node to join through.
    Contact(Index),
    /// To listen to a path.
    Subscribe(TopicName),
    /// Not to listen to it any more.
    Unsubscribe(TopicName),
    /// To say something in a topic, which the payload begins with: see [`publication`].
    Publish(Arc<[u8]>),
}

/// A publication: the length of its topic's name, the name, a number.
pub fn publication(topic: &TopicName, number: u32) -> Arc<[u8]> {
    let name = topic.as_str().as_bytes();
    let bytes = [&[name.len() as u8], name, &number.to_be_bytes()].concat();
    bytes.into()
}

fn topic_of(payload: &[u8]) -> Option<TopicName> {
    let (length, rest) = payload.split_first()?;
    let name = rest.get(..usize::from(*length))?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The settings of all layers.
#[derive(Debug, Clone)]
pub struct CircleConfig {
    /// Of what all nodes share.
    pub overlay: OverlayConfig,
    /// Of circles; `None`: everything travels along the tree of all.
    pub circles: Option<circles::Config>,
}

impl CircleConfig {
    /// The settings for so many nodes.
    pub fn of(nodes: Index, has_circles: bool) -> Self {
        let overlay = OverlayConfig::of(nodes);
        let circles = circles::Config::beside(&overlay.view, &overlay.tree, Rules::default());
        Self {
            circles: has_circles.then_some(circles),
            overlay,
        }
    }
}

/// A node with circles.
#[derive(Debug)]
pub struct CircleNode {
    view: HyParView,
    tree: Plumtree,
    circles: Circles,
    has_circles: bool,
    subscriptions: BTreeSet<TopicName>,
    /// Those with a session, and in how many ways: as a neighbour among all, and within circles.
    sessions: BTreeMap<NodeId, u8>,
    seen: BTreeSet<Hash>,
    keep_alive_at: Duration,
    scores: Scores,
    /// How many bad seconds it counted of one peer at once, at most; see [`Scores`].
    pub bad_seconds_most: u32,
    /// How often it would have punished a peer.
    pub punished_count: u64,
    /// What it heard.
    pub heard: Heard,
    /// Publications that it was sent and does not listen to.
    pub foreign_count: u64,
    /// Publications that it was sent.
    pub received_count: u64,
    /// Bytes about calls that it was sent.
    pub call_bytes: u64,
}

impl CircleNode {
    /// A node that knows nobody.
    pub fn new(config: &CircleConfig, own: Index, now: Duration, rng: &mut impl Rng) -> Self {
        let of_circles = config.circles.clone().unwrap_or_default();
        let (view, tree) = (config.overlay.view.clone(), config.overlay.tree.clone());
        Self {
            view: HyParView::new(view, entry(own), now, rng),
            tree: Plumtree::new(tree, node_id(own), now, rng),
            circles: Circles::new(of_circles, entry(own), 1, now, rng),
            has_circles: config.circles.is_some(),
            subscriptions: BTreeSet::new(),
            sessions: BTreeMap::new(),
            seen: BTreeSet::new(),
            keep_alive_at: now + KEEP_ALIVE,
            scores: Scores::new(BAD_SECONDS_MAX),
            bad_seconds_most: 0,
            punished_count: 0,
            heard: Heard::default(),
            foreign_count: 0,
            received_count: 0,
            call_bytes: 0,
        }
    }

    /// Its circles.
    pub fn circles(&self) -> &Circles {
        &self.circles
    }

    /// How many sessions it holds.
    pub fn sessions_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether it listens to what is said in a topic.
    pub fn listens(&self, topic: &TopicName) -> bool {
        topic.and_above().any(|at| self.subscriptions.contains(at))
    }

    fn drain(&mut self, context: &mut Context<'_, CircleMessage>) {
        loop {
            if let Some(event) = self.view.poll_event() {
                self.on_view(event, context);
            } else if let Some(event) = self.tree.poll_event() {
                self.on_tree(event, context);
            } else if let Some(event) = self.circles.poll_event() {
                self.on_circle(event, context);
            } else {
                break;
            }
        }
        self.weigh_offences(context.now);
    }

    /// As the program does, but for the punishment: nobody is worth any here.
    fn weigh_offences(&mut self, now: Duration) {
        let (in_tree, in_view) = (self.tree.take_offences(), self.view.take_offences());
        let in_trees = self.circles.take_tree_offences();
        let in_views = self.circles.take_view_offences();
        for (peer, did) in in_tree.into_iter().chain(in_trees) {
            self.weigh(now, peer, &did);
        }
        for (peer, did) in in_view.into_iter().chain(in_views) {
            self.weigh(now, peer, &did);
        }
    }

    fn weigh(&mut self, now: Duration, peer: NodeId, did: &impl Offence) {
        self.punished_count += u64::from(self.scores.weigh(now, peer, did));
        let bad_seconds = self.scores.bad_seconds(now, &peer);
        self.bad_seconds_most = self.bad_seconds_most.max(bad_seconds);
    }

    fn hold(&mut self, node: NodeId, context: &mut Context<'_, CircleMessage>) {
        *self.sessions.entry(node).or_default() += 1;
        context.watch(index_of(&node));
    }

    fn let_go(&mut self, node: NodeId, context: &mut Context<'_, CircleMessage>) {
        if let Some(ways) = self.sessions.get_mut(&node) {
            *ways -= 1;
            if *ways == 0 {
                self.sessions.remove(&node);
                context.unwatch(index_of(&node));
            }
        }
    }

    fn on_view(
        &mut self,
        event: ViewEvent<hyparview::Message>,
        context: &mut Context<'_, CircleMessage>,
    ) {
        match event {
            ViewEvent::Send { to, message, .. } => {
                context.send(index_of(&to), CircleMessage::View(message));
            }
            ViewEvent::MemberUp(member) => {
                self.hold(member.node, context);
                self.tree.handle_neighbour_up(context.now, member.node);
                self.circles.handle_neighbour_up(context.now, member.node);
            }
            ViewEvent::MemberDown(node) | ViewEvent::MemberLeft(node) => {
                self.let_go(node, context);
                self.tree.handle_neighbour_down(context.now, node);
                self.circles.handle_neighbour_down(&node);
            }
            _ => {}
        }
    }

    fn on_tree(
        &mut self,
        event: TreeEvent<plumtree::Message>,
        context: &mut Context<'_, CircleMessage>,
    ) {
        let delivery = match event {
            TreeEvent::Send { to, message } => {
                for peer in to {
                    context.send(index_of(&peer), CircleMessage::Tree(message.clone()));
                }
                return;
            }
            TreeEvent::Deliver(delivery) => delivery,
        };
        let passes = match delivery.payload.split_first() {
            Some((&CALL, body)) => {
                let call = Call::from_body(body).ok();
                call.is_some_and(|call| self.circles.on_call(context.now, &call))
            }
            Some((&PUBLICATION, said)) => {
                self.hear(said, u32::from(delivery.hops), context.true_now);
                true
            }
            _ => false,
        };
        if passes {
            self.tree.handle_accepted(context.now, delivery);
        }
    }

    fn on_circle(&mut self, event: CircleEvent, context: &mut Context<'_, CircleMessage>) {
        match event {
            CircleEvent::Send {
                to, path, message, ..
            } => context.send(index_of(&to), CircleMessage::Circle(path, message)),
            CircleEvent::SendInTree { to, path, message } => {
                for peer in to {
                    let message = circles::Message::Tree(message.clone());
                    let message = CircleMessage::Circle(path.clone(), message);
                    context.send(index_of(&peer), message);
                }
            }
            CircleEvent::Hold(node) => self.hold(node, context),
            CircleEvent::LetGo(node) => self.let_go(node, context),
            CircleEvent::Call(call) => self.say_to_all(CALL, &call.body(), context.now),
            CircleEvent::SayToAll(said) => self.say_to_all(PUBLICATION, &said, context.now),
            CircleEvent::Deliver { path, delivery } => {
                let hops = u32::from(delivery.hops);
                self.hear(&delivery.payload, hops, context.true_now);
                self.circles.handle_accepted(context.now, &path, delivery);
            }
        }
    }

    fn say_to_all(&mut self, kind: u8, said: &[u8], now: Duration) {
        let payload = [&[kind], said].concat();
        // What scenarios say is of a size that is taken.
        let _ = self.tree.handle_broadcast(now, payload.into());
    }

    /// As topics do by author and number: heard once, whichever way it came.
    fn hear(&mut self, said: &[u8], hops: u32, at: Duration) {
        let id = Hash::of(said);
        let listens = topic_of(said).is_some_and(|topic| self.listens(&topic));
        if self.seen.insert(id) && listens {
            self.heard.add(id, at, hops);
        }
    }

    fn count(&mut self, message: &CircleMessage) {
        let (payload, is_to_all) = match message {
            CircleMessage::Tree(plumtree::Message::Gossip { payload, .. }) => (payload, true),
            CircleMessage::Circle(_, circles::Message::HandIn(payload)) => (payload, false),
            CircleMessage::Circle(
                _,
                circles::Message::Tree(plumtree::Message::Gossip { payload, .. }),
            ) => (payload, false),
            _ => return,
        };
        let said = match (is_to_all, payload.split_first()) {
            (false, _) => &payload[..],
            (true, Some((&PUBLICATION, said))) => said,
            _ => {
                self.call_bytes += payload.len() as u64;
                return;
            }
        };
        self.received_count += 1;
        let listens = topic_of(said).is_some_and(|topic| self.listens(&topic));
        self.foreign_count += u64::from(!listens);
    }
}

impl Process for CircleNode {
    type Message = CircleMessage;
    type Input = CircleInput;

    fn bytes_of(message: &CircleMessage) -> usize {
        match message {
            CircleMessage::View(message) => bytes_of_view(message),
            CircleMessage::Tree(message) => bytes_of_tree(message),
            CircleMessage::Circle(path, message) => {
                3 + path.as_str().len()
                    + match message {
                        circles::Message::View(message) => bytes_of_view(message),
                        circles::Message::Tree(message) => bytes_of_tree(message),
                        circles::Message::HandIn(payload) => payload.len(),
                        circles::Message::Taken(_) => 32,
                        circles::Message::NotHere | circles::Message::Ask => 0,
                        circles::Message::Known { entries, .. } => 3 + 51 * entries.len(),
                    }
            }
            CircleMessage::Alive => 1,
        }
    }

    fn on_message(
        &mut self,
        from: Index,
        message: CircleMessage,
        context: &mut Context<'_, CircleMessage>,
    ) {
        self.count(&message);
        let (now, from) = (context.now, node_id(from));
        // Simulated peers are honest, and what they send is well-formed.
        match message {
            CircleMessage::View(message) => {
                let _ = self.view.on_message(now, from, message, context.rng);
            }
            CircleMessage::Tree(message) => {
                let _ = self.tree.on_message(now, from, message);
            }
            CircleMessage::Circle(path, message) => {
                let _ = self.circles.on_message(now, from, &path, message);
            }
            CircleMessage::Alive => return,
        }
        self.drain(context);
    }

    fn on_broken(&mut self, peer: Index, context: &mut Context<'_, CircleMessage>) {
        let (now, peer) = (context.now, node_id(peer));
        self.view.handle_session_closed(now, peer, context.rng);
        self.circles.handle_unreachable(now, peer);
        self.drain(context);
    }

    fn on_timeout(&mut self, context: &mut Context<'_, CircleMessage>) {
        let now = context.now;
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.view.next_timeout()) {
            for member in self.view.members() {
                let is_eager = self.tree.is_eager(&member.node);
                self.view.handle_preference(&member.node, is_eager);
            }
            self.view.handle_timeout(now, context.rng);
        }
        if is_due(self.tree.next_timeout()) {
            self.tree.handle_timeout(now);
        }
        if is_due(self.circles.next_timeout()) {
            self.circles.handle_timeout(now);
        }
        if self.keep_alive_at <= now {
            self.keep_alive_at = now + KEEP_ALIVE;
            for peer in self.sessions.keys() {
                context.send(index_of(peer), CircleMessage::Alive);
            }
        }
        self.drain(context);
    }

    fn on_input(&mut self, input: CircleInput, context: &mut Context<'_, CircleMessage>) {
        let now = context.now;
        match input {
            CircleInput::Contact(contact) => {
                self.view.handle_contact(now, entry(contact), context.rng);
            }
            CircleInput::Subscribe(path) => {
                if self.has_circles {
                    self.circles.handle_subscribe(now, &path);
                }
                self.subscriptions.insert(path);
            }
            CircleInput::Unsubscribe(path) => {
                self.subscriptions.remove(&path);
                self.circles.handle_unsubscribe(now, &path);
            }
            CircleInput::Publish(payload) => {
                self.hear(&payload, 0, context.true_now);
                let topic = topic_of(&payload).filter(|_| self.has_circles);
                let is_shared =
                    topic.is_none_or(|topic| self.circles.handle_publish(now, &topic, &payload));
                if is_shared {
                    self.say_to_all(PUBLICATION, &payload, now);
                }
            }
        }
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        let timeouts = [
            self.view.next_timeout(),
            self.tree.next_timeout(),
            self.circles.next_timeout(),
            Some(self.keep_alive_at),
        ];
        timeouts.into_iter().flatten().min()
    }
}
