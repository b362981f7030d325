//! Bundles that lie, one lie a test: what happens to the state, and who is blamed.

use std::time::Duration;

use replicant_protocol::bundle::{Dependency, SignedBundle};
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{ClusterId, Counter, Dot, Generation, Hash, LineageId, SnapshotRef};
use replicant_protocol::replication::{
    BundleBytes, Config, Held, OpenError, OutEvent, RejectReason,
};

use crate::node::{EPOCH_MS, op, topic_name};

use crate::victim::*;

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
