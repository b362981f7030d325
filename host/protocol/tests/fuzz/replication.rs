//! One topic, and the topics of a node, among peers that say anything at any time.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::bundle::{
    Body, BodyObject, BodyOp, Dependency, Format, LocalOp, SignedBundle,
};
use replicant_protocol::clock::Hlc;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{
    ClusterId, Counter, Generation, Hash, LineageId, NodeId, ObjectKey, ReplicaId, SnapshotRef,
    TopicName,
};
use replicant_protocol::replication::{
    BundleBytes, Config, Message, OutEvent, RequestId, Served, State, SyncChunk, SyncRequest,
    Writer, anti_entropy,
};
use replicant_protocol::version::VersionVector;

use crate::checker::Checker;
use crate::disk::Disk;
use crate::input::Input;
use crate::seeds::identity;

const EPOCH_MS: u64 = 1_800_000_000_000;
/// After so many timeouts without any message a topic is at rest.
const RESTLESS_MAX: usize = 1_000;

fn topic() -> TopicName {
    "topic/0".parse().unwrap()
}

fn lineage(cluster: u8) -> LineageId {
    LineageId::first(&ClusterId::from_bytes([cluster; 32]), &topic())
}

fn key() -> ObjectKey {
    ObjectKey {
        type_name: "g-counter".parse().unwrap(),
        id: "x".parse().unwrap(),
    }
}

fn sign(author: &NodeIdentity, change: impl FnOnce(&mut Body)) -> SignedBundle {
    let ObjectKey { type_name, id } = key();
    let mut body = Body {
        format: Format,
        topic: topic(),
        lineage: lineage(9),
        author: author.id(),
        generation: Generation::new(0),
        first: Counter::new(1),
        reference: SnapshotRef::START,
        dependencies: Vec::new(),
        previous: Hash::ZERO,
        hlc: Hlc::at_millisecond(EPOCH_MS),
        objects: vec![BodyObject {
            type_name,
            id,
            schema: 1,
        }],
        ops: vec![BodyOp {
            object_index: 0,
            bytes: vec![1],
        }],
    };
    change(&mut body);
    SignedBundle::sign(author, body).unwrap()
}

/// Chains of two authors that build on each other, and what liars make of them.
fn pool() -> Vec<SignedBundle> {
    let mut pool: Vec<SignedBundle> = Vec::new();
    let mut ends: [Option<SignedBundle>; 2] = [None, None];
    for n in 0..12_u64 {
        let (mine, other) = ((n % 2) as usize, 1 - (n % 2) as usize);
        let author = identity(21 + mine as u8);
        let bundle = sign(&author, |body| {
            body.hlc = Hlc::at_millisecond(EPOCH_MS + n);
            if let Some(end) = &ends[mine] {
                body.first = end.last().checked_add(1).unwrap();
                body.previous = end.hash();
            }
            body.dependencies
                .extend(ends[other].as_ref().map(|end| Dependency {
                    replica: end.replica(),
                    counter: end.last(),
                    hash: end.hash(),
                }));
            let ops = vec![body.ops[0].clone(); 1 + n as usize % 3];
            body.ops = ops;
        });
        ends[mine] = Some(bundle.clone());
        pool.push(bundle);
    }
    let (fork, nobody) = (identity(21), Hash::of(b"nobody"));
    let absent = Dependency {
        replica: ReplicaId::new(5).unwrap(),
        counter: Counter::new(u64::MAX),
        hash: nobody,
    };
    pool.push(sign(&fork, |body| body.ops[0].bytes = vec![2]));
    pool.push(sign(&fork, |body| {
        (body.first, body.previous) = (Counter::new(2), nobody);
    }));
    pool.push(sign(&identity(23), |body| body.dependencies = vec![absent]));
    for first in [2, 7, u64::MAX - 1] {
        pool.push(sign(&identity(24), |body| {
            (body.first, body.previous) = (Counter::new(first), nobody);
            body.hlc = Hlc::from_u64(first);
        }));
    }
    for ahead_ms in [60_001, 90_000, u64::MAX - EPOCH_MS] {
        pool.push(sign(&identity(25), |body| {
            body.hlc = Hlc::at_millisecond(EPOCH_MS + ahead_ms);
        }));
    }
    pool.push(sign(&identity(26), |body| body.lineage = lineage(8)));
    pool.push(sign(&identity(26), |body| body.reference.number = 1));
    let own = sign(&identity(20), |body| body.ops[0].bytes = vec![3]);
    let mut forged = own.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    pool.push(SignedBundle::decode(&forged).unwrap());
    pool.push(own);
    pool
}

thread_local! {
    /// Signing takes longer than the rest of a case.
    static POOL: Vec<SignedBundle> = pool();
}

struct Run<'a> {
    state: State,
    config: Config,
    disk: Disk,
    checker: Checker,
    pool: &'a [SignedBundle],
    now: Duration,
    skew_ms: u64,
    /// Requests of the state that wait for an answer.
    asked: Vec<(NodeId, RequestId)>,
    /// Requests of peers that wait for the log.
    serving: Vec<(NodeId, RequestId, VersionVector)>,
    batch: Option<Vec<SignedBundle>>,
    local: Vec<SignedBundle>,
}

fn peer(number: usize) -> NodeId {
    NodeId::from_bytes([100 + number as u8; 32])
}

impl Run<'_> {
    fn wall_ms(&self) -> u64 {
        EPOCH_MS.saturating_add(self.now.as_millis() as u64 + self.skew_ms)
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let from = peer(input.below(3));
        let (now, wall_ms) = (self.now, self.wall_ms());
        match input.below(14) {
            0 => self.state.handle_peer_up(from),
            1 => self.state.handle_peer_down(now, from),
            2 => self.state.handle_peer_differs(now, from),
            3..6 => {
                let bundle = self.pool[input.below(self.pool.len())].clone();
                self.state.on_bundle(now, wall_ms, from, bundle, &self.disk);
            }
            6 => {
                let message = self.request(input);
                self.state
                    .on_message(now, wall_ms, from, message, &self.disk);
            }
            7 | 8 => {
                let (from, message) = self.chunk(input, from);
                self.state
                    .on_message(now, wall_ms, from, message, &self.disk);
            }
            9 => {
                self.now += Duration::from_millis(input.number() % 200_000);
                self.skew_ms = input.number() % 100_000;
                let wall_ms = self.wall_ms();
                self.state.handle_timeout(self.now, wall_ms, &self.disk);
            }
            10 => self.begin(input.below(2)),
            11 => self.end(input.below(4) == 0),
            12 => self.serve(input.below(4) == 0),
            _ => {
                self.state.handle_pressure(now);
            }
        }
        self.drain();
        assert!(self.state.buffered_bytes() <= self.config.buffer_bytes_max);
        let count = self.state.stats().buffered_count;
        assert!(
            count <= self.config.buffer_count_max,
            "{count} are buffered"
        );
        assert_eq!(self.checker.failures, Vec::<String>::new());
    }

    fn version(&self, input: &mut Input<'_>) -> VersionVector {
        let entry = |input: &mut Input<'_>| {
            let replica = self.pool[input.below(self.pool.len())].replica();
            (replica, Counter::new(input.number()))
        };
        (0..input.below(4)).map(|_| entry(input)).collect()
    }

    fn request(&self, input: &mut Input<'_>) -> Message {
        Message::SyncRequest(SyncRequest {
            topic: topic(),
            request: RequestId(input.number()),
            version: self.version(input),
            bundle_bytes_max: input.number() as u32,
            bundle_count_max: input.number() as u32,
        })
    }

    fn chunk(&mut self, input: &mut Input<'_>, from: NodeId) -> (NodeId, Message) {
        let index = input.below(self.asked.len() + 1);
        let (from, request) = match self.asked.get(index) {
            Some(_) => self.asked.remove(index),
            None => (from, RequestId(input.number())),
        };
        let start = input.below(self.pool.len());
        let bundles = self.pool[start..].iter().take(input.below(6));
        let chunk = SyncChunk {
            topic: topic(),
            request,
            bundles: bundles.map(BundleBytes::from).collect(),
            more: input.below(2) == 0,
            version: self.version(input),
        };
        (from, Message::SyncChunk(chunk))
    }

    fn begin(&mut self, ops_count: usize) {
        let (now, wall_ms) = (self.now, self.wall_ms());
        let Ok(remote) = self.state.begin_batch(now, wall_ms, &self.disk) else {
            assert!(self.batch.is_some());
            return;
        };
        self.batch = Some(remote);
        if ops_count > 0 && self.state.open(wall_ms).is_ok() {
            let op = LocalOp {
                object: key(),
                schema: 1,
                bytes: vec![4],
            };
            self.local = self.state.seal(&identity(20), vec![op]).unwrap();
        }
    }

    fn end(&mut self, has_failed: bool) {
        let (now, wall_ms) = (self.now, self.wall_ms());
        let (Some(remote), local) = (self.batch.take(), std::mem::take(&mut self.local)) else {
            assert!(self.state.handle_stored(now).is_err());
            return;
        };
        if has_failed {
            self.state
                .handle_store_failed(now, wall_ms, &self.disk)
                .unwrap();
        } else {
            self.disk.store(&remote);
            self.disk.store(&local);
            self.state.handle_stored(now).unwrap();
            self.checker.stored(0, 0, &self.disk);
        }
    }

    fn serve(&mut self, has_failed: bool) {
        if let Some((peer, request, from)) = self.serving.pop() {
            let served = match has_failed {
                true => Served::default(),
                false => self.disk.serve(from, 1_000, 3),
            };
            self.state.handle_served(peer, request, served);
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.state.poll() {
            match event {
                OutEvent::Send {
                    peer,
                    message: Message::SyncRequest(request),
                } => self.asked.push((peer, request.request)),
                OutEvent::Serve {
                    peer,
                    request,
                    from,
                    ..
                } => self.serving.push((peer, request, from)),
                OutEvent::Forward { bundle, .. } => assert_eq!(bundle.verify(), Ok(())),
                _ => {}
            }
        }
        // Old ones only; the newest is what is waited for.
        let excess = self.asked.len().saturating_sub(8);
        self.asked.drain(..excess);
    }

    /// Nobody says anything any more: time goes on, step by step, and the topic comes to rest.
    fn rest(&mut self) {
        for _ in 0..RESTLESS_MAX {
            if self.batch.is_some() || self.state.has_deliverable() {
                self.begin(0);
                self.end(false);
                self.drain();
            }
            let Some(next) = self.state.next_timeout() else {
                return;
            };
            self.now = self.now.max(next);
            let wall_ms = self.wall_ms();
            self.state.handle_timeout(self.now, wall_ms, &self.disk);
            self.drain();
            let next = self.state.next_timeout();
            assert!(
                next.is_none_or(|next| next > self.now) || self.state.has_deliverable(),
                "a timer that is due at once, again"
            );
        }
        panic!("no rest: {:?}", self.state);
    }
}

pub(crate) fn replication(bytes: &[u8]) {
    let config = Config {
        buffer_count_max: 8,
        peer_count_max: 5,
        chunk_count_max: 4,
        candidates_max: 2,
        batch_count_max: 3,
        boundaries_max: 2,
        proofs_max: 2,
        ..Config::default()
    };
    POOL.with(|pool| {
        let writer = Writer {
            author: identity(20).id(),
            generation: Generation::new(0),
        };
        let mut run = Run {
            state: State::new(topic(), lineage(9), writer, config.clone()),
            config: config.clone(),
            disk: Disk::default(),
            checker: Checker::default(),
            pool,
            now: Duration::from_secs(1),
            skew_ms: 0,
            asked: Vec::new(),
            serving: Vec::new(),
            batch: None,
            local: Vec::new(),
        };
        let mut input = Input::new(bytes);
        while !input.is_over() {
            run.step(&mut input);
        }
        run.rest();
    });
}

pub(crate) fn anti_entropy(bytes: &[u8]) {
    use anti_entropy::{Message, OutEvent, State, TopicDigest};
    let mut input = Input::new(bytes);
    let (mut now, mut rng) = (Duration::from_secs(1), ChaCha8Rng::seed_from_u64(1));
    let mut state = State::new(now, anti_entropy::Config::default(), &mut rng);
    let topic = |number: usize| -> TopicName { format!("t/{number:03}").parse().unwrap() };
    let version = |count: u8| -> VersionVector {
        let counter = Counter::new(u64::from(count % 3) + 1);
        [(ReplicaId::new(7).unwrap(), counter)]
            .into_iter()
            .collect()
    };
    // What honest nodes say; comparisons that are not theirs come from its middle.
    let said = SAID.with(Clone::clone);
    let mut heard = Vec::new();
    while !input.is_over() {
        let from = peer(input.below(3));
        match input.below(7) {
            0 => state.handle_peer_up(now, from, &mut rng),
            1 => state.handle_peer_down(now, from, &mut rng),
            2 => drop(state.handle_version(&topic(input.below(60)), &version(input.byte()))),
            3 => {
                let bytes = &said[input.below(said.len())];
                let message = Message::from_bytes(bytes).unwrap();
                state.on_message(now, from, message, &mut rng);
            }
            // Its own words, back to it.
            4 if !heard.is_empty() => {
                let at = input.below(heard.len());
                state.on_message(now, from, Message::clone(&heard[at]), &mut rng);
            }
            5 => {
                let digest = |number: usize| TopicDigest {
                    topic: topic(number),
                    version: version(number as u8).hash(),
                    ops_count: number as u64 % 5,
                };
                let start = input.below(60);
                let topics = (start..=start + input.below(20)).map(digest).collect();
                state.on_message(now, from, Message::Digests { topics }, &mut rng);
            }
            _ => {
                now += Duration::from_millis(input.number() % 30_000);
                state.handle_timeout(now, &mut rng);
                assert!(state.next_timeout().is_none_or(|next| next > now));
            }
        }
        while let Some(event) = state.poll() {
            if let OutEvent::Send { message, .. } = event {
                assert_eq!(
                    Message::from_bytes(&message.to_bytes()).as_ref(),
                    Ok(&message)
                );
                heard.push(message);
                heard.truncate(64);
            }
        }
    }
}

thread_local! {
    static SAID: Vec<Vec<u8>> = comparison_of_topics();
}

/// What two nodes say to each other that have different topics.
pub(crate) fn comparison_of_topics() -> Vec<Vec<u8>> {
    use anti_entropy::{Config, OutEvent, State};
    let (mut rng, now) = (ChaCha8Rng::seed_from_u64(3), Duration::from_secs(1));
    let mut states = [0, 1].map(|_| State::new(now, Config::default(), &mut rng));
    for number in 0..200_u64 {
        let topic: TopicName = format!("t/{number:03}").parse().unwrap();
        for (of, state) in states.iter_mut().enumerate() {
            let counter = Counter::new(1 + u64::from(number % 50 == of as u64));
            let version = [(ReplicaId::new(7).unwrap(), counter)]
                .into_iter()
                .collect();
            state.handle_version(&topic, &version);
        }
    }
    for (of, state) in states.iter_mut().enumerate() {
        state.handle_peer_up(now, peer(1 - of), &mut rng);
    }
    let mut said = Vec::new();
    loop {
        let count = said.len();
        for of in [0, 1] {
            while let Some(event) = states[of].poll() {
                if let OutEvent::Send { message, .. } = event {
                    said.push(message.to_bytes());
                    states[1 - of].on_message(now, peer(of), message, &mut rng);
                }
            }
        }
        if said.len() == count {
            return said;
        }
    }
}
