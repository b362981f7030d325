//! The sessions that are in use: at most one for each peer.
//!
//! Whoever dials admits a session before the peer has it ([`handshake`](super::handshake)), and
//! drops it if there is one with that peer by then: a node that dials another twice (a seed by its
//! name, and the member that it turns out to be), or that was dialed meanwhile, has one session.
//!
//! Only if each dialed the other before it heard of the other's dial there are two for a moment;
//! then the one stays that [`kept_initiator`] says, on both sides alike. When an established
//! session is older than a handshake can take, a new one means that the peer lost the old one (it
//! would not dial otherwise): the new one takes its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replicant_protocol::ids::NodeId;
use replicant_protocol::session::{CloseReason, Peer, kept_initiator};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::config::NetworkLimits;
use super::outbox::{Outbox, Parcel, Rooms};
use super::penalties::Source;

/// A session in use.
#[derive(Debug)]
pub(super) struct Link {
    /// Grows with every session; tells an old session with a peer from a new one.
    pub(super) number: u64,
    /// Who is at the other end.
    pub(super) peer: Peer,
    /// Where the connection comes from or goes to.
    pub(super) remote: IpAddr,
    /// What waits to be sent.
    pub(super) outbox: Outbox,
    /// Places for the peer's messages that wait for the driver: of failure detection.
    pub(super) control_places: Budget,
    /// And of other messages.
    pub(super) data_places: Budget,
    /// Cancelled when nothing more is to be read or sent but a goodbye.
    pub(super) ended: CancellationToken,
    /// Told when membership gives the peer up.
    pub(super) doubted: Notify,
    /// Whether what comes through it counts, membership aside.
    is_heard: AtomicBool,
    initiator: NodeId,
    since: Duration,
}

impl Link {
    /// Whether what comes through it counts, membership aside.
    pub(super) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Acquire)
    }

    /// From now on it counts, or not.
    pub(super) fn set_heard(&self, is_heard: bool) {
        self.is_heard.store(is_heard, Ordering::Release);
    }

    /// Ends the session without sending what waits, but with a goodbye.
    pub(super) fn close_at_once(&self, reason: CloseReason) {
        self.close_with(reason, None);
    }

    /// Ends the session without sending what waits, but with a last message and a goodbye.
    pub(super) fn close_with(&self, reason: CloseReason, last: Option<Arc<Parcel>>) {
        self.outbox.close_with(reason, last);
        self.ended.cancel();
    }
}

/// A session that has just been established.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Who is at the other end.
    pub(super) peer: Peer,
    /// Where the connection comes from or goes to.
    pub(super) remote: IpAddr,
    /// Whether this node dialed.
    pub(super) is_dialed: bool,
}

/// The table of sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    own: NodeId,
    /// How long two sessions with one peer may be apart and still be a race.
    race: Duration,
    limits: NetworkLimits,
    rooms: Rooms,
    table: Mutex<Table>,
    /// Peers by id, kept up to date as long as somebody follows them.
    peers: watch::Sender<Arc<[NodeId]>>,
}

#[derive(Debug)]
struct Table {
    links: BTreeMap<NodeId, Arc<Link>>,
    next: u64,
    is_open: bool,
}

impl Sessions {
    /// Starts empty and open.
    pub(super) fn new(own: NodeId, race: Duration, limits: &NetworkLimits) -> Self {
        Self {
            own,
            race,
            limits: limits.clone(),
            rooms: Rooms::new(limits),
            table: Mutex::new(Table {
                links: BTreeMap::new(),
                next: 0,
                is_open: true,
            }),
            peers: watch::Sender::default(),
        }
    }

    /// Follows who there are sessions with, by id. Whoever looks late sees the latest.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<[NodeId]>> {
        let table = self.lock();
        let watch = self.peers.subscribe();
        self.tell(&table);
        watch
    }

    /// Tells who follows the peers that they changed.
    fn tell(&self, table: &Table) {
        if self.peers.receiver_count() > 0 {
            let peers = table.links.keys().copied();
            self.peers.send_replace(peers.collect());
        }
    }

    /// Puts a session into use. An older one with the same peer is closed if it gives way.
    ///
    /// # Errors
    /// Why the new session is to be closed instead.
    pub(super) fn admit(
        &self,
        now: Duration,
        candidate: Candidate,
    ) -> Result<Arc<Link>, CloseReason> {
        let Candidate { peer, remote, .. } = candidate;
        let initiator = match candidate.is_dialed {
            true => self.own,
            false => peer.node,
        };
        let mut table = self.lock();
        if !table.is_open {
            return Err(CloseReason::Shutdown);
        }
        let is_kept = |of: NodeId| of == kept_initiator(self.own, peer.node);
        match table.links.get(&peer.node) {
            Some(_) if candidate.is_dialed => return Err(CloseReason::Duplicate),
            Some(old)
                if now < old.since.saturating_add(self.race)
                    && is_kept(old.initiator)
                    && !is_kept(initiator) =>
            {
                return Err(CloseReason::Duplicate);
            }
            Some(old) => old.close_at_once(CloseReason::Duplicate),
            None if table.links.len() >= self.limits.sessions_max => {
                return Err(CloseReason::Refused);
            }
            None => {}
        }
        table.next += 1;
        let link = Arc::new(Link {
            number: table.next,
            peer,
            remote,
            outbox: Outbox::new(&self.limits, &self.rooms),
            control_places: Budget::new(self.limits.inbox_messages_per_peer_max),
            data_places: Budget::new(self.limits.inbox_messages_per_peer_max),
            ended: CancellationToken::new(),
            doubted: Notify::new(),
            is_heard: AtomicBool::new(false),
            initiator,
            since: now,
        });
        table.links.insert(peer.node, link.clone());
        self.tell(&table);
        Ok(link)
    }

    /// Takes a session out of use, if no other has taken its place.
    pub(super) fn remove(&self, link: &Link) {
        let mut table = self.lock();
        let current = table.links.get(&link.peer.node);
        if current.is_some_and(|current| current.number == link.number) {
            table.links.remove(&link.peer.node);
            self.tell(&table);
        }
    }

    /// The room for what waits for all peers.
    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The session with a peer.
    pub(super) fn get(&self, peer: &NodeId) -> Option<Arc<Link>> {
        self.lock().links.get(peer).cloned()
    }

    /// Whether there is a session with a peer.
    pub(super) fn contains(&self, peer: &NodeId) -> bool {
        self.lock().links.contains_key(peer)
    }

    /// Whether there is a session with a node at this source.
    pub(super) fn has_source(&self, source: &Source) -> bool {
        let table = self.lock();
        let mut links = table.links.values();
        links.any(|link| Source::from(link.remote) == *source)
    }

    /// Peers, by id.
    pub(super) fn peers(&self) -> Vec<NodeId> {
        self.lock().links.keys().copied().collect()
    }

    /// How many there are, and how many bytes wait for them.
    pub(super) fn totals(&self) -> (usize, usize) {
        let table = self.lock();
        let waiting = table.links.values();
        let bytes = waiting.map(|link| link.outbox.waiting_bytes()).sum();
        (table.links.len(), bytes)
    }

    /// Whether sessions are admitted.
    pub(super) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Admits sessions again.
    pub(super) fn open(&self) {
        self.lock().is_open = true;
    }

    /// Closes all sessions with a goodbye and without what waits, and admits no more.
    pub(super) fn close_all_at_once(&self, reason: CloseReason) {
        let mut table = self.lock();
        table.is_open = false;
        for link in std::mem::take(&mut table.links).into_values() {
            link.close_at_once(reason);
        }
        self.tell(&table);
    }

    /// Closes all sessions after what waits, and admits no more.
    pub(super) fn close_all(&self, reason: CloseReason) {
        let mut table = self.lock();
        table.is_open = false;
        for link in table.links.values() {
            link.outbox.close(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while the lock is held, and the table is valid between any two lines.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::ids::ClusterId;

    use super::*;

    const RACE: Duration = Duration::from_secs(10);

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn candidate(number: u8, is_dialed: bool) -> Candidate {
        let remote = IpAddr::from([10, 0, 0, number]);
        Candidate {
            peer: Peer {
                node: node(number),
                address: (remote, 1).into(),
                version: 1,
                cluster: ClusterId::from_bytes([0; 32]),
                is_cluster_adopted: false,
            },
            remote,
            is_dialed,
        }
    }

    fn limits(sessions_max: usize) -> NetworkLimits {
        NetworkLimits {
            sessions_max,
            ..NetworkLimits::default()
        }
    }

    #[test]
    fn when_dials_cross_the_session_stays_that_the_lower_id_opened() {
        let now = Duration::from_secs(1);
        for (own, other) in [(1, 2), (2, 1)] {
            let sessions = Sessions::new(node(own), RACE, &limits(9));
            let dialed = sessions.admit(now, candidate(other, true));
            let accepted = sessions.admit(now, candidate(other, false));
            assert_eq!(sessions.get(&node(other)).unwrap().initiator, node(1));
            match own {
                1 => assert_eq!(accepted.unwrap_err(), CloseReason::Duplicate),
                _ => assert!(dialed.unwrap().ended.is_cancelled()),
            }
        }
    }

    #[test]
    fn a_dial_that_comes_too_late_is_dropped() {
        for first_is_dialed in [true, false] {
            let sessions = Sessions::new(node(1), RACE, &limits(9));
            let first = candidate(2, first_is_dialed);
            let first = sessions.admit(Duration::ZERO, first).unwrap();
            let second = sessions.admit(RACE, candidate(2, true));
            assert_eq!(second.unwrap_err(), CloseReason::Duplicate);
            assert!(!first.ended.is_cancelled());
        }
    }

    #[test]
    fn a_new_session_replaces_one_that_is_older_than_a_race() {
        let sessions = Sessions::new(node(1), RACE, &limits(9));
        let old = sessions.admit(Duration::ZERO, candidate(2, true)).unwrap();
        let new = sessions.admit(RACE, candidate(2, false)).unwrap();
        assert_eq!(old.outbox.closing(), Some(CloseReason::Duplicate));
        sessions.remove(&old);
        assert_eq!(sessions.get(&node(2)).unwrap().number, new.number);
        sessions.remove(&new);
        assert!(!sessions.contains(&node(2)));
    }

    #[test]
    fn the_number_of_sessions_is_bounded_but_a_peer_may_come_again() {
        let sessions = Sessions::new(node(1), RACE, &limits(2));
        for peer in 2..4 {
            sessions
                .admit(Duration::ZERO, candidate(peer, true))
                .unwrap();
        }
        let refused = sessions.admit(Duration::ZERO, candidate(9, true));
        assert_eq!(refused.map(|_| ()), Err(CloseReason::Refused));
        assert!(sessions.admit(RACE, candidate(2, false)).is_ok());
    }

    #[test]
    fn a_closed_table_admits_nobody_until_it_is_opened() {
        let sessions = Sessions::new(node(1), RACE, &limits(2));
        let link = sessions.admit(Duration::ZERO, candidate(2, true)).unwrap();
        sessions.close_all_at_once(CloseReason::Shutdown);
        assert!(link.ended.is_cancelled() && sessions.peers().is_empty());
        assert!(sessions.admit(Duration::ZERO, candidate(2, true)).is_err());
        sessions.open();
        assert!(sessions.admit(Duration::ZERO, candidate(2, true)).is_ok());
    }
}
