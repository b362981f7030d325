//! The state machine of SWIM: probes, answers, timers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use crate::ids::NodeId;
use crate::scores::{Excess, Offenders};

use super::gossip::Gossip;
use super::health::LocalHealth;
use super::probes::{chosen, share_of, varied};
use super::probing::Probing;
use super::sessions::Sessions;
use super::suspicion::{Accusers, Suspicion};
use super::sync::Continuation;
use super::table::{Entry, Table};
use super::{
    Config, Local, Member, Membership, Message, MessageError, Metadata, OutEvent, Record, Rumour,
    Said, Status,
};

/// SWIM over the full view. How to operate it: see [`Membership`].
///
/// Timers: the end of the period and the time-out of the direct probe in it; the end of each
/// suspicion; word to those for whom a probe had no answer; news that waits for `gossip_interval`;
/// the next comparison of tables; the next attempt to reach a dead member.
///
/// If a timer comes late by a period or more, this node was the one that stalled: it judges
/// nobody by that period, and suspicions last longer by that time.
#[derive(Debug)]
pub struct Swim {
    pub(super) config: Config,
    pub(super) local: Local,
    pub(super) own: Record,
    pub(super) table: Table,
    pub(super) gossip: Gossip,
    pub(super) probing: Probing,
    /// Until when each suspect may refute.
    pub(super) suspicions: BTreeMap<NodeId, Suspicion>,
    pub(super) accusers: Accusers,
    pub(super) health: LocalHealth,
    pub(super) sessions: Sessions,
    pub(super) period_end: Duration,
    /// News is not sent before.
    pub(super) gossip_at: Duration,
    pub(super) continuation: Option<Continuation>,
    sync_at: Duration,
    reconnect_at: Duration,
    pub(super) events: VecDeque<OutEvent>,
    pub(super) counts: Counts,
    pub(super) offenders: Offenders,
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that were answered by nobody.
    pub failed_probes_count: u64,
    /// How often this node spoke up for itself.
    pub refutations_count: u64,
    /// Newcomers that were refused at `members_max`.
    pub refused_members_count: u64,
    /// Requests that were ignored at a bound: indirect probes, exchanges of tables.
    pub ignored_requests_count: u64,
    /// Accusations that did not count: of strangers, and of members that accuse more than they
    /// probe.
    pub ignored_accusations_count: u64,
}

impl Swim {
    /// Starts alone: this node knows nobody until a session is opened.
    pub fn new(config: Config, local: Local, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        let said = Said {
            node: local.identity.id(),
            incarnation: local.incarnation,
            is_leaving: false,
            generation: local.generation,
            address: local.address,
            metadata: local.metadata.clone(),
        };
        let own = Record::sign(&local.identity, said);
        let mut gossip = Gossip::default();
        gossip.add(own.node);
        Self {
            table: Table::default(),
            gossip,
            probing: Probing::new(config.relays_max, rng),
            suspicions: BTreeMap::new(),
            accusers: Accusers::default(),
            health: LocalHealth::new(config.lifeguard.local_health),
            continuation: None,
            sessions: Sessions::default(),
            // Somewhere in the first period, so that nodes do not move in step.
            period_end: now + share_of(config.probe_interval, rng),
            gossip_at: now,
            sync_at: now + varied(config.sync_interval, rng),
            reconnect_at: now + varied(config.reconnect_interval, rng),
            events: VecDeque::new(),
            counts: Counts::default(),
            offenders: Offenders::default(),
            config,
            local,
            own,
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Who accused more members than it can have probed, in its own name and by its own word, since
    /// this was last asked. To be weighed ([`scores`](crate::scores)).
    pub fn take_offences(&mut self) -> BTreeMap<NodeId, Excess> {
        self.offenders.take()
    }

    /// A member other than this node.
    pub fn member(&self, node: &NodeId) -> Option<Member> {
        self.table.get(*node).map(Entry::member)
    }

    /// Whether this node said goodbye.
    pub fn is_leaving(&self) -> bool {
        self.own.is_leaving
    }

    pub(super) fn send(&mut self, to: NodeId, address: SocketAddr, message: Message) {
        self.events.push_back(OutEvent::Send {
            to,
            address,
            message,
        });
    }

    /// Members that count, this node included.
    pub(super) fn present_count(&self) -> usize {
        self.table.present_count() + 1
    }

    /// Where to answer.
    pub(super) fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        let known = self.table.get(node).map(|entry| entry.record.address);
        known.or_else(|| self.sessions.address(node))
    }

    /// Starts with members that were known before, as far as their records are right. Nobody is
    /// told of them; the next comparison of tables shows what changed meanwhile.
    pub fn handle_known(
        &mut self,
        now: Duration,
        records: impl IntoIterator<Item = Record>,
        rng: &mut impl Rng,
    ) {
        for record in records {
            let is_new = record.node != self.own.node && self.table.get(record.node).is_none();
            if is_new && self.admit(&record, rng) == Ok(true) {
                let node = record.node;
                let change = self.table.take_record(now, record);
                self.tell(node, change);
            }
        }
    }

    /// Tells everyone something else of this node: what it subscribes to, what its application
    /// adds. It takes the next incarnation, and spreads as rumours do.
    pub fn handle_metadata(&mut self, metadata: Metadata) {
        if !self.is_leaving() && self.own.metadata != metadata {
            self.speak_up(self.own.incarnation, false, metadata);
        }
    }

    /// The records of all present members, this node included, for [`Swim::handle_known`] at the
    /// next start.
    pub fn records(&self) -> Vec<Record> {
        let present = self.table.present().map(|entry| entry.record.clone());
        present.chain([self.own.clone()]).collect()
    }
}

impl Membership for Swim {
    type Message = Message;
    type MessageError = MessageError;

    fn handle_session_opened(
        &mut self,
        now: Duration,
        peer: NodeId,
        address: SocketAddr,
        _rng: &mut impl Rng,
    ) {
        if self.is_leaving() || self.sessions.len() >= self.config.members_max {
            return;
        }
        self.sessions.open(now, peer, address);
        if self.table.get(peer).is_none_or(|entry| !entry.is_present()) {
            self.send_sync(peer, address);
        }
    }

    fn handle_session_closed(&mut self, _now: Duration, peer: NodeId, _rng: &mut impl Rng) {
        self.sessions.close(peer);
        if self.table.get(peer).is_some_and(Entry::is_present) {
            self.probing.prefer(peer);
        }
    }

    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        if self.is_leaving() {
            return Ok(());
        }
        match message {
            Message::Ping { sequence, gossip } => {
                let heard = self.hear(now, from, gossip, rng);
                self.answer(now, from, sequence);
                heard
            }
            Message::IndirectPing {
                sequence,
                target,
                gossip,
            } => {
                let heard = self.hear(now, from, gossip, rng);
                self.on_indirect_ping(now, from, sequence, target);
                heard
            }
            Message::Ack { sequence, gossip } => {
                self.on_ack(now, from, sequence);
                self.hear(now, from, gossip, rng)
            }
            Message::Nack { sequence } => {
                self.on_nack(from, sequence);
                Ok(())
            }
            Message::Sync { digests } => {
                self.on_sync(now, from, &digests, rng);
                Ok(())
            }
            Message::SyncReply { wanted, members } => {
                self.on_sync_reply(now, from, wanted, members, rng)
            }
            Message::Gossip { gossip } => self.hear(now, from, gossip, rng),
        }
    }

    fn handle_leave(&mut self, _now: Duration, rng: &mut impl Rng) {
        if self.is_leaving() {
            return;
        }
        self.speak_up(self.own.incarnation, true, self.own.metadata.clone());
        let goodbye = Rumour {
            status: Status::Left,
            ..Rumour::alive(self.own.clone())
        };
        let count = self.config.leave_fanout_count;
        for (node, address) in chosen(self.table.present(), count, rng) {
            let gossip = vec![goodbye.clone()];
            self.send(node, address, Message::Gossip { gossip });
        }
    }

    fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        if self.is_leaving() {
            return;
        }
        self.forgive_own_stall(now);
        self.probe_indirectly(now, rng);
        self.send_nacks(now);
        self.continue_sync(now);
        if now >= self.period_end {
            self.end_period(now, rng);
        }
        // After this node's own accusation, which may end one.
        self.end_suspicions(now);
        if self.gossip.has_news() && now >= self.gossip_at {
            self.send_news(now, rng);
        }
        if now >= self.sync_at {
            self.sync_at = now + varied(self.config.sync_interval, rng);
            self.keep_house(now);
            self.sync_with_random(Entry::is_present, rng);
        }
        if now >= self.reconnect_at {
            self.reconnect_at = now + varied(self.config.reconnect_interval, rng);
            self.sync_with_random(|entry| entry.status() == Status::Dead, rng);
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        if self.is_leaving() {
            return None;
        }
        let current = self.probing.current.as_ref();
        let indirect = current.and_then(|probe| probe.indirect_at);
        let fixed = [self.period_end, self.sync_at, self.reconnect_at];
        let suspicions = self.suspicions.values().map(|of| of.until);
        let news = self.gossip.has_news().then_some(self.gossip_at);
        fixed
            .into_iter()
            .chain(suspicions)
            .chain(indirect)
            .chain(news)
            .chain(self.probing.next_nack())
            .chain(self.continuation.map(|of| of.at))
            .min()
    }

    fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    fn members(&self) -> Vec<Member> {
        let status = match self.own.is_leaving {
            true => Status::Left,
            false => Status::Alive,
        };
        let own = Member::of(&self.own, status);
        let others = self.table.iter().map(Entry::member);
        let mut members: Vec<Member> = others.chain([own]).collect();
        members.sort_by_key(|member| member.node);
        members
    }
}
