//! What a node is, and what it may do.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::Index;

/// What a node does: a protocol, and what the driver around it would do.
pub trait Process {
    /// What nodes say to each other.
    type Message: Clone;

    /// What a scenario tells a node to do.
    type Input;

    /// How many bytes a message takes on the wire.
    fn bytes_of(message: &Self::Message) -> usize;

    /// A message of a peer arrived.
    fn on_message(
        &mut self,
        from: Index,
        message: Self::Message,
        context: &mut Context<'_, Self::Message>,
    );

    /// The session with a peer broke, or nothing sent to it arrives.
    fn on_broken(&mut self, peer: Index, context: &mut Context<'_, Self::Message>);

    /// The time that [`next_timeout`](Process::next_timeout) named has come.
    fn on_timeout(&mut self, context: &mut Context<'_, Self::Message>);

    /// The scenario wants something.
    fn on_input(&mut self, input: Self::Input, context: &mut Context<'_, Self::Message>);

    /// When the node wants to be woken, by its own clock.
    fn next_timeout(&self) -> Option<Duration>;
}

/// How a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process ends: its machine closes the connections, and peers hear of it.
    Noticed,
    /// The machine is gone: nobody hears anything.
    Silent,
}

/// What a node may do while it handles an event.
pub struct Context<'a, M> {
    /// The time now, by the node's own clock.
    pub now: Duration,
    /// The time now by the simulation's clock, which no protocol may see: for what is recorded.
    pub true_now: Duration,
    /// The one generator of the simulation.
    pub rng: &'a mut ChaCha8Rng,
    pub(super) actions: &'a mut Vec<Action<M>>,
}

pub(super) enum Action<M> {
    Send { to: Index, message: M },
    Watch(Index),
    Unwatch(Index),
}

impl<M> Context<'_, M> {
    /// Sends a message. It may be lost.
    pub fn send(&mut self, to: Index, message: M) {
        self.actions.push(Action::Send { to, message });
    }

    /// Holds a session open with a peer: its end will be heard of.
    pub fn watch(&mut self, peer: Index) {
        self.actions.push(Action::Watch(peer));
    }

    /// Lets go of the session with a peer.
    pub fn unwatch(&mut self, peer: Index) {
        self.actions.push(Action::Unwatch(peer));
    }
}
