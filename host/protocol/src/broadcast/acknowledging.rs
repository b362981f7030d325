//! Acknowledgements beside any broadcast whose payloads come from somebody: each node tells whoever
//! it had a payload from, who gathers for a while and tells further, back to the sender.
//!
//! [`Acknowledging`] stands beside a [`Broadcast`](super::Broadcast), a tree in the first place:
//! then the ways back are the tree's branches, each node gathers from its eager children, and
//! nothing is told twice. It needs sessions that lose nothing while they last. A node tells what is
//! new every [`Config::gather_interval`], so nobody waits for a child that will never answer, and
//! nodes need not know which of their neighbours are children. A way back that breaks loses what is
//! told over it later: those nodes are then missing in what the sender hears.
//!
//! One byte in front of each payload says whether acknowledgements are asked for, and for how long
//! ([`opened`]). It is part of what the broadcast hashes and carries, so that needs no change.
//!
//! # Operating it
//!
//! Broadcast what [`Acknowledging::handle_asking`] or [`plain`] gives. When the broadcast delivers
//! something, take off with [`opened`] what stands in front of it, and if it is valid call
//! [`Acknowledging::handle_accepted`] together with the broadcast's own. Send what
//! [`Acknowledging::poll_event`] gives, and hand what neighbours send of it to
//! [`Acknowledging::on_message`].
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

pub use message::{Message, MessageError, opened, plain};
pub use state::{Acknowledging, Counts};

/// The settings of acknowledgements beside a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a node gathers before it tells further. Shorter: faster, by this for each hop, and
    /// more messages. Default 50 ms.
    pub gather_interval: Duration,
    /// How many payloads with acknowledgements are in memory at once, each until its deadline; at
    /// the bound the oldest is forgotten, and no further one can be said. Default 256.
    pub asked_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gather_interval: Duration::from_millis(50),
            asked_max: 256,
        }
    }
}
