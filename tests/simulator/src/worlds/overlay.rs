//! A node with partial views and a broadcast tree: [`HyParView`] says who the neighbours are, and
//! [`Plumtree`] speaks to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use replicant_protocol::broadcast::plumtree::{self, Plumtree};
use replicant_protocol::broadcast::{Broadcast as _, OutEvent as TreeEvent};
use replicant_protocol::environment::Environment;
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::membership::hyparview::{self, Entry, HyParView};
use replicant_protocol::membership::{Membership as _, OutEvent as ViewEvent};

use crate::checkers::Heard;
use crate::{Context, Index, Process, index_of, node_id};

/// What these nodes say to each other.
#[derive(Debug, Clone)]
pub enum OverlayMessage {
    /// Who the neighbours are.
    View(hyparview::Message),
    /// What is said to everyone.
    Tree(plumtree::Message),
    /// A session's sign of life.
    Alive,
}

/// What a scenario tells a node.
#[derive(Debug)]
pub enum OverlayInput {
    /// A node to join through.
    Contact(Index),
    /// A payload to say to everyone.
    Say(Arc<[u8]>),
    /// To say goodbye.
    Leave,
}

/// The settings of both layers.
#[derive(Debug, Clone, Default)]
pub struct OverlayConfig {
    /// Of the views.
    pub view: hyparview::Config,
    /// Of the tree.
    pub tree: plumtree::Config,
    /// How often sessions send a sign of life. `None`: never, where every end is noticed anyway.
    pub keep_alive_interval: Option<Duration>,
}

/// How often sessions send a sign of life, as those of a real node do.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

impl OverlayConfig {
    /// The settings for so many nodes of which nine in ten may go at once.
    pub fn of(nodes: Index) -> Self {
        let env = Environment {
            round_trip: Duration::from_millis(100),
            expected_size: nodes,
            worst_loss: 0.9,
            ..Environment::lan()
        };
        let parameters = env.parameters();
        Self {
            view: hyparview::Config::from(&parameters.hyparview),
            tree: plumtree::Config::from(&parameters.plumtree),
            keep_alive_interval: None,
        }
    }
}

/// A node with partial views and a broadcast tree.
#[derive(Debug)]
pub struct OverlayNode {
    own: NodeId,
    view: HyParView,
    tree: Plumtree,
    keep_alive_interval: Option<Duration>,
    keep_alive_at: Option<Duration>,
    /// What it delivered.
    pub heard: Heard,
    /// Payloads it was sent, needed or not.
    pub received_count: u64,
}

/// Where a node listens.
pub(super) fn entry(node: Index) -> Entry {
    let [a, b, c, d] = node.to_be_bytes();
    let address = SocketAddr::from(([10 + a, b, c, d], 7_400));
    Entry {
        node: node_id(node),
        address,
    }
}

/// Close to what the encoding takes, without encoding.
pub(super) fn bytes_of_view(message: &hyparview::Message) -> usize {
    use hyparview::Message as View;
    match message {
        View::Join { .. } | View::Neighbour { .. } => 20,
        View::Disconnect { .. } => 4,
        View::ForwardJoin { .. } => 56,
        View::NeighbourReply { entries, .. } => 5 + 51 * entries.len(),
        View::Shuffle { entries, .. } => 56 + 51 * entries.len(),
        View::ShuffleReply { entries } => 4 + 51 * entries.len(),
    }
}

/// The same.
pub(super) fn bytes_of_tree(message: &plumtree::Message) -> usize {
    use plumtree::Message as Tree;
    match message {
        Tree::Gossip { payload, .. } => 10 + payload.len(),
        Tree::Beacon { .. } => 42,
        Tree::IHave { items, .. } => 5 + 36 * items.len(),
        Tree::Graft { .. } => 38,
        Tree::Prune => 3,
    }
}

impl OverlayNode {
    /// A node that knows nobody.
    pub fn new(config: &OverlayConfig, own: Index, now: Duration, rng: &mut impl Rng) -> Self {
        Self {
            own: node_id(own),
            view: HyParView::new(config.view.clone(), entry(own), now, rng),
            tree: Plumtree::new(config.tree.clone(), node_id(own), now, rng),
            keep_alive_interval: config.keep_alive_interval,
            keep_alive_at: config.keep_alive_interval.map(|interval| now + interval),
            heard: Heard::default(),
            received_count: 0,
        }
    }

    /// Its views.
    pub fn view(&self) -> &HyParView {
        &self.view
    }

    /// Its part of the tree.
    pub fn tree(&self) -> &Plumtree {
        &self.tree
    }

    /// Its neighbours.
    pub fn neighbours(&self) -> Vec<Index> {
        let members = self.view.members().into_iter();
        let own = self.own;
        let others = members.filter(|member| member.node != own);
        others.map(|member| index_of(&member.node)).collect()
    }

    fn drain(&mut self, context: &mut Context<'_, OverlayMessage>) {
        loop {
            if let Some(event) = self.view.poll_event() {
                self.on_view(event, context);
            } else if let Some(event) = self.tree.poll_event() {
                self.on_tree(event, context);
            } else {
                return;
            }
        }
    }

    fn on_view(
        &mut self,
        event: ViewEvent<hyparview::Message>,
        context: &mut Context<'_, OverlayMessage>,
    ) {
        match event {
            ViewEvent::Send { to, message, .. } => {
                context.send(index_of(&to), OverlayMessage::View(message));
            }
            ViewEvent::MemberUp(member) => {
                context.watch(index_of(&member.node));
                self.tree.handle_neighbour_up(context.now, member.node);
            }
            ViewEvent::MemberDown(node) | ViewEvent::MemberLeft(node) => {
                context.unwatch(index_of(&node));
                self.tree.handle_neighbour_down(context.now, node);
            }
            _ => {}
        }
    }

    fn on_tree(
        &mut self,
        event: TreeEvent<plumtree::Message>,
        context: &mut Context<'_, OverlayMessage>,
    ) {
        match event {
            TreeEvent::Send { to, message } => {
                for peer in to {
                    context.send(index_of(&peer), OverlayMessage::Tree(message.clone()));
                }
            }
            TreeEvent::Deliver(delivery) => {
                let hops = u32::from(delivery.hops);
                self.heard.add(delivery.id, context.true_now, hops);
                self.tree.handle_accepted(context.now, delivery);
            }
        }
    }
}

impl Process for OverlayNode {
    type Message = OverlayMessage;
    type Input = OverlayInput;

    fn bytes_of(message: &OverlayMessage) -> usize {
        match message {
            OverlayMessage::View(message) => bytes_of_view(message),
            OverlayMessage::Tree(message) => bytes_of_tree(message),
            OverlayMessage::Alive => 1,
        }
    }

    fn on_message(
        &mut self,
        from: Index,
        message: OverlayMessage,
        context: &mut Context<'_, OverlayMessage>,
    ) {
        let (now, from) = (context.now, node_id(from));
        // Simulated peers are honest, and what they send is well-formed.
        match message {
            OverlayMessage::View(message) => {
                let _ = self.view.on_message(now, from, message, context.rng);
            }
            OverlayMessage::Tree(message) => {
                if matches!(message, plumtree::Message::Gossip { .. }) {
                    self.received_count += 1;
                }
                let _ = self.tree.on_message(now, from, message);
            }
            OverlayMessage::Alive => return,
        }
        self.drain(context);
    }

    fn on_broken(&mut self, peer: Index, context: &mut Context<'_, OverlayMessage>) {
        self.view
            .handle_session_closed(context.now, node_id(peer), context.rng);
        self.drain(context);
    }

    fn on_timeout(&mut self, context: &mut Context<'_, OverlayMessage>) {
        let now = context.now;
        if self.view.next_timeout().is_some_and(|at| at <= now) {
            for member in self.view.members() {
                let is_eager = self.tree.is_eager(&member.node);
                self.view.handle_preference(&member.node, is_eager);
            }
            self.view.handle_timeout(now, context.rng);
        }
        if self.tree.next_timeout().is_some_and(|at| at <= now) {
            self.tree.handle_timeout(now);
        }
        if self.keep_alive_at.is_some_and(|at| at <= now) {
            self.keep_alive_at = self.keep_alive_interval.map(|interval| now + interval);
            for peer in self.neighbours() {
                context.send(peer, OverlayMessage::Alive);
            }
        }
        self.drain(context);
    }

    fn on_input(&mut self, input: OverlayInput, context: &mut Context<'_, OverlayMessage>) {
        let now = context.now;
        match input {
            OverlayInput::Contact(contact) => {
                self.view.handle_contact(now, entry(contact), context.rng);
            }
            OverlayInput::Say(payload) => {
                self.heard.add(Hash::of(&payload), context.true_now, 0);
                // The scenario says payloads of a size that is taken.
                let _ = self.tree.handle_broadcast(now, payload);
            }
            OverlayInput::Leave => self.view.handle_leave(now, context.rng),
        }
        self.drain(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        let timeouts = [
            self.view.next_timeout(),
            self.tree.next_timeout(),
            self.keep_alive_at,
        ];
        timeouts.into_iter().flatten().min()
    }
}
