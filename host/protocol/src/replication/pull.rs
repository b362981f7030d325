//! Whom to ask for what is missing, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Config, RequestId};
use crate::identity::NodeId;
use crate::version::VersionVector;

/// How a bundle came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// Unasked.
    Broadcast,
    /// In a chunk that was asked for.
    Sync,
}

/// What is known of a connected peer.
#[derive(Debug, Default)]
struct Peer {
    /// It may have something that is missing here; ask from this time on.
    wanted: Option<Duration>,
    /// How often in a row asking it was of no use.
    strikes: u32,
    /// Leave it alone until then.
    alone_until: Duration,
    /// When it was asked last.
    asked: Duration,
    /// The request of it that is being answered.
    serving: Option<RequestId>,
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) peer: NodeId,
    pub(super) request: RequestId,
    deadline: Duration,
}

/// A chunk that came, until what it brought is stored.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) peer: NodeId,
    /// Whether the peer said that it has more.
    pub(super) more: bool,
    /// The peer's version.
    pub(super) version: VersionVector,
    /// Whether anything that a chunk brought was delivered since.
    delivered: bool,
}

#[derive(Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    Asking(Asked),
    Storing(Arrived),
}

/// What a chunk was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything is here that the peer has.
    Complete,
    /// It brought something, and there is more.
    Progress,
    /// There is more, but it brought nothing.
    Useless,
}

/// Whom to ask for what is missing: one request at a time, whoever was asked longest ago first,
/// those that were of no use last and less and less often.
#[derive(Debug, Default)]
pub(super) struct Pull {
    peers: BTreeMap<NodeId, Peer>,
    doing: Doing,
    requests_count: u64,
}

impl Pull {
    pub(super) fn peer_up(&mut self, peer: NodeId) {
        self.peers.entry(peer).or_default();
    }

    /// Forgets a peer; if it was needed, another one is asked.
    pub(super) fn peer_down(&mut self, peer: NodeId, now: Duration) {
        let asked = matches!(&self.doing, Doing::Asking(asked) if asked.peer == peer);
        if asked {
            self.doing = Doing::Nothing;
        }
        let wanted = self
            .peers
            .remove(&peer)
            .is_some_and(|state| state.wanted.is_some());
        if wanted || asked {
            self.want_other(peer, now);
        }
    }

    pub(super) fn is_up(&self, peer: NodeId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Plans to ask a peer from `at` on; another one if it is not connected any more.
    pub(super) fn want(&mut self, peer: NodeId, at: Duration) {
        match self.peers.get_mut(&peer) {
            Some(state) => state.wanted = Some(state.wanted.map_or(at, |before| before.min(at))),
            None => self.want_other(peer, at),
        }
    }

    /// Plans to ask the best peer other than this one, if there is any.
    fn want_other(&mut self, peer: NodeId, at: Duration) {
        let others = self.peers.iter_mut().filter(|(other, _)| **other != peer);
        let best = others.min_by_key(|(id, state)| (state.strikes, state.asked, **id));
        if let Some((_, state)) = best {
            state.wanted = Some(state.wanted.map_or(at, |before| before.min(at)));
        }
    }

    /// The peer to ask now, if no request is under way.
    pub(super) fn due(&self, now: Duration) -> Option<NodeId> {
        if !matches!(self.doing, Doing::Nothing) {
            return None;
        }
        let due = self
            .peers
            .iter()
            .filter(|(_, state)| state.due().is_some_and(|at| at <= now));
        due.min_by_key(|(id, state)| (state.strikes, state.asked, **id))
            .map(|(id, _)| *id)
    }

    /// Notes that a peer is asked now.
    pub(super) fn ask(&mut self, peer: NodeId, now: Duration, config: &Config) -> RequestId {
        self.requests_count += 1;
        let request = RequestId(self.requests_count);
        let state = self.peers.entry(peer).or_default();
        state.asked = now;
        let timeout = doubled(config.request_timeout, state.strikes, config.backoff_max);
        let timeout = timeout.max(config.request_timeout);
        self.doing = Doing::Asking(Asked {
            peer,
            request,
            deadline: now.saturating_add(timeout),
        });
        request
    }

    /// Takes note of a chunk; false if nobody waits for it.
    pub(super) fn arrived(
        &mut self,
        peer: NodeId,
        request: RequestId,
        more: bool,
        version: VersionVector,
    ) -> bool {
        let expected =
            matches!(&self.doing, Doing::Asking(a) if (a.peer, a.request) == (peer, request));
        if expected {
            self.doing = Doing::Storing(Arrived {
                peer,
                more,
                version,
                delivered: false,
            });
        }
        expected
    }

    /// Takes note that a bundle was delivered and stored.
    pub(super) fn delivered(&mut self, via: Via) {
        if let Doing::Storing(arrived) = &mut self.doing
            && via == Via::Sync
        {
            arrived.delivered = true;
        }
    }

    /// Ends the work on a chunk after all that could be stored of it is stored: what it was good
    /// for, and when to ask again.
    pub(super) fn stored(
        &mut self,
        now: Duration,
        version: &VersionVector,
        config: &Config,
    ) -> Option<Outcome> {
        let Doing::Storing(arrived) = &self.doing else {
            return None;
        };
        let peer = arrived.peer;
        let outcome = match (
            arrived.more || !version.covers(&arrived.version),
            arrived.delivered,
        ) {
            (false, _) => Outcome::Complete,
            (true, true) => Outcome::Progress,
            (true, false) => Outcome::Useless,
        };
        self.doing = Doing::Nothing;
        match (outcome, self.peers.get_mut(&peer)) {
            (Outcome::Useless, _) => self.strike(peer, now, config),
            (Outcome::Complete, Some(state)) => (state.strikes, state.wanted) = (0, None),
            (Outcome::Progress, Some(state)) => (state.strikes, state.wanted) = (0, Some(now)),
            (Outcome::Complete | Outcome::Progress, None) => {}
        }
        Some(outcome)
    }

    /// Gives up the request whose time is over; true if there was one.
    pub(super) fn time_out(&mut self, now: Duration, config: &Config) -> bool {
        match &self.doing {
            Doing::Asking(asked) if asked.deadline <= now => {
                let peer = asked.peer;
                self.doing = Doing::Nothing;
                self.strike(peer, now, config);
                true
            }
            _ => false,
        }
    }

    /// Leaves a peer alone for a while, and plans to ask another one meanwhile.
    fn strike(&mut self, peer: NodeId, now: Duration, config: &Config) {
        if let Some(state) = self.peers.get_mut(&peer) {
            let alone = doubled(config.backoff, state.strikes, config.backoff_max);
            state.alone_until = now.saturating_add(alone);
            state.strikes = state.strikes.saturating_add(1);
            state.wanted = Some(now);
        }
        self.want_other(peer, now);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match &self.doing {
            Doing::Nothing => self.peers.values().filter_map(Peer::due).min(),
            Doing::Asking(asked) => Some(asked.deadline),
            Doing::Storing(_) => None,
        }
    }

    /// Begins to serve a peer; false if it is not connected or has a request under way.
    pub(super) fn begin_serving(&mut self, peer: NodeId, request: RequestId) -> bool {
        match self.peers.get_mut(&peer) {
            Some(state) if state.serving.is_none() => {
                state.serving = Some(request);
                true
            }
            _ => false,
        }
    }

    /// Ends serving a peer; false if this request is not being served.
    pub(super) fn end_serving(&mut self, peer: NodeId, request: RequestId) -> bool {
        let state = self
            .peers
            .get_mut(&peer)
            .filter(|state| state.serving == Some(request));
        state.is_some_and(|state| state.serving.take().is_some())
    }
}

impl Peer {
    fn due(&self) -> Option<Duration> {
        self.wanted.map(|at| at.max(self.alone_until))
    }
}

/// A delay that doubles with every strike.
fn doubled(delay: Duration, strikes: u32, max: Duration) -> Duration {
    delay.saturating_mul(1 << strikes.min(20)).min(max)
}
