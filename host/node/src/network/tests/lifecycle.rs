//! Starting, joining, leaving, coming back.

use replicant_protocol::session::CloseReason;
use tokio::net::TcpListener;

use super::raw_peer::RawPeer;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_asks_a_seed_for_its_cluster() {
    let a = TestNode::start(config(1, &[])).await;
    let bound = BoundNetwork::bind(config(2, &[a.address()])).await.unwrap();
    assert_eq!(bound.find_cluster().await.unwrap(), CLUSTER);
    // Whoever asks is no peer yet: it may belong elsewhere.
    eventually("it hangs up", || a.count(Count::HandshakeBroken) == 1).await;
    assert_eq!(a.count(Count::SessionsOpened), 0);
    let events = Arc::new(Recorder::default());
    let handle = bound.start(CLUSTER, events.clone()).unwrap();
    let b = TestNode { handle, events };
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_that_reaches_no_seed_says_so() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut config = config(1, &[address]);
    config.join_wait = Duration::from_millis(200);
    let bound = BoundNetwork::bind(config).await.unwrap();
    let error = bound.find_cluster().await.unwrap_err();
    assert!(matches!(error, NetworkError::Join { .. }), "{error}");
    assert!(
        error.to_string().contains("could not be reached"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_resolved_when_it_is_dialed() {
    let a = TestNode::start(config(1, &[])).await;
    let mut config = config(2, &[]);
    config.seeds = vec![format!("localhost:{}", a.address().port())];
    let b = TestNode::start(config).await;
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_named_in_the_error() {
    let a = TestNode::start(config(1, &[])).await;
    let mut config = config(2, &[]);
    config.listen = a.address();
    let error = BoundNetwork::bind(config).await.unwrap_err();
    assert!(
        error.to_string().contains(&a.address().to_string()),
        "{error}"
    );
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_both_dial_one_session_stays() {
    for round in 0..5 {
        let bound_a = BoundNetwork::bind(config(1, &[])).await.unwrap();
        let bound_b = BoundNetwork::bind(config(2, &[bound_a.address()]))
            .await
            .unwrap();
        let address = bound_b.address();
        drop(bound_a);
        let mut config_a = config(1, &[address]);
        config_a.listen = bound_b_seed(&bound_b);
        let bound_a = BoundNetwork::bind(config_a).await.unwrap();
        let events = [(); 2].map(|()| Arc::new(Recorder::default()));
        let a = TestNode {
            handle: bound_a.start(CLUSTER, events[0].clone()).unwrap(),
            events: events[0].clone(),
        };
        let b = TestNode {
            handle: bound_b.start(CLUSTER, events[1].clone()).unwrap(),
            events: events[1].clone(),
        };
        converge(&[&a, &b]).await;
        eventually("messages pass both ways", || {
            a.send(&b, round);
            b.send(&a, round);
            a.has_message(&b, round) && b.has_message(&a, round)
        })
        .await;
        for node in [&a, &b] {
            assert_eq!(node.handle.statistics().sessions, 1);
            assert_eq!(node.count(Count::SessionsMalicious), 0);
        }
        shut_down(&[&a, &b]).await;
    }
}

/// The address that a bound network was told to join.
fn bound_b_seed(bound: &BoundNetwork) -> SocketAddr {
    bound.seeds()[0].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dials_another_twice_has_one_session() {
    for numbers in [(1, 2), (2, 1)] {
        let a = TestNode::start(config(numbers.0, &[])).await;
        let mut twice = config(numbers.1, &[a.address()]);
        twice.remembered = vec![(a.id(), a.address())];
        let b = TestNode::start(twice).await;
        converge(&[&a, &b]).await;
        eventually("one dial is dropped", || {
            b.count(Count::SessionsDuplicate) == 1 && a.count(Count::HandshakeBroken) == 1
        })
        .await;
        for node in [&a, &b] {
            assert_eq!(node.count(Count::SessionsOpened), 1);
            assert_eq!(node.events.lock().ups, 1);
        }
        shut_down(&[&a, &b]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dials_itself_notices() {
    let bound = BoundNetwork::bind(config(1, &[])).await.unwrap();
    let address = bound.address();
    drop(bound);
    let mut config = config(1, &[address]);
    config.listen = address;
    let a = TestNode::start(config).await;
    eventually("it notices", || a.count(Count::HandshakeOneself) > 0).await;
    let b = TestNode::start(super::config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    assert_eq!(a.handle.statistics().sessions, 1);
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_taken_off_the_network_is_alone_and_comes_back_at_once() {
    let mut slow_to_redial = config(1, &[]);
    // Only a dial without back-off gets it back before the deadline.
    slow_to_redial.limits.redial_min = Duration::from_secs(3_600);
    slow_to_redial.limits.redial_max = Duration::from_secs(3_600);
    let a = TestNode::start(slow_to_redial.clone()).await;
    slow_to_redial.identity = identity(2);
    slow_to_redial.seeds = vec![a.address().to_string()];
    let b = TestNode::start(slow_to_redial.clone()).await;
    converge(&[&a, &b]).await;
    assert!(a.handle.is_enabled());
    a.handle.set_enabled(false).await;
    assert!(!a.handle.is_enabled() && a.handle.peers().is_empty());
    assert!(!a.is_peer_of(&b) && !a.send(&b, 1));
    eventually("the other sees it go", || !b.is_peer_of(&a)).await;
    eventually("both give each other up", || {
        a.status_of(&b) == Some(Status::Dead) && b.status_of(&a) == Some(Status::Dead)
    })
    .await;
    slow_to_redial.identity = identity(3);
    slow_to_redial.limits.redial_min = Duration::from_millis(10);
    let c = TestNode::start(slow_to_redial).await;
    eventually("it refuses", || a.count(Count::RefusedDisabled) > 0).await;
    assert!(a.handle.peers().is_empty());
    shut_down(&[&c]).await;
    a.handle.set_enabled(true).await;
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_is_met_again() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    let address = b.address();
    // Without a goodbye, as if it was killed.
    drop(b.handle);
    eventually("it is missed", || {
        !a.events.lock().up.contains(&identity(2).id())
    })
    .await;
    let mut again = config(2, &[]);
    again.listen = address;
    let bound = loop {
        if let Ok(bound) = BoundNetwork::bind(again.clone()).await {
            break bound;
        }
        tokio::task::yield_now().await;
    };
    let events = Arc::new(Recorder::default());
    let handle = bound.start(CLUSTER, events.clone()).unwrap();
    let b = TestNode { handle, events };
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remembered_members_are_dialed_without_seeds() {
    let a = TestNode::start(config(1, &[])).await;
    let mut config = config(2, &[]);
    config.remembered = vec![(a.id(), a.address())];
    let b = TestNode::start(config).await;
    converge(&[&a, &b]).await;
    shut_down(&[&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_says_goodbye_and_leaves_nothing_running() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    for number in 0..100 {
        assert!(b.send(&a, number));
    }
    let address = b.address();
    b.handle.shutdown().await;
    b.handle.shutdown().await;
    assert_eq!(b.handle.statistics().sessions, 0);
    assert!(b.handle.is_stopped());
    assert!(!b.send(&a, 1));
    // The port is free again.
    drop(TcpListener::bind(address).await.unwrap());
    eventually("it is known to have left", || {
        a.status_of(&b) == Some(Status::Left)
    })
    .await;
    eventually("the node is told", || a.events.lock().gone == [b.id()]).await;
    eventually("what waited was sent", || a.has_message(&b, 99)).await;
    shut_down(&[&a]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_a_peer_that_keeps_its_connection_open() {
    let mut patient = config(1, &[]);
    patient.limits.flush_timeout = Duration::from_secs(3_600);
    let a = TestNode::start(patient).await;
    let mut peer = RawPeer::connect(a.address(), 9).await;
    eventually("it is a peer", || a.handle.peers().len() == 1).await;
    let shutdown = tokio::time::timeout(DEADLINE, a.handle.shutdown());
    assert!(shutdown.await.is_ok());
    assert_eq!(peer.read_to_end().await, Some(CloseReason::Shutdown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_ends_everything() {
    let a = TestNode::start(config(1, &[])).await;
    let b = TestNode::start(config(2, &[a.address()])).await;
    converge(&[&a, &b]).await;
    let events = Arc::downgrade(&b.events);
    drop(b);
    eventually("every task lets go", || events.strong_count() == 0).await;
    shut_down(&[&a]).await;
}
