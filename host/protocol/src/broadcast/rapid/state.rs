//! The parts of rapid broadcast put together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::broadcast::acknowledgement::{
    Acknowledged, Ask, AskError, DEADLINE_MAX, ShortId, Tally,
};
use crate::broadcast::seen::Seen;
use crate::broadcast::{BroadcastError, Delivery};
use crate::chunks::CHUNK_BYTES;
use crate::ids::{Hash, NodeId};

use super::bodies::Bodies;
use super::pulls::{Holder, Pulls};
use super::trails::{Report, Trails};
use super::view::View;
use super::{Config, Contents, FANOUT_MAX, Message, MessageError, Way};

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payloads seen for the first time.
    pub delivered_count: u64,
    /// Payloads, or chunks of them, that came again.
    pub duplicate_count: u64,
    /// Payloads dropped since the driver did not keep up.
    pub dropped_count: u64,
    /// Messages with a payload, or a chunk of one, that went out.
    pub bodies_sent_count: u64,
    /// Announcements that went out.
    pub announcements_sent_count: u64,
    /// Announcements that were ignored, since too much is being fetched.
    pub announcements_ignored_count: u64,
    /// Requests that were not answered: for what is not here, or was given often enough.
    pub requests_refused_count: u64,
    /// Acknowledgements that went out.
    pub acknowledgements_sent_count: u64,
    /// Acknowledgements that came.
    pub acknowledgements_count: u64,
    /// Of these, those of messages that this node neither said nor passed on.
    pub acknowledgements_ignored_count: u64,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send one message to several nodes. Where there is no session, dial; if that fails drop it.
    Send {
        /// To whom; never empty.
        to: Vec<NodeId>,
        /// What.
        message: Message,
    },
    /// Look at a payload that was seen for the first time, and if it is valid hand the delivery
    /// back to [`Rapid::handle_accepted`].
    Deliver(Delivery),
    /// What came back of a message of this node that asked for it. Once for each.
    Acknowledged(Acknowledged),
}

/// The state of rapid broadcasting. See [`rapid`](super) for how to operate it.
#[derive(Debug)]
pub struct Rapid {
    own: NodeId,
    config: Config,
    view: View,
    seen: Seen,
    bodies: Bodies,
    pulls: Pulls,
    trails: Trails,
    tallies: BTreeMap<Hash, Tally>,
    events: VecDeque<OutEvent>,
    counts: Counts,
}

impl Rapid {
    /// Starts without peers. Values beyond a limit are taken as the limit.
    pub fn new(own: NodeId, config: Config) -> Self {
        let config = config.within_range();
        Self {
            own,
            view: View::new(own),
            seen: Seen::new(config.seen_max),
            bodies: Bodies::new(config.held_bytes_max),
            pulls: Pulls::new(),
            trails: Trails::new(&own),
            tallies: BTreeMap::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
            config,
        }
    }

    /// This node.
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many other nodes have a message of this node, as far as was heard; `None` once its
    /// outcome was told.
    pub fn acknowledged_count(&self, id: &Hash) -> Option<u32> {
        self.tallies.get(id).map(Tally::count)
    }

    /// These are all nodes there are, this one included, as membership has it. In the order of
    /// ids; a list that is shared is not copied.
    pub fn handle_view(&mut self, nodes: Arc<[NodeId]>) {
        self.view.set(nodes);
    }

    /// There is a further node, or, before [`handle_view`](Self::handle_view), a neighbour.
    pub fn handle_neighbour_up(&mut self, _now: Duration, peer: NodeId) {
        self.view.insert(peer);
    }

    /// A node is gone.
    pub fn handle_neighbour_down(&mut self, _now: Duration, peer: NodeId) {
        self.view.remove(&peer);
    }

    /// Says something to everyone. The same payload again within memory of the first is not sent
    /// again. Gives its hash.
    ///
    /// # Errors
    /// [`BroadcastError`]: the caller's misuse, nothing changed.
    pub fn handle_broadcast(
        &mut self,
        _now: Duration,
        payload: Arc<[u8]>,
        rng: &mut impl Rng,
    ) -> Result<Hash, BroadcastError> {
        let id = self.checked(&payload)?;
        if self.seen.insert(id) {
            self.pass_on(id, 1, None, None, payload, rng);
        }
        Ok(id)
    }

    /// Says something to everyone, and asks who has it: the answer is
    /// [`OutEvent::Acknowledged`], at the deadline at the latest.
    ///
    /// # Errors
    /// [`AskError`]: the caller's misuse or too much at once; nothing changed.
    pub fn handle_broadcast_asking(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
        ask: Ask,
        rng: &mut impl Rng,
    ) -> Result<Hash, AskError> {
        let id = self.checked(&payload)?;
        let max = self.config.asked_max;
        if self.tallies.len() >= max {
            return Err(AskError::Asked { max });
        }
        if !self.seen.insert(id) {
            return Err(AskError::Repeated);
        }
        let tally = Tally::new(now, ask, &self.own, self.view.full());
        self.tallies.insert(id, tally);
        let deadline = ask.deadline.min(DEADLINE_MAX);
        let way = Way {
            origin: ShortId::from(&self.own),
            levels: self.levels(),
            collector: None,
            deadline_ms: deadline.as_millis() as u32,
        };
        self.pass_on(id, 1, Some(way), None, payload, rng);
        Ok(id)
    }

    /// Takes a peer's message.
    ///
    /// # Errors
    /// [`MessageError`]: the peer's fault, nothing changed.
    pub fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        match message {
            Message::Push { hops, way, payload } => {
                let holder = self.checked_holder(from, hops, way)?;
                self.on_push(now, holder, payload)?;
            }
            Message::Announce {
                hops,
                way,
                id,
                contents,
            } => {
                let holder = self.checked_holder(from, hops, way)?;
                self.on_announce(now, holder, id, contents)?;
            }
            Message::Request { id, index } => self.on_request(from, id, index),
            Message::Chunk { id, index, bytes } => self.on_chunk(now, from, id, index, bytes)?,
            Message::Acknowledge { id, names } => self.on_acknowledge(now, id, names),
        }
        self.handle_timeout(now, rng);
        Ok(())
    }

    /// Passes a delivery on that the driver found valid, and acknowledges it.
    pub fn handle_accepted(&mut self, now: Duration, delivery: Delivery, rng: &mut impl Rng) {
        let fanout = self.config.fanout(self.view.count());
        let id = &delivery.id;
        let accepted = self.trails.accepted(now, id, fanout, &self.config, rng);
        let (way, report) = match accepted {
            Some((way, report)) => (Some(way), report),
            None => (None, None),
        };
        if delivery.hops < self.config.hops_max {
            let (id, hops) = (delivery.id, delivery.hops + 1);
            let from = Some(&delivery.from);
            self.pass_on(id, hops, way, from, delivery.payload, rng);
        }
        if let Some(report) = report {
            self.tell(report);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        for request in self.pulls.poll_requests(now, &self.config) {
            let (id, index) = (request.id, request.index);
            self.send(vec![request.to], Message::Request { id, index });
        }
        for report in self.trails.poll_reports(now, rng) {
            self.tell(report);
        }
        let over = |(id, tally): (&Hash, &Tally)| tally.is_over(now).then_some(*id);
        let over: Vec<Hash> = self.tallies.iter().filter_map(over).collect();
        for id in over {
            if let Some(tally) = self.tallies.remove(&id) {
                let outcome = tally.outcome(id);
                self.events.push_back(OutEvent::Acknowledged(outcome));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let tallies = self.tallies.values().map(Tally::deadline).min();
        let others = [self.pulls.next_timeout(), self.trails.next_timeout()];
        others.into_iter().flatten().chain(tallies).min()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    fn on_push(
        &mut self,
        now: Duration,
        holder: Holder,
        payload: Arc<[u8]>,
    ) -> Result<(), MessageError> {
        let length = payload.len();
        let max = self.config.payload_bytes_max.min(CHUNK_BYTES);
        if length == 0 || length > max {
            return Err(MessageError::PayloadLength { length, max });
        }
        let id = Hash::of(&payload);
        self.witness(&id, &holder);
        if self.seen.contains(&id) {
            self.counts.duplicate_count += 1;
        } else {
            let mut holders = vec![holder];
            holders.extend(self.pulls.forget(&id));
            self.deliver(now, id, payload, &holders);
        }
        Ok(())
    }

    fn on_announce(
        &mut self,
        now: Duration,
        holder: Holder,
        id: Hash,
        Contents(chunks): Contents,
    ) -> Result<(), MessageError> {
        let (length, max) = (chunks.size_bytes() as usize, self.config.payload_bytes_max);
        if length > max {
            return Err(MessageError::PayloadLength { length, max });
        }
        if !chunks.proves(id.as_bytes()) {
            return Err(MessageError::Contents);
        }
        self.witness(&id, &holder);
        if !self.seen.contains(&id) && !self.pulls.announced(now, id, chunks, holder, &self.config)
        {
            self.counts.announcements_ignored_count += 1;
        }
        Ok(())
    }

    fn on_request(&mut self, from: NodeId, id: Hash, index: u32) {
        match self.bodies.serve(from, &id, index) {
            Some(bytes) => {
                self.counts.bodies_sent_count += 1;
                self.send(vec![from], Message::Chunk { id, index, bytes });
            }
            None => self.counts.requests_refused_count += 1,
        }
    }

    fn on_chunk(
        &mut self,
        now: Duration,
        from: NodeId,
        id: Hash,
        index: u32,
        bytes: Arc<[u8]>,
    ) -> Result<(), MessageError> {
        if self.seen.contains(&id) {
            self.counts.duplicate_count += 1;
            return Ok(());
        }
        if let Some(pulled) = self.pulls.on_chunk(now, &from, &id, index, bytes)? {
            self.deliver(now, id, pulled.payload, &pulled.holders);
        }
        Ok(())
    }

    fn on_acknowledge(&mut self, now: Duration, id: Hash, names: Vec<ShortId>) {
        self.counts.acknowledgements_count += 1;
        if let Some(tally) = self.tallies.get_mut(&id) {
            tally.add(names);
        } else if !self
            .trails
            .gather(now, &id, names, &self.view, &self.config)
        {
            self.counts.acknowledgements_ignored_count += 1;
        }
    }

    /// A payload is here for the first time. `holders`: who is known to have it, the first at
    /// first.
    fn deliver(&mut self, now: Duration, id: Hash, payload: Arc<[u8]>, holders: &[Holder]) {
        let Some((first, others)) = holders.split_first() else {
            return;
        };
        if self.events.len() >= self.config.events_max {
            self.counts.dropped_count += 1;
            return;
        }
        self.seen.insert(id);
        self.counts.delivered_count += 1;
        let is_pushed = payload.len() <= self.config.push_bytes_max;
        self.trails
            .begin(now, id, first, is_pushed, &self.view, &self.config);
        for other in others {
            self.trails.witness(&id, other, &self.view);
        }
        self.events.push_back(OutEvent::Deliver(Delivery {
            id,
            from: first.node,
            hops: first.hops,
            payload,
        }));
    }

    /// Whoever passes something on has it.
    fn witness(&mut self, id: &Hash, holder: &Holder) {
        if let Some(tally) = self.tallies.get_mut(id) {
            tally.add([ShortId::from(&holder.node)]);
        }
        self.trails.witness(id, holder, &self.view);
    }

    fn pass_on(
        &mut self,
        id: Hash,
        hops: u8,
        way: Option<Way>,
        except: Option<&NodeId>,
        payload: Arc<[u8]>,
        rng: &mut impl Rng,
    ) {
        let count = self.view.count();
        let fanout = self.config.fanout(count);
        let pushed_count = match payload.len() {
            length if length <= self.config.push_bytes_max => fanout,
            length if length > CHUNK_BYTES => 0,
            _ => self.config.eager_count(hops, count),
        };
        let reached_count = match pushed_count < fanout {
            true => (fanout * self.config.announce_factor).min(FANOUT_MAX),
            false => fanout,
        };
        let mut to = self.view.draw(&id, reached_count, except, rng);
        let told = to.split_off(pushed_count.min(to.len()));
        if payload.len() > self.config.push_bytes_max
            && let Some(contents) = Contents::of(&payload)
        {
            self.bodies.insert(id, payload.clone());
            self.counts.announcements_sent_count += told.len() as u64;
            let message = Message::Announce {
                hops,
                way,
                id,
                contents,
            };
            self.send(told, message);
        }
        self.counts.bodies_sent_count += to.len() as u64;
        self.send(to, Message::Push { hops, way, payload });
    }

    fn tell(&mut self, report: Report) {
        self.counts.acknowledgements_sent_count += 1;
        let (id, names) = (report.id, report.names);
        self.send(vec![report.to], Message::Acknowledge { id, names });
    }

    fn send(&mut self, to: Vec<NodeId>, message: Message) {
        if !to.is_empty() {
            self.events.push_back(OutEvent::Send { to, message });
        }
    }

    /// How far collectors are from the sender: so many that each has few nodes to collect from,
    /// and so few that they send a small part of the messages. 0: with a partial view nobody could
    /// reach them.
    fn levels(&self) -> u8 {
        let count = self.view.count();
        let fanout = self.config.fanout(count);
        match self.view.is_full() {
            false => 0,
            true if fanout * fanout * 32 > count => 1,
            true => 2,
        }
    }

    fn checked(&self, payload: &[u8]) -> Result<Hash, BroadcastError> {
        let (length, max) = (payload.len(), self.config.payload_bytes_max);
        if length == 0 || length > max {
            return Err(BroadcastError::PayloadLength { length, max });
        }
        Ok(Hash::of(payload))
    }

    fn checked_holder(
        &self,
        node: NodeId,
        hops: u8,
        way: Option<Way>,
    ) -> Result<Holder, MessageError> {
        let max = self.config.hops_max;
        if hops == 0 || hops > max {
            return Err(MessageError::Hops { hops, max });
        }
        Ok(Holder { node, hops, way })
    }
}
