//! Reconciliation: two peers find out in which few elements their large sets differ.
//!
//! Guarantees: when a comparison is over and nothing was lost or changed meanwhile, each side has
//! been told of every element that the other lacks; whatever a peer answers, a comparison ends,
//! and costs at most what [`Config`] says. An element is a [`Key`]: a number that orders (a time)
//! and a hash that names. What is behind it is the driver's.
//!
//! Source: Aljoscha Meyer, "Range-Based Set Reconciliation" (SRDS 2023). One side sends sums over
//! ranges; where they are not those of the other side, it divides the range by 16 and sends sums of
//! the parts, or, where it has at most 32 elements, their names. Cost: about 500 bytes for each
//! difference among a million elements, and log₁₆ n messages.
//!
//! Deviations and decisions:
//! - *Sums* are kept in a tree ([`Set`]), so a range costs O(log n), not O(n). What travels is six
//!   bytes of a hash of sum, count and a *nonce* that the asking side draws for each comparison:
//!   two sets that look alike under one nonce do not under the next. Names are shortened the same
//!   way. So nothing depends on six bytes: what one comparison overlooks the next one finds.
//! - *Root.* Adding up hashes is not safe against somebody who may choose many elements (Wagner, "A
//!   Generalized Birthday Problem", CRYPTO 2002). So whether two sets are equal is decided by a
//!   homomorphic hash with 2 KiB of state (LtHash: Lewi, Kim, Maykov and Weis, "Securing Update
//!   Propagation with Homomorphic Hashing", 2019). If roots differ and sums do not show where, the
//!   next comparison is *deep*: each element is hashed anew under the nonce. That is O(n), and may
//!   happen once in [`Config::deep_interval`].
//! - *No state at the answering side* but a budget: every message covers all keys from the start,
//!   and what is not covered waits for the next comparison, which goes on there.
//! - A crate for the negentropy protocol exists and was not used: whole names of 32 bytes alone
//!   take more than the 64 KiB that 100 differences may take here, its sums are neither salted nor
//!   safe against chosen elements, several encodings mean the same, and the order of its results
//!   is not a function of the input.
//!
//! What a liar can do: pretend differences that are none, so that a comparison takes all its rounds
//! (bounded); ask for all elements (at most [`Config::budget_bytes`] in each
//! [`Config::budget_interval`]); name elements and never give them ([`OutEvent::Unserved`], and
//! others are asked as well). It cannot hide what a third peer has.
//!
//! Not here: the elements' bytes, and which peer is asked next beyond a random one.

mod config;
mod counts;
mod message;
mod ranges;
mod session;
mod set;
mod state;
mod sum;
mod tree;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use crate::ids::{Hash, NodeId};

pub use config::Config;
pub use counts::Counts;
pub use message::{MESSAGE_BYTES_MAX, Message, MessageError};
pub use set::Set;
pub use state::State;

/// An element: what orders, then what names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where it stands in the order; below the largest number. A time, usually.
    pub timestamp: u64,
    /// Its name.
    pub id: Hash,
}

impl Key {
    /// Nothing is below this.
    pub const START: Self = Self {
        timestamp: 0,
        id: Hash::ZERO,
    };
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send a message to a peer; drop it if there is no session.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// The peer lacks these elements: send them.
    Push {
        /// To whom.
        to: NodeId,
        /// Which; still in the set.
        keys: Vec<Key>,
    },
    /// A peer named elements that it did not send until the next comparison with it. A connection
    /// under load may be the reason, or a lie.
    Unserved {
        /// Who.
        peer: NodeId,
        /// How many.
        count: u32,
    },
}
