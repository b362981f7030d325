//! The state machine of reconciliation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::{Hash, NodeId};

use super::message::Said;
use super::ranges::{Bound, Content, Range};
use super::session::{Answer, Answering, covered};
use super::set::Salt;
use super::{Config, Counts, Key, Message, OutEvent, Set};

/// A set, and what it takes to compare it with those of peers.
///
/// # Operating it
///
/// Put elements in and take them out ([`insert`](State::insert), [`remove`](State::remove)); tell
/// it of sessions and give it the messages of peers. On [`OutEvent::Push`] send the elements, and
/// when elements come from a peer say so ([`handle_arrived`](State::handle_arrived)). After every
/// input drain [`poll_event`](State::poll_event) and arm a timer for
/// [`next_timeout`](State::next_timeout). `now` is monotonic; the generator chooses peers and
/// nonces, and nobody else may foresee what it gives.
#[derive(Debug)]
pub struct State {
    config: Config,
    set: Set,
    /// Nothing below is compared.
    floor: Key,
    peers: BTreeMap<NodeId, Peer>,
    due: BTreeSet<NodeId>,
    leading: BTreeMap<NodeId, Comparison>,
    /// Comparisons that go on when there is budget again.
    again: BTreeMap<NodeId, Duration>,
    /// Peers with which nothing is compared for now.
    held: BTreeSet<NodeId>,
    compare_at: Duration,
    deep_at: Duration,
    events: VecDeque<OutEvent>,
    counts: Counts,
}

/// What is known of a peer.
#[derive(Debug, Default)]
struct Peer {
    /// It has been compared with in this session, or is being.
    is_met: bool,
    /// Where the next comparison begins.
    resume: Option<Key>,
    /// Roots differ and sums do not show where.
    is_deep_due: bool,
    /// Elements that it named and has not sent.
    owed_count: u32,
    /// Its comparison that is being answered.
    serving: Option<Serving>,
    budget_since: Duration,
    budget_spent: usize,
}

#[derive(Debug)]
struct Serving {
    salt: Salt,
    last: Duration,
    rounds: u8,
}

/// A comparison that this node leads.
#[derive(Debug)]
struct Comparison {
    salt: Salt,
    from: Key,
    deadline: Duration,
    rounds: u8,
    revision: u64,
    covered: Bound,
    /// Something was pushed or asked for.
    has_found: bool,
    /// The peer's root is another.
    has_differed: bool,
}

impl State {
    /// Starts with an empty set and without peers.
    pub fn new(config: Config, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        Self {
            set: Set::new(),
            floor: Key::START,
            peers: BTreeMap::new(),
            due: BTreeSet::new(),
            leading: BTreeMap::new(),
            again: BTreeMap::new(),
            held: BTreeSet::new(),
            compare_at: now + varied(config.compare_interval, rng),
            deep_at: now,
            events: VecDeque::new(),
            counts: Counts::default(),
            config,
        }
    }

    /// Takes an element in; see [`Set::insert`].
    pub fn insert(&mut self, key: Key, weight: u32) -> bool {
        self.set.insert(key, weight)
    }

    /// Takes an element out.
    pub fn remove(&mut self, key: &Key) -> bool {
        self.set.remove(key)
    }

    /// The set.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Knows of a session without comparing.
    #[cfg(test)]
    pub(super) fn peers_only(&mut self, peer: NodeId) {
        self.peers.insert(peer, Peer::default());
    }

    #[cfg(test)]
    pub(super) fn set_mut(&mut self) -> &mut Set {
        &mut self.set
    }

    /// Leaves what is below this timestamp out of comparisons from now on: the elements that this
    /// node does not want, whoever has them.
    pub fn handle_floor(&mut self, timestamp: u64) {
        let id = Hash::ZERO;
        self.floor = Key { timestamp, id };
    }

    /// A session with `peer` is established.
    pub fn handle_peer_up(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        if self.peers.len() >= self.config.peers_max {
            return;
        }
        self.peers.insert(peer, Peer::default());
        self.due.insert(peer);
        self.drive(now, rng);
    }

    /// The last session with `peer` is over.
    pub fn handle_peer_down(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.peers.remove(&peer);
        self.due.remove(&peer);
        self.leading.remove(&peer);
        self.again.remove(&peer);
        self.held.remove(&peer);
        self.drive(now, rng);
    }

    /// There is enough to do with what is known of a peer: from now on no comparison with it begins
    /// and its own are told to come again, until this is taken back. One that is under way ends.
    pub fn handle_held(&mut self, now: Duration, peer: NodeId, is_held: bool, rng: &mut impl Rng) {
        match is_held {
            true => self.held.insert(peer),
            false => self.held.remove(&peer),
        };
        self.drive(now, rng);
    }

    /// Elements came from a peer that this node had not.
    pub fn handle_arrived(&mut self, from: NodeId, count: u32) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.owed_count = peer.owed_count.saturating_sub(count);
        }
    }

    /// Takes a peer's message.
    pub fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) {
        match message.0 {
            Said::Open {
                nonce,
                is_deep,
                from: start,
                root,
            } => self.on_open(now, from, Salt { nonce, is_deep }, start, root),
            Said::Ranges { nonce, ranges } => {
                if !self.on_answer(now, from, nonce, &ranges) {
                    self.on_question(now, from, nonce, &ranges);
                }
            }
            Said::Busy { nonce } => {
                let is_current = |it: &Comparison| it.salt.nonce == nonce;
                if self.leading.get(&from).is_some_and(is_current) {
                    self.abandon(now, from);
                }
            }
        }
        self.drive(now, rng);
    }

    /// Does what is due. May be called at any time.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        let late = self.leading.iter().filter(|(_, it)| it.deadline <= now);
        let late: Vec<NodeId> = late.map(|(peer, _)| *peer).collect();
        late.into_iter().for_each(|peer| self.abandon(now, peer));
        self.again.retain(|peer, at| {
            let is_due = *at <= now;
            if is_due {
                self.due.insert(*peer);
            }
            !is_due
        });
        if now >= self.compare_at {
            self.compare_at = now + varied(self.config.compare_interval, rng);
            if !self.peers.is_empty() {
                let index = rng.random_range(0..self.peers.len());
                self.due.extend(self.peers.keys().nth(index).copied());
            }
        }
        self.drive(now, rng);
    }

    /// When [`handle_timeout`](State::handle_timeout) is due at the latest.
    pub fn next_timeout(&self) -> Option<Duration> {
        let compare = (!self.peers.is_empty()).then_some(self.compare_at);
        let deadlines = self.leading.values().map(|it| it.deadline);
        let again = self.again.values().copied();
        compare.into_iter().chain(deadlines).chain(again).min()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn send(&mut self, to: NodeId, said: Said) {
        let message = Message(said);
        self.events.push_back(OutEvent::Send { to, message });
    }

    /// Begins comparisons that are due.
    fn drive(&mut self, now: Duration, rng: &mut impl Rng) {
        while self.leading.len() < self.config.comparisons_max
            && let Some(peer) = self.due.difference(&self.held).next().copied()
        {
            self.due.remove(&peer);
            if !self.leading.contains_key(&peer) {
                self.begin(now, peer, rng.random());
            }
        }
    }

    fn begin(&mut self, now: Duration, to: NodeId, nonce: u64) {
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        let unserved = std::mem::take(&mut peer.owed_count);
        let is_deep = peer.is_deep_due && now >= self.deep_at;
        if is_deep {
            peer.is_deep_due = false;
            self.deep_at = now + self.config.deep_interval;
            self.counts.deep_count += 1;
        }
        let from = peer.resume.take().unwrap_or(Key::START).max(self.floor);
        let salt = Salt { nonce, is_deep };
        let comparison = Comparison {
            salt,
            from,
            deadline: now + self.config.timeout,
            rounds: 0,
            revision: self.set.revision(),
            covered: Bound::End,
            has_found: false,
            has_differed: false,
        };
        self.leading.insert(to, comparison);
        if unserved > 0 {
            self.counts.unserved_count += u64::from(unserved);
            let (peer, count) = (to, unserved);
            self.events.push_back(OutEvent::Unserved { peer, count });
        }
        let root = self.set.root();
        self.send(
            to,
            Said::Open {
                nonce,
                is_deep,
                from,
                root,
            },
        );
    }

    /// A peer wants to compare.
    fn on_open(&mut self, now: Duration, from: NodeId, salt: Salt, start: Key, root: Hash) {
        let nonce = salt.nonce;
        // Both began at the same time: one of the two is enough.
        let own = self.leading.get(&from).map(|own| own.salt.nonce);
        let is_mine = own.is_some_and(|own| own >= nonce);
        let others = self.peers.iter().filter(|(peer, _)| **peer != from);
        let is_served = |(_, peer): &(&NodeId, &Peer)| {
            let serving = peer.serving.as_ref();
            serving.is_some_and(|serving| serving.last + self.config.timeout > now)
        };
        let is_crowded = others.filter(is_served).count() >= self.config.serves_max;
        let is_too_deep = salt.is_deep && now < self.deep_at;
        let budget = self.budget(now, from);
        let is_held = self.held.contains(&from);
        if is_mine || is_crowded || is_too_deep || is_held || budget == 0 {
            self.counts.busy_count += 1;
            return self.send(from, Said::Busy { nonce });
        }
        if own.is_some() {
            self.leading.remove(&from);
        }
        if salt.is_deep {
            self.deep_at = now + self.config.deep_interval;
        }
        let serving = Serving {
            salt,
            last: now,
            rounds: 0,
        };
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.serving = Some(serving);
            peer.is_met = true;
            if peer.resume.is_none() {
                self.again.remove(&from);
            }
        }
        let start = start.max(self.floor);
        let answer = match root == self.set.root() {
            true => Answer::equal(),
            false => Answering::new(&self.set, salt, &self.config, budget).describe(start),
        };
        self.give(now, from, salt.nonce, answer);
    }

    /// Ranges of a peer that leads. One whose comparison is not known here, since a session was
    /// replaced or it has taken all its rounds, need not wait for an answer.
    fn on_question(&mut self, now: Duration, from: NodeId, nonce: u64, ranges: &[Range]) {
        let rounds_max = self.config.rounds_max;
        let serving = self.peers.get_mut(&from).and_then(|peer| {
            let serving = peer.serving.as_mut()?;
            (serving.salt.nonce == nonce && serving.rounds < rounds_max).then_some(serving)
        });
        let salt = serving.map(|serving| {
            serving.rounds += 1;
            serving.last = now;
            serving.salt
        });
        let budget = self.budget(now, from);
        let Some(salt) = salt.filter(|_| budget > 0) else {
            self.counts.busy_count += 1;
            return self.send(from, Said::Busy { nonce });
        };
        let answer = Answering::new(&self.set, salt, &self.config, budget);
        let answer = answer.answer(ranges, self.floor);
        self.give(now, from, nonce, answer);
    }

    /// Ranges of a peer that answers this node. Gives whether they were that.
    fn on_answer(&mut self, now: Duration, from: NodeId, nonce: u64, ranges: &[Range]) -> bool {
        let budget = self.budget(now, from);
        let Some(comparison) = self.leading.get_mut(&from) else {
            return false;
        };
        if comparison.salt.nonce != nonce {
            return false;
        }
        comparison.rounds += 1;
        comparison.deadline = now + self.config.timeout;
        comparison.covered = comparison.covered.min(covered(ranges));
        let is_settled = |range: &Range| range.content == Content::Settled;
        comparison.has_differed |= !ranges.iter().all(is_settled);
        let answer = Answering::new(&self.set, comparison.salt, &self.config, budget);
        let answer = answer.answer(ranges, self.floor);
        comparison.covered = comparison.covered.min(answer.covered());
        comparison.has_found |= answer.wanted_count > 0 || !answer.pushes.is_empty();
        let is_over = answer.is_settled() || comparison.rounds >= self.config.rounds_max;
        if is_over {
            self.push(now, from, &answer);
            self.finish(now, from);
        } else {
            self.give(now, from, nonce, answer);
        }
        true
    }

    /// Sends an answer and what the peer lacks.
    fn give(&mut self, now: Duration, to: NodeId, nonce: u64, answer: Answer) {
        self.push(now, to, &answer);
        let ranges = answer.ranges;
        match ranges.is_empty() {
            true => self.send(to, Said::Busy { nonce }),
            false => {
                self.spend(now, to, answer.ranges_bytes);
                self.send(to, Said::Ranges { nonce, ranges });
            }
        }
    }

    fn push(&mut self, now: Duration, to: NodeId, answer: &Answer) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.owed_count = peer.owed_count.saturating_add(answer.wanted_count);
        }
        if answer.pushes.is_empty() {
            return;
        }
        self.spend(now, to, answer.pushes_bytes);
        self.counts.pushed_count += answer.pushes.len() as u64;
        let keys = answer.pushes.clone();
        self.events.push_back(OutEvent::Push { to, keys });
    }

    /// Gives up a comparison that this node leads. The first one with a peer, and one that went on
    /// from an earlier one, is tried again soon.
    fn abandon(&mut self, now: Duration, with: NodeId) {
        self.counts.abandoned_count += 1;
        let Some(comparison) = self.leading.remove(&with) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&with) else {
            return;
        };
        let goes_on = comparison.from > self.floor;
        if goes_on {
            peer.resume = Some(comparison.from);
        }
        if goes_on || !peer.is_met {
            self.again.insert(with, now + self.config.budget_interval);
        }
    }

    /// Ends a comparison that this node leads.
    fn finish(&mut self, now: Duration, with: NodeId) {
        let Some(comparison) = self.leading.remove(&with) else {
            return;
        };
        self.counts.compared_count += 1;
        let Some(peer) = self.peers.get_mut(&with) else {
            return;
        };
        peer.is_met = true;
        match comparison.covered {
            Bound::Below(next) => {
                peer.resume = Some(next);
                if next > comparison.from {
                    self.due.insert(with);
                } else {
                    self.again.insert(with, now + self.config.budget_interval);
                }
            }
            Bound::End if !comparison.has_found => {
                self.counts.equal_count += 1;
                let is_whole = comparison.from <= self.floor && comparison.has_differed;
                let is_unchanged = comparison.revision == self.set.revision();
                peer.is_deep_due = is_whole && is_unchanged && !comparison.salt.is_deep;
            }
            Bound::End => {}
        }
    }

    /// How many bytes a peer may still have in this interval; 0 if it is not connected.
    fn budget(&mut self, now: Duration, of: NodeId) -> usize {
        let Some(peer) = self.peers.get_mut(&of) else {
            return 0;
        };
        if now >= peer.budget_since + self.config.budget_interval {
            (peer.budget_since, peer.budget_spent) = (now, 0);
        }
        self.config.budget_bytes.saturating_sub(peer.budget_spent)
    }

    fn spend(&mut self, now: Duration, of: NodeId, bytes: usize) {
        self.budget(now, of);
        if let Some(peer) = self.peers.get_mut(&of) {
            peer.budget_spent = peer.budget_spent.saturating_add(bytes);
        }
    }
}

/// An interval, a quarter shorter to a quarter longer, so that nodes do not move in step.
fn varied(interval: Duration, rng: &mut impl Rng) -> Duration {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 2);
    let quarter = millis / 4;
    let least = millis - quarter;
    Duration::from_millis(rng.random_range(least..=least.saturating_add(2 * quarter)))
}
