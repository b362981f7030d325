//! A node with circles, among others that say anything.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::circles::{Call, Circles, Config, KNOWN_MAX, Message, OutEvent, Wish};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{Hash, NodeId, TopicName};
use replicant_protocol::membership::hyparview::{self, Entry};

use crate::input::Input;
use crate::overlay;

const CIRCLES_MAX: usize = 2;

fn entry(number: u8) -> Entry {
    Entry {
        node: NodeId::from_bytes([number; 32]),
        address: ([192, 0, 2, number], 7_400).into(),
    }
}

fn path(number: u8) -> TopicName {
    let names = ["shop", "shop/eu", "shop/eu/carts", "news"];
    names[usize::from(number) % names.len()].parse().unwrap()
}

fn call(number: u8, wish: Wish) -> Call {
    Call {
        caller: entry(number),
        start: 1,
        number: u64::from(number),
        wish,
        paths: vec![path(number), path(number + 1)],
    }
}

/// One message of each kind, to be changed.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let messages = [
        Message::View(hyparview::Message::Disconnect { is_leaving: true }),
        Message::HandIn(b"news"[..].into()),
        Message::Taken(Hash::of(b"news")),
        Message::NotHere,
        Message::Ask,
        Message::Known {
            is_called: true,
            is_outside: false,
            entries: vec![entry(1), entry(2)],
        },
    ];
    let with_kind = |kind: u8, of: Vec<Vec<u8>>| {
        let with_kind = move |message: Vec<u8>| [&[kind], &message[..]].concat();
        of.into_iter().map(with_kind)
    };
    let messages = messages.iter().map(Message::to_bytes);
    messages
        .chain(with_kind(0, overlay::views()))
        .chain(with_kind(1, overlay::trees()))
        .collect()
}

/// Signed calls, to be changed.
pub(crate) fn calls() -> Vec<Vec<u8>> {
    let identity = NodeIdentity::from_secret(&[3; 32]);
    let wishes = [Wish::Listens, Wish::Alone, Wish::Seeks, Wish::Outside];
    let signed = wishes.map(|wish| {
        let mut call = call(1, wish);
        call.caller.node = identity.id();
        call.sign(&identity)
    });
    signed.into()
}

pub(crate) fn decoding(bytes: &[u8]) {
    if let Ok(message) = Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
}

pub(crate) fn call_decoding(bytes: &[u8]) {
    if let Ok(call) = Call::from_bytes(bytes) {
        assert_eq!(Call::from_body(&call.body()), Ok(call));
    }
}

fn message(input: &mut Input<'_>) -> Option<Message> {
    let id = Hash::of(&[input.byte() % 8]);
    let entries = (0..input.below(KNOWN_MAX)).map(|_| entry(input.byte() % 32));
    let entries: Vec<Entry> = entries.collect();
    Some(match input.below(6) {
        0 => Message::Taken(id),
        1 => Message::Known {
            is_called: input.below(2) == 0,
            is_outside: input.below(2) == 0,
            entries,
        },
        2 => Message::HandIn([input.byte() % 8][..].into()),
        _ => Message::from_bytes(&input.changed(&messages())).ok()?,
    })
}

fn act(circles: &mut Circles, now: &mut Duration, input: &mut Input<'_>) {
    let (from, at) = (entry(1 + input.byte() % 20), path(input.byte()));
    match input.byte() {
        0..20 => circles.handle_subscribe(*now, &at),
        20..30 => circles.handle_unsubscribe(*now, &at),
        30..40 => circles.handle_session_closed(*now, from.node),
        40..50 => circles.handle_unreachable(*now, from.node),
        50..60 => circles.handle_neighbour_up(*now, from.node),
        60..65 => circles.handle_neighbour_down(&from.node),
        65..80 => {
            let said: Arc<[u8]> = [input.byte() % 8][..].into();
            circles.handle_publish(*now, &at, &said);
        }
        80..110 => {
            let wishes = [Wish::Listens, Wish::Alone, Wish::Seeks, Wish::Outside];
            let mut call = call(1 + input.byte() % 20, wishes[input.below(4)]);
            call.number = input.number() % 100;
            circles.on_call(*now, &call);
        }
        110..220 => {
            if let Some(message) = message(input) {
                let _ = circles.on_message(*now, from.node, &at, message);
            }
        }
        _ => {
            *now += Duration::from_millis(input.number() % 60_000);
            circles.handle_timeout(*now);
            assert!(circles.next_timeout().is_none_or(|next| next > *now));
        }
    }
}

pub(crate) fn circles_among_liars(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = Config {
        circles_max: CIRCLES_MAX,
        ..Config::default()
    };
    let links_max = config.links_max();
    let mut circles = Circles::new(config, entry(0), 1, now, &mut rng);
    let mut held_count = 0;
    while !input.is_over() {
        act(&mut circles, &mut now, &mut input);
        while let Some(event) = circles.poll_event() {
            match event {
                OutEvent::Send { message, .. } => {
                    assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
                }
                OutEvent::Deliver { path, delivery } => {
                    circles.handle_accepted(now, &path, delivery);
                }
                OutEvent::Call(call) => assert_eq!(Call::from_body(&call.body()), Ok(call)),
                OutEvent::Hold(_) => held_count += 1,
                OutEvent::LetGo(_) => held_count -= 1,
                OutEvent::SendInTree { .. } | OutEvent::SayToAll(_) => {}
            }
        }
        assert_eq!(circles.held().count(), held_count);
        assert!(held_count <= links_max);
        assert!(circles.circles().count() <= CIRCLES_MAX);
    }
}
