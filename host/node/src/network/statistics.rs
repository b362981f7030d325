//! What happened on the network since the start, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::membership::{self, hyparview};
use replicant_protocol::session::SessionError;

/// Counts what happens, from any task.
#[derive(Debug)]
pub(super) struct Counters {
    values: [AtomicU64; Count::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            values: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// Counts one.
    pub(super) fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    /// Counts `amount`.
    pub(super) fn add_many(&self, count: Count, amount: u64) {
        self.values[count as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts what happened in broadcast trees.
    pub(super) fn add_broadcasts(&self, counts: &plumtree::Counts) {
        for (count, amount) in [
            (Count::BroadcastDuplicates, counts.duplicate_count),
            (Count::BroadcastDropped, counts.dropped_count),
            (Count::AnnouncementsDropped, counts.dropped_i_haves_count),
            (Count::BroadcastGrafts, counts.grafts_count),
            (Count::BroadcastPrunes, counts.prunes_count),
            (Count::BroadcastGivenUp, counts.given_up_count),
        ] {
            self.add_many(count, amount);
        }
    }

    /// Counts what happened in rapid broadcasts.
    pub(super) fn add_rapid(&self, counts: &rapid::Counts) {
        for (count, amount) in [
            (Count::RapidDelivered, counts.delivered_count),
            (Count::RapidDuplicates, counts.duplicate_count),
            (Count::RapidDropped, counts.dropped_count),
            (Count::RapidBodiesSent, counts.bodies_sent_count),
            (
                Count::RapidAnnouncementsSent,
                counts.announcements_sent_count,
            ),
            (
                Count::RapidAnnouncementsIgnored,
                counts.announcements_ignored_count,
            ),
            (Count::RapidRequestsRefused, counts.requests_refused_count),
            (
                Count::AcknowledgementsIgnored,
                counts.acknowledgements_ignored_count,
            ),
        ] {
            self.add_many(count, amount);
        }
    }

    /// Counts what failure detection did since an earlier reading.
    pub(super) fn add_members(&self, now: &membership::Counts, before: &membership::Counts) {
        for (count, now, before) in [
            (
                Count::ProbesFailed,
                now.failed_probes_count,
                before.failed_probes_count,
            ),
            (
                Count::Refutations,
                now.refutations_count,
                before.refutations_count,
            ),
            (
                Count::MembersRefused,
                now.refused_members_count,
                before.refused_members_count,
            ),
            (
                Count::ProbesForOthersIgnored,
                now.ignored_requests_count,
                before.ignored_requests_count,
            ),
            (
                Count::AccusationsIgnored,
                now.ignored_accusations_count,
                before.ignored_accusations_count,
            ),
        ] {
            self.add_many(count, now - before);
        }
    }

    /// Counts what happened in partial views since an earlier reading.
    pub(super) fn add_views(&self, now: &hyparview::Counts, before: &hyparview::Counts) {
        for (count, now, before) in [
            (
                Count::ViewEvictions,
                now.evictions_count,
                before.evictions_count,
            ),
            (Count::ViewDropped, now.dropped_count, before.dropped_count),
            (
                Count::ViewUnreachable,
                now.unreachable_count,
                before.unreachable_count,
            ),
        ] {
            self.add_many(count, now - before);
        }
    }

    /// The value so far.
    pub(super) fn get(&self, count: Count) -> u64 {
        self.values[count as usize].load(Ordering::Relaxed)
    }
}

macro_rules! counts {
    ($($(#[doc = $doc:literal])* $name:ident = $label:literal,)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Count {
            $($(#[doc = $doc])* $name,)*
        }

        impl Count {
            /// Everything that is counted.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in metrics, without a prefix.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What it counts: its documentation.
            pub fn about(self) -> &'static str {
                let documentation = match self {
                    $(Self::$name => concat!($($doc),*),)*
                };
                documentation.trim_start()
            }
        }
    };
}

counts! {
    /// Bytes read from sockets, encrypted.
    BytesReceived = "bytes_received_total",
    /// Bytes written to sockets, encrypted.
    BytesSent = "bytes_sent_total",
    /// Messages of peers that were read.
    MessagesReceived = "messages_received_total",
    /// Messages handed to sessions.
    MessagesSent = "messages_sent_total",
    /// Messages not sent: too much waits for the peer.
    DroppedPeerSlow = "messages_dropped_peer_slow_total",
    /// Messages not sent: too much waits for all peers together.
    DroppedQueuesFull = "messages_dropped_queues_full_total",
    /// Messages not sent: there is no session with the peer.
    DroppedNoSession = "messages_dropped_no_session_total",
    /// Messages of the node that the driver had no room for.
    DroppedDriverBusy = "messages_dropped_driver_busy_total",
    /// Messages of peers that the node had no room for.
    DroppedNodeBusy = "messages_dropped_node_busy_total",
    /// Messages of peers that are no neighbours, or not any more. With partial views.
    NotOfNeighbours = "messages_of_no_neighbour_total",
    /// Probes of members that nobody saw answered. With a full view.
    ProbesFailed = "member_probes_failed_total",
    /// Times that this node was suspected and said that it is there. With a full view.
    Refutations = "member_refutations_total",
    /// Newcomers that were not taken, since there are as many members as there may be. With a full
    /// view.
    MembersRefused = "members_refused_total",
    /// Requests of members to probe others, or to compare who there is, that were ignored at a
    /// bound. With a full view.
    ProbesForOthersIgnored = "member_requests_ignored_total",
    /// Accusations that did not count: of nodes that are no members, and of members that accuse
    /// more than they can have probed. With a full view.
    AccusationsIgnored = "member_accusations_ignored_total",
    /// Neighbours that were sent away for a node in need.
    ViewEvictions = "view_evictions_total",
    /// Walks and requests to be neighbours dropped at a rate.
    ViewDropped = "view_requests_dropped_total",
    /// Nodes that others named, or that were known, and could not be reached.
    ViewUnreachable = "view_unreachable_total",
    /// Payloads of a tree that came again.
    BroadcastDuplicates = "broadcast_duplicates_total",
    /// Payloads of a tree that the node had no room for.
    BroadcastDropped = "broadcast_dropped_total",
    /// Announcements in a tree that were dropped at a bound.
    AnnouncementsDropped = "broadcast_announcements_dropped_total",
    /// Payloads and beacons that were asked for since they did not come along their tree.
    BroadcastGrafts = "broadcast_grafts_total",
    /// Links of trees that were found needless.
    BroadcastPrunes = "broadcast_prunes_total",
    /// Announced payloads that nobody sent.
    BroadcastGivenUp = "broadcast_given_up_total",
    /// Payloads that came by rapid broadcast for the first time.
    RapidDelivered = "rapid_delivered_total",
    /// Payloads of rapid broadcast, or chunks of them, that came again.
    RapidDuplicates = "rapid_duplicates_total",
    /// Payloads of rapid broadcast that the node had no room for.
    RapidDropped = "rapid_dropped_total",
    /// Payloads of rapid broadcast, or chunks of them, that went out.
    RapidBodiesSent = "rapid_bodies_sent_total",
    /// Announcements of large payloads that went out.
    RapidAnnouncementsSent = "rapid_announcements_sent_total",
    /// Announcements of peers that were ignored, since too much is being fetched.
    RapidAnnouncementsIgnored = "rapid_announcements_ignored_total",
    /// Requests for what is not here, or was given often enough.
    RapidRequestsRefused = "rapid_requests_refused_total",
    /// Times that a peer's socket was left unread since it sent too fast.
    RateLimited = "peer_rate_limited_total",
    /// Sessions with other nodes that were established.
    SessionsOpened = "sessions_opened_total",
    /// Sessions that a newer one between the same nodes replaced, or that gave way to it.
    SessionsDuplicate = "sessions_duplicate_total",
    /// Sessions closed since the peer did not read.
    SessionsStalled = "sessions_stalled_total",
    /// Sessions closed since the peer was silent.
    SessionsIdle = "sessions_idle_total",
    /// Sessions that broke off without a goodbye.
    SessionsBroken = "sessions_broken_total",
    /// Sessions closed since the peer sent what no correct node sends.
    SessionsMalicious = "sessions_malicious_total",
    /// Sessions closed since a fact revokes the peer.
    SessionsRevoked = "sessions_revoked_total",
    /// Connections refused: the node is off the network.
    RefusedDisabled = "connections_refused_disabled_total",
    /// Connections refused: their source or node is being punished.
    RefusedPenalty = "connections_refused_penalty_total",
    /// Sessions that peers refused: they have as many as they may, or this node is revoked.
    RefusedByPeer = "sessions_refused_by_peer_total",
    /// Connections refused: a fact revokes the node.
    RefusedRevoked = "connections_refused_revoked_total",
    /// Connections refused: there are as many sessions as there may be.
    RefusedFull = "connections_refused_full_total",
    /// Half-open connections that gave way to newer ones.
    HalfOpenEvicted = "half_open_evicted_total",
    /// Connections that could not be accepted, for lack of file descriptors, say.
    AcceptFailed = "accept_failed_total",
    /// Dials that reached nobody.
    DialUnreachable = "dials_unreachable_total",
    /// Lookups of nodes to join that the name service did not answer, or not with an address.
    LookupsFailed = "lookups_failed_total",
    /// Datagrams heard from the group that beacons go to.
    BeaconsReceived = "beacons_received_total",
    /// Datagrams heard from the group that beacons go to that were no beacon of this version.
    BeaconsMalformed = "beacons_malformed_total",
    /// Handshakes not finished in time.
    HandshakeTimeout = "handshakes_failed_timeout_total",
    /// Handshakes that were not this protocol, damaged, or not signed.
    HandshakeInvalid = "handshakes_failed_invalid_total",
    /// Handshakes that broke off.
    HandshakeBroken = "handshakes_failed_broken_total",
    /// Handshakes with a node of another cluster.
    HandshakeCluster = "handshakes_failed_cluster_total",
    /// Handshakes without a protocol version in common.
    HandshakeVersion = "handshakes_failed_version_total",
    /// Handshakes with this node itself.
    HandshakeOneself = "handshakes_failed_oneself_total",
    /// Handshakes with a node that follows another strategy of membership.
    HandshakeView = "handshakes_failed_membership_total",
    /// Dials that were answered by another node than the one at that address.
    HandshakeUnexpected = "handshakes_failed_unexpected_total",
    /// Parts of modules that did not have their hash.
    ContentMisbehaviour = "content_misbehaviour_total",
    /// Publications that their author did not sign, or that were not in their topic.
    TopicMisbehaviour = "topic_misbehaviour_total",
    /// Publications dropped since the access rules do not let who stands on them as author publish
    /// there, or a fact revokes it.
    PublicationsForbidden = "publications_forbidden_total",
    /// Messages to this node alone that no program listened for: they are gone.
    DirectUnheard = "direct_messages_unheard_total",
    /// Publications handed on for an author that has no session with some who listen, by this node
    /// that does not. With a full view.
    PublicationsHandedOn = "publications_handed_on_total",
    /// Overlays of topics not opened for a peer that had very many opened.
    TopicOpeningsRefused = "topic_openings_refused_total",
    /// Publications dropped since their author did not turn out to be a member.
    PublicationsOfStrangers = "publications_of_strangers_total",
    /// Publications of authors not heard before, beyond those that numbers are remembered of: heard
    /// and passed on. With partial views.
    PublicationsOfNewcomers = "publications_of_newcomers_total",
    /// Publications passed on to everybody that nobody listens to here. With partial views.
    PublicationsPassedOn = "publications_passed_on_total",
    /// Calls for circles that this node made. With partial views.
    CircleCalls = "circle_calls_total",
    /// Calls of others for circles that were not passed on: too many of one node, or of all.
    CircleCallsExcess = "circle_calls_excess_total",
    /// Publications of this node that were handed in to members of a circle.
    CircleHandedIn = "circle_handed_in_total",
    /// Publications of this node that went to everybody, since a circle was not found, or a node
    /// listens outside of it.
    CircleShared = "circle_shared_total",
    /// Publications that went to everybody later, since no member of a circle took them.
    CircleUntaken = "circle_untaken_total",
    /// Requests in circles of nodes that may not subscribe, and of such that others named.
    CircleForbidden = "circle_forbidden_total",
    /// Answers about circles that nobody waits for here, or any more since an earlier one was
    /// enough, and questions beyond the rate.
    CircleIgnored = "circle_ignored_total",
    /// Acknowledgements that name nodes that listen to nothing, or of publications that nobody
    /// waits for here, or any more.
    AcknowledgementsIgnored = "acknowledgements_ignored_total",
    /// Switches of types that are dated too far ahead of this node's clock, and not taken yet.
    SwitchesAhead = "switches_ahead_total",
    /// Nodes and sources put on the list of those refused for a while.
    Penalties = "penalties_total",
}

impl Count {
    /// Under what a failed handshake is counted.
    pub(super) fn of_handshake(error: &SessionError) -> Self {
        match error {
            SessionError::HandshakeTimeout | SessionError::IdleTimeout => Self::HandshakeTimeout,
            SessionError::Cluster { .. } | SessionError::NoCluster => Self::HandshakeCluster,
            SessionError::Version { .. } => Self::HandshakeVersion,
            SessionError::View { .. } => Self::HandshakeView,
            SessionError::Oneself => Self::HandshakeOneself,
            SessionError::UnexpectedNode { .. } => Self::HandshakeUnexpected,
            SessionError::Truncated | SessionError::Over | SessionError::Internal { .. } => {
                Self::HandshakeBroken
            }
            _ => Self::HandshakeInvalid,
        }
    }
}

/// What happened so far, and how much there is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStatistics {
    /// Sessions open now.
    pub sessions: usize,
    /// Accepted connections whose handshake is under way now.
    pub half_open: usize,
    /// Bytes that wait for peers now.
    pub queued_bytes: usize,
    /// Nodes and sources on the list of penalties, expired ones included.
    pub penalties: usize,
    /// Every count since the start, in the order of [`Count::ALL`].
    pub counts: Vec<(Count, u64)>,
}

impl NetworkStatistics {
    /// One count.
    pub fn get(&self, count: Count) -> u64 {
        let found = self.counts.iter().find(|(of, _)| *of == count);
        found.map_or(0, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_a_place_and_a_name_of_its_own() {
        let counters = Counters::default();
        let mut names = Vec::new();
        for (index, count) in Count::ALL.iter().enumerate() {
            counters.add_many(*count, index as u64 + 1);
            assert_eq!(counters.get(*count), index as u64 + 1);
            assert!(count.name().ends_with("_total"));
            names.push(count.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Count::ALL.len());
    }
}
