//! A member among others that say anything of anybody.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::ids::{Generation, NodeId};
use replicant_protocol::membership::{
    ACCUSATIONS_MAX, Config, Local, Membership, Message, Metadata, OutEvent, Record, Rumour, Said,
    Status, Swim,
};

use crate::input::Input;
use crate::seeds::{identity, memberships, rumour};

const MEMBERS_MAX: usize = 6;
/// The node under test.
const OWN: u8 = 1;

/// What nodes 1 to 9 have said of themselves so far.
fn words() -> Vec<Rumour> {
    let statuses = [Status::Alive, Status::Left, Status::Suspect, Status::Dead];
    let numbers = 1..10_u8;
    numbers
        .flat_map(|node| {
            let of = move |incarnation| statuses.map(|status| rumour(node, incarnation, status));
            [0, 3, u64::MAX].map(of)
        })
        .flatten()
        .collect()
}

thread_local! {
    // Signing takes longer than the rest of a case.
    static WORDS: Vec<Rumour> = words();
    static MESSAGES: Vec<Vec<u8>> = memberships();
    static IDS: Vec<NodeId> = (0..10).map(|number| identity(number).id()).collect();
}

fn id(number: usize) -> NodeId {
    IDS.with(|ids| ids[number])
}

/// What was said, or something with a part of it changed that somebody signed.
fn spoken(words: &[Rumour], input: &mut Input<'_>) -> Vec<Rumour> {
    let one = |input: &mut Input<'_>| {
        let mut rumour = words[input.below(words.len())].clone();
        let mut said = Said::clone(&rumour.record);
        match input.below(10) {
            0 => rumour.status = Status::Suspect,
            1 => rumour.status = Status::Dead,
            2 => said.incarnation ^= input.number(),
            3 => said.address = ([10, 0, 0, input.byte()], 1).into(),
            4 => said.metadata = Metadata::new([].into(), vec![input.byte()]).unwrap(),
            5 => rumour.accusations = words[input.below(words.len())].accusations.clone(),
            _ => return rumour,
        }
        rumour.record = Record::from_parts(said, rumour.record.signature());
        rumour
    };
    (0..input.below(6)).map(|_| one(input)).collect()
}

fn message(words: &[Rumour], input: &mut Input<'_>) -> Option<Message> {
    let sequence = input.below(4) as u32;
    let target = id(1 + input.below(9));
    let gossip = spoken(words, input);
    let members = gossip.clone();
    Some(match input.below(8) {
        0 => Message::Ping { sequence, gossip },
        1 => Message::IndirectPing {
            sequence,
            target,
            gossip,
        },
        2 => Message::Ack { sequence, gossip },
        3 => Message::Sync {
            digests: Box::new([input.number(); 64]),
        },
        4 => Message::SyncReply {
            wanted: input.number(),
            members,
        },
        5 => Message::Gossip { gossip },
        6 => Message::Nack { sequence },
        _ => Message::from_bytes(&MESSAGES.with(|all| input.changed(all))).ok()?,
    })
}

pub(crate) fn membership(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = Config {
        members_max: MEMBERS_MAX,
        dead_retention: Duration::from_secs(60),
        ..Config::lan()
    };
    let local = Local {
        identity: Arc::new(identity(OWN)),
        address: address(&id(usize::from(OWN))),
        generation: Generation::new(0),
        incarnation: input.number(),
        metadata: Metadata::default(),
    };
    let mut swim = Swim::new(config, local, now, &mut rng);
    while !input.is_over() {
        let from = id(2 + input.below(8));
        match input.byte() {
            0..30 => swim.handle_session_opened(now, from, address(&from), &mut rng),
            30..50 => swim.handle_session_closed(now, from, &mut rng),
            50..200 => {
                let message = WORDS.with(|words| message(words, &mut input));
                if let Some(message) = message {
                    let _ = swim.on_message(now, from, message, &mut rng);
                }
            }
            200..254 => {
                now += Duration::from_millis(input.number() % 5_000);
                swim.handle_timeout(now, &mut rng);
                assert!(swim.next_timeout().is_none_or(|next| next > now));
            }
            _ => swim.handle_leave(now, &mut rng),
        }
        while let Some(event) = swim.poll_event() {
            if let OutEvent::Send { message, .. } = event {
                let bytes = message.to_bytes();
                if let Message::Gossip { gossip } = &message {
                    let counts = gossip.iter().map(|rumour| rumour.accusations.len());
                    assert!(counts.max() <= Some(ACCUSATIONS_MAX));
                }
                assert_eq!(Message::from_bytes(&bytes), Ok(message));
            }
        }
        check(&swim);
    }
}

/// Where a node says that it listens; nobody else can say so.
fn address(node: &NodeId) -> std::net::SocketAddr {
    let number = (1..10).find(|number| id(*number) == *node);
    ([192, 0, 2, number.unwrap_or_default() as u8], 7_400).into()
}

fn check(swim: &Swim) {
    let members = swim.members();
    assert!(members.len() <= MEMBERS_MAX);
    let own = members
        .iter()
        .find(|member| member.node == id(usize::from(OWN)))
        .expect("a node knows itself");
    let is_there = own.status == Status::Alive || swim.is_leaving();
    assert!(is_there, "others decide whether this node is there");
    for member in &members {
        let number = member.address.to_string();
        assert!(number.starts_with("192.0.2."), "moved by somebody else");
        let application = member.metadata.application();
        let number = (1..10).find(|number| id(*number) == member.node);
        let own = number.map(|number| number as u8);
        assert!(
            application.is_empty() || application.first().copied() == own,
            "somebody else's metadata"
        );
    }
}
