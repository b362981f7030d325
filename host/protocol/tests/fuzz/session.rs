//! Two ends of a session, and a network between them that changes what it likes.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::ClusterId;
use replicant_protocol::session::{Config, Local, OutEvent, Session};

use crate::input::Input;

/// A message that the network will not think of.
fn message(number: u8) -> Vec<u8> {
    let length = 1 + usize::from(number) * 700;
    (0..length)
        .map(|at| number.wrapping_add(at as u8))
        .collect()
}

fn local(number: u8) -> Local {
    Local {
        identity: Arc::new(NodeIdentity::from_secret(&[number; 32])),
        cluster: Some(ClusterId::from_bytes([9; 32])),
        address: ([192, 0, 2, number], 7_400).into(),
        view: Default::default(),
    }
}

pub(crate) fn session(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let config = Config {
        message_bytes_max: 200_000,
        ..Config::default()
    };
    let a = Session::initiator(config.clone(), local(1), None, now, &mut rng).unwrap();
    let b = Session::responder(config, local(2), now, &mut rng).unwrap();
    let mut ends = [a, b];
    let mut sent: [Vec<Vec<u8>>; 2] = Default::default();
    let mut received: [usize; 2] = [0, 0];
    while !input.is_over() {
        let from = input.below(2);
        let to = 1 - from;
        match input.byte() {
            0..120 => {
                let stream = ends[from].poll_transmit().unwrap_or_default();
                let _ = ends[to].handle_bytes(now, &stream);
            }
            120..150 => {
                let mut stream = ends[from].poll_transmit().unwrap_or_default();
                damage(&mut stream, &mut input);
                let _ = ends[to].handle_bytes(now, &stream);
            }
            150..160 => drop(ends[to].handle_bytes(now, input.take(40))),
            160..220 => {
                let message = message(input.byte());
                if ends[from].send(now, &message).is_ok() {
                    sent[from].push(message);
                }
            }
            220..240 => {
                now += Duration::from_millis(input.number() % 40_000);
                let _ = ends[from].handle_timeout(now);
            }
            240..250 => drop(ends[from].poll_transmit()),
            _ => drop(ends[from].handle_end()),
        }
        while let Some(event) = ends[to].poll_event() {
            if let OutEvent::Message(message) = event {
                assert_eq!(sent[from].get(received[to]), Some(&message));
                received[to] += 1;
            }
        }
    }
}

fn damage(stream: &mut Vec<u8>, input: &mut Input<'_>) {
    let at = input.number() as usize % stream.len().max(1);
    match input.below(4) {
        0 => stream.truncate(at),
        1 => stream.extend_from_slice(input.take(8)),
        2 => drop(stream.drain(..at)),
        _ => {
            if let Some(byte) = stream.get_mut(at) {
                *byte ^= input.byte();
            }
        }
    }
}
