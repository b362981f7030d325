//! Peers that lie, one lie a test: what happens to the state, and who is blamed.

use std::time::Duration;

use replicant_protocol::bundle::{Body, Dependency, Format, LocalOp, SignedBundle};
use replicant_protocol::clock::Hlc;
use replicant_protocol::identity::{NodeIdentity, replica_id};
use replicant_protocol::ids::{
    ClusterId, Counter, Dot, Generation, Hash, LineageId, NodeId, ReplicaId, SnapshotRef,
};
use replicant_protocol::replication::{
    BundleBytes, Config, Held, Message, OpenError, OutEvent, RejectReason, SealError, State,
    SyncChunk, SyncRequest, Writer,
};
use replicant_protocol::version::VersionVector;

use crate::disk::Disk;
use crate::node::{EPOCH_MS, lineage, op, restored, topic_name};

const NOW: Duration = Duration::from_secs(1);

/// One honest node under test.
struct Victim {
    state: State,
    disk: Disk,
    now: Duration,
    identity: NodeIdentity,
}

/// A key with which a peer makes bundles, true or false.
struct Author {
    identity: NodeIdentity,
    first: u64,
    previous: Hash,
}

impl Victim {
    fn new(config: Config) -> Self {
        let identity = NodeIdentity::from_secret(&[100; 32]);
        let disk = Disk::default();
        let mut state = restored(0, identity.id(), &disk, config);
        state.handle_peer_up(peer());
        Self {
            state,
            disk,
            now: NOW,
            identity,
        }
    }

    fn hear(&mut self, bundle: &SignedBundle) -> Vec<OutEvent> {
        let wall_ms = EPOCH_MS + self.now.as_millis() as u64;
        self.state
            .on_bundle(self.now, wall_ms, peer(), bundle.clone(), &self.disk);
        self.events()
    }

    fn receive(&mut self, message: Message) -> Vec<OutEvent> {
        self.state
            .on_message(self.now, EPOCH_MS, peer(), message, &self.disk);
        self.events()
    }

    fn events(&mut self) -> Vec<OutEvent> {
        std::iter::from_fn(|| self.state.poll()).collect()
    }

    fn wait(&mut self, span: Duration) -> Vec<OutEvent> {
        self.now += span;
        let wall_ms = EPOCH_MS + self.now.as_millis() as u64;
        self.state.handle_timeout(self.now, wall_ms, &self.disk);
        self.events()
    }

    /// Stores what is deliverable.
    fn deliver(&mut self) -> Vec<SignedBundle> {
        let bundles = self
            .state
            .begin_batch(self.now, EPOCH_MS, &self.disk)
            .unwrap();
        self.disk.store(&bundles);
        self.state.handle_stored(self.now).unwrap();
        bundles
    }

    fn delivered_ops(&self) -> u64 {
        self.state.version().ops_since(&VersionVector::new())
    }

    /// Makes the victim ask its peer, and answers with these bundles.
    fn answer(&mut self, bundles: Vec<BundleBytes>, more: bool) -> Vec<OutEvent> {
        let request = self.asked().request;
        self.receive(Message::SyncChunk(SyncChunk {
            topic: topic_name(0),
            request,
            bundles,
            more,
            version: self.state.version().clone(),
        }))
    }

    fn asked(&mut self) -> SyncRequest {
        self.state.handle_peer_differs(self.now, peer());
        let asked = self.events().into_iter().find_map(|event| match event {
            OutEvent::Send {
                message: Message::SyncRequest(request),
                ..
            } => Some(request),
            _ => None,
        });
        asked.expect("the victim asks")
    }
}

impl Author {
    fn new(number: u8) -> Self {
        let identity = NodeIdentity::from_secret(&[number; 32]);
        Self {
            identity,
            first: 1,
            previous: Hash::ZERO,
        }
    }

    fn replica(&self) -> ReplicaId {
        replica_id(&self.identity.id(), Generation::new(0))
    }

    /// The next body of the chain, honest so far.
    fn body(&self, ops: &[&str]) -> Body {
        let topic = topic_name(0);
        let LocalOp { object, schema, .. } = op("x");
        let (type_name, id) = (object.type_name, object.id);
        Body {
            format: Format,
            lineage: lineage(&topic),
            topic,
            author: self.identity.id(),
            generation: Generation::new(0),
            first: Counter::new(self.first),
            reference: SnapshotRef::START,
            dependencies: Vec::new(),
            previous: self.previous,
            hlc: Hlc::at_millisecond(EPOCH_MS + self.first),
            objects: vec![replicant_protocol::bundle::BodyObject {
                type_name,
                id,
                schema,
            }],
            ops: ops.iter().map(|text| body_op(text)).collect(),
        }
    }

    fn sign(&self, change: impl FnOnce(&mut Body)) -> SignedBundle {
        let mut body = self.body(&["x1"]);
        change(&mut body);
        SignedBundle::sign(&self.identity, body).unwrap()
    }

    /// Signs the next bundle of the chain and goes on from it.
    fn next(&mut self) -> SignedBundle {
        let bundle = self.sign(|_| {});
        self.first += 1;
        self.previous = bundle.hash();
        bundle
    }
}

fn body_op(text: &str) -> replicant_protocol::bundle::BodyOp {
    replicant_protocol::bundle::BodyOp {
        object_index: 0,
        bytes: text.as_bytes().to_vec(),
    }
}

fn peer() -> NodeId {
    NodeIdentity::from_secret(&[200; 32]).id()
}

fn rejected(events: &[OutEvent]) -> Option<(RejectReason, bool)> {
    events.iter().find_map(|event| match event {
        OutEvent::Reject {
            reason, malicious, ..
        } => Some((reason.clone(), *malicious)),
        _ => None,
    })
}

fn is_proof(event: &OutEvent) -> bool {
    matches!(event, OutEvent::Equivocation { .. })
}

#[test]
fn a_forged_signature_is_malice_and_changes_nothing() {
    let mut victim = Victim::new(Config::default());
    let mut bytes = Author::new(1).next().as_bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let events = victim.hear(&SignedBundle::decode(&bytes).unwrap());
    assert_eq!(rejected(&events), Some((RejectReason::Signature, true)));
    assert!(!victim.state.has_deliverable());
    assert_eq!(victim.state.stats().rejected["signature"], 1);
    assert_eq!(victim.state.stats().buffered_count, 0);
}

#[test]
fn a_bundle_of_another_lineage_or_topic_is_malice() {
    let mut victim = Victim::new(Config::default());
    let other = LineageId::first(&ClusterId::from_bytes([1; 32]), &topic_name(0));
    let foreign = Author::new(1).sign(|body| body.lineage = other);
    assert_eq!(
        rejected(&victim.hear(&foreign)),
        Some((RejectReason::Lineage, true))
    );
    let foreign = Author::new(1).sign(|body| body.topic = topic_name(1));
    assert_eq!(
        rejected(&victim.hear(&foreign)),
        Some((RejectReason::Topic, true))
    );
}

#[test]
fn an_unknown_snapshot_is_refused_without_blame() {
    let mut victim = Victim::new(Config::default());
    let reference = SnapshotRef {
        number: 1,
        hash: Hash::of(b"snapshot"),
    };
    let bundle = Author::new(1).sign(|body| body.reference = reference);
    assert_eq!(
        rejected(&victim.hear(&bundle)),
        Some((RejectReason::Reference, false))
    );
}

#[test]
fn a_replayed_bundle_is_counted_and_nothing_else() {
    let mut victim = Victim::new(Config {
        boundaries_max: 1,
        ..Config::default()
    });
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..4).map(|_| author.next()).collect();
    bundles.iter().for_each(|bundle| drop(victim.hear(bundle)));
    victim.hear(&bundles[3]);
    assert_eq!(victim.deliver().len(), 4);
    for bundle in &bundles {
        assert_eq!(victim.hear(bundle), []);
    }
    assert_eq!(victim.state.stats().duplicates, 5);
    assert!(!victim.state.has_deliverable());
}

#[test]
fn a_gap_waits_asks_its_sender_and_is_closed() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let (first, second) = (author.next(), author.next());
    victim.hear(&second);
    assert!(!victim.state.has_deliverable());
    assert_eq!(
        victim.state.next_timeout(),
        Some(NOW + Duration::from_millis(200))
    );
    let events = victim.wait(Duration::from_millis(200));
    let asks = |event: &OutEvent| {
        matches!(event, OutEvent::Send { peer: to, message: Message::SyncRequest(_) }
            if *to == peer())
    };
    assert!(events.iter().any(asks), "{events:?}");
    victim.hear(&first);
    assert_eq!(victim.deliver(), [first, second]);
}

#[test]
fn what_never_becomes_deliverable_expires() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    author.next();
    victim.hear(&author.next());
    victim.wait(Duration::from_secs(121));
    let stats = victim.state.stats();
    assert_eq!((stats.buffered_count, stats.dropped_expired), (0, 1));
}

#[test]
fn a_wrong_predecessor_is_a_proof_against_its_author() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    victim.hear(&author.next());
    victim.deliver();
    let lie = author.sign(|body| body.previous = Hash::of(b"another"));
    let events = victim.hear(&lie);
    let held = Held::Stored(Dot {
        replica: author.replica(),
        counter: Counter::new(1),
    });
    let proof = OutEvent::Equivocation {
        replica: author.replica(),
        held,
        second: lie,
    };
    assert_eq!(events, [proof]);
    // The true successor is still welcome.
    victim.hear(&author.next());
    assert_eq!(victim.deliver().len(), 1);
}

#[test]
fn a_second_bundle_for_a_delivered_dot_is_kept_as_proof_and_not_delivered() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let other = author.sign(|body| body.ops[0].bytes = b"x2".to_vec());
    let long = author.sign(|body| body.ops.push(body_op("x3")));
    victim.hear(&author.next());
    victim.deliver();
    assert!(victim.hear(&other).iter().any(is_proof));
    // One proof is enough; further ones are counted.
    assert_eq!(victim.hear(&long), []);
    assert_eq!(victim.state.stats().equivocations, 2);
    assert!(!victim.state.has_deliverable());
}

#[test]
fn of_two_waiting_bundles_the_first_deliverable_one_wins() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let nowhere = Dependency {
        replica: Author::new(2).replica(),
        counter: Counter::new(1),
        hash: Hash::of(b"nothing"),
    };
    let blocked = author.sign(|body| body.dependencies.push(nowhere));
    victim.hear(&blocked);
    let events = victim.hear(&author.next());
    let held = Held::Waiting(blocked.clone());
    assert!(events.iter().any(
        |event| matches!(event, OutEvent::Equivocation { held: h, .. }
        if *h == held)
    ));
    assert_eq!(victim.deliver().len(), 1);
    assert_eq!(victim.delivered_ops(), 1);
}

#[test]
fn candidates_for_one_dot_are_bounded() {
    let mut victim = Victim::new(Config {
        candidates_max: 3,
        ..Config::default()
    });
    let author = Author::new(1);
    for n in 0..10 {
        victim.hear(&author.sign(|body| {
            (body.first, body.previous) = (Counter::new(5), Hash::of(&[n]));
        }));
    }
    assert_eq!(victim.state.stats().buffered_count, 3);
}

#[test]
fn a_dependency_on_another_history_is_refused_without_blaming_the_messenger() {
    let mut victim = Victim::new(Config::default());
    let (mut a, b) = (Author::new(1), Author::new(2));
    victim.hear(&a.next());
    victim.deliver();
    let dependency = Dependency {
        replica: a.replica(),
        counter: Counter::new(1),
        hash: Hash::of(b"fork"),
    };
    let bundle = b.sign(|body| {
        body.dependencies.push(dependency);
        body.hlc = Hlc::at_millisecond(EPOCH_MS + 10);
    });
    assert_eq!(
        rejected(&victim.hear(&bundle)),
        Some((RejectReason::Dependency, false))
    );
}

#[test]
fn a_dependency_in_the_middle_of_a_bundle_is_refused() {
    let mut victim = Victim::new(Config::default());
    let (a, b) = (Author::new(1), Author::new(2));
    let long = a.sign(|body| body.ops.push(body_op("x2")));
    victim.hear(&long);
    victim.deliver();
    let dependency = Dependency {
        replica: a.replica(),
        counter: Counter::new(1),
        hash: long.hash(),
    };
    let bundle = b.sign(|body| body.dependencies.push(dependency));
    assert_eq!(
        rejected(&victim.hear(&bundle)),
        Some((RejectReason::Dependency, false))
    );
}

#[test]
fn a_timestamp_before_a_dependency_or_predecessor_is_refused() {
    let mut victim = Victim::new(Config::default());
    let (mut a, b) = (Author::new(1), Author::new(2));
    let first = a.next();
    victim.hear(&first);
    victim.deliver();
    let dependency = Dependency {
        replica: a.replica(),
        counter: Counter::new(1),
        hash: first.hash(),
    };
    let bundle = b.sign(|body| {
        body.dependencies.push(dependency);
        body.hlc = first.hlc();
    });
    let reason = RejectReason::ClockOrder;
    assert_eq!(
        rejected(&victim.hear(&bundle)),
        Some((reason.clone(), false))
    );
    let backwards = a.sign(|body| body.hlc = Hlc::at_millisecond(EPOCH_MS));
    assert_eq!(
        rejected(&victim.hear(&backwards)),
        Some((reason.clone(), false))
    );
    // Served as delivered: then the peer is to blame.
    let events = victim.answer(vec![BundleBytes::from(&backwards)], false);
    assert_eq!(rejected(&events), Some((reason, true)));
}

#[test]
fn a_bundle_from_the_future_waits_until_its_time_and_drags_no_clock() {
    let mut victim = Victim::new(Config::default());
    let ahead_ms = NOW.as_millis() as u64 + 60_000 + 500;
    let bundle = Author::new(1).sign(|body| body.hlc = Hlc::at_millisecond(EPOCH_MS + ahead_ms));
    victim.hear(&bundle);
    assert!(!victim.state.has_deliverable());
    assert_eq!(
        victim.state.next_timeout(),
        Some(NOW + Duration::from_millis(500))
    );
    let own_time = victim.state.begin_batch(NOW, EPOCH_MS, &victim.disk);
    assert_eq!(own_time.unwrap(), []);
    assert_eq!(
        victim.state.open(EPOCH_MS).unwrap().hlc.milliseconds(),
        EPOCH_MS
    );
    victim.state.handle_stored(NOW).unwrap();
    victim.wait(Duration::from_millis(500));
    assert_eq!(victim.deliver(), [bundle]);
}

#[test]
fn the_buffer_keeps_what_is_nearest_to_deliverable() {
    let config = Config {
        buffer_count_max: 4,
        peer_count_max: 4,
        chunk_count_max: 4,
        ..Config::default()
    };
    let mut victim = Victim::new(config);
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..10).map(|_| author.next()).collect();
    for bundle in bundles[1..].iter().rev() {
        victim.hear(bundle);
    }
    assert_eq!(victim.state.stats().buffered_count, 4);
    assert_eq!(victim.state.stats().dropped_full, 5);
    victim.hear(&bundles[0]);
    assert_eq!(victim.deliver(), bundles[..4]);
}

#[test]
fn what_one_peer_floods_does_not_push_out_what_others_sent() {
    let config = Config {
        buffer_count_max: 20,
        peer_count_max: 4,
        chunk_count_max: 4,
        ..Config::default()
    };
    let mut victim = Victim::new(config);
    let (mut honest, mut flooding) = (Author::new(1), Author::new(2));
    honest.next();
    let other_peer = NodeIdentity::from_secret(&[201; 32]).id();
    let kept = honest.next();
    victim
        .state
        .on_bundle(NOW, EPOCH_MS, other_peer, kept.clone(), &victim.disk);
    flooding.next();
    for _ in 0..50 {
        victim.hear(&flooding.next());
    }
    assert_eq!(victim.state.stats().buffered_count, 5);
}

#[test]
fn undecodable_and_oversize_chunks_are_malice() {
    let mut victim = Victim::new(Config {
        chunk_bytes_max: 400,
        ..Config::default()
    });
    let events = victim.answer(vec![BundleBytes(b"junk".to_vec())], false);
    assert!(matches!(
        rejected(&events),
        Some((RejectReason::Undecodable(_), true))
    ));
    victim.wait(Duration::from_secs(20));
    let mut author = Author::new(1);
    let bundles = (0..2).map(|_| BundleBytes::from(&author.next())).collect();
    let events = victim.answer(bundles, true);
    assert_eq!(rejected(&events), Some((RejectReason::Oversize, true)));
    assert_eq!(victim.delivered_ops(), 0);
}

#[test]
fn a_chunk_that_nobody_asked_for_is_ignored() {
    let mut victim = Victim::new(Config::default());
    let request = victim.asked().request;
    let chunk = |request| {
        Message::SyncChunk(SyncChunk {
            topic: topic_name(0),
            request,
            bundles: vec![BundleBytes::from(&Author::new(1).next())],
            more: false,
            version: VersionVector::new(),
        })
    };
    let mut other = request;
    other.0 += 1;
    victim.receive(chunk(other));
    assert!(!victim.state.has_deliverable());
    victim.receive(chunk(request));
    assert!(victim.state.has_deliverable());
    victim.receive(chunk(request));
    assert_eq!(victim.state.stats().sync_unsolicited, 2);
}

#[test]
fn a_peer_that_promises_more_and_sends_nothing_is_asked_less_and_less() {
    let mut victim = Victim::new(Config::default());
    let mut pauses = Vec::new();
    for _ in 0..4 {
        assert_eq!(victim.answer(Vec::new(), true), []);
        let pause = victim.state.next_timeout().unwrap() - victim.now;
        victim.now += pause;
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
    assert_eq!(victim.state.stats().sync_useless, 4);
}

#[test]
fn a_silent_peer_times_out_and_another_is_asked() {
    let mut victim = Victim::new(Config::default());
    let other_peer = NodeIdentity::from_secret(&[201; 32]).id();
    victim.state.handle_peer_up(other_peer);
    victim.asked();
    let events = victim.wait(Duration::from_secs(10));
    assert!(matches!(&events[..], [OutEvent::Send { peer, .. }] if *peer == other_peer));
    assert_eq!(victim.state.stats().sync_timeouts, 1);
}

#[test]
fn one_request_of_a_peer_is_served_at_a_time_and_within_bounds() {
    let mut victim = Victim::new(Config::default());
    victim.hear(&Author::new(1).next());
    victim.deliver();
    let mut request = SyncRequest {
        topic: topic_name(0),
        request: replicant_protocol::replication::RequestId(1),
        version: VersionVector::new(),
        bundle_bytes_max: u32::MAX,
        bundle_count_max: u32::MAX,
    };
    let events = victim.receive(Message::SyncRequest(request.clone()));
    let [
        OutEvent::Serve {
            bytes_max,
            count_max,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(*bytes_max <= 2 << 20 && *count_max <= 1_024);
    assert_eq!(victim.receive(Message::SyncRequest(request.clone())), []);
    assert_eq!(victim.state.stats().serves_refused, 1);
    // Who is no peer is not served at all.
    request.request.0 = 2;
    let stranger = NodeIdentity::from_secret(&[202; 32]).id();
    let message = Message::SyncRequest(request);
    victim
        .state
        .on_message(NOW, EPOCH_MS, stranger, message, &victim.disk);
    assert_eq!(victim.events(), []);
}

#[test]
fn own_ops_that_are_not_in_the_log_stop_writing_until_a_new_generation() {
    let mut victim = Victim::new(Config::default());
    let lost = Author {
        identity: victim.identity.clone(),
        ..Author::new(1)
    }
    .next();
    let events = victim.hear(&lost);
    let ahead = OutEvent::HistoryAhead {
        peer: peer(),
        end: lost.end(),
    };
    assert!(events.contains(&ahead));
    assert_eq!(victim.deliver(), [lost]);
    victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    assert_eq!(victim.state.open(EPOCH_MS), Err(OpenError::HistoryAhead));
    victim.state.handle_stored(NOW).unwrap();
    victim.state.begin_generation(Generation::new(1)).unwrap();
    victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    let opened = victim.state.open(EPOCH_MS).unwrap();
    assert_eq!(opened.first, Counter::new(1));
    let bundles = victim.state.seal(&victim.identity, vec![op("x")]).unwrap();
    assert_eq!(bundles[0].body().dependencies.len(), 1);
    assert_eq!(bundles[0].replica(), opened.replica);
}

#[test]
fn a_refused_batch_leaves_no_trace() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let bundles = [author.next(), author.next()];
    bundles.iter().for_each(|bundle| drop(victim.hear(bundle)));
    let heads = |victim: &Victim| victim.state.heads().collect::<Vec<_>>();
    let before = heads(&victim);
    let batch = victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    let opened = victim.state.open(EPOCH_MS).unwrap();
    victim
        .state
        .seal(&victim.identity, vec![op("x"), op("y")])
        .unwrap();
    victim
        .state
        .handle_store_failed(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    assert_eq!(heads(&victim), before);
    assert_eq!(victim.delivered_ops(), 0);
    assert_eq!(victim.events(), victim.events());
    let again = victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    assert_eq!(again, batch);
    let reopened = victim.state.open(EPOCH_MS).unwrap();
    assert_eq!(reopened.first, opened.first);
    assert!(reopened.hlc > opened.hlc);
    let sealed = victim.state.seal(&victim.identity, vec![op("x")]).unwrap();
    assert_eq!(sealed[0].body().dependencies[0].hash, bundles[1].hash());
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut victim = Victim::new(Config::default());
    assert_eq!(victim.state.open(EPOCH_MS), Err(OpenError::NoBatch));
    assert_eq!(
        victim.state.seal(&victim.identity, vec![op("x")]),
        Err(SealError::NotOpen)
    );
    assert!(victim.state.handle_stored(NOW).is_err());
    victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    assert!(
        victim
            .state
            .begin_batch(NOW, EPOCH_MS, &victim.disk)
            .is_err()
    );
    assert!(victim.state.begin_generation(Generation::new(1)).is_err());
    let opened = victim.state.open(EPOCH_MS).unwrap();
    assert!(victim.state.seal(&victim.identity, Vec::new()).is_err());
    let sealed = victim.state.seal(&victim.identity, vec![op("x")]).unwrap();
    assert_eq!(sealed[0].hlc(), opened.hlc);
}

#[test]
fn contradicting_stored_chains_are_not_restored() {
    let mut disk = Disk::default();
    disk.store(&[Author::new(1).next()]);
    let restore = |heads| {
        let writer = Writer {
            author: peer(),
            generation: Generation::new(0),
        };
        let topic = topic_name(0);
        let lineage = lineage(&topic);
        State::restore(topic, lineage, writer, Config::default(), heads)
    };
    let head = disk.heads().remove(0);
    assert!(restore(vec![head.clone()]).is_ok());
    assert!(restore(vec![head.clone(), head.clone()]).is_err());
    let mut empty = head.clone();
    empty.last = Counter::ZERO;
    assert!(restore(vec![empty]).is_err());
    let mut beyond = head.clone();
    beyond.recent.push((Counter::new(9), head.end));
    assert!(restore(vec![beyond]).is_err());
}
