//! Payloads that were announced and are being fetched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::chunks::ChunkList;
use crate::ids::{Hash, NodeId};

use super::{Config, MessageError, Way};

/// How many holders are asked at once for a payload of one chunk.
const HEDGES_MAX: usize = 4;

/// How many holders of a payload are remembered.
const HOLDERS_MAX: usize = 32;

/// Who announced a payload, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) node: NodeId,
    pub(super) hops: u8,
    pub(super) way: Option<Way>,
}

/// A chunk to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<S> {
    pub(super) scope: S,
    pub(super) to: NodeId,
    pub(super) id: Hash,
    pub(super) index: u32,
}

/// A payload that is complete.
#[derive(Debug)]
pub(super) struct Pulled<S> {
    pub(super) scope: S,
    pub(super) payload: Arc<[u8]>,
    /// Who announced it, the first at first.
    pub(super) holders: Vec<Holder>,
}

/// A request that was not answered yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    index: u32,
    to: NodeId,
    at: Duration,
}

#[derive(Debug)]
struct Pull<S> {
    scope: S,
    chunks: ChunkList,
    holders: Vec<Holder>,
    /// How many requests went out: whose turn it is next.
    turn: usize,
    parts: Vec<Option<Arc<[u8]>>>,
    open: Vec<Open>,
    until: Duration,
    next: Duration,
}

/// Payloads that are being fetched.
///
/// Invariants: at most `pulls_max` of them, `pulls_per_peer_max` begun by one peer,
/// `pulled_bytes_max` together; at most `requests_per_peer_max` open requests to one peer; a chunk
/// is kept only if it has its hash.
#[derive(Debug)]
pub(super) struct Pulls<S> {
    pulls: BTreeMap<Hash, Pull<S>>,
    /// Open requests by peer; nobody is in here with none.
    open: BTreeMap<NodeId, usize>,
    bytes: usize,
}

impl<S: Clone> Pulls<S> {
    pub(super) fn new() -> Self {
        Self {
            pulls: BTreeMap::new(),
            open: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Notes who has a payload. False if there is no room for a further one.
    pub(super) fn announced(
        &mut self,
        now: Duration,
        scope: S,
        id: Hash,
        chunks: ChunkList,
        holder: Holder,
        config: &Config,
    ) -> bool {
        if let Some(pull) = self.pulls.get_mut(&id) {
            let is_known = pull.holders.iter().any(|it| it.node == holder.node);
            if !is_known && pull.holders.len() < HOLDERS_MAX {
                pull.holders.push(holder);
            }
            pull.next = now;
            return true;
        }
        let begun = |pull: &&Pull<S>| {
            pull.holders
                .first()
                .is_some_and(|it| it.node == holder.node)
        };
        let size = chunks.size_bytes() as usize;
        if self.pulls.len() >= config.pulls_max
            || self.bytes + size > config.pulled_bytes_max
            || self.pulls.values().filter(begun).count() >= config.pulls_per_peer_max
        {
            return false;
        }
        self.bytes += size;
        let pull = Pull {
            scope,
            parts: vec![None; chunks.count() as usize],
            chunks,
            holders: vec![holder],
            turn: 0,
            open: Vec::new(),
            until: now + config.pull_duration_max,
            next: now,
        };
        self.pulls.insert(id, pull);
        true
    }

    /// What to ask for now. Gives up what takes too long.
    pub(super) fn poll_requests(&mut self, now: Duration, config: &Config) -> Vec<Request<S>> {
        let over = |(id, pull): (&Hash, &Pull<S>)| (pull.until <= now).then_some(*id);
        let over: Vec<Hash> = self.pulls.iter().filter_map(over).collect();
        over.iter().for_each(|id| drop(self.end(id)));
        let mut requests = Vec::new();
        for (id, pull) in &mut self.pulls {
            if pull.next <= now {
                pull.expire(now, &mut self.open, config);
                while let Some((to, index)) = pull.choose(now, &self.open, config) {
                    pull.turn += 1;
                    pull.open.push(Open { index, to, at: now });
                    *self.open.entry(to).or_default() += 1;
                    requests.push(Request {
                        scope: pull.scope.clone(),
                        to,
                        id: *id,
                        index,
                    });
                }
                pull.next = pull.next_timeout(now, config);
            }
        }
        requests
    }

    /// When [`poll_requests`](Self::poll_requests) is due.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.pulls.values().map(|it| it.next.min(it.until)).min()
    }

    /// Takes a chunk. Gives the payload when that was the last one.
    pub(super) fn on_chunk(
        &mut self,
        now: Duration,
        from: &NodeId,
        id: &Hash,
        index: u32,
        bytes: Arc<[u8]>,
    ) -> Result<Option<Pulled<S>>, MessageError> {
        let Some(pull) = self.pulls.get_mut(id) else {
            return Ok(None);
        };
        // A single chunk has the payload's hash, whatever size whoever announced it first told.
        if !pull.chunks.proves_chunk(id.as_bytes(), index, &bytes) {
            pull.close(|open| open.to == *from, &mut self.open);
            pull.holders.retain(|holder| holder.node != *from);
            pull.next = now;
            return Err(MessageError::Chunk);
        }
        pull.close(|open| open.index == index, &mut self.open);
        if let Some(part) = pull.parts.get_mut(index as usize) {
            part.get_or_insert(bytes);
        }
        pull.next = now;
        if pull.parts.iter().any(Option::is_none) {
            return Ok(None);
        }
        Ok(self.end(id).map(Pull::assembled))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pulls.is_empty()
    }

    /// The payload came another way, or is given up. Gives who announced it.
    pub(super) fn forget(&mut self, id: &Hash) -> Vec<Holder> {
        self.end(id).map_or_else(Vec::new, |pull| pull.holders)
    }

    fn end(&mut self, id: &Hash) -> Option<Pull<S>> {
        let mut pull = self.pulls.remove(id)?;
        pull.close(|_| true, &mut self.open);
        self.bytes -= pull.chunks.size_bytes() as usize;
        Some(pull)
    }
}

impl<S> Pull<S> {
    /// Takes requests off the list of those that are open.
    fn close(&mut self, which: impl Fn(&Open) -> bool, open: &mut BTreeMap<NodeId, usize>) {
        self.open.retain(|it| {
            let goes = which(it);
            if goes && let Some(count) = open.get_mut(&it.to) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&it.to);
                }
            }
            !goes
        });
    }

    fn expire(&mut self, now: Duration, open: &mut BTreeMap<NodeId, usize>, config: &Config) {
        self.close(|it| it.at + config.pull_timeout <= now, open);
    }

    /// The next chunk to ask for, and of whom.
    fn choose(
        &self,
        now: Duration,
        open: &BTreeMap<NodeId, usize>,
        config: &Config,
    ) -> Option<(NodeId, u32)> {
        let numbered = (0_u32..).zip(&self.parts);
        let mut missing = numbered.filter(|(_, part)| part.is_none());
        let index = missing.find(|(index, _)| self.is_wanted(now, *index, config));
        let index = index?.0;
        let may = |holder: &&Holder| {
            let is_free = open.get(&holder.node).copied().unwrap_or(0);
            let asked = |it: &Open| it.index == index && it.to == holder.node;
            is_free < config.requests_per_peer_max && !self.open.iter().any(asked)
        };
        let count = self.holders.len();
        let in_turn = self.holders.iter().cycle().skip(self.turn % count.max(1));
        let holder = in_turn.take(count).find(may)?;
        Some((holder.node, index))
    }

    /// Whether a chunk has to be asked for now: nobody was asked, or the only chunk has not come.
    fn is_wanted(&self, now: Duration, index: u32, config: &Config) -> bool {
        if self.parts.len() > 1 {
            return !self.open.iter().any(|it| it.index == index);
        }
        match self.open.iter().map(|it| it.at).max() {
            None => true,
            Some(last) => self.open.len() < HEDGES_MAX && last + config.hedge_delay <= now,
        }
    }

    fn next_timeout(&self, now: Duration, config: &Config) -> Duration {
        let asked = self.open.iter().map(|it| it.at);
        let first = asked
            .clone()
            .min()
            .map_or(self.until, |at| at + config.pull_timeout);
        if self.parts.len() > 1 {
            return first;
        }
        let is_open = |node: &NodeId| self.open.iter().any(|it| it.to == *node);
        let is_other = self.holders.iter().any(|it| !is_open(&it.node));
        match asked
            .max()
            .filter(|_| is_other && self.open.len() < HEDGES_MAX)
        {
            // What is due and was not done waits until a holder has time.
            Some(last) if last + config.hedge_delay > now => first.min(last + config.hedge_delay),
            _ => first,
        }
    }

    fn assembled(self) -> Pulled<S> {
        let parts: Vec<Arc<[u8]>> = self.parts.into_iter().flatten().collect();
        Pulled {
            scope: self.scope,
            payload: match parts.as_slice() {
                [only] => only.clone(),
                _ => parts.concat().into(),
            },
            holders: self.holders,
        }
    }
}
