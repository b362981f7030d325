//! Plumtree: payloads travel along a tree that is embedded in the neighbourhoods of all nodes, and
//! announcements along all other links mend it.
//!
//! Source: Leitão, Pereira and Rodrigues, "Epidemic Broadcast Trees" (SRDS 2007). From it: eager
//! and lazy links, i_have, graft with two timers, prune (section 3.4), optimisation (3.8).
//! Deviations, with reasons:
//!
//! * *One root trims the tree.* In the paper every duplicate prunes, and every announcement may
//!   optimise, so with many senders each bends the tree its own way. Here payloads leave links as
//!   they are; a *beacon*, an empty message that one node, the root, sends now and then along the
//!   tree, prunes and optimises. So the tree becomes that of one sender, whose depth is that of the
//!   graph. Any node can be the root: who hears no beacon begins, the smaller id goes on.
//! * *Spread.* On a shared tree a way between two nodes is up to twice as deep as the tree. So a
//!   sender's payload is also copied over lazy links close to it, [`Config::spread_count`] times in
//!   all, and goes along the tree from all these places at once. The budget is split among the
//!   copies, so its cost is known, whatever the degree.
//! * *A lost parent is replaced at once*, by a neighbour that is nearer to the root, without
//!   waiting for a missing payload.
//! * *New neighbours are told what was said lately*, so what was said while nodes were cut off
//!   reaches them. They fetch it without changing the tree.
//! * *Bounds.* Announcements, waiting requests, what is kept and what is served to one neighbour
//!   are bounded; the paper bounds nothing.
//!
//! What a hostile neighbour can do: announce what it never sends, which costs one timer each within
//! its share; ask for each payload twice, within a rate of bytes; call itself the root, or send
//! beacons, which moves links between eager and lazy and with them redundancy and delay, but no
//! payload is lost: every link announces. A spread beyond this node's own is cut. What it did is
//! counted ([`Plumtree::offences`]).
//!
//! Not here: who the neighbours are, and what payloads mean. Bodies of large payloads need not
//! travel this way: a payload can be an announcement of a hash, and whoever wants the body fetches
//! it (see `content`).

mod beacon;
mod cache;
mod config;
mod links;
mod message;
mod missing;
mod peers;
mod state;
mod wave;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use message::{ANNOUNCED_MAX, Announced, Message, MessageError};
pub use peers::Offences;
pub use state::{Counts, Plumtree};
