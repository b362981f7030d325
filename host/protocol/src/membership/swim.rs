//! The state machine of SWIM: probes, answers, timers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::ids::NodeId;

use super::gossip::Gossip;
use super::probing::{Probe, Probing, Relay};
use super::sessions::Sessions;
use super::table::{Entry, Table};
use super::{
    Config, Local, Member, Membership, Message, MessageError, OutEvent, Record, Rumour, Status,
};

/// SWIM over the full view. How to operate it: see [`Membership`].
///
/// Timers: the end of the period and the time-out of the direct probe in it; the end of each
/// suspicion; news that waits for `gossip_interval`; the next exchange of tables; the next attempt
/// to reach a dead member.
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
    pub(super) suspicions: BTreeMap<NodeId, Duration>,
    sessions: Sessions,
    period_end: Duration,
    /// News is not sent before.
    gossip_at: Duration,
    sync_at: Duration,
    reconnect_at: Duration,
    pub(super) events: VecDeque<OutEvent>,
    pub(super) counts: Counts,
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
}

impl Swim {
    /// Starts alone: this node knows nobody until a session is opened.
    pub fn new(config: Config, local: Local, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        let own = Record::sign(
            &local.identity,
            local.incarnation,
            false,
            local.generation,
            local.address,
        );
        let mut gossip = Gossip::default();
        gossip.add(own.node);
        Self {
            table: Table::default(),
            gossip,
            probing: Probing::new(config.relays_max, rng),
            suspicions: BTreeMap::new(),
            sessions: Sessions::default(),
            // Somewhere in the first period, so that nodes do not move in step.
            period_end: now + share_of(config.probe_interval, rng),
            gossip_at: now,
            sync_at: now + varied(config.sync_interval, rng),
            reconnect_at: now + varied(config.reconnect_interval, rng),
            events: VecDeque::new(),
            counts: Counts::default(),
            config,
            local,
            own,
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
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
        self.table.present().count() + 1
    }

    /// Where to answer.
    fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        let known = self.table.get(node).map(|entry| entry.record.address);
        known.or_else(|| self.sessions.address(node))
    }

    fn answer(&mut self, now: Duration, to: NodeId, sequence: u32) {
        if let Some(address) = self.address_of(to) {
            let period = self.config.probe_interval;
            let gossip = match self.sessions.may_carry_news(now, to, period) {
                true => self.gossip_for(to),
                false => Vec::new(),
            };
            self.send(to, address, Message::Ack { sequence, gossip });
        }
    }

    fn on_indirect_ping(&mut self, now: Duration, asker: NodeId, sequence: u32, target: NodeId) {
        let entry = self.table.get(target).filter(|entry| entry.is_present());
        let Some(address) = entry.map(|entry| entry.record.address) else {
            return;
        };
        let relay = Relay {
            asker,
            asker_sequence: sequence,
            target,
            until: now + self.config.probe_interval,
        };
        let Some(sequence) = self.probing.add_relay(relay) else {
            self.counts.ignored_requests_count += 1;
            return;
        };
        let gossip = self.gossip_for(target);
        self.send(target, address, Message::Ping { sequence, gossip });
    }

    fn on_ack(&mut self, now: Duration, from: NodeId, sequence: u32) {
        if let Some(relay) = self.probing.take_relay(sequence, from) {
            self.answer(now, relay.asker, relay.asker_sequence);
            return;
        }
        if let Some(probe) = &mut self.probing.current {
            let is_asked = probe.target == from || probe.helpers.contains(&from);
            if probe.sequence == sequence && is_asked {
                probe.is_answered = true;
            }
        }
    }

    /// Answers with the full table, at most once a period and peer.
    fn on_sync(&mut self, now: Duration, from: NodeId) {
        let period = self.config.probe_interval;
        let Some(address) = self.sessions.table_for(now, from, period) else {
            self.counts.ignored_requests_count += 1;
            return;
        };
        let members = self.full_table();
        self.send(from, address, Message::SyncReply { members });
    }

    fn full_table(&self) -> Vec<Rumour> {
        let own = Rumour {
            record: self.own.clone(),
            status: Status::Alive,
        };
        let others = self.table.iter().map(Entry::rumour);
        std::iter::once(own).chain(others).collect()
    }

    fn send_sync(&mut self, to: NodeId, address: SocketAddr) {
        let members = self.full_table();
        self.send(to, address, Message::Sync { members });
    }

    /// Shifts all deadlines if this node itself stalled. A period of lateness or more cannot come
    /// from a timer's usual delay.
    fn forgive_own_stall(&mut self, now: Duration) {
        let late = now.saturating_sub(self.period_end);
        if late < self.config.probe_interval {
            return;
        }
        for until in self.suspicions.values_mut() {
            *until += late;
        }
        if let Some(probe) = &mut self.probing.current {
            probe.is_answered = true;
        }
    }

    fn end_suspicions(&mut self, now: Duration) {
        let over = self.suspicions.iter().filter(|(_, until)| **until <= now);
        let over: Vec<NodeId> = over.map(|(node, _)| *node).collect();
        for node in over {
            self.accuse(now, node, Status::Dead);
        }
    }

    /// Asks others to try, if the direct probe takes too long (section 3.1).
    fn probe_indirectly(&mut self, now: Duration, rng: &mut impl Rng) {
        let due = |probe: &&Probe| probe.indirect_at.is_some_and(|at| at <= now);
        let Some(probe) = self.probing.current.as_ref().filter(due) else {
            return;
        };
        let (target, sequence, is_answered) = (probe.target, probe.sequence, probe.is_answered);
        let others = self
            .table
            .present()
            .filter(|entry| entry.record.node != target);
        let count = if is_answered {
            0
        } else {
            self.config.indirect_probes_count
        };
        let helpers = chosen(others, count, rng);
        for (helper, address) in &helpers {
            let gossip = self.gossip_for(*helper);
            let message = Message::IndirectPing {
                sequence,
                target,
                gossip,
            };
            self.send(*helper, *address, message);
        }
        if let Some(probe) = &mut self.probing.current {
            probe.indirect_at = None;
            probe.helpers = helpers.into_iter().map(|(helper, _)| helper).collect();
        }
    }

    /// Judges the probe of the period that ends and begins the next.
    fn end_period(&mut self, now: Duration, rng: &mut impl Rng) {
        if let Some(probe) = self
            .probing
            .current
            .take()
            .filter(|probe| !probe.is_answered)
        {
            self.counts.failed_probes_count += 1;
            self.accuse(now, probe.target, Status::Suspect);
        }
        self.period_end = now + self.config.probe_interval;
        self.probing.expire_relays(now);
        let retention = self.config.dead_retention;
        if let Some(before) = now.checked_sub(retention) {
            self.table.forget_absent(before);
        }
        let present: Vec<NodeId> = self
            .table
            .present()
            .map(|entry| entry.record.node)
            .collect();
        let target = self.probing.next_target(&present, rng);
        let Some((target, address)) = target.and_then(|node| Some((node, self.address_of(node)?)))
        else {
            return;
        };
        let sequence = self.probing.sequence();
        let gossip = self.gossip_for(target);
        self.send(target, address, Message::Ping { sequence, gossip });
        self.probing.current = Some(Probe {
            target,
            sequence,
            indirect_at: Some(now + self.config.probe_timeout),
            helpers: Vec::new(),
            is_answered: false,
        });
    }

    /// Sends news to a few without waiting for their turn to be probed.
    fn send_news(&mut self, now: Duration, rng: &mut impl Rng) {
        self.gossip.take_news();
        self.gossip_at = now + self.config.gossip_interval;
        let count = self.config.gossip_fanout_count;
        for (node, address) in chosen(self.table.present(), count, rng) {
            let gossip = self.gossip_for(node);
            if !gossip.is_empty() {
                self.send(node, address, Message::Gossip { gossip });
            }
        }
    }

    /// Exchanges tables with a random member of those that `is_chosen`.
    fn sync_with_random(&mut self, is_chosen: impl Fn(&Entry) -> bool, rng: &mut impl Rng) {
        let candidates = self.table.iter().filter(|entry| is_chosen(entry));
        for (node, address) in chosen(candidates, 1, rng) {
            self.send_sync(node, address);
        }
    }
}

impl Membership for Swim {
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
                let heard = self.hear(now, gossip, rng);
                self.answer(now, from, sequence);
                heard
            }
            Message::IndirectPing {
                sequence,
                target,
                gossip,
            } => {
                let heard = self.hear(now, gossip, rng);
                self.on_indirect_ping(now, from, sequence, target);
                heard
            }
            Message::Ack { sequence, gossip } => {
                self.on_ack(now, from, sequence);
                self.hear(now, gossip, rng)
            }
            Message::Sync { members } => {
                let heard = self.hear(now, members, rng);
                self.on_sync(now, from);
                heard
            }
            Message::SyncReply { members } => self.hear(now, members, rng),
            Message::Gossip { gossip } => self.hear(now, gossip, rng),
        }
    }

    fn handle_leave(&mut self, _now: Duration, rng: &mut impl Rng) {
        if self.is_leaving() {
            return;
        }
        self.speak_up(self.own.incarnation, true);
        let goodbye = Rumour {
            record: self.own.clone(),
            status: Status::Left,
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
        self.end_suspicions(now);
        self.probe_indirectly(now, rng);
        if now >= self.period_end {
            self.end_period(now, rng);
        }
        if self.gossip.has_news() && now >= self.gossip_at {
            self.send_news(now, rng);
        }
        if now >= self.sync_at {
            self.sync_at = now + varied(self.config.sync_interval, rng);
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
        let suspicions = self.suspicions.values().copied();
        let news = self.gossip.has_news().then_some(self.gossip_at);
        fixed
            .into_iter()
            .chain(suspicions)
            .chain(indirect)
            .chain(news)
            .min()
    }

    fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    fn members(&self) -> Vec<Member> {
        let own = Member {
            node: self.own.node,
            address: self.own.address,
            generation: self.own.generation,
            incarnation: self.own.incarnation,
            status: match self.own.is_leaving {
                true => Status::Left,
                false => Status::Alive,
            },
        };
        let others = self.table.iter().map(Entry::member);
        let mut members: Vec<Member> = others.chain([own]).collect();
        members.sort_by_key(|member| member.node);
        members
    }
}

/// At most `count` of the candidates, chosen at random.
fn chosen<'a>(
    candidates: impl Iterator<Item = &'a Entry>,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<(NodeId, SocketAddr)> {
    let mut all: Vec<(NodeId, SocketAddr)> = candidates
        .map(|entry| (entry.record.node, entry.record.address))
        .collect();
    all.partial_shuffle(rng, count).0.to_vec()
}

/// A random part of an interval.
fn share_of(interval: Duration, rng: &mut impl Rng) -> Duration {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(0..=millis))
}

/// An interval, a quarter shorter to a quarter longer.
fn varied(interval: Duration, rng: &mut impl Rng) -> Duration {
    interval - interval / 4 + share_of(interval / 2, rng)
}
