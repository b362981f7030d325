//! What a driver may and may not do.

use replicant_protocol::bundle::Dependency;
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{Counter, Generation};
use replicant_protocol::replication::{Config, OpenError, SealError, State, Writer};

use crate::disk::Disk;
use crate::node::{EPOCH_MS, lineage, op, topic_name};

use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::replication::{Message, SyncChunk};
use replicant_protocol::version::VersionVector;

use crate::node::restored;
use crate::victim::*;

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

/// Lost once: what a bundle of a refused batch depended on still counted as delivered. When its
/// author had signed another one in its place, and that was delivered, so was the bundle.
#[test]
fn after_a_refused_batch_nothing_is_delivered_without_what_it_depends_on() {
    let mut victim = Victim::new(Config::default());
    let (author, other) = (Author::new(1), Author::new(2));
    let at = |ms| Hlc::at_millisecond(EPOCH_MS + ms);
    let first = author.sign(|body| body.hlc = at(10));
    let instead = author.sign(|body| body.hlc = at(5));
    let second = other.sign(|body| {
        body.hlc = at(20);
        body.dependencies.push(Dependency {
            replica: first.replica(),
            counter: first.last(),
            hash: first.hash(),
        });
    });
    victim.hear(&first);
    victim.hear(&second);
    let batch = victim.state.begin_batch(NOW, EPOCH_MS, &victim.disk);
    assert_eq!(batch.unwrap(), [first, second]);
    victim
        .state
        .handle_store_failed(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    victim.hear(&instead);
    assert_eq!(victim.deliver(), [instead]);
    assert_eq!(victim.state.stats().rejected["dependency"], 1);
}

/// Lost once: a chunk came while a batch of own ops was under way, the storage refused the batch,
/// and the chunk counted as being stored for ever, so that nothing was asked for again.
#[test]
fn a_refused_batch_does_not_keep_a_chunk_open() {
    let mut victim = Victim::new(Config::default());
    let request = victim.asked().request;
    victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    let version = VersionVector::new();
    let (topic, bundles) = (topic_name(0), Vec::new());
    let chunk = SyncChunk {
        topic,
        request,
        bundles,
        more: false,
        version,
    };
    assert_eq!(victim.receive(Message::SyncChunk(chunk)), []);
    victim
        .state
        .handle_store_failed(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    victim.asked();
}

#[test]
fn many_own_ops_become_several_bundles_of_one_chain_and_time() {
    let mut victim = Victim::new(Config::default());
    victim
        .state
        .begin_batch(NOW, EPOCH_MS, &victim.disk)
        .unwrap();
    let opened = victim.state.open(EPOCH_MS).unwrap();
    let ops = vec![op("x"); 65_536 + 10];
    let bundles = victim.state.seal(&victim.identity, ops).unwrap();
    let [first, second] = &bundles[..] else {
        panic!("two bundles")
    };
    assert_eq!((first.first(), second.last().get()), (opened.first, 65_546));
    assert_eq!(second.body().previous, first.hash());
    assert_eq!((first.hlc(), second.hlc()), (opened.hlc, opened.hlc));
    victim.state.handle_stored(NOW).unwrap();
    // And both are accepted elsewhere, in whatever order they come.
    let mut other = Victim::new(Config::default());
    other.identity = NodeIdentity::from_secret(&[99; 32]);
    other.state = restored(0, other.identity.id(), &other.disk, Config::default());
    other.hear(second);
    other.hear(first);
    assert_eq!(other.deliver(), bundles);
}

#[test]
fn after_a_refused_batch_own_ops_depend_on_everything_again() {
    let mut victim = Victim::new(Config::default());
    let heard = Author::new(1).next();
    victim.hear(&heard);
    victim.deliver();
    for _ in 0..2 {
        victim
            .state
            .begin_batch(NOW, EPOCH_MS, &victim.disk)
            .unwrap();
        victim.state.open(EPOCH_MS + 5_000).unwrap();
        let sealed = victim.state.seal(&victim.identity, vec![op("x")]).unwrap();
        assert_eq!(sealed[0].body().dependencies[0].hash, heard.hash());
        victim
            .state
            .handle_store_failed(NOW, EPOCH_MS, &victim.disk)
            .unwrap();
    }
}

#[test]
fn own_ops_name_only_what_is_new_since_the_bundle_before() {
    let mut victim = Victim::new(Config::default());
    victim.hear(&Author::new(1).next());
    victim.deliver();
    let mut counts = Vec::new();
    for _ in 0..2 {
        victim
            .state
            .begin_batch(NOW, EPOCH_MS, &victim.disk)
            .unwrap();
        victim.state.open(EPOCH_MS + 5_000).unwrap();
        let sealed = victim.state.seal(&victim.identity, vec![op("x")]).unwrap();
        counts.push(sealed[0].body().dependencies.len());
        victim.state.handle_stored(NOW).unwrap();
    }
    assert_eq!(counts, [1, 0]);
}
