//! The parts of rapid broadcast put together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::broadcast::acknowledgement::{Acknowledged, Tally};
use crate::broadcast::{BroadcastError, Delivery};
use crate::chunks::CHUNK_BYTES;
use crate::ids::{Hash, NodeId};
use crate::seen::Seen;

use super::bodies::Bodies;
use super::counts::Counts;
use super::pulls::{Holder, Pulls};
use super::trails::{First, Trails};
use super::view::Views;
use super::{Config, Contents, FANOUT_MAX, Message, MessageError, Way};

/// What the driver has to do. `S`: what says for whom a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent<S = ()> {
    /// Send one message to several nodes. Where there is no session, dial; if that fails drop it.
    Send {
        /// For whom the payload is that it is about.
        scope: S,
        /// To whom; never empty.
        to: Vec<NodeId>,
        /// What.
        message: Message,
    },
    /// Look at a payload that was seen for the first time, and if it is valid hand the delivery
    /// back to [`Rapid::handle_accepted`].
    Deliver(S, Delivery),
    /// What came back of a message of this node that asked for it. Once for each.
    Acknowledged(Acknowledged),
}

/// The state of rapid broadcasting. See [`rapid`](super) for how to operate it.
///
/// One state serves several scopes, such as the audiences of topics, so that what it holds has one
/// bound for all of them. A payload is of one scope.
#[derive(Debug)]
pub struct Rapid<S = ()> {
    pub(super) own: NodeId,
    pub(super) config: Config,
    pub(super) views: Views<S>,
    pub(super) seen: Seen,
    bodies: Bodies,
    pulls: Pulls<S>,
    pub(super) trails: Trails<S>,
    pub(super) tallies: BTreeMap<Hash, Tally>,
    pub(super) events: VecDeque<OutEvent<S>>,
    pub(super) counts: Counts,
}

impl<S: Clone + Ord> Rapid<S> {
    /// Starts without peers. Values beyond a limit are taken as the limit.
    pub fn new(own: NodeId, config: Config) -> Self {
        let config = config.within_range();
        Self {
            own,
            views: Views::new(own, config.is_dialing),
            seen: Seen::new(config.seen_max),
            bodies: Bodies::new(config.held_bytes_max, config.held_for),
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

    /// These are all nodes of a scope, this one included if it is one of them, as membership has
    /// it. In the order of ids; a list that is shared is not copied.
    pub fn handle_view(&mut self, scope: S, nodes: Arc<[NodeId]>) {
        self.views.set(scope, nodes);
    }

    /// Who the nodes of a scope are is not known any more, or not of interest for now: until
    /// [`handle_view`](Self::handle_view) they are the neighbours.
    pub fn handle_view_gone(&mut self, scope: &S) {
        self.views.unset(scope);
    }

    /// There is a session with a node. It matters where no view is known, and where messages go to
    /// neighbours only ([`Config::is_dialing`]).
    pub fn handle_neighbour_up(&mut self, _now: Duration, peer: NodeId) {
        self.views.insert(peer);
    }

    /// There is none any more.
    pub fn handle_neighbour_down(&mut self, _now: Duration, peer: NodeId) {
        self.views.remove(&peer);
    }

    /// Whether anybody can be reached whom messages of a scope are for.
    pub fn leads_anywhere(&self, scope: &S) -> bool {
        self.views.of(scope).leads_anywhere()
    }

    /// Says something to all nodes of a scope. The same payload again within memory of the first is
    /// not sent again. Gives its hash.
    ///
    /// # Errors
    /// [`BroadcastError`]: the caller's misuse, nothing changed.
    pub fn handle_broadcast(
        &mut self,
        now: Duration,
        scope: &S,
        payload: Arc<[u8]>,
        rng: &mut impl Rng,
    ) -> Result<Hash, BroadcastError> {
        let id = self.checked(&payload)?;
        if self.seen.insert(id) {
            let on = Onward::of(id, 1, payload);
            self.pass_on(now, scope, on, rng);
        }
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
        scope: &S,
        message: Message,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        match message {
            Message::Push { hops, way, payload } => {
                let holder = self.checked_holder(from, hops, way)?;
                self.on_push(now, scope, holder, payload)?;
            }
            Message::Announce {
                hops,
                way,
                id,
                contents,
            } => {
                let holder = self.checked_holder(from, hops, way)?;
                self.on_announce(now, scope, holder, id, contents)?;
            }
            Message::Request { id, index } => self.on_request(scope, from, id, index),
            Message::Chunk { id, index, bytes } => self.on_chunk(now, from, id, index, bytes)?,
            Message::Acknowledge { id, names } => self.on_acknowledge(now, id, names),
        }
        self.handle_timeout(now, rng);
        Ok(())
    }

    /// Passes a delivery on that the driver found valid, and acknowledges it.
    pub fn handle_accepted(
        &mut self,
        now: Duration,
        scope: &S,
        delivery: Delivery,
        rng: &mut impl Rng,
    ) {
        let fanout = self.config.fanout(self.views.of(scope).count());
        let id = &delivery.id;
        let accepted = self.trails.accepted(now, id, fanout, &self.config, rng);
        let (way, report) = match accepted {
            Some((way, report)) => (Some(way), report),
            None => (None, None),
        };
        if delivery.hops < self.config.hops_max {
            let on = Onward {
                way,
                except: Some(delivery.from),
                ..Onward::of(delivery.id, delivery.hops + 1, delivery.payload)
            };
            self.pass_on(now, scope, on, rng);
        }
        if let Some(report) = report {
            self.tell(report);
        }
    }

    /// Whether any payload is being fetched.
    pub fn is_fetching(&self) -> bool {
        !self.pulls.is_empty()
    }

    /// A payload came another way: it is not fetched any more, nor delivered.
    pub fn handle_known(&mut self, id: &Hash) {
        self.seen.insert(*id);
        self.pulls.forget(id);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        for request in self.pulls.poll_requests(now, &self.config) {
            let (id, index) = (request.id, request.index);
            let message = Message::Request { id, index };
            self.send(request.scope, vec![request.to], message);
        }
        for report in self.trails.poll_reports(now, rng) {
            self.tell(report);
        }
        self.bodies.expire(now);
        self.end_tallies(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let tallies = self.tallies.values().map(Tally::deadline).min();
        let others = [
            self.pulls.next_timeout(),
            self.trails.next_timeout(),
            self.bodies.next_timeout(),
        ];
        others.into_iter().flatten().chain(tallies).min()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<OutEvent<S>> {
        self.events.pop_front()
    }

    fn on_push(
        &mut self,
        now: Duration,
        scope: &S,
        holder: Holder,
        payload: Arc<[u8]>,
    ) -> Result<(), MessageError> {
        let length = payload.len();
        let max = self.config.payload_bytes_max.min(CHUNK_BYTES);
        if length == 0 || length > max {
            return Err(MessageError::PayloadLength { length, max });
        }
        let id = Hash::of(&payload);
        self.witness(scope, &id, &holder);
        if self.seen.contains(&id) {
            self.counts.duplicate_count += 1;
        } else {
            let mut holders = vec![holder];
            holders.extend(self.pulls.forget(&id));
            self.deliver(now, scope, id, payload, &holders);
        }
        Ok(())
    }

    fn on_announce(
        &mut self,
        now: Duration,
        scope: &S,
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
        self.witness(scope, &id, &holder);
        if !self.seen.contains(&id) {
            let (scope, config) = (scope.clone(), &self.config);
            let has_room = self.pulls.announced(now, scope, id, chunks, holder, config);
            self.counts.announcements_ignored_count += u64::from(!has_room);
        }
        Ok(())
    }

    fn on_request(&mut self, scope: &S, from: NodeId, id: Hash, index: u32) {
        match self.bodies.serve(from, &id, index) {
            Some(bytes) => {
                self.counts.bodies_sent_count += 1;
                let message = Message::Chunk { id, index, bytes };
                self.send(scope.clone(), vec![from], message);
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
        let (length, max) = (bytes.len(), self.config.payload_bytes_max);
        if length > max {
            return Err(MessageError::PayloadLength { length, max });
        }
        if let Some(pulled) = self.pulls.on_chunk(now, &from, &id, index, bytes)? {
            let (scope, holders) = (&pulled.scope, &pulled.holders);
            self.deliver(now, scope, id, pulled.payload, holders);
        }
        Ok(())
    }

    /// A payload is here for the first time. `holders`: who is known to have it, the first at
    /// first.
    fn deliver(
        &mut self,
        now: Duration,
        scope: &S,
        id: Hash,
        payload: Arc<[u8]>,
        holders: &[Holder],
    ) {
        let Some((first, others)) = holders.split_first() else {
            return;
        };
        if self.events.len() >= self.config.events_max {
            self.counts.dropped_count += 1;
            return;
        }
        self.seen.insert(id);
        self.counts.delivered_count += 1;
        let (view, config) = (self.views.of(scope), &self.config);
        let came = First {
            scope: scope.clone(),
            id,
            holder: first,
            is_pushed: payload.len() <= config.push_bytes_max,
        };
        self.trails.begin(now, came, &view, config);
        for other in others {
            self.trails.witness(&id, other, &view);
        }
        let delivery = Delivery {
            id,
            from: first.node,
            hops: first.hops,
            payload,
        };
        let event = OutEvent::Deliver(scope.clone(), delivery);
        self.events.push_back(event);
    }

    /// Sends a payload, or that it is here, to those drawn for it.
    pub(super) fn pass_on(&mut self, now: Duration, scope: &S, on: Onward, rng: &mut impl Rng) {
        let Onward {
            id,
            hops,
            way,
            except,
            payload,
        } = on;
        let view = self.views.of(scope);
        let count = view.count();
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
        let mut to = view.draw(&id, reached_count, except.as_ref(), rng);
        let told = to.split_off(pushed_count.min(to.len()));
        if payload.len() > self.config.push_bytes_max
            && let Some(contents) = Contents::of(&payload)
        {
            self.bodies.insert(now, id, payload.clone());
            self.counts.announcements_sent_count += told.len() as u64;
            let message = Message::Announce {
                hops,
                way,
                id,
                contents,
            };
            self.send(scope.clone(), told, message);
        }
        self.counts.bodies_sent_count += to.len() as u64;
        let message = Message::Push { hops, way, payload };
        self.send(scope.clone(), to, message);
    }

    pub(super) fn send(&mut self, scope: S, to: Vec<NodeId>, message: Message) {
        if !to.is_empty() {
            let event = OutEvent::Send { scope, to, message };
            self.events.push_back(event);
        }
    }

    pub(super) fn checked(&self, payload: &[u8]) -> Result<Hash, BroadcastError> {
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

/// A payload to be passed on.
pub(super) struct Onward {
    pub(super) id: Hash,
    /// How many sessions it crosses with the next one.
    pub(super) hops: u8,
    pub(super) way: Option<Way>,
    /// Who has it already.
    pub(super) except: Option<NodeId>,
    pub(super) payload: Arc<[u8]>,
}

impl Onward {
    /// One that nobody wants acknowledged.
    pub(super) fn of(id: Hash, hops: u8, payload: Arc<[u8]>) -> Self {
        Self {
            id,
            hops,
            way: None,
            except: None,
            payload,
        }
    }
}
