//! Sessions as the protocols hear of them: who is there, and who is gone.

use std::time::Duration;

use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::Membership as _;
use replicant_protocol::session::CloseReason;

use super::driver::{Driver, Session};
use super::sessions::Link;
use super::statistics::Count;

/// After so long what is measured of members is published again.
const REFRESHED_AFTER: Duration = Duration::from_secs(2);

impl Driver {
    /// A session is in use.
    pub(super) fn handle_up(&mut self, now: Duration, link: &Link) {
        let peer = link.peer.node;
        let session = self.sessions.get(&peer);
        if session.is_some_and(|session| session.number > link.number) {
            return;
        }
        if session.is_some() {
            self.end_session(now, peer);
        }
        if self.shared.is_node_revoked(&peer) {
            // The fact came while the handshake was under way.
            link.close_at_once(CloseReason::Refused);
        }
        if link.ended.is_cancelled() {
            // It ended before it was used; the next one reports by itself.
            self.sessions.remove(&peer);
            return;
        }
        let (number, since) = (link.number, now);
        self.sessions.insert(peer, Session { number, since });
        self.begin_session(now, link);
    }

    /// A session is over.
    pub(super) fn handle_down(&mut self, now: Duration, link: &Link) {
        let peer = link.peer.node;
        if !self.is_current(link) {
            return;
        }
        if let Some(session) = self.sessions.remove(&peer) {
            let lived = now.saturating_sub(session.since);
            self.end_session(now, peer);
            self.plan.handle_lost(now, peer, lived, &mut self.rng);
        }
    }

    /// The layers hear of a peer, and what it says.
    pub(super) fn tell_up(&mut self, now: Duration, link: &Link) {
        let peer = link.peer.node;
        self.overlays.handle_session_up(now, peer);
        if let Some(neighbourhood) = &mut self.neighbourhood {
            neighbourhood.circles.handle_neighbour_up(now, peer);
        }
        self.content.handle_peer_up(now, peer, &mut self.rng);
        self.facts.handle_peer_up(now, peer, &mut self.rng);
        self.shared.events.peer_up(peer);
        link.set_heard(true);
        tracing::debug!(peer = %peer.short(), "session established");
    }

    /// The layers hear that a peer is gone.
    pub(super) fn tell_down(&mut self, now: Duration, peer: NodeId) {
        self.overlays.handle_session_down(now, peer);
        if let Some(neighbourhood) = &mut self.neighbourhood {
            neighbourhood.circles.handle_neighbour_down(&peer);
        }
        self.content.handle_peer_down(now, peer, &mut self.rng);
        self.facts.handle_peer_down(now, peer, &mut self.rng);
        self.shared.events.peer_down(peer);
        tracing::debug!(peer = %peer.short(), "session over");
    }

    /// Whether the protocols know of this session with its peer, and of no later one.
    pub(super) fn is_current(&self, link: &Link) -> bool {
        let session = self.sessions.get(&link.peer.node);
        session.is_some_and(|session| session.number == link.number)
    }

    /// Whether what comes through a session counts: with partial views only from neighbours.
    pub(super) fn is_heard(&self, link: &Link) -> bool {
        self.is_current(link) && link.is_heard()
    }

    pub(super) fn punish(&self, node: NodeId, error: &dyn std::fmt::Display) {
        tracing::warn!(peer = %node.short(), "session closed for misbehaviour: {error}");
        self.shared.punish_node(node);
    }

    /// Takes over what membership knows, for the plan and for whoever asks.
    pub(super) fn publish_members(&mut self, now: Duration, is_changed: bool) {
        let members = self.membership.members();
        match self.membership.partial() {
            Some(view) => self.shared.set_known(view.known().collect()),
            None if is_changed => self.plan.set_members(now, &members),
            None => {}
        }
        self.shared.set_members(members);
        self.members_at = now;
    }

    /// What is measured of members changes all the time: whoever asks is told of a moment ago, and
    /// who follows members is not woken for it.
    pub(super) fn refresh_members(&mut self, now: Duration) {
        let is_old = now.saturating_sub(self.members_at) >= REFRESHED_AFTER;
        if is_old && !self.is_partial() {
            self.shared.refresh_members(self.membership.members());
            self.members_at = now;
        }
    }

    /// A message cannot be sent for lack of a session: try to open one.
    pub(super) fn request_dial(
        &mut self,
        now: Duration,
        node: NodeId,
        address: std::net::SocketAddr,
    ) {
        self.plan.request(now, node, address);
    }

    /// Counts a message dropped for lack of a session.
    pub(super) fn count_unsent(&self) {
        self.shared.counters.add(Count::DroppedNoSession);
    }
}
