//! Gaps, full buffers, and peers that answer badly or not at all.

use std::time::Duration;

use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::replication::{
    BundleBytes, Config, Message, OutEvent, RejectReason, SyncChunk, SyncRequest,
};
use replicant_protocol::version::VersionVector;

use crate::node::{EPOCH_MS, topic_name};

use replicant_protocol::ids::Counter;

use crate::victim::*;

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
fn each_gap_before_a_bundle_is_counted_once() {
    let mut victim = Victim::new(Config::default());
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..4).map(|_| author.next()).collect();
    victim.hear(&bundles[0]);
    assert_eq!(victim.state.stats().gaps, 0);
    victim.hear(&bundles[3]);
    victim.hear(&bundles[3]);
    victim.hear(&bundles[2]);
    assert_eq!(victim.state.stats().gaps, 2);
    // What it comes after is here, though not delivered yet.
    victim.hear(&bundles[1]);
    assert_eq!(victim.deliver(), bundles);
    assert_eq!(victim.state.stats().gaps, 2);
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
    let request = SyncRequest {
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
    assert_eq!(victim.receive(Message::SyncRequest(request)), []);
    assert_eq!(victim.state.stats().serves_refused, 1);
}

/// Lost once: the first message of a peer can overtake the news of its session. Its request was
/// dropped, and the peer waited for `request_timeout`.
#[test]
fn a_request_that_overtakes_the_news_of_its_session_is_served() {
    let mut victim = Victim::new(Config::default());
    victim.hear(&Author::new(1).next());
    victim.deliver();
    let early = NodeIdentity::from_secret(&[202; 32]).id();
    let message = Message::SyncRequest(SyncRequest {
        topic: topic_name(0),
        request: replicant_protocol::replication::RequestId(1),
        version: VersionVector::new(),
        bundle_bytes_max: u32::MAX,
        bundle_count_max: u32::MAX,
    });
    victim
        .state
        .on_message(NOW, EPOCH_MS, early, message, &victim.disk);
    assert!(matches!(&victim.events()[..], [OutEvent::Serve { peer, .. }] if *peer == early));
}

#[test]
fn over_all_peers_too_the_furthest_from_deliverable_goes_and_is_asked_for() {
    let config = Config {
        buffer_count_max: 4,
        peer_count_max: 4,
        chunk_count_max: 4,
        ..Config::default()
    };
    let mut victim = Victim::new(config);
    let mut author = Author::new(1);
    let bundles: Vec<_> = (0..7).map(|_| author.next()).collect();
    let other_peer = NodeIdentity::from_secret(&[201; 32]).id();
    for bundle in &bundles[4..] {
        victim.hear(bundle);
    }
    assert_eq!(victim.events(), []);
    for bundle in &bundles[1..4] {
        victim
            .state
            .on_bundle(NOW, EPOCH_MS, other_peer, bundle.clone(), &victim.disk);
    }
    let asks = |event: &OutEvent| matches!(event, OutEvent::Send { peer: to, .. } if *to == peer());
    assert!(victim.events().iter().any(asks));
    victim.hear(&bundles[0]);
    assert_eq!(victim.deliver(), bundles[..4]);
}

#[test]
fn a_request_that_shows_more_than_is_here_is_answered_with_a_request() {
    let mut victim = Victim::new(Config::default());
    let ahead = (Author::new(1).replica(), Counter::new(3));
    let request = SyncRequest {
        topic: topic_name(0),
        request: replicant_protocol::replication::RequestId(1),
        version: [ahead].into_iter().collect(),
        bundle_bytes_max: 1,
        bundle_count_max: 1,
    };
    let events = victim.receive(Message::SyncRequest(request));
    let is_chunk = |event: &OutEvent| {
        matches!(
            event,
            OutEvent::Send {
                message: Message::SyncChunk(_),
                ..
            }
        )
    };
    assert!(
        events.iter().all(is_chunk),
        "nothing is known to be missing yet: {events:?}"
    );
    let events = victim.wait(Duration::from_millis(200));
    assert!(matches!(
        &events[..],
        [OutEvent::Send {
            message: Message::SyncRequest(_),
            ..
        }]
    ));
}
