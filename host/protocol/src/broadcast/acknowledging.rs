//! Acknowledgements beside any broadcast whose payloads come from somebody: each node tells whoever
//! it had a payload from, who gathers for a while and tells further, back to the sender.
//!
//! [`Acknowledging`] stands beside a [`Broadcast`](super::Broadcast), a tree in the first place:
//! then the ways back are the tree's branches, each node gathers from its eager children, and
//! nothing is told twice. It needs sessions that lose nothing while they last. A node tells what is
//! new every [`Config::gather_interval`], so nobody waits for a child that will never answer, and
//! nodes need not know which of their neighbours are children.
//!
//! *A way back that breaks.* If the session with the node that a payload came from ends,
//! everything is told again: to it if there is a new one, else to the sender itself. Where there is
//! no session with either it waits for one until the deadline, and nodes are missing in what the
//! sender hears, though they have the payload.
//!
//! # Operating it
//!
//! Payloads are named by a hash, in whatever way both sides compute alike, and say themselves for
//! how long they are to be acknowledged. Before broadcasting one call
//! [`Acknowledging::handle_asking`]; when one was delivered and found valid, and is to be
//! acknowledged, [`Acknowledging::handle_taken`]. Send what [`Acknowledging::poll_event`] gives,
//! say if it does not go out ([`Acknowledging::handle_unsent`]), and hand what neighbours send of
//! it to [`Acknowledging::on_message`], without the names of those that cannot have the payload.
//!
//! What a liar can do is said in [`acknowledgement`](super::acknowledgement).
//!
//! Not here: acknowledgements of [`rapid`](super::rapid) broadcast, which has quicker ways.

mod message;
mod state;
mod trails;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::ids::NodeId;

pub use message::{Message, MessageError};
pub use state::{Acknowledging, Counts};

/// The settings of acknowledgements beside a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a node gathers before it tells further. Shorter: faster, by this for each hop, and
    /// more messages. Default 50 ms.
    pub gather_interval: Duration,
    /// How many payloads of one sender are acknowledged at once, each until its deadline. Of
    /// another's the oldest gives way at the bound, and this node says no further one. Default 256.
    pub asked_max: usize,
    /// How many payloads of all others are acknowledged through this node at once; at the bound the
    /// oldest gives way. Default 1,024.
    pub trails_max: usize,
    /// How many names are held for all of these, at some 20 bytes each; at the bound the oldest
    /// payload gives way. Default 1,048,576.
    pub names_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gather_interval: Duration::from_millis(50),
            asked_max: 256,
            trails_max: 1_024,
            names_max: 1 << 20,
        }
    }
}

/// Which way a payload came, and acknowledgements go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The neighbour that it came from: they go there if there is a session.
    pub from: NodeId,
    /// Who said it: they go there if there is none with that neighbour.
    pub author: NodeId,
}
