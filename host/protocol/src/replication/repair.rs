//! Repair: asking peers for what is missing, and answering them.

use std::time::Duration;

use super::pull::{Outcome, Via};
use super::{
    BoundaryLog, CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, Message, OutEvent, RejectReason, RequestId,
    Served, State, SyncChunk, SyncRequest,
};
use crate::bundle::SignedBundle;
use crate::identity::NodeId;

impl State {
    /// A session with a peer opened.
    pub fn handle_peer_up(&mut self, peer: NodeId) {
        self.pull.peer_up(peer);
    }

    /// The session with a peer closed.
    pub fn handle_peer_down(&mut self, now: Duration, peer: NodeId) {
        self.pull.peer_down(peer, now);
        self.serving.forget(peer);
        self.ask(now);
    }

    /// This peer's version is another one than this node's: ask it for what is missing here.
    pub fn handle_peer_differs(&mut self, now: Duration, peer: NodeId) {
        if self.pull.is_up(peer) {
            if self.pull.time_out_early(peer, now, &self.config) {
                self.stats.sync_timeouts += 1;
            }
            self.pull.want(peer, now);
            self.ask(now);
        }
    }

    /// Takes a message from a peer. Costs a signature check for each new bundle in it.
    pub fn on_message(
        &mut self,
        now: Duration,
        wall_ms: u64,
        peer: NodeId,
        message: Message,
        log: &dyn BoundaryLog,
    ) {
        if *message.topic() != self.topic {
            return self.report(peer, RejectReason::Topic, true);
        }
        match message {
            Message::SyncRequest(request) => self.on_sync_request(now, peer, request),
            Message::SyncChunk(chunk) => self.on_sync_chunk(now, wall_ms, peer, chunk, log),
        }
    }

    fn on_sync_request(&mut self, now: Duration, peer: NodeId, request: SyncRequest) {
        if !self.version.covers(&request.version) && self.pull.is_up(peer) {
            // Part of it may be under way already.
            self.pull
                .want(peer, now.saturating_add(self.config.gap_delay));
        }
        let has = self.version.ops_shared(&request.version);
        let asked = (request.request, has);
        if !self
            .serving
            .begin(now, peer, asked, self.config.repeat_interval)
        {
            self.stats.serves_refused += 1;
            return;
        }
        if request.version.covers(&self.version) {
            return self.handle_served(peer, request.request, Served::default());
        }
        self.out.push_back(OutEvent::Serve {
            peer,
            request: request.request,
            from: request.version,
            bytes_max: CHUNK_BYTES_MAX.min(request.bundle_bytes_max as usize),
            count_max: CHUNK_COUNT_MAX.min(request.bundle_count_max as usize),
        });
    }

    /// Sends a peer what was read from the log for it. Pass an empty
    /// [`Served`](super::Served) with `more` set if reading failed: the peer will ask others.
    pub fn handle_served(&mut self, peer: NodeId, request: RequestId, served: Served) {
        let is_up = self.pull.is_up(peer);
        if !self.serving.end(peer, request, served.ops_count, is_up) {
            return;
        }
        self.stats.chunks_served += 1;
        let message = Message::SyncChunk(SyncChunk {
            topic: self.topic.clone(),
            request,
            bundles: served.bundles,
            more: served.more,
            version: self.version.clone(),
        });
        self.out.push_back(OutEvent::Send { peer, message });
    }

    fn on_sync_chunk(
        &mut self,
        now: Duration,
        wall_ms: u64,
        peer: NodeId,
        chunk: SyncChunk,
        log: &dyn BoundaryLog,
    ) {
        let is_larger = self.is_larger_than_asked(&chunk);
        let (answer, config) = ((chunk.more, chunk.version), &self.config);
        let arrived = self.pull.arrived(now, peer, chunk.request, answer, config);
        if !arrived {
            self.stats.sync_unsolicited += 1;
            return;
        }
        if is_larger {
            self.report(peer, RejectReason::Oversize, true);
            return self.settle(now);
        }
        for bytes in chunk.bundles {
            match SignedBundle::decode(&bytes.0) {
                Ok(bundle) => self.admit(now, wall_ms, (peer, Via::Sync), bundle, log),
                Err(error) => {
                    self.report(peer, RejectReason::Undecodable(error), true);
                    break;
                }
            }
        }
        self.settle(now);
    }

    fn is_larger_than_asked(&self, chunk: &SyncChunk) -> bool {
        let bytes: usize = chunk.bundles.iter().map(|bundle| bundle.0.len()).sum();
        chunk.bundles.len() > self.config.chunk_count_max
            || (chunk.bundles.len() > 1 && bytes > self.config.chunk_bytes_max)
    }

    /// Ends the work on a chunk once everything that can be stored is stored. Asks for more when
    /// nothing is under way.
    pub(super) fn settle(&mut self, now: Duration) {
        let all_stored = self.batch.is_none() && !self.buffer.has_ready();
        if all_stored
            && self.pull.stored(now, &self.version, &self.config) == Some(Outcome::Useless)
        {
            self.stats.sync_useless += 1;
        }
        self.ask(now);
    }

    fn ask(&mut self, now: Duration) {
        let Some(peer) = self.pull.due(now) else {
            return;
        };
        let request = self.pull.ask(peer, now, &self.config);
        self.stats.sync_requests += 1;
        let message = Message::SyncRequest(SyncRequest {
            topic: self.topic.clone(),
            request,
            version: self.version.clone(),
            bundle_bytes_max: u32::try_from(self.config.chunk_bytes_max).unwrap_or(u32::MAX),
            bundle_count_max: u32::try_from(self.config.chunk_count_max).unwrap_or(u32::MAX),
        });
        self.out.push_back(OutEvent::Send { peer, message });
    }

    /// Does what is due: asks for missing predecessors, drops what waited too long, looks again
    /// at what waited for the clock, gives up on requests without answer.
    pub fn handle_timeout(&mut self, now: Duration, wall_ms: u64, log: &dyn BoundaryLog) {
        for key in self.buffer.wake_by_clock(now) {
            self.place_again(now, wall_ms, key, log);
        }
        if let Some(before) = now.checked_sub(self.config.gap_delay) {
            for peer in self.buffer.take_askable(before) {
                self.pull.want(peer, now);
            }
        }
        if let Some(before) = now.checked_sub(self.config.waiting_max) {
            for entry in self.buffer.expire(before) {
                self.stats.dropped_expired += 1;
                self.pull.want(entry.peer, now);
            }
        }
        if self.pull.time_out(now, &self.config) {
            self.stats.sync_timeouts += 1;
        }
        self.settle(now);
    }
}
