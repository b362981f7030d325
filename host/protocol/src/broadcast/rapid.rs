//! Rapid broadcast: what one node says is with every other one as fast as links allow, at the price
//! of many copies, and whoever said it can learn who has it.
//!
//! For few and urgent messages, such as facts. Each node passes a message that it sees for the
//! first time on to [`Config::fanout`] peers, drawn for that message from all members or, where
//! those are not known, from its neighbours. After: Demers and others, "Epidemic Algorithms for
//! Replicated Database Maintenance" (PODC 1987), section 1.4, push that stops after one round; the
//! fan-out after Erdős and Rényi's bound on when a random graph is connected.
//!
//! *Half of the peers are drawn evenly.* Where all nodes know the same members, half of a message's
//! fan-out are those at certain distances along the list of ids. The distances follow from the
//! message's hash and are the same everywhere, so every node is drawn exactly as often as every
//! other. A node is missed only if all of them fail: with 17 peers, a tenth of the nodes down and 5
//! % loss that is 0.145⁸ times what is left to the half that is drawn at random, 1e-10 in all,
//! where 17 random ones give 5e-7 (for 9,000 nodes one miss in 200 messages). Views that differ
//! make some of it random, no worse than that.
//!
//! *Large payloads.* What is larger than [`Config::push_bytes_max`] is pushed by the first nodes
//! only, while hardly anybody has it; all others announce it to twice as many peers, and whoever
//! hears of it asks the announcer, then the next one, then the next, until it is there. A node
//! announces what it holds and found valid, never what it only heard of: an id that nobody serves
//! stops at the first correct node. Payloads of more than one chunk of 64 KiB are announced with
//! the hashes of their chunks, fetched from all announcers at once, and each chunk is checked when
//! it comes.
//!
//! *Checked before passed on.* As with flooding: a payload goes to the driver first, and on to
//! others only when it says so ([`Broadcast::handle_accepted`](crate::broadcast::Broadcast)).
//!
//! *Acknowledgements* ([`acknowledgement`](crate::broadcast::acknowledgement)). A push is evidence:
//! whoever passes a message on has it. So each node is seen by about as many others as the fan-out,
//! and need not be certain that its own word arrives. The first nodes that a message reaches (one
//! or two sessions from its sender) collect; the message says on its way by which collector it
//! came. A node tells it at once: itself, and whom it saw so far. Most nodes tell a second time,
//! another collector that they heard of, when most pushes have come: everyone they saw. Collectors
//! pass on to the sender what is new, every 25 ms and everything twice. This takes less than two
//! messages for each node, none of them waits for an answer, and no node gets a large share of
//! them. Where views are partial, nobody can reach a collector, and each node tells whoever it had
//! the message from, who passes it on the same way.
//!
//! # Operating it
//!
//! As a [`Broadcast`](crate::broadcast::Broadcast), whose shape it has. That trait passes no
//! generator and knows of one audience, so this does not stand behind it. One state serves several
//! *scopes*, such as topics: tell it who the nodes of each are with [`Rapid::handle_view`], and of
//! neighbours. Where the driver does not dial ([`Config::is_dialing`]) messages go to those of a
//! scope that are neighbours; where no view is known, to the neighbours. A message that is to be
//! acknowledged goes out with [`Rapid::handle_broadcast_asking`]. What a tree or the like can mend
//! it is told of with [`Rapid::handle_known`].
//!
//! # Bounds, and what a liar can do
//!
//! * What is remembered, held for others, fetched, and asked of one peer is bounded ([`Config`]); a
//!   peer gets each chunk three times at most.
//! * Ids that are never served: a peer can begin [`Config::pulls_per_peer_max`] fetches, which cost
//!   a small request now and then until [`Config::pull_duration_max`]. It delays a payload by
//!   [`Config::hedge_delay`] for each such peer in front of an honest holder.
//! * A size that is a lie ends with the first chunk: one chunk carries its own hash, several are
//!   proven by the announcement. Nothing goes on for ever.
//! * Hops that are too few make some nodes push that would announce, so more copies; too many end
//!   one path. Both change the message's way through a few nodes.
//! * A collector can leave out whom it was told of; then others are told twice. Anybody can name
//!   whom it likes: acknowledgements are hearsay.
//! * Replays are recognised while the hash is remembered; then a payload may go round again, as
//!   with flooding.
//!
//! Not here: who the members are, what payloads mean, and repair of what was missed.

mod asking;
mod bodies;
mod config;
mod counts;
mod message;
mod pulls;
mod state;
mod trails;
mod view;

#[cfg(test)]
mod acknowledgement_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod tests;

pub use config::{Config, FANOUT_MAX};
pub use counts::Counts;
pub use message::{Contents, LEVELS_MAX, MESSAGE_BYTES_MAX, Message, MessageError, Way};
pub use state::{OutEvent, Rapid};
