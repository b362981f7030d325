//! HyParView: every node holds a few neighbours and knows some others, and the neighbours of all
//! make one connected graph of short paths, for any number of nodes.
//!
//! Source: Leitão, Pereira and Rodrigues, "HyParView: A Membership Protocol for Reliable
//! Gossip-Based Broadcast" (DSN 2007). From it: the mutual active view held as open sessions and
//! the passive view (section 4.1), join by walks (4.2), repair with priorities (4.3), shuffle
//! (4.4). Deviations, with reasons:
//!
//! * *Quota of one's own choice.* [`Config::own_min`] neighbours are chosen out of the passive view
//!   by this node, and nothing that comes from outside takes their place (GossipSub v1.1's outbound
//!   quota). In the paper a join always evicts somebody at random, so who joins often enough
//!   surrounds a node.
//! * *Room.* Nodes look for `active_target` neighbours and take up to `active_max`, so a walk finds
//!   places without evicting. Only a request called urgent evicts, a neighbour that is not of own
//!   choice, once in [`Config::eviction_interval`].
//! * *Back-off.* After one lets go of the other neither asks again for a while; who does is refused
//!   and counted.
//! * *Walks are short.* The number of steps that a caller names is capped by this node's own.
//! * *Claims.* An entry of the passive view is a claim (address and id) that the session proves
//!   when it is dialed. One peer can fill a bounded share of the view; a false entry costs one
//!   dial.
//! * *Parts find each other.* Contacts are kept, and so are the last neighbours whose session
//!   broke; they are joined when a node is cut off. Views are mixed with one of them or an old
//!   acquaintance now and then, and somebody that it names takes a neighbour's place, and now and
//!   then a neighbour is exchanged: in the paper, nodes that joined after the first one left stay
//!   apart for ever.
//!
//! What a hostile peer can do: call any request urgent, and so take a place that is not of own
//! choice once a second; name nodes that do not exist; start walks, bounded by rate; refuse and
//! drop. What it did is counted ([`HyParView::offences`]) for the driver to weigh.
//!
//! Invariants, each with a test: at most `active_max` neighbours; at most `active_max` - `own_min`
//! of them not of own choice; at most `passive_max` known nodes, `passive_share_max` of one source.
//!
//! Not here: sessions, certificates, and what neighbours say to each other.

mod active;
mod config;
mod entry_points;
mod message;
mod neighbours;
mod offences;
mod passive;
mod rate;
mod shuffle;
mod state;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod world_tests;

pub use config::Config;
pub use message::{ENTRIES_MAX, Entry, MESSAGE_BYTES_MAX, Message, MessageError};
pub use offences::Offences;
pub use state::{Counts, HyParView};
