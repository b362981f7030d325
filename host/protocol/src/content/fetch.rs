//! Getting modules: which part from which peer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::{ModuleHash, NodeId};

use super::manifest::chunk_count;
use super::{
    Config, ContentError, Counts, MODULE_BYTES_MAX, Manifest, Message, Misbehaviour, OutEvent, Part,
};

/// A rest grows up to this many times the first.
const REST_FACTOR_MAX: u32 = 16;

/// In one `part_timeout` a peer has to give at least this many chunks on average, so that one that
/// answers just before every timeout does not hold up a large module for long.
const CHUNKS_PER_TIMEOUT: u32 = 8;

/// How many liars of one fetch are remembered: more than have sessions at a time.
pub(super) const LIARS_MAX: usize = 4_096;

/// What a peer's answer led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody waits for it.
    Ignored,
    GoesOn,
    Done(Vec<u8>),
    Misbehaved(Misbehaviour),
}

/// One module on its way.
#[derive(Debug)]
struct Fetch {
    size_bytes: u32,
    manifest: Option<Manifest>,
    chunks: BTreeMap<u32, Vec<u8>>,
    turn: Option<Turn>,
    /// Who did not have it, was busy, slow, or saw another size; asked again after a rest.
    set_aside: BTreeSet<NodeId>,
    /// Who sent wrong content; not asked again. At most [`LIARS_MAX`].
    liars: BTreeSet<NodeId>,
    rest_until: Option<Duration>,
    rest_factor: u32,
}

/// A peer's turn at a fetch.
#[derive(Debug)]
struct Turn {
    peer: NodeId,
    asked: BTreeSet<Part>,
    /// When the next part has to be there.
    part_deadline: Duration,
    /// When all of it has to be there.
    turn_deadline: Duration,
}

/// All modules on their way. At most `fetches_max` have a peer's turn at a time, and no more than
/// that many of the largest modules are held.
#[derive(Debug)]
pub(super) struct Fetches {
    fetches: BTreeMap<ModuleHash, Fetch>,
    running_max: usize,
    wants_max: usize,
    /// What may still be fetched.
    bytes_left: u64,
    /// The modules that have come: they cost nothing when they are wanted again.
    fetched: BTreeSet<ModuleHash>,
    window_count: usize,
    part_timeout: Duration,
    retry_interval: Duration,
    counts: Counts,
}

impl Fetches {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            fetches: BTreeMap::new(),
            running_max: config.fetches_max,
            wants_max: config.wants_max,
            bytes_left: config.fetched_bytes_max,
            fetched: BTreeSet::new(),
            window_count: config.window_count,
            part_timeout: config.part_timeout,
            retry_interval: config.retry_interval,
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn want(&mut self, module: ModuleHash, size_bytes: u32) -> Result<(), ContentError> {
        if !(1..=MODULE_BYTES_MAX).contains(&size_bytes) {
            return Err(ContentError::Size { size_bytes });
        }
        if self.fetches.contains_key(&module) {
            return Ok(());
        }
        if self.fetches.len() >= self.wants_max {
            return Err(ContentError::Full { what: "wants" });
        }
        if !self.fetched.contains(&module) {
            let left = self.bytes_left.checked_sub(u64::from(size_bytes));
            self.bytes_left = left.ok_or(ContentError::Full {
                what: "bytes of modules from peers",
            })?;
        }
        self.fetches.insert(module, Fetch::new(size_bytes));
        Ok(())
    }

    pub(super) fn unwant(&mut self, module: ModuleHash) {
        if let Some(fetch) = self.fetches.remove(&module)
            && !self.fetched.contains(&module)
        {
            self.bytes_left += u64::from(fetch.size_bytes);
        }
    }

    /// Ends every rest: `peer` may have what others lacked.
    pub(super) fn wake(&mut self, peer: NodeId) {
        for fetch in self.fetches.values_mut() {
            fetch.set_aside.remove(&peer);
            fetch.rest_until = None;
        }
    }

    pub(super) fn peer_gone(&mut self, peer: NodeId) {
        for fetch in self.fetches.values_mut() {
            fetch.set_aside.remove(&peer);
            if fetch.turn.as_ref().is_some_and(|turn| turn.peer == peer) {
                fetch.turn = None;
            }
        }
    }

    /// Ends the turns of peers that took too long.
    pub(super) fn expire(&mut self, now: Duration) {
        for fetch in self.fetches.values_mut() {
            let is_late = |turn: &Turn| now >= turn.part_deadline.min(turn.turn_deadline);
            if fetch.turn.as_ref().is_some_and(is_late) {
                self.counts.timeout_count += 1;
                fetch.end_turn();
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let fetches = self.fetches.values();
        fetches
            .filter_map(|fetch| match &fetch.turn {
                Some(turn) => Some(turn.part_deadline.min(turn.turn_deadline)),
                None => fetch.rest_until,
            })
            .min()
    }

    pub(super) fn on_manifest(
        &mut self,
        now: Duration,
        from: NodeId,
        module: ModuleHash,
        manifest: Manifest,
    ) -> Outcome {
        let Some(fetch) = self.asked(from, module, Part::Manifest) else {
            return Outcome::Ignored;
        };
        if manifest.size_bytes() != fetch.size_bytes {
            // Either it or the announcement is wrong; there is no telling which.
            fetch.end_turn();
            return Outcome::GoesOn;
        }
        if !manifest.proves(&module) {
            return self.lied(from, module);
        }
        fetch.manifest = Some(manifest);
        self.progress(now, module);
        Outcome::GoesOn
    }

    pub(super) fn on_chunk(
        &mut self,
        now: Duration,
        from: NodeId,
        module: ModuleHash,
        index: u32,
        bytes: Vec<u8>,
    ) -> Outcome {
        let Some(fetch) = self.asked(from, module, Part::Chunk(index)) else {
            return Outcome::Ignored;
        };
        let is_proven = fetch.manifest.as_ref().is_some_and(|manifest| {
            bytes.len() == fetch.chunk_bytes(index) && manifest.proves_chunk(&module, index, &bytes)
        });
        if !is_proven {
            return self.lied(from, module);
        }
        fetch.chunks.insert(index, bytes);
        if fetch.chunks.len() < chunk_count(fetch.size_bytes) as usize {
            self.progress(now, module);
            return Outcome::GoesOn;
        }
        let fetch = self.fetches.remove(&module);
        let chunks = fetch.map(|fetch| fetch.chunks).unwrap_or_default();
        self.fetched.insert(module);
        self.counts.fetched_count += 1;
        Outcome::Done(chunks.into_values().flatten().collect())
    }

    /// The peer has not got it, or not now.
    pub(super) fn on_refused(&mut self, from: NodeId, module: ModuleHash, part: Part) -> Outcome {
        let Some(fetch) = self.asked(from, module, part) else {
            return Outcome::Ignored;
        };
        fetch.end_turn();
        Outcome::GoesOn
    }

    /// Gives turns to peers, asks for parts, lets fetches rest. The publishers of a module, given
    /// by `preferred`, are asked first, then any connected peer.
    pub(super) fn drive(
        &mut self,
        now: Duration,
        peers: &[NodeId],
        preferred: impl Fn(ModuleHash) -> BTreeSet<NodeId>,
        rng: &mut impl Rng,
    ) -> Vec<OutEvent> {
        let mut events = Vec::new();
        let running = self.fetches.values().filter(|fetch| fetch.turn.is_some());
        let mut free_count = self.running_max.saturating_sub(running.count());
        let modules: Vec<ModuleHash> = self.fetches.keys().copied().collect();
        for module in modules {
            let Some(fetch) = self.fetches.get_mut(&module) else {
                continue;
            };
            fetch.end_rest(now);
            if fetch.turn.is_none() && fetch.rest_until.is_none() && free_count > 0 {
                let chosen = fetch.choose(&preferred(module), peers, rng);
                match chosen {
                    Some(peer) => {
                        free_count -= 1;
                        self.give_turn(now, module, peer);
                    }
                    None => {
                        fetch.rest(now + self.retry_interval * fetch.rest_factor);
                        events.push(OutEvent::FetchStalled { module });
                    }
                }
            }
            if let Some(fetch) = self.fetches.get_mut(&module) {
                events.extend(fetch.ask(module, self.window_count));
            }
        }
        events
    }

    fn give_turn(&mut self, now: Duration, module: ModuleHash, peer: NodeId) {
        let Some(fetch) = self.fetches.get_mut(&module) else {
            return;
        };
        let missing = chunk_count(fetch.size_bytes) - fetch.chunks.len() as u32;
        // Every peer states size and hashes itself, so that its chunks are held against its own
        // word: a wrong announcement and a forged list of one peer never make another look a liar.
        fetch.manifest = None;
        fetch.turn = Some(Turn {
            peer,
            asked: BTreeSet::new(),
            part_deadline: now + self.part_timeout,
            turn_deadline: now + self.part_timeout * (2 + missing / CHUNKS_PER_TIMEOUT),
        });
        self.make_room();
    }

    /// Drops what resting fetches hold, the largest first, until running ones have room.
    fn make_room(&mut self) {
        let held = |fetch: &Fetch| fetch.chunks.values().map(Vec::len).sum::<usize>();
        loop {
            let resting = self
                .fetches
                .iter()
                .filter(|(_, fetch)| fetch.turn.is_none());
            let largest = resting
                .filter(|(_, fetch)| !fetch.chunks.is_empty())
                .max_by_key(|(_, fetch)| held(fetch));
            let Some(module) = largest.map(|(module, _)| *module) else {
                return;
            };
            let needed: usize = self
                .fetches
                .values()
                .map(|fetch| match fetch.turn {
                    Some(_) => fetch.size_bytes as usize,
                    None => held(fetch),
                })
                .sum();
            if needed <= self.running_max * MODULE_BYTES_MAX as usize {
                return;
            }
            if let Some(fetch) = self.fetches.get_mut(&module) {
                fetch.chunks.clear();
            }
        }
    }

    /// The fetch, if it is this peer's turn and it was asked for the part, which is now answered.
    /// Late answers of earlier turns are ignored.
    fn asked(&mut self, from: NodeId, module: ModuleHash, part: Part) -> Option<&mut Fetch> {
        let fetch = self.fetches.get_mut(&module)?;
        let turn = fetch.turn.as_mut().filter(|turn| turn.peer == from)?;
        turn.asked.remove(&part).then_some(fetch)
    }

    fn lied(&mut self, from: NodeId, module: ModuleHash) -> Outcome {
        self.counts.wrong_content_count += 1;
        if let Some(fetch) = self.fetches.get_mut(&module) {
            if fetch.liars.len() >= LIARS_MAX {
                fetch.liars.pop_first();
            }
            fetch.liars.insert(from);
            fetch.turn = None;
        }
        Outcome::Misbehaved(Misbehaviour::WrongContent)
    }

    fn progress(&mut self, now: Duration, module: ModuleHash) {
        if let Some(fetch) = self.fetches.get_mut(&module) {
            fetch.rest_factor = 1;
            if let Some(turn) = &mut fetch.turn {
                turn.part_deadline = now + self.part_timeout;
            }
        }
    }
}

impl Fetch {
    fn new(size_bytes: u32) -> Self {
        Self {
            size_bytes,
            manifest: None,
            chunks: BTreeMap::new(),
            turn: None,
            set_aside: BTreeSet::new(),
            liars: BTreeSet::new(),
            rest_until: None,
            rest_factor: 1,
        }
    }

    /// How long a chunk has to be.
    fn chunk_bytes(&self, index: u32) -> usize {
        let start = index as usize * super::CHUNK_BYTES;
        (self.size_bytes as usize)
            .saturating_sub(start)
            .min(super::CHUNK_BYTES)
    }

    fn end_turn(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.set_aside.insert(turn.peer);
        }
    }

    /// After a rest everyone may be asked again, but for liars.
    fn end_rest(&mut self, now: Duration) {
        if self.rest_until.is_some_and(|until| until <= now) {
            self.rest_until = None;
            self.set_aside.clear();
        }
    }

    fn rest(&mut self, until: Duration) {
        self.rest_until = Some(until);
        self.rest_factor = (self.rest_factor * 2).min(REST_FACTOR_MAX);
    }

    fn choose(
        &self,
        preferred: &BTreeSet<NodeId>,
        peers: &[NodeId],
        rng: &mut impl Rng,
    ) -> Option<NodeId> {
        let is_open = |peer: &&NodeId| !self.set_aside.contains(peer) && !self.liars.contains(peer);
        let open: Vec<NodeId> = peers.iter().filter(is_open).copied().collect();
        if let Some(peer) = open.iter().find(|peer| preferred.contains(peer)) {
            return Some(*peer);
        }
        let index = (!open.is_empty()).then(|| rng.random_range(0..open.len()))?;
        open.get(index).copied()
    }

    /// Requests for the parts that are asked for next, up to the window.
    fn ask(&mut self, module: ModuleHash, window_count: usize) -> Vec<OutEvent> {
        let Some(turn) = &mut self.turn else {
            return Vec::new();
        };
        let to = turn.peer;
        let parts: Vec<Part> = if self.manifest.is_none() {
            vec![Part::Manifest]
        } else {
            let missing =
                (0..chunk_count(self.size_bytes)).filter(|index| !self.chunks.contains_key(index));
            missing.map(Part::Chunk).take(window_count).collect()
        };
        let new = parts.into_iter().filter(|part| turn.asked.insert(*part));
        new.map(|part| OutEvent::Send {
            to,
            message: Message::Fetch { module, part },
        })
        .collect()
    }
}
