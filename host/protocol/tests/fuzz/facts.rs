//! A node that keeps facts, among peers that send anything.

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::facts::{
    Config, EQUIVOCATION, Fact, KindRule, Message, NODE_REVOCATION, OutEvent, SignedFact, State,
    Statement,
};
use replicant_protocol::ids::NodeId;
use replicant_protocol::reconciliation;

use crate::input::Input;
use crate::seeds::{bundle, identity};

const WALL: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 3_600 * 1_000;

fn peer(number: usize) -> NodeId {
    NodeId::from_bytes([100 + number as u8; 32])
}

fn fact(of: u8, kind: &str, body: Vec<u8>, ttl_ms: u64) -> Vec<u8> {
    let fact = Fact {
        kind: kind.parse().unwrap(),
        body,
        issuer: identity(of).id(),
        issued_at_ms: WALL - u64::from(of),
        ttl_ms,
    };
    let signed = SignedFact::sign(fact, &identity(of)).unwrap();
    signed.as_bytes().to_vec()
}

/// Facts that anybody may issue, one of an authority, and a proof.
pub(crate) fn facts() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (1..9)
        .map(|of| fact(of, "price", vec![of; 20], u64::from(of) * 1_000))
        .collect();
    let life_ms = replicant_protocol::facts::CERTIFICATE_LIFE_MAX.as_millis() as u64;
    let revocation = Statement::revocation_body(identity(5).id(), "stolen").unwrap();
    all.push(fact(1, NODE_REVOCATION, revocation.clone(), life_ms));
    all.push(fact(5, NODE_REVOCATION, revocation, life_ms));
    let heads = [bundle(1, 1, 0), bundle(1, 2, 0)].map(|bundle| bundle.head());
    let proof = Statement::equivocation_body(&heads[0], &heads[1]).unwrap();
    all.push(fact(2, EQUIVOCATION, proof, DAY_MS));
    all
}

fn config() -> Config {
    Config {
        authorities: [identity(1).id()].into(),
        kinds: [("price".parse().unwrap(), KindRule::default())].into(),
        facts_max: 64,
        per_issuer_max: 2,
        revocations_max: 1,
        others_max: 2,
        reconciliation: reconciliation::Config {
            budget_bytes: 4_096,
            ranges_bytes_max: 1_024,
            push_count_max: 3,
            ..reconciliation::Config::default()
        },
        ..Config::default()
    }
}

/// What two nodes say to each other that have different facts.
pub(crate) fn conversation() -> Vec<Vec<u8>> {
    let (mut rng, now) = (ChaCha8Rng::seed_from_u64(3), Duration::from_secs(1));
    let mut states = [0, 1].map(|_| State::new(config(), now, &mut rng));
    let facts = FACTS.with(Clone::clone);
    for (number, fact) in facts.iter().enumerate() {
        let _ = states[number % 2].on_broadcast(peer(9), fact, WALL);
    }
    let (mut said, mut queue) = (Vec::new(), VecDeque::new());
    states[0].handle_peer_up(now, peer(1), &mut rng);
    states[1].handle_peer_up(now, peer(0), &mut rng);
    loop {
        for (node, state) in states.iter_mut().enumerate() {
            queue.extend(std::iter::from_fn(|| state.poll_event()).map(|event| (node, event)));
        }
        let Some((from, event)) = queue.pop_front() else {
            return said;
        };
        if let OutEvent::Send { message, .. } = event {
            said.push(message.to_bytes());
            let to = &mut states[1 - from];
            let _ = to.on_message(now, WALL, peer(from), message, &mut rng);
        }
    }
}

thread_local! {
    // Signing takes longer than the rest of a case.
    static FACTS: Vec<Vec<u8>> = facts();
    static MESSAGES: Vec<Vec<u8>> = conversation();
}

fn message(input: &mut Input<'_>) -> Option<Message> {
    match input.below(4) {
        0 => Some(Message::Facts {
            items: (0..input.below(4))
                .map(|_| FACTS.with(|all| all[input.below(all.len())].clone()))
                .collect(),
        }),
        1 => {
            // Any ranges behind a header that fits.
            let ranges = input.take(40);
            let mut bytes = vec![0x82, 0, 0x81, 0x58, ranges.len() as u8 + 6];
            bytes.extend([0x82, 1, 0x82, input.byte() % 24, 0x58, ranges.len() as u8]);
            bytes.extend(ranges);
            Message::from_bytes(&bytes).ok()
        }
        _ => Message::from_bytes(&MESSAGES.with(|all| input.changed(all))).ok(),
    }
}

pub(crate) fn facts_among_liars(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut now, mut wall) = (Duration::from_secs(1), WALL);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut state = State::new(config(), now, &mut rng);
    let mut sent_bytes = 0;
    while !input.is_over() {
        let from = peer(input.below(3));
        match input.byte() {
            0..40 => state.handle_peer_up(now, from, &mut rng),
            40..60 => state.handle_peer_down(now, from, &mut rng),
            60..90 => {
                let millis = input.number() % 20_000;
                now += Duration::from_millis(millis);
                wall += millis;
                state.handle_timeout(now, wall, &mut rng);
                assert!(state.next_timeout().is_none_or(|next| next > now));
                sent_bytes = 0;
            }
            90..140 => {
                let fact = FACTS.with(|all| input.changed(all));
                let _ = state.on_broadcast(peer(9), &fact, wall);
            }
            140..145 => {
                let fact = FACTS.with(|all| all[input.below(all.len())].clone());
                let _ = state.restore(&fact, wall);
            }
            _ => {
                if let Some(message) = message(&mut input) {
                    let _ = state.on_message(now, wall, from, message, &mut rng);
                }
            }
        }
        while let Some(event) = state.poll_event() {
            match event {
                OutEvent::Send { message, .. } => {
                    let bytes = message.to_bytes();
                    sent_bytes += bytes.len();
                    assert_eq!(Message::from_bytes(&bytes), Ok(message));
                }
                OutEvent::Learned(fact) => assert_eq!(fact.verify(), Ok(())),
                _ => {}
            }
        }
        assert!(state.len() <= 64 + 1 + 2 * 2, "{}", state.len());
        assert!(sent_bytes <= 200_000, "{sent_bytes}");
    }
}
