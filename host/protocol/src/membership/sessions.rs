//! Peers with a session, and what each may have of this node in a period.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::ids::NodeId;

/// Answers to one peer in a period that carry news. A member is probed once a period on average;
/// whoever asks more often is answered, but does not use up what others have to hear.
const ANSWERS_WITH_NEWS_MAX: u32 = 8;

/// A peer with a session.
#[derive(Debug, Clone, Copy)]
struct Session {
    address: SocketAddr,
    /// When it last got parts of the table as an answer.
    table_at: Option<Duration>,
    /// Whether this node asked for its table, and may be asked back.
    is_asked: bool,
    /// When its present period began, and how many answers with news it got since.
    news: (Duration, u32),
}

/// The sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<NodeId, Session>,
}

impl Sessions {
    pub(super) fn open(&mut self, now: Duration, peer: NodeId, address: SocketAddr) {
        self.sessions.insert(
            peer,
            Session {
                address,
                table_at: None,
                is_asked: false,
                news: (now, 0),
            },
        );
    }

    pub(super) fn close(&mut self, peer: NodeId) {
        self.sessions.remove(&peer);
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Where a peer said that it listens.
    pub(super) fn address(&self, peer: NodeId) -> Option<SocketAddr> {
        Some(self.sessions.get(&peer)?.address)
    }

    /// Takes note that the peer is being asked for its table.
    pub(super) fn asked(&mut self, peer: NodeId) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.is_asked = true;
        }
    }

    /// Where to send what a peer wants that was asked, once for each time.
    pub(super) fn answer_for(&mut self, peer: NodeId) -> Option<SocketAddr> {
        let session = self.sessions.get_mut(&peer)?;
        std::mem::take(&mut session.is_asked).then_some(session.address)
    }

    /// Where to send parts of the table, if the peer may have it: once a period.
    pub(super) fn table_for(
        &mut self,
        now: Duration,
        peer: NodeId,
        period: Duration,
    ) -> Option<SocketAddr> {
        let session = self.sessions.get_mut(&peer)?;
        if session.table_at.is_some_and(|at| now < at + period) {
            return None;
        }
        session.table_at = Some(now);
        Some(session.address)
    }

    /// Whether the next answer to a peer may carry news.
    pub(super) fn may_carry_news(&mut self, now: Duration, peer: NodeId, period: Duration) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return true;
        };
        let (since, count) = &mut session.news;
        if now >= *since + period {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= ANSWERS_WITH_NEWS_MAX
    }
}
