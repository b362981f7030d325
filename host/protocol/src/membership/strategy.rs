//! One of the two strategies of membership, chosen when a node starts.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use rand::Rng;

use crate::ids::NodeId;

use super::hyparview::{self, HyParView};
use super::{Member, Membership, Message, MessageError, OutEvent, Swim};

/// Which strategy. All nodes of a cluster follow the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrategyKind {
    /// Every node knows every other: up to a few thousand nodes.
    #[default]
    Swim,
    /// Every node knows some others: for very many nodes, or unreliable ones.
    HyParView,
}

/// Why a text names no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no strategy of membership; write swim or hyparview")]
pub struct StrategyKindError {
    /// What was written.
    pub text: String,
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Swim => "swim",
            Self::HyParView => "hyparview",
        })
    }
}

impl FromStr for StrategyKind {
    type Err = StrategyKindError;

    fn from_str(text: &str) -> Result<Self, StrategyKindError> {
        match text {
            "swim" => Ok(Self::Swim),
            "hyparview" => Ok(Self::HyParView),
            _ => Err(StrategyKindError { text: text.into() }),
        }
    }
}

/// A strategy of membership: one of the two.
#[derive(Debug)]
pub enum Strategy {
    /// A full view.
    Full(Box<Swim>),
    /// Partial views.
    Partial(Box<HyParView>),
}

/// What members say to each other, by strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategyMessage {
    /// Among nodes with a full view.
    Full(Message),
    /// Among nodes with partial views.
    Partial(hyparview::Message),
}

/// Why a peer's message was not taken. Always its fault.
#[derive(Debug, thiserror::Error)]
pub enum StrategyError {
    /// Of a full view.
    #[error(transparent)]
    Full(#[from] MessageError),
    /// Of partial views.
    #[error(transparent)]
    Partial(#[from] hyparview::MessageError),
    /// Both said in the handshake that they follow the same strategy. Nothing changed.
    #[error("a message of another strategy of membership than both said that they follow")]
    Other,
}

impl<M> OutEvent<M> {
    /// The same with another type of messages.
    fn map<N>(self, map: impl FnOnce(M) -> N) -> OutEvent<N> {
        match self {
            Self::Send {
                to,
                address,
                message,
            } => OutEvent::Send {
                to,
                address,
                message: map(message),
            },
            Self::MemberUp(member) => OutEvent::MemberUp(member),
            Self::MemberChanged(member) => OutEvent::MemberChanged(member),
            Self::MemberSuspect(node) => OutEvent::MemberSuspect(node),
            Self::MemberRefuted(node) => OutEvent::MemberRefuted(node),
            Self::MemberDown(node) => OutEvent::MemberDown(node),
            Self::MemberLeft(node) => OutEvent::MemberLeft(node),
        }
    }
}

/// Does the same with whichever it is.
macro_rules! either {
    ($strategy:expr, $of:ident => $work:expr) => {
        match $strategy {
            Strategy::Full($of) => $work,
            Strategy::Partial($of) => $work,
        }
    };
}

impl Strategy {
    /// The partial view, if it is one.
    pub fn partial(&self) -> Option<&HyParView> {
        match self {
            Self::Full(_) => None,
            Self::Partial(view) => Some(view),
        }
    }

    /// The full view, if it is one.
    pub fn full_mut(&mut self) -> Option<&mut Swim> {
        match self {
            Self::Full(swim) => Some(swim),
            Self::Partial(_) => None,
        }
    }

    /// The partial view, if it is one.
    pub fn partial_mut(&mut self) -> Option<&mut HyParView> {
        match self {
            Self::Full(_) => None,
            Self::Partial(view) => Some(view),
        }
    }
}

impl Membership for Strategy {
    type Message = StrategyMessage;
    type MessageError = StrategyError;

    fn handle_session_opened(
        &mut self,
        now: Duration,
        peer: NodeId,
        address: SocketAddr,
        rng: &mut impl Rng,
    ) {
        either!(self, of => of.handle_session_opened(now, peer, address, rng));
    }

    fn handle_session_closed(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        either!(self, of => of.handle_session_closed(now, peer, rng));
    }

    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: StrategyMessage,
        rng: &mut impl Rng,
    ) -> Result<(), StrategyError> {
        match (self, message) {
            (Self::Full(swim), StrategyMessage::Full(message)) => {
                Ok(swim.on_message(now, from, message, rng)?)
            }
            (Self::Partial(view), StrategyMessage::Partial(message)) => {
                Ok(view.on_message(now, from, message, rng)?)
            }
            _ => Err(StrategyError::Other),
        }
    }

    fn handle_leave(&mut self, now: Duration, rng: &mut impl Rng) {
        either!(self, of => of.handle_leave(now, rng));
    }

    fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        either!(self, of => of.handle_timeout(now, rng));
    }

    fn next_timeout(&self) -> Option<Duration> {
        either!(self, of => of.next_timeout())
    }

    fn poll_event(&mut self) -> Option<OutEvent<StrategyMessage>> {
        match self {
            Self::Full(swim) => swim.poll_event().map(|it| it.map(StrategyMessage::Full)),
            Self::Partial(view) => view.poll_event().map(|it| it.map(StrategyMessage::Partial)),
        }
    }

    fn members(&self) -> Vec<Member> {
        either!(self, of => of.members())
    }
}

#[cfg(test)]
mod tests {
    use super::super::hyparview::tests::{alone, entry, id};
    use super::*;

    #[test]
    fn a_strategy_is_read_by_the_name_that_it_shows() {
        for kind in [StrategyKind::Swim, StrategyKind::HyParView] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "flood".parse::<StrategyKind>().unwrap_err();
        assert!(error.to_string().contains("swim or hyparview"));
    }

    #[test]
    fn a_message_of_the_other_strategy_is_a_fault_and_changes_nothing() {
        let mut strategy = Strategy::Partial(Box::new(alone()));
        let mut rng = super::super::hyparview::tests::rng();
        let now = Duration::from_secs(10);
        let gossip = Message::Gossip { gossip: Vec::new() };
        let told = strategy.on_message(now, id(1), StrategyMessage::Full(gossip), &mut rng);
        assert!(matches!(told, Err(StrategyError::Other)));
        assert!(strategy.poll_event().is_none());
        let address = entry(1).address;
        let join = StrategyMessage::Partial(hyparview::Message::Join { address });
        strategy.on_message(now, id(1), join, &mut rng).unwrap();
        assert_eq!(strategy.members().len(), 2);
    }
}
