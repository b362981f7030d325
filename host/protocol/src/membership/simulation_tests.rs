//! A cluster of SWIM nodes on virtual time, in one thread: a run is a function of its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::identity::NodeIdentity;
use crate::ids::Hash;

pub(super) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn identity(number: usize) -> Arc<NodeIdentity> {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Arc::new(NodeIdentity::from_secret(&secret))
}

pub(super) fn local(number: usize) -> Local {
    let [high, low] = (number as u16).to_be_bytes();
    Local {
        identity: identity(number),
        address: SocketAddr::from(([10, 0, high, low], 7_000)),
        generation: Generation::new(0),
        incarnation: 0,
        metadata: Metadata::default(),
    }
}

/// One second is a period, so that times are easy to read.
pub(super) fn config() -> Config {
    Config {
        probe_interval: seconds(1),
        probe_timeout: millis(300),
        suspicion_multiplier: 2,
        gossip_interval: millis(100),
        sync_interval: seconds(30),
        reconnect_interval: seconds(10),
        ..Config::lan()
    }
}

/// What a node says of itself.
pub(super) fn said(number: usize, incarnation: u64) -> Said {
    let of = local(number);
    Said {
        node: of.identity.id(),
        incarnation,
        is_leaving: false,
        generation: of.generation,
        address: of.address,
        metadata: of.metadata,
    }
}

pub(super) fn record(number: usize, incarnation: u64) -> Record {
    Record::sign(&identity(number), said(number, incarnation))
}

/// A rumour about a node; if it accuses, `accusers` do.
pub(super) fn rumour_by(
    accusers: &[usize],
    number: usize,
    incarnation: u64,
    status: Status,
) -> Rumour {
    let record = record(number, incarnation);
    let accused = record.node;
    let accuse = |by: &usize| Accusation::sign(&identity(*by), accused, incarnation);
    let mut accusations: Vec<Accusation> = accusers.iter().map(accuse).collect();
    accusations.sort_by_key(Accusation::accuser);
    Rumour {
        record,
        status,
        accusations,
    }
}

/// What the network does.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) latency_max: Duration,
    /// Of 1,000 messages so many are lost.
    pub(super) lost_permille: u32,
    /// Nodes in different groups do not hear each other.
    pub(super) groups: BTreeMap<usize, usize>,
}

#[derive(Debug)]
enum Event {
    Wake(usize),
    Deliver {
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    },
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) network: Network,
    pub(super) nodes: BTreeMap<usize, Swim>,
    /// Nodes that do nothing for now; their messages wait.
    pub(super) stalled: BTreeSet<usize>,
    sessions: BTreeSet<(usize, usize)>,
    queue: BTreeMap<(Duration, u64), Event>,
    /// When each node's timer fires; wakes for other times are old.
    armed: BTreeMap<usize, Duration>,
    sequence: u64,
    rng: ChaCha20Rng,
    config: Config,
    by_id: BTreeMap<NodeId, usize>,
    /// All that happened, as a hash.
    log: Hash,
    /// (who noticed, what), without messages.
    pub(super) noticed: Vec<(usize, OutEvent)>,
    pub(super) messages_count: u64,
    pub(super) largest_message_bytes: usize,
}

impl World {
    pub(super) fn new(seed: u64, config: Config) -> Self {
        Self {
            now: seconds(1_000),
            network: Network {
                latency_max: millis(20),
                lost_permille: 0,
                groups: BTreeMap::new(),
            },
            nodes: BTreeMap::new(),
            stalled: BTreeSet::new(),
            sessions: BTreeSet::new(),
            queue: BTreeMap::new(),
            armed: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            config,
            by_id: BTreeMap::new(),
            log: Hash::ZERO,
            noticed: Vec::new(),
            messages_count: 0,
            largest_message_bytes: 0,
        }
    }

    /// A cluster of `count` nodes that all joined through the first, settled for a while.
    pub(super) fn settled(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed, config());
        for number in 0..count {
            world.start(local(number), number);
            if number > 0 {
                world.join(number, 0);
            }
        }
        world.run(seconds(15 + count as u64));
        world
    }

    pub(super) fn start(&mut self, local: Local, number: usize) {
        self.by_id.insert(local.identity.id(), number);
        let swim = Swim::new(self.config.clone(), local, self.now, &mut self.rng);
        self.nodes.insert(number, swim);
        self.after(number);
    }

    /// Opens a session, as the driver does with a seed.
    pub(super) fn join(&mut self, number: usize, seed: usize) {
        self.open_session(number, seed);
    }

    /// The node is gone. If `is_noticed` its peers see their sessions break, as when a process is
    /// killed; otherwise they hear nothing, as when the power fails.
    pub(super) fn crash(&mut self, number: usize, is_noticed: bool) {
        self.nodes.remove(&number);
        let peers: Vec<usize> = self.nodes.keys().copied().collect();
        for peer in peers {
            let had = self.sessions.remove(&pair(number, peer));
            if had && is_noticed {
                self.close_session(peer, number);
            }
        }
    }

    pub(super) fn leave(&mut self, number: usize) {
        let swim = self.nodes.get_mut(&number).unwrap();
        swim.handle_leave(self.now, &mut self.rng);
        self.after(number);
        self.run(millis(50));
        self.crash(number, true);
    }

    pub(super) fn split(&mut self, groups: &[&[usize]]) {
        for (group, numbers) in groups.iter().enumerate() {
            let placed = numbers.iter().map(|number| (*number, group));
            self.network.groups.extend(placed);
        }
        let sessions = self.sessions.iter().copied();
        let cut: Vec<(usize, usize)> = sessions.filter(|(a, b)| !self.is_linked(*a, *b)).collect();
        for (a, b) in cut {
            self.sessions.remove(&(a, b));
            self.close_session(a, b);
            self.close_session(b, a);
        }
    }

    pub(super) fn heal(&mut self) {
        self.network.groups.clear();
    }

    /// Hands a message to a node as if an authenticated peer had sent it.
    pub(super) fn inject(&mut self, from: usize, to: usize, message: Message) {
        let bytes = message.to_bytes();
        self.push(self.now, Event::Deliver { from, to, bytes });
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Runs until something holds. Gives how long that took, or panics at the limit.
    pub(super) fn wait(
        &mut self,
        limit: Duration,
        what: &str,
        holds: fn(&Self) -> bool,
    ) -> Duration {
        let start = self.now;
        assert!(
            self.run_until(start + limit, holds),
            "within {limit:?}: {what}"
        );
        self.now - start
    }

    /// Looks every 100 ms of virtual time, since looking is dear.
    fn run_until(&mut self, end: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let mut look_at = self.now;
        loop {
            if self.now >= look_at {
                if holds(self) {
                    return true;
                }
                look_at = self.now + millis(100);
            }
            let Some((&(at, _), _)) = self
                .queue
                .first_key_value()
                .filter(|((at, _), _)| *at <= end)
            else {
                return false;
            };
            let event = self.queue.pop_first().unwrap().1;
            self.now = self.now.max(at);
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        let (Event::Wake(number) | Event::Deliver { to: number, .. }) = event;
        if self.stalled.contains(&number) {
            let at = self.now + millis(100);
            if matches!(event, Event::Wake(_)) {
                self.armed.insert(number, at);
            }
            self.push(at, event);
            return;
        }
        let is_old = self.armed.get(&number).is_none_or(|at| *at > self.now);
        let Some(swim) = self.nodes.get_mut(&number) else {
            return;
        };
        match event {
            Event::Wake(_) if is_old => return,
            Event::Wake(_) => {
                self.armed.remove(&number);
                swim.handle_timeout(self.now, &mut self.rng);
            }
            Event::Deliver { from, bytes, .. } => {
                let from = identity_of(&self.by_id, from);
                let message = Message::from_bytes(&bytes).unwrap();
                let result = swim.on_message(self.now, from, message, &mut self.rng);
                self.log(&format!("{number} takes {result:?}"));
            }
        }
        self.after(number);
    }

    /// Does what a node wants done, and arms its timer.
    fn after(&mut self, number: usize) {
        while let Some(event) = self.nodes.get_mut(&number).and_then(Membership::poll_event) {
            self.log(&format!("{:?} {number} {event:?}", self.now));
            match event {
                OutEvent::Send { to, message, .. } => self.send(number, to, &message),
                event => self.noticed.push((number, event)),
            }
        }
        let due = self.nodes.get(&number).and_then(Membership::next_timeout);
        if let Some(at) = due.map(|at| at.max(self.now + millis(1)))
            && self.armed.insert(number, at) != Some(at)
        {
            self.push(at, Event::Wake(number));
        }
    }

    fn send(&mut self, from: usize, to: NodeId, message: &Message) {
        let Some(to) = self.by_id.get(&to).copied() else {
            return;
        };
        if !self.nodes.contains_key(&to) || !self.is_linked(from, to) {
            return;
        }
        if self.rng.random_range(0..1_000) < self.network.lost_permille {
            return;
        }
        self.open_session(from, to);
        let bytes = message.to_bytes();
        self.messages_count += 1;
        self.largest_message_bytes = self.largest_message_bytes.max(bytes.len());
        let latency = self
            .rng
            .random_range(Duration::from_micros(100)..=self.network.latency_max);
        self.push(self.now + latency, Event::Deliver { from, to, bytes });
    }

    fn open_session(&mut self, a: usize, b: usize) {
        if !self.sessions.insert(pair(a, b)) {
            return;
        }
        for (number, peer) in [(a, b), (b, a)] {
            let address = local(peer).address;
            let id = identity_of(&self.by_id, peer);
            if let Some(swim) = self.nodes.get_mut(&number) {
                swim.handle_session_opened(self.now, id, address, &mut self.rng);
                self.after(number);
            }
        }
    }

    fn close_session(&mut self, number: usize, peer: usize) {
        let id = identity_of(&self.by_id, peer);
        if let Some(swim) = self.nodes.get_mut(&number) {
            swim.handle_session_closed(self.now, id, &mut self.rng);
            self.after(number);
        }
    }

    fn is_linked(&self, a: usize, b: usize) -> bool {
        self.network.groups.get(&a) == self.network.groups.get(&b)
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    fn log(&mut self, line: &str) {
        self.log = Hash::derive("log", &[self.log.as_bytes(), line.as_bytes()]);
    }

    pub(super) fn log_hash(&self) -> Hash {
        self.log
    }

    /// What `viewer` thinks of `subject`.
    pub(super) fn status(&self, viewer: usize, subject: usize) -> Option<Status> {
        self.member(viewer, subject).map(|member| member.status)
    }

    pub(super) fn member(&self, viewer: usize, subject: usize) -> Option<Member> {
        let id = identity(subject).id();
        let members = self.nodes[&viewer].members();
        members.into_iter().find(|member| member.node == id)
    }

    /// Whether all running nodes think the same of all that ever ran: the running are alive, the
    /// others are not.
    pub(super) fn is_settled(&self) -> bool {
        self.nodes.values().all(|swim| {
            let mut alive = 0;
            let is_right = swim.members().iter().all(|member| {
                let runs = self
                    .by_id
                    .get(&member.node)
                    .is_some_and(|n| self.nodes.contains_key(n));
                alive += usize::from(runs);
                match member.status {
                    Status::Alive => runs,
                    Status::Suspect => false,
                    Status::Dead | Status::Left => !runs,
                }
            });
            is_right && alive == self.nodes.len()
        })
    }

    pub(super) fn downs(&self) -> usize {
        let downs = self.noticed.iter();
        downs
            .filter(|(_, event)| matches!(event, OutEvent::MemberDown(_)))
            .count()
    }
}

fn identity_of(by_id: &BTreeMap<NodeId, usize>, number: usize) -> NodeId {
    let found = by_id.iter().find(|(_, of)| **of == number);
    found.map_or_else(|| identity(number).id(), |(id, _)| *id)
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
