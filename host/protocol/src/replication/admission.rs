//! Admission: what becomes of a bundle that a peer sent.

use std::time::Duration;

use super::buffer::{Bounds, Entry, Key, Wait};
use super::pull::Via;
use super::{BoundaryLog, Held, LogUnavailable, OutEvent, RejectReason, State};
use crate::bundle::SignedBundle;
use crate::identity::NodeId;
use crate::ids::{Counter, Dot, SnapshotRef};
use crate::version::REPLICAS_MAX;

/// Where a bundle with a valid signature belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Into the buffer.
    Wait(Wait),
    /// Nowhere: its replica's history went on otherwise.
    Contradicts(Held),
    /// Nowhere, for another reason.
    Refused(RejectReason),
}

impl State {
    /// Takes a bundle that came by broadcast. Costs a signature check if it is new.
    pub fn on_bundle(
        &mut self,
        now: Duration,
        wall_ms: u64,
        peer: NodeId,
        bundle: SignedBundle,
        log: &dyn BoundaryLog,
    ) {
        self.admit(now, wall_ms, (peer, Via::Broadcast), bundle, log);
        self.settle(now);
    }

    /// Checks a bundle, cheap things first, and puts it where it belongs.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        wall_ms: u64,
        (peer, via): (NodeId, Via),
        bundle: SignedBundle,
        log: &dyn BoundaryLog,
    ) {
        if let Err(reason) = self.belongs_here(&bundle) {
            return self.reject(peer, via, &bundle, reason);
        }
        match self.is_here(&bundle, via, log) {
            Ok(false) => {}
            Ok(true) => return self.stats.duplicates += 1,
            Err(LogUnavailable) => {
                return self.reject(peer, via, &bundle, RejectReason::LogUnavailable);
            }
        }
        if bundle.verify().is_err() {
            return self.reject(peer, via, &bundle, RejectReason::Signature);
        }
        if bundle.replica() == self.local.replica {
            self.history_ahead(peer, &bundle);
        }
        if !self.is_candidate(&bundle) {
            return;
        }
        let entry = Entry {
            bundle,
            peer,
            via,
            since: now,
            dependencies_met: 0,
            wait: Wait::Ready,
        };
        let key = Key::of(&entry.bundle);
        let placed = self.place_new(now, wall_ms, entry, log);
        if placed.is_some() && self.buffer.is_behind_gap(&key) {
            self.stats.gaps += 1;
        }
        if let Some(bundle) = placed
            && via == Via::Broadcast
        {
            self.out.push_back(OutEvent::Forward { from: peer, bundle });
        }
        self.make_room(now);
    }

    fn belongs_here(&self, bundle: &SignedBundle) -> Result<(), RejectReason> {
        let body = bundle.body();
        if body.topic != self.topic {
            return Err(RejectReason::Topic);
        }
        if body.lineage != self.lineage {
            return Err(RejectReason::Lineage);
        }
        if body.reference != SnapshotRef::START {
            return Err(RejectReason::Reference);
        }
        Ok(())
    }

    /// Whether the same bundle is delivered, staged or buffered already.
    fn is_here(
        &mut self,
        bundle: &SignedBundle,
        via: Via,
        log: &dyn BoundaryLog,
    ) -> Result<bool, LogUnavailable> {
        if self.buffer.note(&Key::of(bundle), via) {
            return Ok(true);
        }
        let boundary = self
            .history
            .boundary(bundle.replica(), bundle.last(), log)?;
        Ok(boundary.is_some_and(|boundary| boundary.hash == bundle.hash()))
    }

    /// Notes contradictions with what is in the buffer; false if there are too many to keep more.
    fn is_candidate(&mut self, bundle: &SignedBundle) -> bool {
        let mut candidates = self.buffer.candidates(bundle);
        let Some(other) = candidates.next().map(|entry| entry.bundle.clone()) else {
            return true;
        };
        let count = 1 + candidates.count();
        self.equivocation(Held::Waiting(other), bundle.clone());
        count < self.config.candidates_max
    }

    /// Puts a bundle into the buffer and returns it, or does what there is to do instead.
    pub(super) fn place_new(
        &mut self,
        now: Duration,
        wall_ms: u64,
        mut entry: Entry,
        log: &dyn BoundaryLog,
    ) -> Option<SignedBundle> {
        match self.place(now, wall_ms, &mut entry, log) {
            Placement::Wait(wait) => {
                entry.wait = wait;
                let bundle = entry.bundle.clone();
                self.buffer.insert(entry);
                Some(bundle)
            }
            Placement::Contradicts(held) => {
                self.equivocation(held, entry.bundle);
                None
            }
            Placement::Refused(reason) => {
                self.reject(entry.peer, entry.via, &entry.bundle, reason);
                None
            }
        }
    }

    /// Looks again at a buffered bundle after something changed that it waited for.
    pub(super) fn place_again(
        &mut self,
        now: Duration,
        wall_ms: u64,
        key: Key,
        log: &dyn BoundaryLog,
    ) {
        if let Some(entry) = self.buffer.remove(&key) {
            self.place_new(now, wall_ms, entry, log);
        }
    }

    /// Says where a bundle belongs: after its predecessor, after its dependencies, and not in the
    /// future. Costs one look-up for each dependency, over all calls together.
    fn place(
        &self,
        now: Duration,
        wall_ms: u64,
        entry: &mut Entry,
        log: &dyn BoundaryLog,
    ) -> Placement {
        let placement = self.place_in_chain(&entry.bundle);
        if placement != Placement::Wait(Wait::Ready) {
            return placement;
        }
        let placement = self.place_after_dependencies(entry, log);
        if placement != Placement::Wait(Wait::Ready) {
            return placement;
        }
        match self.clock.wait(entry.bundle.hlc(), wall_ms) {
            None => Placement::Wait(Wait::Ready),
            Some(wait) => Placement::Wait(Wait::Clock(now.saturating_add(wait))),
        }
    }

    /// Compares a bundle with the end of its replica's chain.
    pub(super) fn place_in_chain(&self, bundle: &SignedBundle) -> Placement {
        let (body, replica, first) = (bundle.body(), bundle.replica(), bundle.first());
        let before_first = Counter::new(first.get().saturating_sub(1));
        let predecessor = Dot {
            replica,
            counter: before_first,
        };
        let Some(chain) = self.history.chain(replica) else {
            return match before_first {
                Counter::ZERO if self.history.replicas_count() < REPLICAS_MAX => {
                    Placement::Wait(Wait::Ready)
                }
                Counter::ZERO => Placement::Refused(RejectReason::Replicas),
                _ => Placement::Wait(Wait::Op(predecessor)),
            };
        };
        if (chain.author, chain.generation) != (body.author, body.generation) {
            return Placement::Refused(RejectReason::Collision);
        }
        if first <= chain.last {
            return Placement::Contradicts(Held::Stored(Dot {
                replica,
                counter: first,
            }));
        }
        if before_first > chain.last {
            return Placement::Wait(Wait::Op(predecessor));
        }
        if body.previous != chain.end.hash {
            return Placement::Contradicts(Held::Stored(predecessor));
        }
        if body.hlc < chain.end.hlc {
            return Placement::Refused(RejectReason::ClockOrder);
        }
        Placement::Wait(Wait::Ready)
    }

    fn place_after_dependencies(&self, entry: &mut Entry, log: &dyn BoundaryLog) -> Placement {
        let body = entry.bundle.body();
        for dependency in body.dependencies.iter().skip(entry.dependencies_met) {
            let (replica, counter) = (dependency.replica, dependency.counter);
            if self.history.last(replica) < counter {
                return Placement::Wait(Wait::Op(Dot { replica, counter }));
            }
            let reason = match self.history.boundary(replica, counter, log) {
                Err(LogUnavailable) => RejectReason::LogUnavailable,
                Ok(Some(end)) if end.hash == dependency.hash && end.hlc < body.hlc => {
                    entry.dependencies_met += 1;
                    continue;
                }
                Ok(Some(end)) if end.hash == dependency.hash => RejectReason::ClockOrder,
                Ok(_) => RejectReason::Dependency,
            };
            return Placement::Refused(reason);
        }
        Placement::Wait(Wait::Ready)
    }

    /// Keeps the buffer within its bounds; what goes is asked for again later.
    pub(super) fn make_room(&mut self, now: Duration) {
        let bounds = Bounds {
            count_max: self.config.buffer_count_max,
            bytes_max: self.config.buffer_bytes_max,
            peer_count_max: self.config.peer_count_max,
            peer_bytes_max: self.config.peer_bytes_max,
        };
        for entry in self.buffer.evict(bounds) {
            self.stats.dropped_full += 1;
            self.pull.want(entry.peer, now);
        }
    }

    /// Memory is short, over all topics: drops what waits for something and was not asked for. It
    /// is asked for later. Gives how many bytes became free.
    pub fn handle_pressure(&mut self, now: Duration) -> usize {
        self.drop_waiting(now, Via::Broadcast)
    }

    /// As [`handle_pressure`](Self::handle_pressure), where that was not enough: what was asked for
    /// goes too.
    pub fn handle_shortage(&mut self, now: Duration) -> usize {
        self.drop_waiting(now, Via::Sync)
    }

    fn drop_waiting(&mut self, now: Duration, via: Via) -> usize {
        let before = self.buffer.bytes();
        for entry in self.buffer.take_waiting(via) {
            self.stats.dropped_full += 1;
            self.pull
                .want(entry.peer, now.saturating_add(self.config.backoff));
        }
        before - self.buffer.bytes()
    }

    /// Counts a bundle that contradicts another, and reports the first proof for its replica.
    fn equivocation(&mut self, held: Held, second: SignedBundle) {
        self.stats.equivocations += 1;
        let replica = second.replica();
        if self.proven.len() < self.config.proofs_max && self.proven.insert(replica) {
            self.out.push_back(OutEvent::Equivocation {
                replica,
                held,
                second,
            });
        }
    }

    fn history_ahead(&mut self, peer: NodeId, bundle: &SignedBundle) {
        if !std::mem::replace(&mut self.local.ahead, true) {
            self.out.push_back(OutEvent::HistoryAhead {
                peer,
                end: bundle.end(),
            });
        }
    }

    fn reject(&mut self, peer: NodeId, via: Via, bundle: &SignedBundle, reason: RejectReason) {
        let malicious = match reason {
            // Who passes a bundle on has checked this much.
            RejectReason::Undecodable(_)
            | RejectReason::Topic
            | RejectReason::Lineage
            | RejectReason::Signature
            | RejectReason::Oversize => true,
            // Who serves a bundle has delivered it; who broadcasts it need not have.
            RejectReason::ClockOrder => via == Via::Sync || peer == bundle.body().author,
            // An honest peer may be on the other side of someone's equivocation, or differ in
            // what it knows.
            RejectReason::Reference
            | RejectReason::Collision
            | RejectReason::Dependency
            | RejectReason::Replicas
            | RejectReason::LogUnavailable => false,
        };
        self.report(peer, reason, malicious);
    }

    pub(super) fn report(&mut self, peer: NodeId, reason: RejectReason, malicious: bool) {
        *self.stats.rejected.entry(reason.name()).or_default() += 1;
        self.out.push_back(OutEvent::Reject {
            peer,
            reason,
            malicious,
        });
    }
}
