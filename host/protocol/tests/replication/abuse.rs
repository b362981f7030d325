//! Peers that cost more than they should: by junk, by questions, by answers that come late.

use std::time::Duration;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::clock::Hlc;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{Counter, Hash, NodeId, ReplicaId};
use replicant_protocol::replication::{
    BundleBytes, Config, Message, OutEvent, RequestId, SyncChunk, SyncRequest,
};
use replicant_protocol::version::VersionVector;

use crate::node::{EPOCH_MS, topic_name};
use crate::victim::*;

fn other_peer() -> NodeId {
    NodeIdentity::from_secret(&[201; 32]).id()
}

/// A bundle with a valid signature and an early time, whose predecessor nobody has.
fn junk(number: u64) -> SignedBundle {
    Author::new(66).sign(|body| {
        body.first = Counter::new(2 + number);
        body.previous = Hash::of(b"nowhere");
        body.hlc = Hlc::from_u64(1 + number);
    })
}

fn ask(request: u64, version: VersionVector, bundle_count_max: u32) -> Message {
    Message::SyncRequest(SyncRequest {
        topic: topic_name(0),
        request: RequestId(request),
        version,
        bundle_bytes_max: 1 << 20,
        bundle_count_max,
    })
}

fn asked_of(events: &[OutEvent]) -> Option<(NodeId, RequestId)> {
    events.iter().find_map(|event| match event {
        OutEvent::Send {
            peer,
            message: Message::SyncRequest(request),
        } => Some((*peer, request.request)),
        _ => None,
    })
}

impl Victim {
    /// Serves what a message asks for; says whether it asked for anything.
    fn serve(&mut self, message: Message) -> bool {
        let events = self.receive(message);
        let Some(OutEvent::Serve {
            peer,
            request,
            from,
            bytes_max,
            count_max,
        }) = events.into_iter().next()
        else {
            return false;
        };
        let served = self.disk.serve(from, bytes_max, count_max);
        self.state.handle_served(peer, request, served);
        self.events();
        true
    }

    /// A peer answers that it has more, with these bundles.
    fn more(&mut self, peer: NodeId, request: RequestId, bundles: &[SignedBundle]) {
        let chunk = Message::SyncChunk(SyncChunk {
            topic: topic_name(0),
            request,
            bundles: bundles.iter().map(BundleBytes::from).collect(),
            more: true,
            version: self.state.version().clone(),
        });
        let now = self.now;
        self.state
            .on_message(now, EPOCH_MS, peer, chunk, &self.disk);
    }
}

/// Lost once: bundles of an author that never become deliverable, of the earliest times, filled
/// the shares of those that passed them on, and of a chunk that came from there only the first
/// bundle of each author stayed.
#[test]
fn a_chunk_is_not_pushed_out_by_junk_that_waits() {
    let config = Config {
        buffer_count_max: 20,
        peer_count_max: 10,
        chunk_count_max: 8,
        ..Config::default()
    };
    let mut victim = Victim::new(config);
    for number in 0..10 {
        victim.hear(&junk(number));
    }
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..8).map(|_| author.next()).collect();
    victim.answer(bundles.iter().map(BundleBytes::from).collect(), false);
    assert_eq!(victim.deliver(), bundles);
    assert!(victim.state.stats().buffered_count <= 10);
}

#[test]
fn what_was_asked_for_stays_also_if_a_broadcast_brought_it_first() {
    let config = Config {
        buffer_count_max: 4,
        peer_count_max: 4,
        chunk_count_max: 4,
        ..Config::default()
    };
    let mut victim = Victim::new(config);
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..4).map(|_| author.next()).collect();
    victim.hear(&bundles[3]);
    victim.answer(bundles.iter().map(BundleBytes::from).collect(), false);
    for number in 0..4 {
        victim.hear(&junk(number));
    }
    assert_eq!(victim.deliver(), bundles);
}

#[test]
fn when_memory_is_short_only_what_waits_unasked_goes_and_it_is_asked_for_later() {
    let mut victim = Victim::new(Config::default());
    let (mut ready, mut chained) = (Author::new(1), Author::new(2));
    let deliverable = ready.next();
    let chunk: Vec<_> = (0..3).map(|_| chained.next()).collect();
    victim.hear(&deliverable);
    victim.answer(chunk[1..].iter().map(BundleBytes::from).collect(), false);
    let before = victim.state.buffered_bytes();
    for number in 0..5 {
        victim.hear(&junk(number));
    }
    let junk_bytes = victim.state.buffered_bytes() - before;
    assert_eq!(victim.state.handle_pressure(victim.now), junk_bytes);
    assert_eq!(victim.state.buffered_bytes(), before);
    assert_eq!(victim.state.handle_pressure(victim.now), 0);
    victim.hear(&chunk[0]);
    assert_eq!(victim.deliver().len(), 4);
    victim.hear(&junk(9));
    assert!(victim.state.handle_pressure(victim.now) > 0);
    let events = victim.wait(Duration::from_secs(1));
    assert!(asked_of(&events).is_some(), "{events:?}");
}

#[test]
fn when_memory_is_very_short_all_that_waits_goes_and_comes_again() {
    let mut victim = Victim::new(Config::default());
    let mut chained = Author::new(2);
    let chunk: Vec<_> = (0..3).map(|_| chained.next()).collect();
    victim.answer(chunk[1..].iter().map(BundleBytes::from).collect(), false);
    assert_eq!(victim.state.handle_pressure(victim.now), 0);
    assert!(victim.state.handle_shortage(victim.now) > 0);
    assert_eq!(victim.state.buffered_bytes(), 0);
    let events = victim.wait(Duration::from_secs(1));
    assert!(asked_of(&events).is_some(), "{events:?}");
    for bundle in &chunk {
        victim.hear(bundle);
    }
    assert_eq!(victim.deliver(), chunk);
}

#[test]
fn the_same_bundles_are_read_for_a_peer_a_few_times_only() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    for _ in 0..4 {
        victim.hear(&author.next());
    }
    victim.deliver();
    let forged = (ReplicaId::new(7).unwrap(), Counter::new(1_000));
    let too_little = (author.replica(), Counter::new(1));
    let again: [VersionVector; 3] = [
        VersionVector::new(),
        [forged].into_iter().collect(),
        [too_little].into_iter().collect(),
    ];
    assert!(victim.serve(ask(1, VersionVector::new(), 2)));
    let repeat = |victim: &mut Victim| {
        let served = (0..30).filter(|n| victim.serve(ask(2, again[n % 3].clone(), 2)));
        served.count()
    };
    assert_eq!(repeat(&mut victim), 4);
    assert_eq!(victim.state.stats().serves_refused, 26);
    // Who has stored them gets the next ones at once.
    let stored = [(author.replica(), Counter::new(2))].into_iter().collect();
    assert!(victim.serve(ask(3, stored, 2)));
    assert_eq!(repeat(&mut victim), 0);
    // Who lost them gets them again after a while, or in another session.
    victim.now += Duration::from_secs(1);
    assert_eq!(repeat(&mut victim), 4);
    victim.state.handle_peer_down(victim.now, peer());
    victim.state.handle_peer_up(peer());
    assert!(victim.serve(ask(4, VersionVector::new(), 2)));
}

/// Lost once: with every timeout the next request of that peer could take twice as long, up to
/// five minutes, and nobody else was asked meanwhile.
#[test]
fn the_longer_time_of_a_silent_peer_ends_when_another_one_is_needed() {
    let mut victim = Victim::new(Config::default());
    victim.asked();
    victim.wait(Duration::from_secs(10));
    let events = victim.wait(Duration::from_secs(1));
    assert_eq!(asked_of(&events).map(|(to, _)| to), Some(peer()));
    victim.state.handle_peer_up(other_peer());
    victim.state.handle_peer_differs(victim.now, other_peer());
    assert_eq!(victim.events(), []);
    assert_eq!(
        victim.state.next_timeout(),
        Some(victim.now + Duration::from_secs(10))
    );
    let events = victim.wait(Duration::from_secs(10));
    assert_eq!(asked_of(&events).map(|(to, _)| to), Some(other_peer()));
}

/// Lost once: a node with one peer that had been busy for a minute waited minutes for an answer
/// that had been lost, while the peer answered everything else.
#[test]
fn a_peer_that_answers_something_else_is_asked_again_before_its_longer_time_is_over() {
    let mut victim = Victim::new(Config::default());
    victim.asked();
    victim.wait(Duration::from_secs(10));
    victim.wait(Duration::from_secs(1));
    victim.now += Duration::from_secs(9);
    victim.state.handle_peer_differs(victim.now, peer());
    let end = victim.now + Duration::from_secs(11);
    assert_eq!(victim.state.next_timeout(), Some(end), "it may be slow");
    victim.now += Duration::from_secs(1);
    victim.state.handle_peer_differs(victim.now, peer());
    let events = victim.wait(Duration::from_secs(2));
    assert_eq!(asked_of(&events).map(|(to, _)| to), Some(peer()));
}

/// A peer that answers just before every timeout, one bundle each time, must not hold up what
/// others have.
#[test]
fn a_peer_that_answers_just_in_time_is_asked_after_the_others() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let request = victim.asked().request;
    victim.state.handle_peer_up(other_peer());
    victim.state.handle_peer_differs(victim.now, other_peer());
    victim.now += Duration::from_secs(9);
    victim.more(peer(), request, &[author.next()]);
    victim.deliver();
    for _ in 0..3 {
        let events = victim.events();
        let (to, request) = asked_of(&events).expect("somebody is asked");
        assert_eq!(to, other_peer());
        victim.more(to, request, &[author.next()]);
        victim.deliver();
    }
}

/// Lost once: a peer that never answered, or always promised more, was asked for ever, so that the
/// topic could never be put aside.
#[test]
fn a_peer_that_is_of_no_use_is_given_up_until_there_is_news_of_it() {
    for is_silent in [true, false] {
        let mut victim = Victim::new(Config::default());
        let mut asked_count = 1;
        let mut request = Some(victim.asked().request);
        while let Some(due) = victim.state.next_timeout() {
            if let Some(request) = request.filter(|_| !is_silent) {
                victim.more(peer(), request, &[]);
            }
            let due = victim.state.next_timeout().unwrap_or(due);
            let events = victim.wait(due.saturating_sub(victim.now));
            request = asked_of(&events).map(|(_, request)| request);
            asked_count += usize::from(request.is_some());
            assert!(asked_count < 20, "asked again and again");
        }
        victim.state.handle_peer_differs(victim.now, peer());
        assert!(victim.state.next_timeout().is_some());
    }
}

#[test]
fn times_of_zero_leave_time_between_two_requests() {
    let mut victim = Victim::new(Config {
        request_timeout: Duration::ZERO,
        backoff: Duration::ZERO,
        backoff_max: Duration::ZERO,
        ..Config::default()
    });
    victim.asked();
    assert!(victim.state.next_timeout() > Some(victim.now));
    victim.wait(Duration::from_secs(1));
    assert!(victim.state.next_timeout() > Some(victim.now));
}
