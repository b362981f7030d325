//! The state machine of content.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::{Hash, ModuleHash, NodeId, TypeName};

use super::catalogue::{Catalogue, Inserted};
use super::fetch::{Fetches, Outcome};
use super::message::{ANNOUNCEMENTS_MAX, IDS_MAX};
use super::serving::{Admission, Serving};
use super::{
    AnnouncementError, Config, Manifest, Message, MessageError, ModuleName, OutEvent, Part,
    Refusal, SignedAnnouncement, SignedSwitch, Statement,
};

/// Why something was not taken from the caller. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A bound is reached: `announcements_max`, the publisher's share of it, or `wants_max`.
    #[error("no room for more {what}")]
    Full {
        /// Of what.
        what: &'static str,
    },
    /// The size is 0 or above [`MODULE_BYTES_MAX`](super::MODULE_BYTES_MAX).
    #[error("a module of {size_bytes} bytes")]
    Size {
        /// The size that was given.
        size_bytes: u32,
    },
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Announcements of others that were refused for want of room.
    pub refused_count: u64,
    /// Switches of others that are dated too far ahead. They come again when they no longer are.
    pub ahead_count: u64,
    /// Modules that arrived.
    pub fetched_count: u64,
    /// Parts that did not have their hash.
    pub wrong_content_count: u64,
    /// Parts that did not come in time.
    pub timeout_count: u64,
}

/// What this node knows of modules, and which it is getting.
///
/// # Operating it
///
/// 1. Make it, then [`restore`](State::restore) what [`OutEvent::Learned`] gave earlier to store.
/// 2. Tell it of sessions: [`handle_peer_up`](State::handle_peer_up),
///    [`handle_peer_down`](State::handle_peer_down). Give it the messages of peers
///    ([`on_message`](State::on_message)) and what [`OutEvent::Broadcast`] sent elsewhere
///    ([`on_broadcast`](State::on_broadcast); pass it on to others if that gives `Ok(true)`).
/// 3. A module loaded here: sign an announcement, [`handle_announce`](State::handle_announce).
/// 4. On [`OutEvent::Activated`] with a module that is not here:
///    [`handle_want`](State::handle_want). It ends with [`OutEvent::Fetched`]. Wants are not kept
///    over a restart: ask again for every active module that is missing.
/// 5. Answer [`OutEvent::Serve`].
///
/// After every input drain [`poll_event`](State::poll_event) and arm one timer for
/// [`next_timeout`](State::next_timeout). `now` is monotonic, `wall_ms` counts from the Unix epoch,
/// and the generator chooses peers.
#[derive(Debug)]
pub struct State {
    config: Config,
    catalogue: Catalogue,
    peers: BTreeMap<NodeId, Budget>,
    fetches: Fetches,
    serving: Serving,
    compare_at: Duration,
    events: VecDeque<OutEvent>,
    refused_count: u64,
    ahead_count: u64,
}

/// What a peer has had of this node in the present interval.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    since: Option<Duration>,
    pages_sent: bool,
    announcements_sent: usize,
}

impl State {
    /// Starts without announcements, wants and peers.
    pub fn new(config: Config, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        Self {
            catalogue: Catalogue::new(&config),
            peers: BTreeMap::new(),
            fetches: Fetches::new(&config),
            serving: Serving::new(&config),
            compare_at: now + varied(config.compare_interval, rng),
            events: VecDeque::new(),
            refused_count: 0,
            ahead_count: 0,
            config,
        }
    }

    /// Takes a statement back from storage. Gives [`OutEvent::Activated`] and
    /// [`OutEvent::Conflict`] as if it had just come, but nothing to store or send.
    ///
    /// # Errors
    /// [`AnnouncementError`] if the bytes are damaged; nothing changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), AnnouncementError> {
        let known = Statement::from_bytes(bytes)?;
        let mut events = Vec::new();
        self.catalogue.insert(known, &mut events);
        let is_stored = |event: &OutEvent| matches!(event, OutEvent::Learned(_));
        self.events
            .extend(events.into_iter().filter(|event| !is_stored(event)));
        Ok(())
    }

    /// Tells everyone of a module or a switch of this node. Gives whether that is news.
    ///
    /// # Errors
    /// [`ContentError::Full`]: nothing changed.
    pub fn handle_announce(
        &mut self,
        statement: impl Into<Statement>,
    ) -> Result<bool, ContentError> {
        let known: Statement = statement.into();
        match self.learn(known.clone()) {
            Inserted::New => {
                let bytes = known.as_bytes().clone();
                self.events.push_back(OutEvent::Broadcast(bytes));
                Ok(true)
            }
            Inserted::Known => Ok(false),
            Inserted::Full => Err(ContentError::Full {
                what: "announcements",
            }),
        }
    }

    /// Takes a statement that came by broadcast. Gives whether to pass it on: it is news here.
    ///
    /// A switch that is dated more than `clock_ahead_max` ahead of `wall_ms` is not taken: the
    /// latest counts, so it would pin its type until then. Peers that have it offer it again when
    /// they compare, and then it may be time.
    ///
    /// # Errors
    /// [`MessageError`]: the fault of whoever sent it here; nothing changed.
    pub fn on_broadcast(&mut self, wall_ms: u64, bytes: &[u8]) -> Result<bool, MessageError> {
        let id = Statement::id_of(bytes)?;
        if self.catalogue.contains(&id) {
            return Ok(false);
        }
        let known = Statement::from_bytes(bytes)?;
        if known.is_ahead(wall_ms, self.config.clock_ahead_max) {
            self.ahead_count += 1;
            return Ok(false);
        }
        let inserted = self.learn(known);
        if inserted == Inserted::Full {
            self.refused_count += 1;
        }
        Ok(inserted == Inserted::New)
    }

    /// A session with `peer` is established.
    pub fn handle_peer_up(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        if self.peers.len() >= self.config.peers_max {
            return;
        }
        self.peers.insert(peer, Budget::default());
        self.send_digest(peer);
        self.fetches.wake(peer);
        self.drive_fetches(now, rng);
    }

    /// The last session with `peer` is over.
    pub fn handle_peer_down(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.peers.remove(&peer);
        self.serving.forget_peer(peer);
        self.fetches.peer_gone(peer);
        self.drive_fetches(now, rng);
    }

    /// Takes a peer's message.
    ///
    /// # Errors
    /// [`MessageError`]: the peer's fault.
    pub fn on_message(
        &mut self,
        now: Duration,
        wall_ms: u64,
        from: NodeId,
        message: Message,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        match message {
            Message::Digest { digest } => self.on_digest(now, from, digest),
            Message::Ids { after, to, ids } => self.on_ids(now, from, after, to, &ids),
            Message::Request { ids } => self.on_request(now, from, &ids),
            Message::Announcements { items } => {
                for item in items {
                    self.on_broadcast(wall_ms, &item)?;
                }
            }
            Message::Fetch { module, part } => self.on_fetch(from, module, part),
            Message::Manifest { module, manifest } => {
                let outcome = self.fetches.on_manifest(now, from, module, manifest);
                self.conclude(now, from, module, outcome, rng);
            }
            Message::Chunk {
                module,
                index,
                bytes,
            } => {
                let outcome = self.fetches.on_chunk(now, from, module, index, bytes);
                self.conclude(now, from, module, outcome, rng);
            }
            Message::Refused { module, part, .. } => {
                let outcome = self.fetches.on_refused(from, module, part);
                self.conclude(now, from, module, outcome, rng);
            }
        }
        Ok(())
    }

    /// Gets a module. `size_bytes` is what its announcement says. Wanting it twice is wanting it
    /// once.
    ///
    /// # Errors
    /// [`ContentError`]; nothing changed.
    pub fn handle_want(
        &mut self,
        now: Duration,
        module: ModuleHash,
        size_bytes: u32,
        rng: &mut impl Rng,
    ) -> Result<(), ContentError> {
        self.fetches.want(module, size_bytes)?;
        self.drive_fetches(now, rng);
        Ok(())
    }

    /// No longer gets a module.
    pub fn handle_unwant(&mut self, now: Duration, module: ModuleHash, rng: &mut impl Rng) {
        self.fetches.unwant(module);
        self.drive_fetches(now, rng);
    }

    /// Answers [`OutEvent::Serve`] for a chunk: its bytes, or `None` if they are not here.
    pub fn handle_served_chunk(
        &mut self,
        to: NodeId,
        module: ModuleHash,
        index: u32,
        bytes: Option<Vec<u8>>,
    ) {
        let message = bytes.filter(|bytes| !bytes.is_empty());
        let message = message.map(|bytes| Message::Chunk {
            module,
            index,
            bytes,
        });
        self.served(to, module, Part::Chunk(index), message);
    }

    /// Answers [`OutEvent::Serve`] for a manifest, or `None` if the module is not here.
    pub fn handle_served_manifest(
        &mut self,
        to: NodeId,
        module: ModuleHash,
        manifest: Option<Manifest>,
    ) {
        let message = manifest.map(|manifest| Message::Manifest { module, manifest });
        self.served(to, module, Part::Manifest, message);
    }

    /// Does what is due. May be called at any time.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        if now >= self.compare_at {
            self.compare_at = now + varied(self.config.compare_interval, rng);
            if !self.peers.is_empty() {
                let index = rng.random_range(0..self.peers.len());
                let peer = self.peers.keys().nth(index).copied();
                peer.into_iter().for_each(|peer| self.send_digest(peer));
            }
        }
        self.fetches.expire(now);
        self.drive_fetches(now, rng);
    }

    /// When [`handle_timeout`](State::handle_timeout) is due at the latest.
    pub fn next_timeout(&self) -> Option<Duration> {
        let compare = (!self.peers.is_empty()).then_some(self.compare_at);
        compare.into_iter().chain(self.fetches.next_timeout()).min()
    }

    /// The next thing to do or to know.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// All announcements, by name, the active one of each name first.
    pub fn announcements(&self) -> impl Iterator<Item = &Arc<SignedAnnouncement>> {
        self.catalogue.iter()
    }

    /// The active announcement of a name and version.
    pub fn active(&self, name: &ModuleName) -> Option<&Arc<SignedAnnouncement>> {
        self.catalogue.active(name)
    }

    /// The switches of a type, latest first: the first one says what runs.
    pub fn switches(&self, name: &TypeName) -> &[Arc<SignedSwitch>] {
        self.catalogue.switches(name)
    }

    /// The hash over all ids: equal where the same announcements are known.
    pub fn digest(&self) -> Hash {
        self.catalogue.digest()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            refused_count: self.refused_count,
            ahead_count: self.ahead_count,
            ..self.fetches.counts()
        }
    }

    #[cfg(test)]
    pub(super) fn requeue(&mut self, events: impl Iterator<Item = OutEvent>) {
        self.events.extend(events);
    }

    fn learn(&mut self, known: Statement) -> Inserted {
        let mut events = Vec::new();
        let inserted = self.catalogue.insert(known, &mut events);
        self.events.extend(events);
        inserted
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.events.push_back(OutEvent::Send { to, message });
    }

    fn send_digest(&mut self, to: NodeId) {
        let digest = self.catalogue.digest();
        self.send(to, Message::Digest { digest });
    }

    /// The peer's budget in the present interval; `None` if it is not connected.
    fn budget(&mut self, now: Duration, peer: NodeId) -> Option<&mut Budget> {
        let budget = self.peers.get_mut(&peer)?;
        let interval = self.config.pages_interval;
        if budget.since.is_none_or(|since| now >= since + interval) {
            *budget = Budget {
                since: Some(now),
                ..Budget::default()
            };
        }
        Some(budget)
    }

    fn on_digest(&mut self, now: Duration, from: NodeId, digest: Hash) {
        if digest == self.catalogue.digest() {
            return;
        }
        let Some(budget) = self.budget(now, from) else {
            return;
        };
        if std::mem::replace(&mut budget.pages_sent, true) {
            return;
        }
        for (after, to, ids) in self.catalogue.pages() {
            self.send(from, Message::Ids { after, to, ids });
        }
    }

    fn on_ids(&mut self, now: Duration, from: NodeId, after: Hash, to: Hash, theirs: &[Hash]) {
        let unknown = theirs.iter().filter(|id| !self.catalogue.contains(id));
        let ids: Vec<Hash> = unknown.copied().collect();
        let allowed_count = self.allowed_count(now, from);
        let ours = self.catalogue.range(after, to);
        let lacking = ours.filter(|(id, _)| theirs.binary_search(id).is_err());
        let items = lacking
            .take(allowed_count)
            .map(|(_, known)| known.as_bytes().to_vec())
            .collect();
        self.send_announcements(now, from, items);
        if !ids.is_empty() {
            self.send(from, Message::Request { ids });
        }
    }

    fn on_request(&mut self, now: Duration, from: NodeId, ids: &[Hash]) {
        let allowed_count = self.allowed_count(now, from);
        let known = ids.iter().take(IDS_MAX.min(allowed_count));
        let known = known.filter_map(|id| self.catalogue.get(id));
        let items = known.map(|known| known.as_bytes().to_vec()).collect();
        self.send_announcements(now, from, items);
    }

    /// How many announcements a peer may still have in this interval.
    fn allowed_count(&mut self, now: Duration, peer: NodeId) -> usize {
        let max = self.config.announcements_max;
        self.budget(now, peer)
            .map_or(0, |budget| max.saturating_sub(budget.announcements_sent))
    }

    /// Sends announcements and counts them.
    fn send_announcements(&mut self, now: Duration, to: NodeId, items: Vec<Vec<u8>>) {
        let Some(budget) = self.budget(now, to) else {
            return;
        };
        budget.announcements_sent += items.len();
        for batch in items.chunks(ANNOUNCEMENTS_MAX) {
            let items = batch.to_vec();
            self.send(to, Message::Announcements { items });
        }
    }

    fn on_fetch(&mut self, from: NodeId, module: ModuleHash, part: Part) {
        match self.serving.admit(from, module, part) {
            Admission::Read => self.events.push_back(OutEvent::Serve {
                to: from,
                module,
                part,
            }),
            Admission::Pending => {}
            Admission::Busy => self.send(
                from,
                Message::Refused {
                    module,
                    part,
                    refusal: Refusal::Busy,
                },
            ),
        }
    }

    fn served(&mut self, to: NodeId, module: ModuleHash, part: Part, message: Option<Message>) {
        if self.serving.finish(to, module, part) {
            let refused = Message::Refused {
                module,
                part,
                refusal: Refusal::NotHere,
            };
            self.send(to, message.unwrap_or(refused));
        }
    }

    fn conclude(
        &mut self,
        now: Duration,
        from: NodeId,
        module: ModuleHash,
        outcome: Outcome,
        rng: &mut impl Rng,
    ) {
        match outcome {
            Outcome::Ignored => return,
            Outcome::GoesOn => {}
            Outcome::Done(bytes) => self.events.push_back(OutEvent::Fetched { module, bytes }),
            Outcome::Misbehaved(what) => self.events.push_back(OutEvent::Misbehaved {
                peer: from,
                module,
                what,
            }),
        }
        self.drive_fetches(now, rng);
    }

    fn drive_fetches(&mut self, now: Duration, rng: &mut impl Rng) {
        let peers: Vec<NodeId> = self.peers.keys().copied().collect();
        let catalogue = &self.catalogue;
        let preferred = |module| catalogue.publishers(module).collect();
        let events = self.fetches.drive(now, &peers, preferred, rng);
        self.events.extend(events);
    }
}

/// An interval, a quarter shorter to a quarter longer, so that nodes do not move in step.
fn varied(interval: Duration, rng: &mut impl Rng) -> Duration {
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 2);
    let quarter = millis / 4;
    let least = millis - quarter;
    Duration::from_millis(rng.random_range(least..=least.saturating_add(2 * quarter)))
}
