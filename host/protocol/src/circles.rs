//! Circles: with partial views, the subscribers of a path find each other and keep links and a
//! tree of their own, so that what is said there costs nobody else anything.
//!
//! A *circle* is all that subscribe to one path. Each of them has, for that circle, a small partial
//! view ([`hyparview`](crate::membership::hyparview)) and a broadcast tree
//! ([`plumtree`]). What is said in `a/b/c` is for the circles of `a`,
//! `a/b` and `a/b/c`; whoever says it says it in those that it is part of, and hands it in to two
//! members of each other one ([`Message::HandIn`]), one of which has to say that it took it.
//!
//! *The shared tree is the fallback.* [`Circles::handle_publish`] says that a publication has to
//! travel along the tree of all nodes, as if there were no circles, whenever a circle is not found
//! yet, nobody took what was handed in, or somebody listens outside of the circle. So no message
//! is lost because a circle is missing; receivers hear each once, since authors number them.
//!
//! *Finding.* A node that needs a circle asks neighbours ([`Message::Ask`]), and if they know none
//! it calls ([`Call`]): a signed statement that travels along the shared tree. A few members
//! answer it, whoever hears that somebody listens notes that in a bounded table, and members learn
//! of each other. If nobody answers for [`Config::patience`], nobody listens, and nothing needs to
//! be sent until somebody calls ([`Config::announce_interval`] at most). Each circle is announced
//! once in one to two such intervals, by the member whose timer ends first: the others hear it and
//! stay silent, which is Trickle's suppression (Levis and others, RFC 6206, section 4.2). Parts of
//! a circle that never met hear each other's announcements, mix views, and are one. A circle that
//! was never announced is *forming*: it may be in parts that found each other by chance. It is
//! announced often at first, and until then what is said there takes the shared tree.
//!
//! *Outside.* A node is part of [`Config::circles_max`] circles at most, so that its links are
//! bounded. What else it listens to it hears along the shared tree: it calls that it listens
//! *outside*, again and again, and as long as that is known everything said there takes the
//! shared tree.
//!
//! *Rules.* Who may not subscribe to a path is not let in by members, and not dialed.
//!
//! What a liar can do: call for paths without end, or with many keys (bounded for each caller and
//! in all, dropped and counted; the table keeps [`PATHS_OF_ONE_MAX`] paths of one caller); name
//! addresses where nobody is (a dial each, for a few of those that hear it); say that it took what
//! it then drops (two members are asked, one that kept its word before among them); say that it
//! listens outside (everything takes the shared tree, as without circles).
//!
//! Invariants, each with a test: at most [`Config::circles_max`] circles, each with at most
//! `active_max` links; every table bounded; of nodes that do not listen nobody is sent anything
//! but calls once circles are found.
//!
//! A parent of `membership`, `broadcast` and `topics`: it turns the outputs of one into inputs of
//! another, and none of them knows of it. Not here: sessions, signatures of publications and who
//! heard which (the driver), what publications mean.

mod call;
mod callers;
mod circle;
mod config;
mod finding;
mod hand_ins;
mod known;
mod message;
mod publishing;
mod state;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::broadcast::{Delivery, plumtree};
use crate::ids::{NodeId, TopicName};

pub use call::{CALL_BYTES_MAX, CALLED_PATHS_MAX, Call, CallError, Wish};
pub use config::Config;
pub use known::PATHS_OF_ONE_MAX;
pub use message::{KNOWN_MAX, Message, MessageError};
pub use state::{Circles, Counts};

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message. If there is no session with `to`, dial `address`, expecting `to`; if that
    /// fails call [`Circles::handle_unreachable`].
    Send {
        /// To whom.
        to: NodeId,
        /// Where it listens, as far as is known.
        address: SocketAddr,
        /// In which circle.
        path: TopicName,
        /// What.
        message: Message,
    },
    /// Send a message of a circle's tree to neighbours in it; say if it does not go out
    /// ([`Circles::handle_unsent`]).
    SendInTree {
        /// To whom.
        to: Vec<NodeId>,
        /// In which circle.
        path: TopicName,
        /// What.
        message: plumtree::Message,
    },
    /// A node is a neighbour in some circle: hold its session open.
    Hold(NodeId),
    /// It is in none any more.
    LetGo(NodeId),
    /// Sign this and say it along the shared tree.
    Call(Call),
    /// Nobody took a publication that was handed in: say it along the shared tree.
    SayToAll(Arc<[u8]>),
    /// Look at a publication that came in a circle, and if it holds hand it back to
    /// [`Circles::handle_accepted`].
    Deliver {
        /// In which circle.
        path: TopicName,
        /// What.
        delivery: Delivery,
    },
}
