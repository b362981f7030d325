//! A node of rapid broadcast among others that push, announce, serve and acknowledge anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::broadcast::acknowledgement::{Ask, ShortId, Wanted};
use replicant_protocol::broadcast::rapid::{
    Config, Contents, MESSAGE_BYTES_MAX, Message, OutEvent, Rapid, Way,
};
use replicant_protocol::ids::{Hash, NodeId};

use crate::input::Input;

const NODES: u8 = 9;

fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn payload(number: usize) -> Arc<[u8]> {
    // Small ones, one chunk, and some chunks.
    let length = [1, 30, 1_024, 1_025, 5_000, 65_536, 65_537, 200_000][number % 8];
    vec![number as u8; length].into()
}

fn way(input: &mut Input<'_>) -> Option<Way> {
    let name = |number| ShortId::from(&id(number));
    (input.below(3) > 0).then(|| Way {
        origin: name(input.byte() % (NODES + 2)),
        levels: input.byte() % 4,
        collector: (input.below(2) > 0).then(|| name(input.byte() % (NODES + 2))),
        deadline_ms: (input.number() % 30_000) as u32,
    })
}

/// Valid encodings, to be changed.
pub(crate) fn rapids() -> Vec<Vec<u8>> {
    let mut input = Input::new(&[1; 40]);
    let large = payload(7);
    let id = Hash::of(&large);
    let messages = [
        Message::Push {
            hops: 3,
            way: way(&mut input),
            payload: payload(1),
        },
        Message::Announce {
            hops: 255,
            way: None,
            id,
            contents: Contents::of(&large).unwrap(),
        },
        Message::Request { id, index: 3 },
        Message::Chunk {
            id,
            index: 0,
            bytes: payload(1),
        },
        Message::Acknowledge {
            id,
            names: vec![ShortId::from(&self::id(1)); 5],
        },
    ];
    messages.iter().map(Message::to_bytes).collect()
}

pub(crate) fn message(bytes: &[u8]) {
    if let Ok(message) = Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
        assert!(bytes.len() <= MESSAGE_BYTES_MAX);
    }
}

fn any_message(input: &mut Input<'_>) -> Message {
    let (hops, way) = (input.number() as u8, way(input));
    let payload = payload(input.below(16));
    let id = Hash::of(&payload);
    let index = (input.number() % 9) as u32;
    match input.below(6) {
        0 => Message::Push { hops, way, payload },
        1 => Message::Announce {
            hops,
            way,
            id,
            contents: Contents::of(&payload).unwrap(),
        },
        2 => {
            // Another payload's size and chunks.
            let other = self::payload(input.below(16));
            let contents = Contents::of(&other).unwrap();
            Message::Announce {
                hops,
                way,
                id,
                contents,
            }
        }
        3 => Message::Request { id, index },
        4 => {
            let chunk = payload.chunks(65_536).nth(index as usize);
            let mut bytes = chunk.unwrap_or(&[]).to_vec();
            if let (0, Some(first)) = (input.below(3), bytes.first_mut()) {
                *first ^= 1;
            }
            let bytes = bytes.into();
            Message::Chunk { id, index, bytes }
        }
        _ => {
            let names = (0..input.below(9)).map(|_| ShortId::from(&self::id(input.byte())));
            let names = names.collect();
            Message::Acknowledge { id, names }
        }
    }
}

pub(crate) fn rapid_among_liars(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = Config {
        pulls_max: 4,
        asked_max: 3,
        is_dialing: input.below(2) > 0,
        ..Config::default()
    };
    let mut rapid: Rapid<u8> = Rapid::new(id(0), config);
    for scope in 0..2 {
        if input.below(2) > 0 {
            let nodes = (0..NODES).skip(usize::from(scope) * 3);
            rapid.handle_view(scope, nodes.map(id).collect());
        }
    }
    let mut delivered = BTreeSet::new();
    let (mut asked, mut told) = (0, 0);
    while !input.is_over() {
        let peer = id(1 + input.byte() % (NODES + 1));
        let scope = input.below(2) as u8;
        match input.byte() {
            0..18 => rapid.handle_neighbour_up(now, peer),
            18..24 => rapid.handle_neighbour_down(now, peer),
            24..26 => rapid.handle_gone(now, &peer),
            26..28 => rapid.handle_view_gone(&scope),
            28..30 => rapid.handle_known(&Hash::of(&[input.byte()])),
            30..200 => {
                let message = any_message(&mut input);
                let _ = rapid.on_message(now, peer, &scope, message, &mut rng);
            }
            200..230 => {
                now += Duration::from_millis(input.number() % 5_000);
                rapid.handle_timeout(now, &mut rng);
                assert!(rapid.next_timeout().is_none_or(|next| next > now));
            }
            _ => {
                let ask = Ask {
                    wanted: [Wanted::Count, Wanted::Quorum(3), Wanted::All][input.below(3)],
                    deadline: Duration::from_millis(input.number() % 60_000),
                };
                let payload: Arc<[u8]> = vec![input.byte(); 2 + input.below(3_000)].into();
                let said = rapid.handle_broadcast_asking(now, &scope, payload, ask, &mut rng);
                if let Ok(id) = said {
                    asked += 1;
                    assert!(delivered.insert(id), "said, but it was here before");
                }
            }
        }
        while let Some(event) = rapid.poll_event() {
            match event {
                OutEvent::Send { to, message, .. } => {
                    assert!(!to.is_empty() && !to.contains(&id(0)));
                    assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
                }
                OutEvent::Deliver(scope, delivery) => {
                    assert_eq!(Hash::of(&delivery.payload), delivery.id);
                    assert!(delivered.insert(delivery.id), "delivered twice");
                    if input.below(4) == 0 {
                        rapid.handle_unasked(&delivery.id);
                    }
                    if input.below(4) > 0 {
                        rapid.handle_accepted(now, &scope, delivery, &mut rng);
                    }
                }
                OutEvent::Acknowledged(outcome) => {
                    told += 1;
                    assert!(outcome.count <= u32::from(u8::MAX));
                }
            }
        }
    }
    rapid.handle_timeout(now + Duration::from_secs(60), &mut rng);
    let rest = std::iter::from_fn(|| rapid.poll_event());
    told += rest
        .filter(|it| matches!(it, OutEvent::Acknowledged(_)))
        .count();
    assert_eq!(told, asked, "one outcome for each");
    assert_eq!(rapid.next_timeout(), None, "everything ends");
}
