//! Topics: who listens to which path, whom each node is linked to within a topic's audience, and
//! what may be said there by whom.
//!
//! A topic is a path. Who subscribes to `shop/eu` also hears what is said in `shop/eu/carts`: the
//! *audience* of a topic are the subscribers of the path itself and of all paths above it. A
//! message belongs to one topic and travels in that topic's overlay, which all of its audience is
//! part of; so nobody hears it twice, however many of its ancestors they subscribe to.
//!
//! *The overlay* needs no message of its own where membership spreads who subscribes to what: it
//! follows from the audience. There is one for each path that somebody subscribes to, and a
//! publication travels in that of the longest such path at or above its topic: it has the same
//! audience, and nobody makes a new overlay by inventing a topic. An overlay has
//! [`Config::cycles_count`] closed cycles; in each, the audience stands in the order of a hash of
//! (path, cycle, node), and a node's neighbours are the ones before and after it; all, if they are
//! few. A cycle by itself connects everybody, and the union of a few random
//! cycles is an expander: diameter log *n*, connected after many failures (Law and Siu,
//! "Distributed Construction of Random Expander Networks", INFOCOM 2003, section 2; theirs is built
//! by walks, ours is computed). Nobody chooses their place, and nobody can push another out of it.
//!
//! While news of a subscription spreads, two nodes may see different audiences. A link then exists
//! on one side only; the other side takes what comes over it (the sender is a member), and
//! anti-entropy of membership ends the difference.
//!
//! *Publications* are signed by their author and numbered ([`SignedPublication`]). Every node
//! checks author and access rules ([`Rules`]) before it passes one on, and remembers of each author
//! which of the last [`NUMBERS_MAX`] numbers it heard: a replay is recognised without any clock,
//! and without remembering payloads. Authors are members, or were lately ([`GONE_MAX`]): keys that
//! nobody knows take no memory here. Whose author is not known yet the driver may hold and bring
//! again ([`Verdict::UnknownAuthor`]).
//!
//! *Partial views.* Where nodes do not know each other there is no audience to compute links from:
//! publications travel among those that subscribe to one path ([`crate::circles`]), or to
//! everybody, and each node hears what it subscribes to ([`State::on_passing`]).
//!
//! *Bounds.* Subscriptions of one node ([`SUBSCRIPTIONS_MAX`]), overlays that are open at once
//! ([`Config::overlays_max`]; beyond it whoever had most of them opened loses the one that was idle
//! for longest, and its next message opens it again), hashes that one peer causes by having
//! overlays opened ([`HASHES_PER_SECOND`]), authors whose numbers are remembered
//! ([`Config::authors_max`]).
//!
//! Not here: how subscriptions spread (membership), how messages travel along the links
//! (broadcast), what they mean.

mod authors;
mod cycles;
mod directory;
mod handing_on;
mod numbers;
mod openings;
mod passing;
mod publication;
mod rules;
mod state;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use crate::ids::{NodeId, TopicName};

pub use authors::GONE_MAX;
pub use cycles::{Cycles, LinkChanges};
pub use handing_on::HandingOn;
pub use numbers::NUMBERS_MAX;
pub use openings::{HASHES_MAX, HASHES_PER_SECOND};
pub use passing::{NEWCOMERS_AT_ONCE, NEWCOMERS_PER_SECOND, Passing};
pub use publication::{
    ACKNOWLEDGED_MAX, PUBLICATION_BYTES_MAX, PUBLISHED_BYTES_MAX, Publication, PublicationError,
    SignedPublication,
};
pub use rules::{Pattern, PatternError, RULES_MAX, Rule, RuleError, Rules, Who};
pub use state::State;

/// How many paths a node may subscribe to.
pub const SUBSCRIPTIONS_MAX: usize = 64;

/// How long these paths may be in all, in bytes: everybody keeps them of everybody.
pub const SUBSCRIPTIONS_BYTES_MAX: usize = 768;

/// Of how many authors numbers are remembered unless told otherwise: of all members that there can
/// be, and of those that are gone and still count.
pub const AUTHORS_MAX: usize = 16_384 + GONE_MAX;

/// Whether a node may subscribe to so many paths of such a length.
///
/// # Errors
/// [`TopicsError::TooManySubscriptions`]: the caller's misuse.
pub fn check_subscriptions<'a>(
    paths: impl Iterator<Item = &'a TopicName>,
) -> Result<(), TopicsError> {
    let lengths: Vec<usize> = paths.map(|path| path.as_str().len()).collect();
    let bytes: usize = lengths.iter().sum();
    if lengths.len() > SUBSCRIPTIONS_MAX || bytes > SUBSCRIPTIONS_BYTES_MAX {
        return Err(TopicsError::TooManySubscriptions);
    }
    Ok(())
}

/// What travels among the subscribers of a path has to be for them.
fn check_path(path: Option<&TopicName>, topic: &TopicName) -> Result<(), PublicationError> {
    let is_at = |path: &TopicName| topic.and_above().any(|at| at == path.as_str());
    if path.is_some_and(|path| !is_at(path)) {
        let what = "it belongs to another topic";
        return Err(PublicationError::Malformed { what });
    }
    Ok(())
}

/// The settings of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// In how many cycles each topic's audience is arranged; 1 to 16. A node has at most twice as
    /// many neighbours. More: shorter ways, more survivors of a mass failure, more announcements of
    /// each message. Default 4, eight neighbours: of 10,000 nodes half may die at once and the rest
    /// stays connected but for one node in 256.
    pub cycles_count: usize,
    /// How many overlays are open at once; at least 1. Each takes memory in proportion to its
    /// audience. Default 256.
    pub overlays_max: usize,
    /// Of how many authors the numbers of publications are remembered, at 600 bytes each; at
    /// least 1. Default 17,408: as many as there can be members, and [`GONE_MAX`].
    pub authors_max: usize,
    /// Who may subscribe to what and publish where. Default: everybody everywhere.
    pub rules: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cycles_count: 4,
            overlays_max: 256,
            authors_max: AUTHORS_MAX,
            rules: Rules::default(),
        }
    }
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Tell all members what this node subscribes to now.
    Subscribed(Vec<TopicName>),
    /// A link within a topic begins.
    NeighbourUp {
        /// Where.
        topic: TopicName,
        /// To whom.
        peer: NodeId,
    },
    /// A link within a topic ends.
    NeighbourDown {
        /// Where.
        topic: TopicName,
        /// To whom.
        peer: NodeId,
    },
    /// The overlay of a topic is not needed any more, or had to give way. Its links have ended.
    Closed(TopicName),
}

/// What was said in the name of somebody who may not say it. That costs no signature, so whoever
/// passed it on may have written the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// Whose name stands on it.
    pub author: NodeId,
    /// Where it was said.
    pub topic: TopicName,
}

/// What becomes of a publication that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was not heard before: it is to be heard here, and passed on.
    First(SignedPublication),
    /// It was heard before, or is too old to tell. It goes no further.
    Again,
    /// Its author may not publish there, or is revoked. It goes no further.
    Forbidden(Forbidden),
    /// It is as its author signed it, but that is no member as far as is known here. It goes no
    /// further before it is.
    UnknownAuthor(NodeId),
    /// This node does not hear the topic.
    NotHeard,
}

/// Why an overlay does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// This node does not hear the topic, nobody subscribes to the path, or the peer that speaks of
    /// it does not hear it. News of subscriptions may be on its way: nobody's fault.
    #[error("this node has no part in the topic, or the peer has none")]
    NotHeard,
    /// The peer had more opened lately than one may. Its fault, or that of many short-lived topics.
    #[error("peer {} had more overlays opened lately than one may", peer.short())]
    TooMany {
        /// Who.
        peer: NodeId,
    },
}

/// What goes wrong at the caller. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// This node subscribes to as many paths as it may.
    #[error(
        "a node subscribes to {SUBSCRIPTIONS_MAX} topics at most, with names of \
         {SUBSCRIPTIONS_BYTES_MAX} bytes in all; subscribe to a path above several of them, or \
         unsubscribe from one"
    )]
    TooManySubscriptions,
    /// The rules let this node not subscribe to that path.
    #[error("the access rules do not let this node subscribe to {topic}")]
    MayNotSubscribe {
        /// The path.
        topic: TopicName,
    },
    /// The rules let this node not publish in that topic.
    #[error("the access rules do not let this node publish in {topic}")]
    MayNotPublish {
        /// The topic.
        topic: TopicName,
    },
    /// What is said is too large, or not said by this node.
    #[error(transparent)]
    Publication(#[from] PublicationError),
}
