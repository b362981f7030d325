//! Two sessions, back to back, on virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::frame::{FIRST_PART_MAX, NEXT_PART_MAX};
use super::*;
use crate::identity::NodeIdentity;

pub(super) const START: Duration = Duration::from_secs(100);

pub(super) fn seconds(count: u64) -> Duration {
    START + Duration::from_secs(count)
}

pub(super) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn cluster(number: u8) -> Option<ClusterId> {
    Some(ClusterId::from_bytes([number; 32]))
}

pub(super) fn local(number: u8, cluster: Option<ClusterId>) -> Local {
    Local {
        identity: Arc::new(NodeIdentity::from_secret(&[number; 32])),
        cluster,
        address: SocketAddr::from(([127, 0, 0, number], 7_000)),
        view: View::Full,
    }
}

pub(super) fn initiator(config: &Config, local: Local, expected: Option<NodeId>) -> Session {
    Session::initiator(config.clone(), local, expected, START, &mut rng(1)).unwrap()
}

pub(super) fn responder(config: &Config, local: Local) -> Session {
    Session::responder(config.clone(), local, START, &mut rng(2)).unwrap()
}

/// Carries bytes both ways until nothing moves, and gives the first error of each side.
pub(super) fn drive(
    now: Duration,
    a: &mut Session,
    b: &mut Session,
) -> (Result<(), SessionError>, Result<(), SessionError>) {
    let (mut of_a, mut of_b) = (Ok(()), Ok(()));
    loop {
        let (to_b, to_a) = (a.poll_transmit(), b.poll_transmit());
        if to_b.is_none() && to_a.is_none() {
            return (of_a, of_b);
        }
        if let Some(bytes) = to_b {
            of_b = of_b.and(b.handle_bytes(now, &bytes));
        }
        if let Some(bytes) = to_a {
            of_a = of_a.and(a.handle_bytes(now, &bytes));
        }
    }
}

/// Two established sessions, their first events taken.
pub(super) fn pair(config: &Config) -> (Session, Session) {
    let mut a = initiator(config, local(1, cluster(9)), None);
    let mut b = responder(config, local(2, cluster(9)));
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    for session in [&mut a, &mut b] {
        assert!(matches!(
            session.poll_event(),
            Some(OutEvent::Established(_))
        ));
        assert!(session.is_established());
    }
    (a, b)
}

fn established(session: &mut Session) -> Peer {
    match session.poll_event() {
        Some(OutEvent::Established(peer)) => peer,
        other => panic!("not established, but {other:?}"),
    }
}

#[test]
fn both_sides_learn_who_the_other_is() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let mut b = responder(&config, local(2, cluster(9)));
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    let expected = |number| Peer {
        node: local(number, None).identity.id(),
        address: local(number, None).address,
        version: config.versions.max,
        cluster: cluster(9).unwrap(),
        is_cluster_adopted: false,
    };
    assert_eq!(established(&mut a), expected(2));
    assert_eq!(established(&mut b), expected(1));
}

#[test]
fn messages_of_every_length_arrive_whole_and_in_order() {
    let config = Config::default();
    let (mut a, mut b) = pair(&config);
    let lengths = [
        1,
        FIRST_PART_MAX - 1,
        FIRST_PART_MAX,
        FIRST_PART_MAX + 1,
        FIRST_PART_MAX + NEXT_PART_MAX,
        FIRST_PART_MAX + NEXT_PART_MAX + 1,
        MESSAGE_BYTES_MAX,
    ];
    for length in lengths {
        a.send(START, &vec![length as u8; length]).unwrap();
    }
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    for length in lengths {
        let expected = OutEvent::Message(vec![length as u8; length]);
        assert!(b.poll_event() == Some(expected), "{length}");
    }
    assert_eq!(b.poll_event(), None);
}

#[test]
fn the_stream_may_be_cut_anywhere() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let mut b = responder(&config, local(2, cluster(9)));
    for round in 0..6 {
        if round == 4 {
            a.send(START, &[7; 300]).unwrap();
        }
        for byte in a.poll_transmit().unwrap_or_default() {
            b.handle_bytes(START, &[byte]).unwrap();
        }
        for byte in b.poll_transmit().unwrap_or_default() {
            a.handle_bytes(START, &[byte]).unwrap();
        }
    }
    established(&mut b);
    assert_eq!(b.poll_event(), Some(OutEvent::Message(vec![7; 300])));
}

#[test]
fn a_message_that_comes_with_the_last_handshake_message_is_not_lost() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let mut b = responder(&config, local(2, cluster(9)));
    b.handle_bytes(START, &a.poll_transmit().unwrap()).unwrap();
    a.handle_bytes(START, &b.poll_transmit().unwrap()).unwrap();
    a.send(START, b"early").unwrap();
    b.handle_bytes(START, &a.poll_transmit().unwrap()).unwrap();
    established(&mut b);
    assert_eq!(b.poll_event(), Some(OutEvent::Message(b"early".to_vec())));
}

#[test]
fn the_same_seeds_give_the_same_bytes_and_others_give_others() {
    let config = Config::default();
    let first = |seed| {
        let local = local(1, cluster(9));
        let session = Session::initiator(config.clone(), local, None, START, &mut rng(seed));
        session.unwrap().poll_transmit().unwrap()
    };
    assert_eq!(first(5), first(5));
    assert_ne!(first(5), first(6));
}

#[test]
fn a_new_node_takes_the_cluster_of_its_peer_whoever_dials() {
    for (of_a, of_b) in [(None, cluster(3)), (cluster(3), None)] {
        let config = Config::default();
        let mut a = initiator(&config, local(1, of_a), None);
        let mut b = responder(&config, local(2, of_b));
        assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
        let (b_peer, a_peer) = (established(&mut a), established(&mut b));
        assert_eq!(
            (Some(b_peer.cluster), Some(a_peer.cluster)),
            (cluster(3), cluster(3))
        );
        assert_eq!(b_peer.is_cluster_adopted, of_a.is_none());
        assert_eq!(a_peer.is_cluster_adopted, of_b.is_none());
    }
}

#[test]
fn nodes_of_different_clusters_part_and_both_know_why() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(3)), None);
    let mut b = responder(&config, local(2, cluster(4)));
    let (of_a, of_b) = drive(START, &mut a, &mut b);
    let (ours, theirs) = (cluster(3).unwrap(), cluster(4).unwrap());
    assert_eq!(of_a, Err(SessionError::Cluster { ours, theirs }));
    let (ours, theirs) = (theirs, ours);
    assert_eq!(of_b, Err(SessionError::Cluster { ours, theirs }));
    assert!(a.is_over() && b.is_over());
    assert_eq!((a.poll_event(), b.poll_event()), (None, None));
}

#[test]
fn nodes_with_different_views_part_and_both_know_why_and_what_to_do() {
    let config = Config::default();
    for dialing in [View::Full, View::Partial] {
        let answering = match dialing {
            View::Full => View::Partial,
            View::Partial => View::Full,
        };
        let keeping = |number, view| Local {
            view,
            ..local(number, cluster(9))
        };
        let mut a = initiator(&config, keeping(1, dialing), None);
        let mut b = responder(&config, keeping(2, answering));
        let (of_a, of_b) = drive(START, &mut a, &mut b);
        let (ours, theirs) = (dialing, answering);
        let error = SessionError::View { ours, theirs };
        assert!(!error.malicious() && error.to_string().contains("--membership"));
        assert_eq!(of_a, Err(error));
        let (ours, theirs) = (theirs, ours);
        assert_eq!(of_b, Err(SessionError::View { ours, theirs }));
        let mut b = responder(&config, keeping(2, dialing));
        let mut a = initiator(&config, keeping(1, dialing), None);
        assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    }
}

#[test]
fn two_new_nodes_cannot_take_each_others_cluster() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, None), None);
    let mut b = responder(&config, local(2, None));
    let no_cluster = Err(SessionError::NoCluster);
    assert_eq!(
        drive(START, &mut a, &mut b),
        (no_cluster.clone(), no_cluster)
    );
}

#[test]
fn the_newest_common_version_is_spoken_and_none_is_an_error_for_both() {
    let speaking = |min, max| Config {
        versions: VersionRange { min, max },
        ..Config::default()
    };
    let mut a = initiator(&speaking(1, 4), local(1, cluster(9)), None);
    let mut b = responder(&speaking(2, 7), local(2, cluster(9)));
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    assert_eq!(
        (established(&mut a).version, established(&mut b).version),
        (4, 4)
    );

    let mut a = initiator(&speaking(1, 1), local(1, cluster(9)), None);
    let mut b = responder(&speaking(2, 7), local(2, cluster(9)));
    let (of_a, of_b) = drive(START, &mut a, &mut b);
    assert!(matches!(of_a, Err(SessionError::Version { .. })));
    assert!(matches!(of_b, Err(SessionError::Version { .. })));
}

#[test]
fn a_node_that_dials_itself_notices() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let mut b = responder(&config, local(1, cluster(9)));
    let (of_a, _) = drive(START, &mut a, &mut b);
    assert_eq!(of_a, Err(SessionError::Oneself));
    assert!(!b.is_established());
}

#[test]
fn another_node_than_the_dialed_one_is_refused() {
    let config = Config::default();
    let expected = local(3, None).identity.id();
    let found = local(2, None).identity.id();
    let mut a = initiator(&config, local(1, cluster(9)), Some(expected));
    let mut b = responder(&config, local(2, cluster(9)));
    let (of_a, _) = drive(START, &mut a, &mut b);
    assert_eq!(of_a, Err(SessionError::UnexpectedNode { expected, found }));
    assert!(!b.is_established(), "the caller did not say who it is");

    let mut a = initiator(&config, local(1, cluster(9)), Some(found));
    let mut b = responder(&config, local(2, cluster(9)));
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
}

#[test]
fn nothing_can_be_sent_before_the_handshake_ends_or_after_the_session() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    assert_eq!(a.send(START, b"x"), Err(SendError::NotEstablished));
    let (mut a, _) = pair(&config);
    a.close(CloseReason::Shutdown);
    assert_eq!(a.send(START, b"x"), Err(SendError::NotEstablished));
}

#[test]
fn empty_and_oversize_messages_are_refused_and_the_session_goes_on() {
    let config = Config {
        message_bytes_max: 100,
        ..Config::default()
    };
    let (mut a, mut b) = pair(&config);
    assert_eq!(
        a.send(START, &[]),
        Err(SendError::Length {
            length: 0,
            max: 100
        })
    );
    let too_long = SendError::Length {
        length: 101,
        max: 100,
    };
    assert_eq!(a.send(START, &[0; 101]), Err(too_long));
    a.send(START, &[0; 100]).unwrap();
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    assert_eq!(b.poll_event(), Some(OutEvent::Message(vec![0; 100])));
}

#[test]
fn a_slow_peer_stops_sending_at_the_bound_until_bytes_are_taken() {
    let config = Config {
        message_bytes_max: 1_000,
        outgoing_bytes_max: 3_200,
        ..Config::default()
    };
    let (mut a, _b) = pair(&config);
    for _ in 0..3 {
        a.send(START, &[0; 1_000]).unwrap();
    }
    assert!(matches!(
        a.send(START, &[0; 1_000]),
        Err(SendError::Backlog { .. })
    ));
    assert!(a.poll_transmit().unwrap().len() <= 3_200);
    a.send(START, &[0; 1_000]).unwrap();
}

#[test]
fn goodbye_arrives_with_its_reason_after_what_was_sent_before() {
    let (mut a, mut b) = pair(&Config::default());
    a.send(START, b"last words").unwrap();
    a.close(CloseReason::Duplicate);
    assert_eq!(drive(START, &mut a, &mut b), (Ok(()), Ok(())));
    assert_eq!(
        b.poll_event(),
        Some(OutEvent::Message(b"last words".to_vec()))
    );
    assert_eq!(
        b.poll_event(),
        Some(OutEvent::Closed(CloseReason::Duplicate))
    );
    assert_eq!(b.handle_end(), Ok(()));
    assert_eq!(b.handle_bytes(START, b"more"), Err(SessionError::Over));
    assert_eq!((b.next_timeout(), b.is_over()), (None, true));
}

#[test]
fn an_end_without_goodbye_is_reported() {
    let (mut a, _b) = pair(&Config::default());
    assert_eq!(a.handle_end(), Err(SessionError::Truncated));
    assert_eq!(a.handle_end(), Ok(()), "once");
    let mut a = initiator(&Config::default(), local(1, cluster(9)), None);
    assert_eq!(a.handle_end(), Err(SessionError::Truncated));
}

#[test]
fn a_handshake_has_an_absolute_deadline() {
    let mut b = responder(&Config::default(), local(2, cluster(9)));
    assert_eq!(b.next_timeout(), Some(seconds(10)));
    b.handle_bytes(seconds(9), &[32]).unwrap();
    assert_eq!(
        b.next_timeout(),
        Some(seconds(10)),
        "a byte now and then is no excuse"
    );
    assert_eq!(b.handle_timeout(seconds(9)), Ok(()));
    assert_eq!(
        b.handle_timeout(seconds(10)),
        Err(SessionError::HandshakeTimeout)
    );
    assert!(b.is_over());
}

#[test]
fn timeouts_of_zero_or_without_end_are_taken_as_the_nearest_that_work() {
    let zero = Config {
        handshake_timeout: Duration::ZERO,
        keep_alive_interval: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        doubt_timeout: Duration::ZERO,
        ..Config::default()
    };
    let (mut a, _) = pair(&zero);
    assert!(a.is_established());
    assert!(a.next_timeout() > Some(START));
    a.handle_timeout(START).unwrap();
    assert_eq!(a.poll_transmit(), None, "nothing is due at once");
    let endless = Config {
        handshake_timeout: Duration::MAX,
        keep_alive_interval: Duration::MAX,
        idle_timeout: Duration::MAX,
        doubt_timeout: Duration::MAX,
        ..Config::default()
    };
    let (mut a, _) = pair(&endless);
    assert_eq!(a.next_timeout(), Some(Duration::MAX));
    a.handle_timeout(seconds(1_000_000)).unwrap();
}

#[test]
fn signs_of_life_keep_an_idle_session_and_silence_ends_it() {
    let (mut a, mut b) = pair(&Config::default());
    for round in 1..=10 {
        let now = seconds(round * 10);
        assert_eq!(a.next_timeout(), Some(now));
        a.handle_timeout(now).unwrap();
        b.handle_timeout(now).unwrap();
        assert_eq!(drive(now, &mut a, &mut b), (Ok(()), Ok(())));
    }
    assert_eq!(b.poll_event(), None, "signs of life are not messages");
    a.handle_timeout(seconds(110)).unwrap();
    a.handle_timeout(seconds(120)).unwrap();
    assert_eq!(
        a.handle_timeout(seconds(130)),
        Err(SessionError::IdleTimeout)
    );
}

#[test]
fn whom_membership_gives_up_has_to_be_heard_soon() {
    let patient = Config {
        keep_alive_interval: seconds(100),
        idle_timeout: seconds(300),
        ..Config::default()
    };
    let (mut a, mut b) = pair(&patient);
    a.handle_doubt(seconds(50));
    assert_eq!(a.next_timeout(), Some(seconds(60)));
    a.handle_doubt(seconds(55));
    assert_eq!(
        a.next_timeout(),
        Some(seconds(60)),
        "to doubt again gives no more time"
    );
    b.send(seconds(59), b"here").unwrap();
    assert_eq!(drive(seconds(59), &mut a, &mut b), (Ok(()), Ok(())));
    assert_eq!(a.handle_timeout(seconds(60)), Ok(()));
    a.handle_doubt(seconds(70));
    assert_eq!(
        a.handle_timeout(seconds(80)),
        Err(SessionError::IdleTimeout)
    );
}

#[test]
fn keys_change_on_both_sides_at_the_same_frame() {
    let (mut a, mut b) = pair(&Config::default());
    for number in 0..REKEY_FRAMES + 10 {
        a.send(START, &number.to_le_bytes()).unwrap();
        if number % 4_096 == 0 || number > REKEY_FRAMES - 10 {
            b.handle_bytes(START, &a.poll_transmit().unwrap()).unwrap();
        }
    }
    let mut received = 0;
    while let Some(OutEvent::Message(message)) = b.poll_event() {
        assert_eq!(message, u64::to_le_bytes(received));
        received += 1;
    }
    assert_eq!(received, REKEY_FRAMES + 10);
}

#[test]
fn both_sides_keep_the_same_one_of_two_sessions() {
    let (a, b) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
    assert_eq!(kept_initiator(a, b), kept_initiator(b, a));
}
