//! Whom to ask for what is missing, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Config, RequestId};
use crate::identity::NodeId;
use crate::version::VersionVector;

/// How often in a row a peer may be of no use before it is given up, until there is news of it.
const STRIKES_MAX: u32 = 5;

/// A peer whose answer takes more than this part of `request_timeout` is asked after the others.
const SLOW_PART: u32 = 4;

/// How a bundle came. Ordered: what was asked for is kept longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    /// In a chunk that was asked for.
    Sync,
    /// Unasked.
    Broadcast,
}

/// How good a peer is: often of no use, slow when it answered last. Smaller is better.
type Standing = (u32, bool);

/// What is known of a connected peer.
#[derive(Debug, Default)]
struct Peer {
    /// It may have something that is missing here; ask from this time on.
    wanted: Option<Duration>,
    /// How often in a row asking it was of no use.
    strikes: u32,
    /// Its last answer took long.
    is_slow: bool,
    /// Leave it alone until then.
    alone_until: Duration,
    /// When it was asked last.
    asked: Duration,
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) peer: NodeId,
    pub(super) request: RequestId,
    /// From then on it gives way to a better peer, if one is needed, and to what shows that the
    /// answer will not come.
    patience: Duration,
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
/// slow ones after them, those that were of no use last and less and less often.
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

    /// Plans to ask the best peer other than this one, if there is any that is not given up.
    fn want_other(&mut self, peer: NodeId, at: Duration) {
        let others = self
            .peers
            .iter_mut()
            .filter(|(other, state)| **other != peer && state.strikes < STRIKES_MAX);
        let best = others.min_by_key(|(id, state)| (state.standing(), state.asked, **id));
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
        due.min_by_key(|(id, state)| (state.standing(), state.asked, **id))
            .map(|(id, _)| *id)
    }

    /// When a peer that is better than this one wants to be asked.
    fn better_due(&self, than: NodeId) -> Option<Duration> {
        let standing = self.peers.get(&than)?.standing();
        let better = self.peers.values().filter(|of| of.standing() < standing);
        better.filter_map(Peer::due).min()
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
            patience: now.saturating_add(config.request_timeout),
            deadline: now.saturating_add(timeout),
        });
        request
    }

    /// Takes note of a chunk, with whether there is more and the peer's version; false if nobody
    /// waits for it.
    pub(super) fn arrived(
        &mut self,
        now: Duration,
        peer: NodeId,
        request: RequestId,
        (more, version): (bool, VersionVector),
        config: &Config,
    ) -> bool {
        let expected =
            matches!(&self.doing, Doing::Asking(a) if (a.peer, a.request) == (peer, request));
        if expected {
            if let Some(state) = self.peers.get_mut(&peer) {
                let took = now.saturating_sub(state.asked);
                state.is_slow = took > config.request_timeout / SLOW_PART;
            }
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
        match self.request_end() {
            Some((peer, end)) if end <= now => {
                self.doing = Doing::Nothing;
                self.strike(peer, now, config);
                true
            }
            _ => false,
        }
    }

    /// Gives up the request of a peer that answers others meanwhile: it was lost. True if there was
    /// one, and the usual time is over.
    pub(super) fn time_out_early(&mut self, peer: NodeId, now: Duration, config: &Config) -> bool {
        let is_lost =
            matches!(&self.doing, Doing::Asking(a) if a.peer == peer && a.patience <= now);
        if is_lost {
            self.doing = Doing::Nothing;
            self.strike(peer, now, config);
        }
        is_lost
    }

    /// Who is asked, and when its time is over.
    fn request_end(&self) -> Option<(NodeId, Duration)> {
        let Doing::Asking(asked) = &self.doing else {
            return None;
        };
        let better = self.better_due(asked.peer);
        let end = better.map_or(asked.deadline, |due| {
            due.max(asked.patience).min(asked.deadline)
        });
        Some((asked.peer, end))
    }

    /// Leaves a peer alone for a while, and plans to ask another one meanwhile.
    fn strike(&mut self, peer: NodeId, now: Duration, config: &Config) {
        if let Some(state) = self.peers.get_mut(&peer) {
            let alone = doubled(config.backoff, state.strikes, config.backoff_max);
            state.alone_until = now.saturating_add(alone);
            state.strikes = state.strikes.saturating_add(1);
            state.wanted = (state.strikes < STRIKES_MAX).then_some(now);
        }
        self.want_other(peer, now);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match &self.doing {
            Doing::Nothing => self.peers.values().filter_map(Peer::due).min(),
            Doing::Asking(_) => self.request_end().map(|(_, end)| end),
            Doing::Storing(_) => None,
        }
    }
}

impl Peer {
    fn due(&self) -> Option<Duration> {
        self.wanted.map(|at| at.max(self.alone_until))
    }

    fn standing(&self) -> Standing {
        (self.strikes, self.is_slow)
    }
}

/// A delay that doubles with every strike.
fn doubled(delay: Duration, strikes: u32, max: Duration) -> Duration {
    delay.saturating_mul(1 << strikes.min(20)).min(max)
}
