//! What happens to a node, and in which order.

use std::time::Duration;

use crate::Index;

pub(super) enum What<M, I> {
    Message {
        from: Index,
        message: M,
    },
    Broken {
        peer: Index,
    },
    /// Nothing sent to the peer was acknowledged for long.
    Silence {
        peer: Index,
    },
    /// An input that waited for a node that stalled.
    Input(I),
    Wake,
}

pub(super) struct Event<M, I> {
    pub(super) at: Duration,
    pub(super) sequence: u64,
    pub(super) node: Index,
    pub(super) what: What<M, I>,
}

impl<M, I> PartialEq for Event<M, I> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl<M, I> Eq for Event<M, I> {}

impl<M, I> PartialOrd for Event<M, I> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M, I> Ord for Event<M, I> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
