//! A node that gets a module, among peers that send anything.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::content::{
    CHUNK_BYTES, Config, Manifest, Message, OutEvent, Part, Refusal, State,
};
use replicant_protocol::ids::{ModuleHash, NodeId};

use crate::input::Input;
use crate::seeds::{announcement, contents};

/// Two modules; the second is what a liar sends for the first.
fn module(number: u8) -> Vec<u8> {
    vec![number; 2 * CHUNK_BYTES + 1_000]
}

thread_local! {
    // Signing takes longer than the rest of a case.
    static ANNOUNCEMENTS: Vec<Vec<u8>> = (0..6)
        .map(|number| announcement(number, b"component").as_bytes().to_vec())
        .collect();
    static MESSAGES: Vec<Vec<u8>> = contents();
}

fn peer(number: usize) -> NodeId {
    NodeId::from_bytes([100 + number as u8; 32])
}

fn part(module: &[u8], hash: ModuleHash, part: Part) -> Message {
    match part {
        Part::Manifest => Message::Manifest {
            module: hash,
            manifest: Manifest::of(module).unwrap(),
        },
        Part::Chunk(index) => Message::Chunk {
            module: hash,
            index,
            bytes: module
                .chunks(CHUNK_BYTES)
                .nth(index as usize)
                .unwrap_or(&module[..1])
                .to_vec(),
        },
    }
}

fn message(input: &mut Input<'_>, asked: &mut Vec<(NodeId, Part)>) -> Option<(NodeId, Message)> {
    let wanted = ModuleHash::of(&module(1));
    let any = (peer(input.below(3)), Part::Chunk(input.below(4) as u32));
    let (from, of) = match input.below(4) {
        0 => any,
        _ => asked.pop().unwrap_or(any),
    };
    let message = match input.below(8) {
        0..4 => part(&module(1), wanted, of),
        4 => part(&module(2), wanted, of),
        5 => Message::Refused {
            module: wanted,
            part: of,
            refusal: Refusal::Busy,
        },
        6 => Message::Announcements {
            items: (0..input.below(4))
                .map(|_| ANNOUNCEMENTS.with(|all| all[input.below(all.len())].clone()))
                .collect(),
        },
        _ => Message::from_bytes(&MESSAGES.with(|all| input.changed(all))).ok()?,
    };
    Some((from, message))
}

pub(crate) fn content(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = Config {
        announcements_max: 5,
        announcements_per_publisher_max: 2,
        serves_max: 3,
        ..Config::default()
    };
    let mut state = State::new(config, now, &mut rng);
    let (wanted, size) = (ModuleHash::of(&module(1)), module(1).len() as u32);
    let mut asked = Vec::new();
    let mut reading = Vec::new();
    while !input.is_over() {
        let from = peer(input.below(3));
        match input.byte() {
            0..40 => state.handle_peer_up(now, from, &mut rng),
            40..60 => state.handle_peer_down(now, from, &mut rng),
            60..80 => state.handle_want(now, wanted, size, &mut rng).unwrap(),
            80..85 => state.handle_unwant(now, wanted, &mut rng),
            85..110 => {
                now += Duration::from_millis(input.number() % 20_000);
                state.handle_timeout(now, &mut rng);
                assert!(state.next_timeout().is_none_or(|next| next > now));
            }
            110..130 => match reading.pop() {
                Some((to, module, Part::Chunk(index))) => {
                    state.handle_served_chunk(to, module, index, Some(vec![1]));
                }
                Some((to, module, Part::Manifest)) => {
                    state.handle_served_manifest(to, module, None);
                }
                None => {}
            },
            _ => {
                if let Some((from, message)) = message(&mut input, &mut asked) {
                    let _ = state.on_message(now, 1, from, message, &mut rng);
                }
            }
        }
        while let Some(event) = state.poll_event() {
            match event {
                OutEvent::Send {
                    to,
                    message: Message::Fetch { part, .. },
                } => asked.push((to, part)),
                OutEvent::Serve { to, module, part } => reading.push((to, module, part)),
                OutEvent::Fetched { module, bytes } => assert_eq!(ModuleHash::of(&bytes), module),
                OutEvent::Send { message, .. } => {
                    assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
                }
                _ => {}
            }
        }
        assert!(reading.len() <= 3, "more is read than allowed");
        assert!(state.announcements().count() <= 5);
    }
}
