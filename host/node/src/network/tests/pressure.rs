//! Peers that are slow, silent, or too fast.

use replicant_protocol::session::CloseReason;

use super::raw_peer::RawPeer;
use super::*;

/// Gives nobody up that does not answer.
fn patient() -> membership::Config {
    let probe_interval = Duration::from_secs(3_600);
    membership::Config {
        probe_interval,
        ..membership::Config::local()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_is_bounded_dropped_and_does_not_slow_others() {
    let mut config = config(1, &[]);
    config.limits.queue_bytes_max = 4 << 20;
    config.limits.write_timeout = Duration::from_secs(2);
    config.membership = patient();
    let a = TestNode::start(config).await;
    let b = TestNode::start(super::config(2, &[a.address()])).await;
    let mut stuck = RawPeer::connect(a.address(), 9).await;
    stuck.introduce(9, &[]).await;
    converge(&[&a, &b]).await;
    eventually("it is a member", || a.handle.members().len() == 3).await;
    let mut sent = 0u32;
    let mut flood = || {
        sent += 1;
        let bundle = [&sent.to_le_bytes()[..], &[7; 1 << 20]].concat();
        a.handle.broadcast(bundle);
        assert!(a.handle.statistics().queued_bytes <= 2 * (12 << 20));
    };
    eventually("a queue is full", || {
        flood();
        a.count(Count::DroppedPeerSlow) > 0
    })
    .await;
    eventually("others are served", || {
        a.send(&b, 1);
        b.has_message(&a, 1)
    })
    .await;
    eventually("it is given up", || {
        flood();
        a.count(Count::SessionsStalled) == 1
    })
    .await;
    eventually("its queue is gone", || {
        a.handle.statistics().queued_bytes < 4 << 20
    })
    .await;
    assert_eq!(a.handle.peers(), [b.id()]);
    drop(stuck);
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_given_up_and_one_that_gives_signs_of_life_is_not() {
    let mut config = config(1, &[]);
    config.session.idle_timeout = Duration::from_millis(1_500);
    config.session.keep_alive_interval = Duration::from_millis(100);
    let a = TestNode::start(config.clone()).await;
    config.identity = identity(2);
    config.seeds = vec![a.address().to_string()];
    let b = TestNode::start(config).await;
    converge(&[&a, &b]).await;
    let mut silent = RawPeer::connect(a.address(), 9).await;
    assert_eq!(silent.read_to_end().await, Some(CloseReason::Idle));
    eventually("it is counted", || a.count(Count::SessionsIdle) >= 1).await;
    assert!(a.is_peer_of(&b));
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_with_whom_membership_gives_up_ends_long_before_it_is_idle() {
    let mut config = config(1, &[]);
    config.session.idle_timeout = Duration::from_secs(3_600);
    config.session.doubt_timeout = Duration::from_millis(100);
    let a = TestNode::start(config).await;
    let mut silent = RawPeer::connect(a.address(), 9).await;
    silent.introduce(9, &[]).await;
    assert_eq!(silent.read_to_end().await, Some(CloseReason::Idle));
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_too_fast_waits_and_loses_nothing() {
    let mut config = config(1, &[]);
    config.limits.receive_messages_per_second = 100;
    let a = TestNode::start(config).await;
    let mut fast = RawPeer::connect(a.address(), 9).await;
    for number in 0..=255 {
        fast.send_topic_message(number).await;
    }
    let received = || a.events.lock().topic_messages.len();
    eventually("all arrive", || received() == 256).await;
    // More may come later, but not at once.
    fast.send_topic_message(1).await;
    eventually("that too", || received() == 257).await;
    assert!(a.count(Count::RateLimited) > 0);
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_holds_up_the_shutdown_is_cut_off() {
    let mut config = config(1, &[]);
    config.limits.flush_timeout = Duration::from_millis(100);
    config.membership = patient();
    let a = TestNode::start(config).await;
    let mut stuck = RawPeer::connect(a.address(), 9).await;
    stuck.introduce(9, &[]).await;
    eventually("it is a member", || a.handle.members().len() == 2).await;
    let mut sent = 0u8;
    eventually("its queue is full", || {
        // The same bundle again would not be sent.
        sent = sent.wrapping_add(1);
        a.handle.broadcast(vec![sent; 4 << 20]);
        a.count(Count::DroppedPeerSlow) > 0
    })
    .await;
    a.handle.shutdown().await;
    assert!(a.handle.is_stopped());
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_arrives_whole() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    let bundle: Vec<u8> = (0..4 << 20).map(|at: u32| (at % 253) as u8).collect();
    assert!(a.handle.broadcast(bundle.clone()));
    eventually("it arrives", || b.events.lock().bundles.len() == 1).await;
    assert!(b.events.lock().bundles[0].1 == bundle);
    assert!(a.is_peer_of(&b) && b.events.lock().ups == 1);
    shut_down(&[&a, &b]).await;
}
