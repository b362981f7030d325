//! The state machine of facts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::ids::{Hash, NodeId};
use crate::reconciliation::{self, Key};
use crate::scores::{Excess, Offenders};

use super::message::{ITEMS_BYTES, ITEMS_MAX};
use super::refused::Refused;
use super::store::{Store, permit};
use super::{
    Config, End, FactError, Message, MessageError, OutEvent, Refusal, SignedFact, Statement,
};

/// What happened so far, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Facts of others that were taken.
    pub learned_count: u64,
    /// Facts that came and were known.
    pub duplicate_count: u64,
    /// Facts that expired here.
    pub expired_count: u64,
    /// Facts that others displaced.
    pub displaced_count: u64,
    /// Facts that were refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// What comparing with peers came to.
    pub reconciliation: reconciliation::Counts,
}

/// The facts that this node knows.
///
/// # Operating it
///
/// 1. Make it, then [`restore`](State::restore) what [`OutEvent::Learned`] gave earlier to store.
/// 2. Tell it of sessions: [`handle_peer_up`](State::handle_peer_up),
///    [`handle_peer_down`](State::handle_peer_down). Give it the messages of peers
///    ([`on_message`](State::on_message)) and what [`OutEvent::Broadcast`] sent elsewhere
///    ([`on_broadcast`](State::on_broadcast); pass it on to others if that gives `Ok(true)`).
/// 3. A fact of this node: sign it, [`handle_publish`](State::handle_publish).
/// 4. Let nobody in who [`is_revoked`](State::is_revoked).
///
/// After every input drain [`poll_event`](State::poll_event) and arm one timer for
/// [`next_timeout`](State::next_timeout). `now` is monotonic, `wall_ms` is the wall clock in
/// milliseconds since 1970; the generator chooses peers and nonces.
#[derive(Debug)]
pub struct State {
    config: Config,
    store: Store,
    reconciliation: reconciliation::State,
    /// What is not kept, and not asked for again.
    refused: Refused,
    expire_at: Duration,
    events: VecDeque<OutEvent>,
    counts: Counts,
    offenders: Offenders,
}

impl State {
    /// Starts without facts and peers.
    pub fn new(config: Config, now: Duration, rng: &mut impl Rng) -> Self {
        let config = config.within_range();
        let of_sets = config.reconciliation.clone();
        Self {
            store: Store::new(),
            reconciliation: reconciliation::State::new(of_sets, now, rng),
            refused: Refused::default(),
            expire_at: now + config.expire_interval,
            events: VecDeque::new(),
            counts: Counts::default(),
            offenders: Offenders::default(),
            config,
        }
    }

    /// Takes a fact back from storage. Gives [`OutEvent::Revoked`] as if it had just come, nothing
    /// to store or send; and [`OutEvent::Forgotten`] if it has expired meanwhile, or this node's
    /// configuration no longer lets it in.
    ///
    /// # Errors
    /// [`FactError`] if the bytes are damaged; nothing changed.
    pub fn restore(&mut self, bytes: &[u8], wall_ms: u64) -> Result<(), FactError> {
        let fact = Arc::new(SignedFact::decode(bytes)?);
        fact.verify()?;
        let id = fact.id();
        let refused = permit(&self.config, &fact, wall_ms).err();
        // The clock may stand behind now; what is here was accepted once.
        let end = match refused.filter(|why| *why != Refusal::Ahead) {
            None => self.keep(fact).err().map(|_| End::Displaced),
            Some(Refusal::Expired) => Some(End::Expired),
            Some(_) => Some(End::Refused),
        };
        if let Some(end) = end {
            self.events.push_back(OutEvent::Forgotten { id, end });
        }
        Ok(())
    }

    /// Takes a fact of this node and tells everyone. Gives whether it is news.
    ///
    /// # Errors
    /// [`Refusal`]: what others would say, too; nothing changed.
    pub fn handle_publish(&mut self, fact: SignedFact, wall_ms: u64) -> Result<bool, Refusal> {
        if self.store.get(&fact.id()).is_some() {
            return Ok(false);
        }
        permit(&self.config, &fact, wall_ms)?;
        let fact = Arc::new(fact);
        self.keep(fact.clone())?;
        let bytes = fact.as_bytes().clone();
        self.events.push_back(OutEvent::Learned(fact));
        self.events.push_back(OutEvent::Broadcast(bytes));
        Ok(true)
    }

    /// Takes a fact that came by broadcast, by way of `from`. Gives whether to pass it on: it is
    /// news and was taken.
    ///
    /// # Errors
    /// [`FactError`]: the fault of whoever sent it here; nothing changed.
    pub fn on_broadcast(
        &mut self,
        from: NodeId,
        bytes: &[u8],
        wall_ms: u64,
    ) -> Result<bool, FactError> {
        let fact = SignedFact::decode(bytes)?;
        if self.store.get(&fact.id()).is_some() {
            self.counts.duplicate_count += 1;
            return Ok(false);
        }
        // What is refused in any case costs no signature.
        if let Err(refusal) = permit(&self.config, &fact, wall_ms) {
            self.refuse(from, &fact, refusal);
            return Ok(false);
        }
        fact.verify()?;
        let fact = Arc::new(fact);
        let displaced_count = self.counts.displaced_count;
        if let Err(refusal) = self.keep(fact.clone()) {
            self.refuse(from, &fact, refusal);
            return Ok(false);
        }
        if self.counts.displaced_count > displaced_count {
            self.hold_against(from, &fact);
        }
        self.counts.learned_count += 1;
        self.events.push_back(OutEvent::Learned(fact));
        Ok(true)
    }

    /// A session with `peer` is established.
    pub fn handle_peer_up(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.reconciliation.handle_peer_up(now, peer, rng);
        self.drain();
    }

    /// The last session with `peer` is over.
    pub fn handle_peer_down(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng) {
        self.reconciliation.handle_peer_down(now, peer, rng);
        self.drain();
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
            Message::Reconciliation(message) => {
                self.reconciliation.handle_floor(wall_ms);
                self.reconciliation.on_message(now, from, message, rng);
            }
            Message::Facts { items } => {
                for item in items {
                    self.on_broadcast(from, &item, wall_ms)?;
                    self.reconciliation.handle_arrived(from, 1);
                }
            }
        }
        self.drain();
        Ok(())
    }

    /// Does what is due. May be called at any time.
    pub fn handle_timeout(&mut self, now: Duration, wall_ms: u64, rng: &mut impl Rng) {
        if now >= self.expire_at {
            self.expire_at = now + self.config.expire_interval;
            while let Some(key) = self.reconciliation.set().first()
                && key.timestamp <= wall_ms
            {
                match self.refused.forget(&key) {
                    true => drop(self.reconciliation.remove(&key)),
                    false => {
                        self.counts.expired_count += 1;
                        self.forget(&key, End::Expired);
                    }
                }
            }
        }
        self.reconciliation.handle_floor(wall_ms);
        self.reconciliation.handle_timeout(now, rng);
        self.drain();
    }

    /// When [`handle_timeout`](State::handle_timeout) is due at the latest.
    pub fn next_timeout(&self) -> Option<Duration> {
        let expires = self.store.len() > 0 || !self.refused.is_empty();
        let expire = expires.then_some(self.expire_at);
        let compare = self.reconciliation.next_timeout();
        expire.into_iter().chain(compare).min()
    }

    /// The next thing to do or to know.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// A fact. One that has expired a moment ago may still be there.
    pub fn get(&self, id: &Hash) -> Option<&Arc<SignedFact>> {
        self.store.get(id)
    }

    /// All facts, by id.
    pub fn facts(&self) -> impl DoubleEndedIterator<Item = &Arc<SignedFact>> {
        self.store.iter()
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a node is to be kept out.
    pub fn is_revoked(&self, node: &NodeId) -> bool {
        self.store.is_revoked(node)
    }

    /// The nodes that are to be kept out.
    pub fn revoked(&self) -> impl Iterator<Item = &NodeId> {
        self.store.revoked()
    }

    /// Whether modules of a publisher are no longer to be trusted.
    pub fn is_publisher_revoked(&self, publisher: &NodeId) -> bool {
        self.store.is_publisher_revoked(publisher)
    }

    /// The hash over all facts, known ones and those refused for good: equal where the same came.
    pub fn root(&self) -> Hash {
        self.reconciliation.set().root()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            reconciliation: self.reconciliation.counts(),
            ..self.counts.clone()
        }
    }

    /// Who sent facts of its own that were not taken, or that pushed others out, since this was
    /// last asked. To be weighed ([`scores`](crate::scores)).
    pub fn take_offences(&mut self) -> BTreeMap<NodeId, Excess> {
        self.offenders.take()
    }

    /// Counts a fact that is refused. If this node's configuration is why, comparing takes it for
    /// known from now on, so that it does not come again each time; and that is said.
    fn refuse(&mut self, from: NodeId, fact: &SignedFact, refusal: Refusal) {
        *self.counts.refused.entry(refusal).or_default() += 1;
        self.hold_against(from, fact);
        if !refusal.is_of_configuration() {
            return;
        }
        if self.refused.remember(fact.key()) {
            self.reconciliation.insert(fact.key(), 0);
        }
        let kind = &fact.fact().kind;
        if self.refused.is_to_be_said(kind, from) {
            let kind = kind.clone();
            self.events.push_back(OutEvent::Refused {
                from,
                kind,
                refusal,
            });
        }
    }

    /// Nobody can be blamed for what others signed: nodes may be configured differently. Who issues
    /// facts itself that are not taken, or that push others out, does it on purpose.
    fn hold_against(&mut self, from: NodeId, fact: &SignedFact) {
        if fact.fact().issuer == from {
            self.offenders.add(from);
        }
    }

    /// Keeps a permitted fact that is not here, and says who is revoked by it.
    fn keep(&mut self, fact: Arc<SignedFact>) -> Result<(), Refusal> {
        let revoked = node_revoked_by(&fact).filter(|node| !self.is_revoked(node));
        let gone = self.store.insert(&self.config, &fact)?;
        let is_gone = |other: &Arc<SignedFact>| other.id() == fact.id();
        if gone.iter().any(is_gone) {
            return Err(Refusal::Full);
        }
        let weight = u32::try_from(fact.as_bytes().len()).unwrap_or(u32::MAX);
        self.reconciliation.insert(fact.key(), weight);
        for other in gone {
            self.counts.displaced_count += 1;
            self.reconciliation.remove(&other.key());
            self.say_forgotten(&other, End::Displaced);
        }
        if let Some(node) = revoked {
            self.events.push_back(OutEvent::Revoked(node));
        }
        Ok(())
    }

    fn forget(&mut self, key: &Key, end: End) {
        self.reconciliation.remove(key);
        if let Some(fact) = self.store.remove(&self.config, &key.id) {
            self.say_forgotten(&fact, end);
        }
    }

    fn say_forgotten(&mut self, fact: &SignedFact, end: End) {
        let id = fact.id();
        self.events.push_back(OutEvent::Forgotten { id, end });
        if let Some(node) = node_revoked_by(fact).filter(|node| !self.is_revoked(node)) {
            self.events.push_back(OutEvent::Reinstated(node));
        }
    }

    /// Turns what comparing wants into messages.
    fn drain(&mut self) {
        while let Some(event) = self.reconciliation.poll_event() {
            match event {
                reconciliation::OutEvent::Send { to, message } => {
                    let message = Message::Reconciliation(message);
                    self.events.push_back(OutEvent::Send { to, message });
                }
                reconciliation::OutEvent::Push { to, keys } => self.push(to, &keys),
                reconciliation::OutEvent::Unserved { peer, count } => {
                    self.events.push_back(OutEvent::Unserved { peer, count });
                }
            }
        }
    }

    fn push(&mut self, to: NodeId, keys: &[Key]) {
        let (mut items, mut bytes) = (Vec::new(), 0);
        for fact in keys.iter().filter_map(|key| self.store.get(&key.id)) {
            let length = fact.as_bytes().len();
            if !items.is_empty() && (bytes + length > ITEMS_BYTES || items.len() >= ITEMS_MAX) {
                let items = std::mem::take(&mut items);
                let message = Message::Facts { items };
                self.events.push_back(OutEvent::Send { to, message });
                bytes = 0;
            }
            items.push(fact.as_bytes().to_vec());
            bytes += length;
        }
        if !items.is_empty() {
            let message = Message::Facts { items };
            self.events.push_back(OutEvent::Send { to, message });
        }
    }
}

fn node_revoked_by(fact: &SignedFact) -> Option<NodeId> {
    match fact.statement() {
        Statement::NodeRevocation { node, .. } => Some(*node),
        _ => None,
    }
}
