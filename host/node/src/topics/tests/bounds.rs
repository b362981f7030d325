//! What is bounded, and what happens at the bound.

use futures::FutureExt;
use replicant_protocol::ids::NodeId;

use super::*;

#[tokio::test]
async fn small_requests_that_make_large_ops_do_not_all_go_into_one_batch() {
    // More than two batches hold: however many are in the first, the second has too many.
    const REQUESTS: usize = 140;
    const VALUE_BYTES: usize = 1_000_000;
    let mut config = test_config();
    (config.queued_commands_max, config.queued_bytes_max) = (1_000, 1 << 30);
    let disk = Disk::new(1);
    drop(disk.storage().unwrap());
    let bed = Bed::on(disk, config, 1, &["lww-register"]);
    let update = |n: usize| Update {
        topic: topic(),
        id: "x".parse().unwrap(),
        type_name: Some("lww-register".parse().unwrap()),
        commands: vec![cbor(
            &serde_json::json!({ "set": n.to_string().repeat(VALUE_BYTES / 3) }),
        )],
    };
    let requests = (100..100 + REQUESTS).map(|n| bed.topics.update(update(n)));
    let mut all = Box::pin(futures::future::join_all(requests));
    {
        // While the disk is held, some of them wait with it, the others for the next batch.
        let _held = bed.disk.state();
        assert!(all.as_mut().now_or_never().is_none());
    }
    let (mut applied, mut busy) = (0, 0);
    for answer in all.await {
        match answer {
            Ok(updated) => {
                assert!(matches!(updated.outcomes[..], [Outcome::Applied(_)]));
                applied += 1;
            }
            Err(NodeError::Busy { queue }) => {
                assert_eq!(queue, "the ops of one batch");
                busy += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        busy > 0 && applied > 60,
        "{applied} applied, {busy} refused"
    );
    let digest = bed.topics.digest(topic()).await.unwrap();
    assert_eq!(digest.ops, applied);
    bed.end();
}

#[tokio::test]
async fn reading_many_objects_keeps_few_of_them_loaded() {
    let bed = bed(|config| {
        config.loaded_objects_max = 8;
        config.queued_commands_max = 10_000;
    });
    for n in 0..100 {
        let updated = bed.topics.update(increment_of(&format!("o{n}"), n + 1));
        updated.await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(bed.value_of(&format!("o{n}")).await, Some(n + 1));
        // The answer comes before what it cost is given back: one more may be there.
        let loaded = bed.count("objects_loaded");
        assert!(loaded <= 9, "{loaded} objects are loaded");
    }
    bed.end();
}

#[tokio::test]
async fn peers_that_tell_of_endless_topics_do_not_keep_others_out() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let peer = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(peer);
    for n in 0..20_000 {
        let name: TopicName = format!("of/peer/{n}").parse().unwrap();
        // The queue is bounded too: it takes more when the shard has worked.
        eventually(async || bed.topics.handle_differs(peer, name.clone()).then_some(())).await;
    }
    let other: TopicName = "other".parse().unwrap();
    let update = Update {
        topic: other.clone(),
        ..increment(2)
    };
    bed.topics.update(update).await.unwrap();
    let read = bed.topics.value(other, "x".parse().unwrap(), None, None);
    assert!(read.await.is_ok());
    assert_eq!(bed.value().await, Some(1));
    let loaded = bed.count("topics_loaded");
    assert!(loaded <= 256 + 2, "{loaded} topics are in memory");
    let forgotten = bed.count("strange_topics_forgotten_total");
    assert!(forgotten >= 20_000 - 256, "{forgotten} were forgotten");
    bed.end();
}

#[tokio::test]
async fn what_waits_in_all_topics_together_is_bounded_and_asked_for_again() {
    const MAX: usize = 16 << 10;
    let like = sample().await;
    let bed = bed(|config| config.buffered_bytes_max = MAX);
    let peer = NodeId::from_bytes([8; 32]);
    bed.topics.handle_peer_up(peer);
    let mut first = None;
    let mut sent_bytes = 0;
    for n in 0..200 {
        let name: TopicName = format!("t/{n}").parse().unwrap();
        let mut author = Author::in_topic(2, name);
        let bundles = [author.bundle(&like), author.bundle(&like)];
        sent_bytes += bundles[1].memory_bytes();
        // The second of each waits for the first, which does not come.
        eventually(async || {
            bed.topics
                .handle_bundle(peer, bundles[1].clone())
                .then_some(())
        })
        .await;
        first = Some(bundles);
    }
    assert!(sent_bytes > 2 * MAX, "{sent_bytes} bytes");
    eventually(async || (bed.count("buffers_dropped_total") > 0).then_some(())).await;
    assert!(bed.count("buffered_bytes") <= MAX as u64);
    // A topic goes on, whether its bundle was dropped or not.
    let [one, two] = first.unwrap();
    let name = one.body().topic.clone();
    for bundle in [one, two] {
        assert!(bed.topics.handle_bundle(peer, bundle));
    }
    let value = eventually(async || {
        let id = "x".parse().unwrap();
        let read = bed.topics.value(name.clone(), id, None, None);
        let value: u64 = ciborium::from_reader(read.await.ok()?.value.as_slice()).unwrap();
        (value == 2).then_some(value)
    });
    assert_eq!(value.await, 2);
    bed.end();
}
