//! Answering peers: one request of a peer at a time, and the same bundles only a few times in a
//! while, since a question is small and its answer is not.
//!
//! What a peer has stored shows in its next request. One that has stored what it was given gets
//! more at once. One that asks again for the same may have lost it, or have another session of
//! which this node has not heard yet; but not often.

use std::collections::BTreeMap;
use std::time::Duration;

use super::RequestId;
use crate::identity::NodeId;

/// How often a peer is given the same again in one interval.
const REPEATS_MAX: u32 = 4;

/// A request that is being answered.
#[derive(Debug)]
struct UnderWay {
    request: RequestId,
    /// How many of this node's ops the peer has.
    has: u64,
}

#[derive(Debug, Default)]
struct Peer {
    under_way: Option<UnderWay>,
    /// How many of this node's ops it has once it has stored what it was given last.
    will_have: u64,
    /// When the present interval began, and how often the peer asked for the same since.
    repeats: (Duration, u32),
}

/// Who is being answered, and what each got last.
#[derive(Debug, Default)]
pub(super) struct Serving {
    peers: BTreeMap<NodeId, Peer>,
}

impl Serving {
    /// Begins to answer a peer that has `has` of this node's ops. False if a request of it is
    /// under way, or if it asks too often for what it was given.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        peer: NodeId,
        (request, has): (RequestId, u64),
        interval: Duration,
    ) -> bool {
        let peer = self.peers.entry(peer).or_default();
        let may_begin = peer.under_way.is_none() && peer.may_have(now, has, interval);
        if may_begin {
            peer.under_way = Some(UnderWay { request, has });
        }
        may_begin
    }

    /// Ends an answer with so many ops; false if this request is not under way. A peer that is not
    /// known to be up is not remembered.
    pub(super) fn end(
        &mut self,
        peer: NodeId,
        request: RequestId,
        ops_count: u64,
        is_up: bool,
    ) -> bool {
        let Some(state) = self.peers.get_mut(&peer) else {
            return false;
        };
        let Some(ended) = state.under_way.take_if(|of| of.request == request) else {
            return false;
        };
        state.will_have = ended.has.saturating_add(ops_count);
        if !is_up {
            self.peers.remove(&peer);
        }
        true
    }

    pub(super) fn forget(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }
}

impl Peer {
    fn may_have(&mut self, now: Duration, has: u64, interval: Duration) -> bool {
        if has >= self.will_have {
            return true;
        }
        let (since, count) = &mut self.repeats;
        if now >= since.saturating_add(interval) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= REPEATS_MAX
    }
}
