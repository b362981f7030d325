//! Peers and networks that lie.

use proptest::prelude::*;

use super::frame::{Assembler, FrameReader, Plain};
use super::handshake::{Handshake, Step};
use super::statement::{Binding, Role, Statement};
use super::tests::{START, cluster, drive, initiator, local, pair, responder, rng};
use super::transport::Transport;
use super::*;

/// A session and the bare transport of its peer, who can write any frame.
fn session_and_liar() -> (Session, Transport) {
    let config = Config::default();
    let mut session = responder(&config, local(2, cluster(9)));
    let liar = Handshake::new(Role::Initiator, local(1, cluster(9)), None, &mut rng(1));
    let mut liar = Box::new(liar.unwrap());
    let mut out = Vec::new();
    liar.start(&mut out).unwrap();
    session.handle_bytes(START, &out).unwrap();
    let answer = session.poll_transmit().unwrap();
    let mut out = Vec::new();
    let step = liar.step(&answer[2..], &config, &mut out).unwrap();
    session.handle_bytes(START, &out).unwrap();
    assert!(matches!(
        session.poll_event(),
        Some(OutEvent::Established(_))
    ));
    match step {
        Step::Done(transport, _) => (session, *transport),
        Step::Wait(_) => panic!("the handshake is not done"),
    }
}

/// What a session makes of these plaintext frames of an authenticated peer.
fn after_frames(frames: &[Plain<'_>]) -> (Session, Result<(), SessionError>) {
    let (mut session, mut liar) = session_and_liar();
    let mut bytes = Vec::new();
    for frame in frames {
        liar.write(frame, &mut bytes).unwrap();
    }
    let result = session.handle_bytes(START, &bytes);
    (session, result)
}

fn assert_malicious(result: Result<(), SessionError>) {
    let error = result.unwrap_err();
    assert!(error.malicious(), "{error}");
}

#[test]
fn another_protocol_is_refused_at_once() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03],
        &[0; 64],
    ] {
        let mut b = responder(&Config::default(), local(2, cluster(9)));
        assert_malicious(b.handle_bytes(START, bytes));
        assert!(b.is_over());
    }
}

#[test]
fn handshake_frames_are_bounded_before_they_are_read() {
    let after_length = |session: &mut Session, length: usize| {
        let announced = (length as u16).to_le_bytes();
        session.handle_bytes(START, &announced)
    };
    let refused = |length, max| {
        Err(SessionError::FrameLength {
            length,
            min: 32,
            max,
        })
    };
    for length in [0, 31, 33] {
        let mut b = responder(&Config::default(), local(2, cluster(9)));
        assert_eq!(after_length(&mut b, length), refused(length, 32));
    }
    let mut a = initiator(&Config::default(), local(1, cluster(9)), None);
    let length = HANDSHAKE_BYTES_MAX + 1;
    assert_eq!(
        after_length(&mut a, length),
        refused(length, HANDSHAKE_BYTES_MAX)
    );
    let mut a = initiator(&Config::default(), local(1, cluster(9)), None);
    assert_eq!(
        after_length(&mut a, HANDSHAKE_BYTES_MAX),
        Ok(()),
        "the largest is waited for"
    );
    assert_malicious(a.handle_bytes(START, &[7; HANDSHAKE_BYTES_MAX]));
}

#[test]
fn low_order_keys_are_refused() {
    // All that multiply to zero, as they are encoded (RFC 7748 and its errata).
    let p_minus_1 = {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xec, 0x7f);
        bytes
    };
    let mut p = p_minus_1;
    p[0] = 0xed;
    let mut p_plus_1 = p_minus_1;
    p_plus_1[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    for key in [[0; 32], one, p_minus_1, p, p_plus_1] {
        let mut b = responder(&Config::default(), local(2, cluster(9)));
        let frame = [&[32, 0][..], &key].concat();
        assert_eq!(
            b.handle_bytes(START, &frame),
            Err(SessionError::WeakKey),
            "{key:x?}"
        );
    }
}

#[test]
fn a_recorded_handshake_is_worthless() {
    let config = Config::default();
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let mut b = responder(&config, local(2, cluster(9)));
    let first = a.poll_transmit().unwrap();
    b.handle_bytes(START, &first).unwrap();
    let second = b.poll_transmit().unwrap();
    a.handle_bytes(START, &second).unwrap();
    let third = a.poll_transmit().unwrap();

    // To the responder again, which has a fresh key.
    let mut b = Session::responder(config.clone(), local(2, cluster(9)), START, &mut rng(77));
    let b = b.as_mut().unwrap();
    b.handle_bytes(START, &first).unwrap();
    assert_eq!(b.handle_bytes(START, &third), Err(SessionError::Handshake));
    // To another initiator, which has a fresh key.
    let mut a = Session::initiator(
        config.clone(),
        local(1, cluster(9)),
        None,
        START,
        &mut rng(78),
    );
    assert_eq!(
        a.as_mut().unwrap().handle_bytes(START, &second),
        Err(SessionError::Handshake)
    );
    // Back to the one who sent it.
    let mut a = initiator(&config, local(1, cluster(9)), None);
    let own = a.poll_transmit().unwrap();
    assert_eq!(a.handle_bytes(START, &own), Err(SessionError::Handshake));
}

#[test]
fn a_statement_holds_for_its_signer_handshake_role_and_key_only() {
    let local = local(1, cluster(9));
    let statement = Statement {
        versions: Config::default().versions,
        cluster: local.cluster,
        node: local.identity.id(),
        address: local.address,
        view: View::Full,
    };
    let binding = |role, hash, key| Binding {
        role,
        handshake_hash: hash,
        noise_static: key,
    };
    let (hash, key, other) = (&[1; 32][..], &[2; 32][..], &[3; 32][..]);
    let payload = statement.sign(&local.identity, &binding(Role::Initiator, hash, key));
    let verify = |binding| Statement::verify(&payload, &binding);
    assert_eq!(verify(binding(Role::Initiator, hash, key)), Ok(statement));
    let forged = Err(SessionError::Signature {
        node: statement.node,
    });
    assert_eq!(
        verify(binding(Role::Responder, hash, key)),
        forged,
        "turned around"
    );
    assert_eq!(
        verify(binding(Role::Initiator, other, key)),
        forged,
        "another handshake"
    );
    assert_eq!(
        verify(binding(Role::Initiator, hash, other)),
        forged,
        "another key"
    );

    let of_another = Statement {
        node: super::tests::local(5, None).identity.id(),
        ..statement
    };
    let payload = of_another.sign(&local.identity, &binding(Role::Initiator, hash, key));
    assert!(matches!(
        Statement::verify(&payload, &binding(Role::Initiator, hash, key)),
        Err(SessionError::Signature { .. })
    ));
}

#[test]
fn statements_that_nobody_can_use_are_refused() {
    let local = local(1, cluster(9));
    let binding = Binding {
        role: Role::Initiator,
        handshake_hash: &[1; 32],
        noise_static: &[2; 32],
    };
    let good = Statement {
        versions: Config::default().versions,
        cluster: None,
        node: local.identity.id(),
        address: local.address,
        view: View::Full,
    };
    let bad = [
        Statement {
            versions: VersionRange { min: 2, max: 1 },
            ..good
        },
        Statement {
            address: "0.0.0.0:7000".parse().unwrap(),
            ..good
        },
        Statement {
            address: "127.0.0.1:0".parse().unwrap(),
            ..good
        },
    ];
    for statement in bad {
        let payload = statement.sign(&local.identity, &binding);
        assert!(matches!(
            Statement::verify(&payload, &binding),
            Err(SessionError::Statement { .. })
        ));
    }
}

#[test]
fn a_repeated_reordered_or_missing_frame_ends_the_session() {
    let frames = |a: &mut Session| {
        a.send(START, b"one").unwrap();
        let one = a.poll_transmit().unwrap();
        a.send(START, b"two").unwrap();
        (one, a.poll_transmit().unwrap())
    };
    let (mut a, mut b) = pair(&Config::default());
    let (one, _) = frames(&mut a);
    b.handle_bytes(START, &one).unwrap();
    assert_eq!(
        b.handle_bytes(START, &one),
        Err(SessionError::Forged),
        "repeated"
    );
    assert_eq!(b.poll_event(), Some(OutEvent::Message(b"one".to_vec())));

    let (mut a, mut b) = pair(&Config::default());
    let (_, two) = frames(&mut a);
    assert_eq!(
        b.handle_bytes(START, &two),
        Err(SessionError::Forged),
        "one is missing"
    );
    assert_eq!(b.poll_event(), None);
}

#[test]
fn a_frame_of_the_other_direction_is_not_taken() {
    let (mut a, _) = pair(&Config::default());
    a.send(START, b"echo").unwrap();
    let bytes = a.poll_transmit().unwrap();
    assert_eq!(a.handle_bytes(START, &bytes), Err(SessionError::Forged));
}

#[test]
fn a_victim_tells_its_peer_why_it_leaves() {
    let (mut a, mut b) = pair(&Config::default());
    assert_malicious(b.handle_bytes(
        START,
        &[
            17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
        ],
    ));
    drive(START, &mut a, &mut b).0.unwrap();
    assert_eq!(
        a.poll_event(),
        Some(OutEvent::Closed(CloseReason::Misbehaviour))
    );
}

#[test]
fn messages_are_bounded_by_what_they_announce() {
    for length in [0, MESSAGE_BYTES_MAX + 1, u32::MAX as usize] {
        let (_, result) = after_frames(&[Plain::First {
            length,
            part: &[1; 40],
        }]);
        let max = MESSAGE_BYTES_MAX;
        assert_eq!(result, Err(SessionError::MessageLength { length, max }));
    }
}

#[test]
fn parts_that_do_not_fit_the_message_are_refused() {
    let part = &[1; 40][..];
    let framing: [&[Plain<'_>]; 6] = [
        &[Plain::First { length: 39, part }],
        &[Plain::First { length: 41, part }],
        &[Plain::First {
            length: 100_000,
            part: &[],
        }],
        &[Plain::Next { part }],
        &[Plain::Next { part: &[] }],
        &[Plain::First { length: 40, part }, Plain::Next { part: &[] }],
    ];
    for frames in framing {
        let (_, result) = after_frames(frames);
        assert!(
            matches!(result, Err(SessionError::Framing { .. })),
            "{frames:?}"
        );
    }
    let full = vec![1; super::frame::FIRST_PART_MAX];
    let (_, result) = after_frames(&[
        Plain::First {
            length: 100_000,
            part: &full,
        },
        Plain::First { length: 40, part },
    ]);
    assert!(matches!(result, Err(SessionError::Framing { .. })));
}

#[test]
fn a_message_that_never_ends_holds_one_message_at_most_and_can_be_cut_off() {
    let full = vec![1; super::frame::FIRST_PART_MAX];
    let frames = [
        Plain::First {
            length: 100_000,
            part: &full,
        },
        Plain::KeepAlive,
        Plain::Close(CloseReason::Shutdown),
    ];
    let (mut session, result) = after_frames(&frames);
    assert_eq!(result, Ok(()));
    assert_eq!(
        session.poll_event(),
        Some(OutEvent::Closed(CloseReason::Shutdown))
    );
}

#[test]
fn reasons_of_newer_versions_are_read() {
    let (mut session, result) = after_frames(&[Plain::Close(CloseReason::Other(200))]);
    assert_eq!(result, Ok(()));
    assert_eq!(
        session.poll_event(),
        Some(OutEvent::Closed(CloseReason::Other(200)))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_leave_a_responder_in_order(chunks in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
        let mut b = responder(&Config::default(), local(2, cluster(9)));
        for chunk in &chunks {
            if b.handle_bytes(START, chunk).is_err() {
                break;
            }
        }
        prop_assert!(!b.is_established());
        prop_assert_eq!(b.poll_event(), None);
    }

    #[test]
    fn any_changed_bit_of_the_handshake_is_noticed(
        message in 0usize..3,
        bit in any::<prop::sample::Index>(),
    ) {
        let config = Config::default();
        let mut a = initiator(&config, local(1, cluster(9)), None);
        let mut b = responder(&config, local(2, cluster(9)));
        for number in 0..3 {
            let is_from_a = number % 2 == 0;
            let (from, to) = if is_from_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
            let Some(mut bytes) = from.poll_transmit() else { break };
            if number == message {
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            if to.handle_bytes(START, &bytes).is_err() {
                break;
            }
        }
        // The initiator is done after its own last message; the responder never is.
        prop_assert!(!b.is_established());
    }

    #[test]
    fn any_bytes_after_the_handshake_end_it_or_wait(
        bytes in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let (_, mut b) = pair(&Config::default());
        let result = b.handle_bytes(START, &bytes);
        prop_assert_eq!(b.poll_event(), None);
        prop_assert!(result.is_ok() || b.is_over());
    }

    #[test]
    fn any_plaintext_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(plain) = Plain::decode(&bytes) {
            prop_assert_eq!(&plain.encode(), &bytes);
            let mut assembler = Assembler::default();
            if let Plain::First { length, part } = plain {
                let _ = assembler.first(length, part, 50);
            }
        }
    }

    #[test]
    fn any_statement_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let role = Role::Initiator;
        let binding = Binding { role, handshake_hash: &[1; 32], noise_static: &[2; 32] };
        prop_assert!(Statement::verify(&bytes, &binding).is_err());
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..6),
        cut in 1usize..20,
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|frame| {
            [&(frame.len() as u16).to_le_bytes()[..], frame].concat()
        }).collect();
        let mut reader = FrameReader::default();
        let mut read = Vec::new();
        for mut chunk in stream.chunks(cut) {
            while let Some(frame) = reader.read(&mut chunk, 1, 50).unwrap() {
                read.push(frame.to_vec());
            }
        }
        prop_assert_eq!(read, frames);
    }
}
