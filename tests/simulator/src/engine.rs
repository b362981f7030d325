//! The order of events: messages, timers, broken sessions, inputs.

mod arrivals;
mod clock;
mod event;
mod process;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Index, Network, Transport};
use arrivals::Arrivals;
use clock::Clock;
use event::{Event, What};
use process::Action;

pub use process::{Context, Crash, Process};

struct Slot<P> {
    /// `None` while the node is down.
    process: Option<P>,
    crash: Crash,
    /// When its timer fires; wakes for other times are old.
    armed: Option<Duration>,
    /// Who holds a session with it.
    watchers: BTreeSet<Index>,
    clock: Clock,
    /// Until then it does nothing.
    stalled_until: Duration,
    /// Until then it neither gets nor sends anything, but its timers go on.
    blocked_until: Duration,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were sent.
    pub messages_count: u64,
    /// Their bytes.
    pub bytes_count: u64,
    /// Messages that were lost on the way.
    pub lost_count: u64,
    /// Events that were handled.
    pub events_count: u64,
}

/// A simulation. Start nodes, give inputs, let time pass, look at the nodes.
pub struct Engine<P: Process> {
    /// The time now.
    pub now: Duration,
    /// The network between the nodes.
    pub network: Network,
    /// The one generator of the simulation.
    pub rng: ChaCha8Rng,
    slots: Vec<Slot<P>>,
    queue: BinaryHeap<Reverse<Event<P::Message, P::Input>>>,
    sequence: u64,
    log: blake3::Hasher,
    counts: Counts,
    actions: Vec<Action<P::Message>>,
    /// Who waits for an acknowledgement of whom across a cut.
    silences: BTreeSet<(Index, Index)>,
    arrivals: Arrivals,
}

impl<P: Process> Engine<P> {
    /// A simulation without nodes. Time starts above zero, so that protocols can look back.
    pub fn new(seed: u64, network: Network) -> Self {
        Self {
            now: Duration::from_secs(1_000),
            network,
            rng: ChaCha8Rng::seed_from_u64(seed),
            slots: Vec::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
            log: blake3::Hasher::new(),
            counts: Counts::default(),
            actions: Vec::new(),
            silences: BTreeSet::new(),
            arrivals: Arrivals::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All that happened so far, as a hash: equal for equal seeds.
    pub fn log_hash(&self) -> blake3::Hash {
        self.log.finalize()
    }

    /// How many nodes there are, those that are down included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The nodes that are up.
    pub fn nodes(&self) -> impl Iterator<Item = (Index, &P)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| Some((index as Index, slot.process.as_ref()?)))
    }

    /// A node, if it is up.
    pub fn node(&self, node: Index) -> Option<&P> {
        self.slots.get(node as usize)?.process.as_ref()
    }

    /// Starts a further node. Its number follows the last one's.
    pub fn add(&mut self, process: P) -> Index {
        let node = self.slots.len() as Index;
        self.slots.push(Slot {
            process: Some(process),
            crash: Crash::Noticed,
            armed: None,
            watchers: BTreeSet::new(),
            clock: Clock::default(),
            stalled_until: Duration::ZERO,
            blocked_until: Duration::ZERO,
        });
        self.note(b"start", node, node, 0);
        self.arm(node);
        node
    }

    /// Starts a node again that is down.
    pub fn restart(&mut self, node: Index, process: P) {
        self.note(b"start", node, node, 0);
        self.slots[node as usize].process = Some(process);
        self.slots[node as usize].armed = None;
        self.arm(node);
    }

    /// Ends a node. What it kept is given back, for a restart with its disk.
    pub fn crash(&mut self, node: Index, crash: Crash) -> Option<P> {
        let process = self.slots[node as usize].process.take()?;
        self.note(b"crash", node, node, 0);
        let slot = &mut self.slots[node as usize];
        slot.crash = crash;
        slot.armed = None;
        slot.stalled_until = Duration::ZERO;
        slot.blocked_until = Duration::ZERO;
        let watchers = std::mem::take(&mut slot.watchers);
        if crash == Crash::Noticed {
            for watcher in watchers {
                if self.network.is_open(node, watcher) {
                    let delay = self.network.delay(node, watcher, &mut self.rng);
                    self.push(self.now + delay, watcher, What::Broken { peer: node });
                }
            }
        }
        Some(process)
    }

    /// Lets a node stand still: messages, timers and inputs wait until the span is over.
    pub fn stall(&mut self, node: Index, span: Duration) {
        self.note(b"stall", node, node, span.as_nanos() as u64);
        let slot = &mut self.slots[node as usize];
        slot.stalled_until = slot.stalled_until.max(self.now + span);
    }

    /// Lets what a node sends and is sent wait until the span is over, while its timers go on: it
    /// does not know that it is the slow one.
    pub fn block(&mut self, node: Index, span: Duration) {
        self.note(b"block", node, node, span.as_nanos() as u64);
        let slot = &mut self.slots[node as usize];
        slot.blocked_until = slot.blocked_until.max(self.now + span);
    }

    /// Puts a node's clock forward, and lets it gain (or lose) millionths from now on.
    pub fn skew(&mut self, node: Index, ahead: Duration, drift_ppm: i32) {
        self.note(b"skew", node, node, ahead.as_nanos() as u64);
        self.slots[node as usize]
            .clock
            .skew(self.now, ahead, drift_ppm);
        self.arm(node);
    }

    /// What a node's own clock shows.
    pub fn now_of(&self, node: Index) -> Duration {
        self.slots[node as usize].clock.local(self.now)
    }

    /// Lets a node handle an input now, or when it no longer stalls. Nothing happens if it is
    /// down.
    pub fn input(&mut self, node: Index, input: P::Input) {
        let stalled_until = self.slots[node as usize].stalled_until;
        if stalled_until > self.now {
            return self.push(stalled_until, node, What::Input(input));
        }
        self.note(b"input", node, node, 0);
        self.with(node, |process, context| process.on_input(input, context));
    }

    /// Lets time pass until `until`, and everything happen that is due.
    pub fn run_until(&mut self, until: Duration) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(event)| event.at <= until)
        {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn step(&mut self) {
        let Some(Reverse(event)) = self.queue.pop() else {
            return;
        };
        let node = event.node;
        self.now = event.at;
        self.counts.events_count += 1;
        let slot = &mut self.slots[node as usize];
        if slot.stalled_until > event.at && slot.process.is_some() {
            if matches!(event.what, What::Wake) && slot.armed == Some(event.at) {
                slot.armed = Some(slot.stalled_until);
            }
            let until = slot.stalled_until;
            return self.push(until, node, event.what);
        }
        let is_local = matches!(event.what, What::Wake | What::Input(_));
        if slot.blocked_until > event.at && slot.process.is_some() && !is_local {
            let until = slot.blocked_until;
            return self.push(until, node, event.what);
        }
        match event.what {
            What::Message { from, message } => self.arrive(from, node, message),
            What::Broken { peer } => {
                self.note(b"broken", peer, node, 0);
                self.slots[peer as usize].watchers.remove(&node);
                self.with(node, |process, context| process.on_broken(peer, context));
            }
            What::Silence { peer } => {
                self.silences.remove(&(node, peer));
                if !self.network.is_open_both_ways(node, peer) {
                    self.note(b"silence", peer, node, 0);
                    self.slots[peer as usize].watchers.remove(&node);
                    self.with(node, |process, context| process.on_broken(peer, context));
                }
            }
            What::Input(input) => self.input(node, input),
            What::Wake => {
                if self.slots[node as usize].armed == Some(event.at) {
                    self.slots[node as usize].armed = None;
                    self.note(b"wake", node, node, 0);
                    self.with(node, P::on_timeout);
                }
            }
        }
    }

    fn arrive(&mut self, from: Index, node: Index, message: P::Message) {
        self.note(b"message", from, node, P::bytes_of(&message) as u64);
        let slot = &self.slots[node as usize];
        if slot.process.is_some() {
            return self.with(node, |process, context| {
                process.on_message(from, message, context);
            });
        }
        // A machine that is up answers that nobody listens; one that is gone says nothing.
        let notice = match slot.crash {
            Crash::Noticed => self.network.delay(node, from, &mut self.rng),
            Crash::Silent => self.network.silence_max,
        };
        self.push(self.now + notice, from, What::Broken { peer: node });
    }

    /// Lets a node handle something, does what it asks for, and sets its timer.
    fn with(&mut self, node: Index, handle: impl FnOnce(&mut P, &mut Context<'_, P::Message>)) {
        let slot = &mut self.slots[node as usize];
        let Some(process) = slot.process.as_mut() else {
            return;
        };
        let mut actions = std::mem::take(&mut self.actions);
        let mut context = Context {
            now: slot.clock.local(self.now),
            true_now: self.now,
            rng: &mut self.rng,
            actions: &mut actions,
        };
        handle(process, &mut context);
        for action in actions.drain(..) {
            match action {
                Action::Send { to, message } => self.send(node, to, message),
                Action::Watch(peer) => self.watch(node, peer),
                Action::Unwatch(peer) => {
                    self.slots[peer as usize].watchers.remove(&node);
                }
            }
        }
        self.actions = actions;
        self.arm(node);
    }

    fn watch(&mut self, node: Index, peer: Index) {
        let slot = &mut self.slots[peer as usize];
        if slot.process.is_some() {
            slot.watchers.insert(node);
        }
    }

    fn send(&mut self, from: Index, to: Index, message: P::Message) {
        self.counts.messages_count += 1;
        self.counts.bytes_count += P::bytes_of(&message) as u64;
        if !self.network.is_open_both_ways(from, to) && self.silences.insert((from, to)) {
            let told = self.now + self.network.silence_max;
            self.push(told, from, What::Silence { peer: to });
        }
        let Some(delay) = self.network.travel(from, to, &mut self.rng) else {
            self.counts.lost_count += 1;
            return;
        };
        if self.network.is_doubled(&mut self.rng) {
            let left_at = self.now.max(self.slots[from as usize].blocked_until);
            let again = left_at + self.network.delay(from, to, &mut self.rng);
            let message = message.clone();
            self.push(again, to, What::Message { from, message });
        }
        let blocked_until = self.slots[from as usize].blocked_until;
        let mut at = self.now.max(blocked_until) + delay;
        if let Transport::Streams(_) = self.network.transport {
            at = self.arrivals.in_order(self.now, from, to, at);
        }
        self.push(at, to, What::Message { from, message });
    }

    fn arm(&mut self, node: Index) {
        let slot = &mut self.slots[node as usize];
        let Some(at) = slot.process.as_ref().and_then(P::next_timeout) else {
            slot.armed = None;
            return;
        };
        let at = slot.clock.global(at).max(self.now);
        if slot.armed != Some(at) {
            slot.armed = Some(at);
            self.push(at, node, What::Wake);
        }
    }

    fn push(&mut self, at: Duration, node: Index, what: What<P::Message, P::Input>) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.queue.push(Reverse(Event {
            at,
            sequence,
            node,
            what,
        }));
    }

    fn note(&mut self, what: &[u8], from: Index, to: Index, size: u64) {
        self.log.update(what);
        self.log.update(&(self.now.as_nanos() as u64).to_le_bytes());
        self.log.update(&from.to_le_bytes());
        self.log.update(&to.to_le_bytes());
        self.log.update(&size.to_le_bytes());
    }
}
