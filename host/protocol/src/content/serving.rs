//! Giving parts of modules to peers, within bounds.

use std::collections::BTreeSet;

use crate::ids::{ModuleHash, NodeId};

use super::{Config, Part};

/// Which parts are being read for whom.
#[derive(Debug)]
pub(super) struct Serving {
    under_way: BTreeSet<(NodeId, ModuleHash, Part)>,
    per_peer_max: usize,
    max: usize,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Read the part.
    Read,
    /// It is being read already.
    Pending,
    /// Too much is under way.
    Busy,
}

impl Serving {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            under_way: BTreeSet::new(),
            per_peer_max: config.serves_per_peer_max,
            max: config.serves_max,
        }
    }

    pub(super) fn admit(&mut self, to: NodeId, module: ModuleHash, part: Part) -> Admission {
        if self.under_way.contains(&(to, module, part)) {
            return Admission::Pending;
        }
        let of_peer = self.under_way.iter().filter(|(peer, ..)| *peer == to);
        if self.under_way.len() >= self.max || of_peer.count() >= self.per_peer_max {
            return Admission::Busy;
        }
        self.under_way.insert((to, module, part));
        Admission::Read
    }

    /// Whether the peer still waits for it.
    pub(super) fn finish(&mut self, to: NodeId, module: ModuleHash, part: Part) -> bool {
        self.under_way.remove(&(to, module, part))
    }

    pub(super) fn forget_peer(&mut self, peer: NodeId) {
        self.under_way.retain(|(to, ..)| *to != peer);
    }
}
