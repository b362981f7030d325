//! What lying peers can do, and what it costs.

use std::sync::Arc;

use super::tests::*;
use super::*;
use crate::broadcast::PAYLOAD_BYTES_MAX;
use crate::broadcast::acknowledgement::{Ask, AskError, NAMES_MAX, ShortId, Wanted};
use crate::chunks::CHUNK_BYTES;
use crate::ids::Hash;

fn refused(rapid: &mut Rapid, message: Message) -> MessageError {
    let error = rapid
        .on_message(NOW, id(1), &(), message, &mut rng())
        .unwrap_err();
    assert!(error.malicious());
    assert_eq!(events(rapid), []);
    error
}

/// An announcement of a payload that nobody has.
fn empty_word(number: u32) -> Message {
    let mut payload = body(2_000).to_vec();
    payload[..4].copy_from_slice(&number.to_be_bytes());
    announce(3, &payload)
}

#[test]
fn hops_of_zero_and_beyond_the_limit_are_refused_and_the_last_hop_goes_nowhere() {
    let mut rapid = node(0, 10);
    let max = Config::default().hops_max;
    for hops in [0, max + 1, u8::MAX] {
        let error = MessageError::Hops { hops, max };
        assert_eq!(refused(&mut rapid, push(hops, None, &body(9))), error);
        assert_eq!(refused(&mut rapid, announce(hops, &body(2_000))), error);
    }
    give(&mut rapid, NOW, 1, push(max, None, &body(9)));
    let last = delivery(&mut rapid).unwrap();
    rapid.handle_accepted(NOW, &(), last, &mut rng());
    assert_eq!(events(&mut rapid), []);
}

#[test]
fn payloads_beyond_the_limits_are_refused() {
    let mut rapid = node(0, 10);
    for length in [0, CHUNK_BYTES + 1] {
        let max = CHUNK_BYTES;
        let error = MessageError::PayloadLength { length, max };
        assert_eq!(refused(&mut rapid, push(1, None, &body(length))), error);
    }
    assert!(Contents::of(&body(PAYLOAD_BYTES_MAX + 1)).is_none());
    let small = Config {
        payload_bytes_max: 1_000,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), small);
    let error = refused(&mut rapid, announce(1, &body(1_001)));
    let (length, max) = (1_001, 1_000);
    assert_eq!(error, MessageError::PayloadLength { length, max });
}

#[test]
fn chunks_that_are_not_those_of_the_payload_are_refused_before_anything_is_fetched() {
    let mut rapid = node(0, 10);
    let forged = Message::Announce {
        hops: 1,
        way: None,
        id: Hash::of(b"something else"),
        contents: Contents::of(&body(3 * CHUNK_BYTES)).unwrap(),
    };
    assert_eq!(refused(&mut rapid, forged), MessageError::Contents);
}

#[test]
fn a_forged_chunk_costs_its_sender_the_turn_and_the_next_holder_is_asked() {
    let payload = body(5_000);
    let mut rapid = node(0, 10);
    give(&mut rapid, NOW, 1, announce(3, &payload));
    give(&mut rapid, NOW, 2, announce(3, &payload));
    assert_eq!(asked(&mut rapid), [(id(1), 0)]);
    for bytes in [body(5_001), body(4_999), Arc::from([])] {
        let (id_of, index) = (Hash::of(&payload), 0);
        let forged = Message::Chunk {
            id: id_of,
            index,
            bytes,
        };
        assert_eq!(refused(&mut rapid, forged), MessageError::Chunk);
    }
    rapid.handle_timeout(NOW, &mut rng());
    assert_eq!(asked(&mut rapid), [(id(2), 0)]);
    give(&mut rapid, NOW, 2, chunk(&payload, 0));
    assert_eq!(delivery(&mut rapid).unwrap().payload, payload);
}

/// Whoever served the payload was blamed for a size that another had told.
#[test]
fn a_size_that_is_a_lie_is_not_the_fault_of_who_serves_the_payload() {
    let payload = body(2_000);
    let mut rapid = node(0, 10);
    let lie = Message::Announce {
        hops: 1,
        way: None,
        id: Hash::of(&payload),
        contents: Contents::of(&body(CHUNK_BYTES)).unwrap(),
    };
    give(&mut rapid, NOW, 1, lie);
    give(&mut rapid, NOW, 2, announce(3, &payload));
    let later = NOW + Config::default().hedge_delay;
    rapid.handle_timeout(later, &mut rng());
    assert_eq!(asked(&mut rapid), [(id(1), 0), (id(2), 0)]);
    give(&mut rapid, later, 2, chunk(&payload, 0));
    assert_eq!(delivery(&mut rapid).unwrap().payload, payload);
    assert_eq!(rapid.next_timeout(), None);
    // More than any payload may have, whatever was told.
    let small = Config {
        payload_bytes_max: 1_000,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), small);
    let lie = Message::Announce {
        hops: 1,
        way: None,
        id: Hash::of(&payload),
        contents: Contents::of(&body(1_000)).unwrap(),
    };
    give(&mut rapid, NOW, 1, lie);
    events(&mut rapid);
    let (length, max) = (2_000, 1_000);
    let error = refused(&mut rapid, chunk(&payload, 0));
    assert_eq!(error, MessageError::PayloadLength { length, max });
}

#[test]
fn ids_that_are_never_served_are_bounded_by_peer_and_in_all_and_end() {
    let mut rapid = node(0, 100);
    let config = Config::default();
    for number in 0..1_000 {
        give(&mut rapid, NOW, 1, empty_word(number));
    }
    let requests = asked(&mut rapid).len();
    assert!(requests <= config.requests_per_peer_max, "{requests}");
    let per_peer = config.pulls_per_peer_max as u64;
    assert_eq!(rapid.counts().announcements_ignored_count, 1_000 - per_peer);
    // Many peers together do not get further than the bound on all.
    for number in 1_000..3_000 {
        give(
            &mut rapid,
            NOW,
            2 + (number % 50) as u16,
            empty_word(number),
        );
    }
    let ignored = rapid.counts().announcements_ignored_count;
    assert_eq!(ignored, 3_000 - config.pulls_max as u64);
    let end = NOW + config.pull_duration_max;
    rapid.handle_timeout(end, &mut rng());
    events(&mut rapid);
    assert_eq!(rapid.next_timeout(), None);
    give(&mut rapid, end, 3, empty_word(1));
    assert_eq!(asked(&mut rapid).len(), 1, "there is room again");
}

#[test]
fn one_liar_in_front_of_an_honest_holder_costs_one_delay() {
    let payload = body(5_000);
    let mut rapid = node(0, 100);
    give(&mut rapid, NOW, 1, announce(3, &payload));
    give(&mut rapid, NOW + ms(5), 2, announce(3, &payload));
    let at = rapid.next_timeout().unwrap();
    assert_eq!(at, NOW + Config::default().hedge_delay);
    rapid.handle_timeout(at, &mut rng());
    assert!(asked(&mut rapid).contains(&(id(2), 0)));
}

#[test]
fn a_peer_gets_each_chunk_three_times_and_nothing_that_is_not_here() {
    let payload = body(5_000);
    let mut rapid = node(0, 10);
    rapid
        .handle_broadcast(NOW, &(), payload.clone(), &mut rng())
        .unwrap();
    events(&mut rapid);
    let request = |id, index| Message::Request { id, index };
    for _ in 0..20 {
        give(&mut rapid, NOW, 1, request(Hash::of(&payload), 0));
    }
    assert_eq!(sent(&mut rapid).len(), 3);
    give(&mut rapid, NOW, 2, request(Hash::of(&payload), 1));
    give(&mut rapid, NOW, 2, request(Hash::of(&payload), u32::MAX));
    give(&mut rapid, NOW, 2, request(Hash::of(b"unknown"), 0));
    assert_eq!(sent(&mut rapid), []);
    assert_eq!(rapid.counts().requests_refused_count, 20);
    give(&mut rapid, NOW, 2, request(Hash::of(&payload), 0));
    assert_eq!(sent(&mut rapid).len(), 1, "others are served");
}

#[test]
fn held_payloads_are_bounded_and_the_oldest_give_way() {
    let config = Config {
        payload_bytes_max: 2_000,
        held_bytes_max: 10_000,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), config.clone());
    rapid.handle_neighbour_up(NOW, id(1));
    let payloads: Vec<Arc<[u8]>> = (0..8_u8).map(|it| Arc::from(vec![it; 2_000])).collect();
    for payload in &payloads {
        rapid
            .handle_broadcast(NOW, &(), payload.clone(), &mut rng())
            .unwrap();
    }
    events(&mut rapid);
    for payload in &payloads {
        let (id, index) = (Hash::of(payload), 0);
        give(&mut rapid, NOW, 1, Message::Request { id, index });
    }
    assert_eq!(sent(&mut rapid).len(), 5);
    let end = NOW + config.held_for;
    assert_eq!(rapid.next_timeout(), Some(end));
    rapid.handle_timeout(end, &mut rng());
    assert_eq!(rapid.next_timeout(), None);
    for payload in &payloads {
        let (id, index) = (Hash::of(payload), 0);
        give(&mut rapid, end, 1, Message::Request { id, index });
    }
    assert_eq!(sent(&mut rapid), [], "nothing is held for ever");
}

#[test]
fn a_replay_is_recognised() {
    let mut rapid = node(0, 10);
    let old = push(2, Some(way(9)), &body(30));
    for _ in 0..100 {
        give(&mut rapid, NOW, 1, old.clone());
    }
    assert!(delivery(&mut rapid).is_some());
    assert_eq!(rapid.counts().duplicate_count, 99);
}

#[test]
fn invented_acknowledgements_count_nobody_that_is_not_a_member() {
    let mut rapid = node(0, 10);
    let ask = Ask {
        wanted: Wanted::All,
        deadline: ms(500),
    };
    let said = rapid
        .handle_broadcast_asking(NOW, &(), body(10), ask, &mut rng())
        .unwrap();
    events(&mut rapid);
    let forged = |names: Vec<ShortId>| Message::Acknowledge { id: said, names };
    let strangers = (1_000..5_000).map(name).collect();
    give(&mut rapid, NOW, 3, forged(strangers));
    assert_eq!(rapid.acknowledged_count(&said), Some(0));
    // What a liar can do, as it is documented: name members that have nothing.
    give(&mut rapid, NOW, 3, forged(vec![name(5), name(6), name(0)]));
    assert_eq!(rapid.acknowledged_count(&said), Some(2));
}

#[test]
fn acknowledgements_of_what_was_not_passed_on_are_ignored() {
    let mut rapid = node(0, 100);
    let names: Vec<ShortId> = (1..50).map(name).collect();
    let id_of = Hash::of(b"never heard of");
    give(
        &mut rapid,
        NOW,
        1,
        Message::Acknowledge {
            id: id_of,
            names: names.clone(),
        },
    );
    // Here, but not found valid yet.
    let payload = body(10);
    give(&mut rapid, NOW, 1, push(2, Some(way(9)), &payload));
    let id_of = Hash::of(&payload);
    give(
        &mut rapid,
        NOW,
        1,
        Message::Acknowledge { id: id_of, names },
    );
    assert_eq!(rapid.counts().acknowledgements_ignored_count, 2);
    assert_eq!(sent(&mut rapid), []);
}

#[test]
fn who_asks_much_loses_its_own_acknowledgements_first() {
    let config = Config {
        asked_max: 4,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), config);
    rapid.handle_view((), (0..100).map(id).collect());
    let mut pass_on = |number: u8, origin: u8| {
        let payload: Arc<[u8]> = vec![number; 20].into();
        give(
            &mut rapid,
            NOW,
            1,
            push(2, Some(way(origin.into())), &payload),
        );
        let delivery = delivery(&mut rapid).unwrap();
        rapid.handle_accepted(NOW, &(), delivery, &mut rng());
        events(&mut rapid);
    };
    pass_on(0, 8);
    (1..50).for_each(|number| pass_on(number, 9));
    let ignored_before = |number: u8| {
        let (id, names) = (Hash::of(&[number; 20]), vec![name(5)]);
        give(&mut rapid, NOW, 1, Message::Acknowledge { id, names });
        rapid.counts().acknowledgements_ignored_count
    };
    let ignored = [0, 49, 48, 47, 46, 1].map(ignored_before);
    assert_eq!(ignored, [0, 0, 0, 0, 1, 2]);
}

#[test]
fn messages_that_are_acknowledged_are_bounded_and_over_at_their_deadline() {
    let config = Config {
        asked_max: 4,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), config);
    rapid.handle_view((), (0..100).map(id).collect());
    for number in 0..50_u8 {
        let payload: Arc<[u8]> = vec![number; 20].into();
        give(&mut rapid, NOW, 1, push(2, Some(way(9)), &payload));
        let delivery = delivery(&mut rapid).unwrap();
        rapid.handle_accepted(NOW, &(), delivery, &mut rng());
        events(&mut rapid);
    }
    let id_of = Hash::of(&[0; 20]);
    let names = vec![name(5)];
    give(
        &mut rapid,
        NOW,
        1,
        Message::Acknowledge { id: id_of, names },
    );
    assert_eq!(
        rapid.counts().acknowledgements_ignored_count,
        1,
        "the oldest gave way"
    );
    rapid.handle_timeout(NOW + ms(1_000), &mut rng());
    events(&mut rapid);
    assert_eq!(rapid.next_timeout(), None);

    let ask = Ask {
        wanted: Wanted::Count,
        deadline: ms(500),
    };
    for number in 100..104_u8 {
        let payload: Arc<[u8]> = vec![number; 20].into();
        rapid
            .handle_broadcast_asking(NOW, &(), payload, ask, &mut rng())
            .unwrap();
    }
    let more = rapid.handle_broadcast_asking(NOW, &(), body(20), ask, &mut rng());
    assert_eq!(more, Err(AskError::Asked { max: 4 }));
}

#[test]
fn a_liar_that_names_this_node_as_collector_or_itself_as_sender_makes_no_loop() {
    let mut rapid = node(0, 100);
    let payload = body(10);
    let collector = Some(name(0));
    let lie = Way {
        collector,
        ..way(0)
    };
    give(&mut rapid, NOW, 1, push(7, Some(lie), &payload));
    let held = delivery(&mut rapid).unwrap();
    rapid.handle_accepted(NOW, &(), held, &mut rng());
    let told = sent(&mut rapid);
    let to_itself = told.iter().filter(|(to, _)| *to == id(0)).count();
    assert_eq!(to_itself, 0);
    // Two nodes that take each other for the next one: names go back and forth once.
    let names: Vec<ShortId> = (1..50).map(name).collect();
    let id_of = Hash::of(&payload);
    let mut batches = 0;
    let mut now = NOW;
    for _ in 0..40 {
        let names = names.clone();
        give(
            &mut rapid,
            now,
            1,
            Message::Acknowledge { id: id_of, names },
        );
        now += ms(25);
        rapid.handle_timeout(now, &mut rng());
        batches += sent(&mut rapid).len();
    }
    // Two batches, and what this node tells a second time.
    assert!(batches <= 3, "{batches}");
}

#[test]
fn malformed_messages_are_refused() {
    let good = Message::Acknowledge {
        id: Hash::ZERO,
        names: vec![name(1); NAMES_MAX],
    };
    assert_eq!(Message::from_bytes(&good.to_bytes()), Ok(good));
    let many = Message::Acknowledge {
        id: Hash::ZERO,
        names: vec![name(1); NAMES_MAX + 1],
    };
    let mut uneven = Message::Acknowledge {
        id: Hash::ZERO,
        names: vec![name(1)],
    }
    .to_bytes();
    uneven.pop();
    let far = Way {
        levels: LEVELS_MAX + 1,
        ..way(1)
    };
    let long = Way {
        deadline_ms: u32::MAX,
        ..way(1)
    };
    let mut second_encoding = push(1, None, &body(3)).to_bytes();
    second_encoding.push(0);
    let malformed = [
        many.to_bytes(),
        uneven,
        push(1, Some(far), &body(3)).to_bytes(),
        push(1, Some(long), &body(3)).to_bytes(),
        second_encoding,
        vec![0; MESSAGE_BYTES_MAX + 1],
        Vec::new(),
    ];
    for bytes in malformed {
        assert_eq!(Message::from_bytes(&bytes), Err(MessageError::Malformed));
    }
}
