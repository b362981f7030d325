//! A node with partial views and a broadcast tree, among others that say anything.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::broadcast::plumtree::{self, Announced, Plumtree};
use replicant_protocol::broadcast::{Broadcast as _, OutEvent as TreeEvent};
use replicant_protocol::ids::{Hash, NodeId};
use replicant_protocol::membership::hyparview::{self, Entry, HyParView};
use replicant_protocol::membership::{Membership as _, OutEvent as ViewEvent};

use crate::input::Input;

const ACTIVE_MAX: usize = 4;
const PASSIVE_MAX: usize = 6;

fn entry(number: u8) -> Entry {
    Entry {
        node: NodeId::from_bytes([number; 32]),
        address: ([192, 0, 2, number], 7_400).into(),
    }
}

fn entries(input: &mut Input<'_>) -> Vec<Entry> {
    (0..input.below(9))
        .map(|_| entry(input.byte() % 32))
        .collect()
}

/// One message of each kind, to be changed.
pub(crate) fn views() -> Vec<Vec<u8>> {
    use hyparview::Message;
    let (address, entries) = (entry(1).address, vec![entry(2), entry(3)]);
    let messages = [
        Message::Join { address },
        Message::ForwardJoin {
            joiner: entry(4),
            steps: 3,
        },
        Message::Neighbour {
            address,
            is_urgent: true,
        },
        Message::NeighbourReply {
            is_accepted: false,
            entries: entries.clone(),
        },
        Message::Disconnect { is_leaving: false },
        Message::Shuffle {
            origin: entry(5),
            steps: 1,
            entries: entries.clone(),
        },
        Message::ShuffleReply { entries },
    ];
    messages.map(|message| message.to_bytes()).into()
}

/// One message of each kind, to be changed.
pub(crate) fn trees() -> Vec<Vec<u8>> {
    use plumtree::Message;
    let id = Hash::of(b"news");
    let messages = [
        Message::Gossip {
            hops: 1,
            spread: 9,
            payload: b"news"[..].into(),
        },
        Message::Beacon {
            root: entry(1).node,
            sequence: 7,
            hops: 2,
        },
        Message::IHave {
            is_old: false,
            items: vec![Announced { id, hops: 3 }],
        },
        Message::Graft {
            id: Some(id),
            is_link: true,
        },
        Message::Prune,
    ];
    messages.map(|message| message.to_bytes()).into()
}

pub(crate) fn decoding(bytes: &[u8]) {
    if let Ok(message) = hyparview::Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
    if let Ok(message) = plumtree::Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
}

fn view_message(input: &mut Input<'_>) -> Option<hyparview::Message> {
    use hyparview::Message;
    let address = entry(input.byte() % 32).address;
    Some(match input.below(8) {
        0 => Message::Join { address },
        1 => Message::ForwardJoin {
            joiner: entry(input.byte() % 32),
            steps: input.byte(),
        },
        2 => Message::Neighbour {
            address,
            is_urgent: input.below(2) == 0,
        },
        3 => Message::NeighbourReply {
            is_accepted: input.below(2) == 0,
            entries: entries(input),
        },
        4 => Message::Disconnect {
            is_leaving: input.below(2) == 0,
        },
        5 => Message::Shuffle {
            origin: entry(input.byte() % 32),
            steps: input.byte(),
            entries: entries(input),
        },
        6 => Message::ShuffleReply {
            entries: entries(input),
        },
        _ => Message::from_bytes(&input.changed(&views())).ok()?,
    })
}

pub(crate) fn views_stay_bounded(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = hyparview::Config {
        active_target: 3,
        active_max: ACTIVE_MAX,
        own_min: 1,
        passive_max: PASSIVE_MAX,
        passive_share_max: 3,
        ..hyparview::Config::default()
    };
    let mut view = HyParView::new(config, entry(0), now, &mut rng);
    while !input.is_over() {
        let from = entry(1 + input.byte() % 20);
        match input.byte() {
            0..20 => view.handle_contact(now, from, &mut rng),
            20..30 => view.handle_session_opened(now, from.node, from.address, &mut rng),
            30..50 => view.handle_session_closed(now, from.node, &mut rng),
            50..200 => {
                if let Some(message) = view_message(&mut input) {
                    let _ = view.on_message(now, from.node, message, &mut rng);
                }
            }
            200..254 => {
                now += Duration::from_millis(input.number() % 60_000);
                view.handle_timeout(now, &mut rng);
                assert!(view.next_timeout().is_none_or(|next| next > now));
            }
            _ => view.handle_leave(now, &mut rng),
        }
        while let Some(event) = view.poll_event() {
            if let ViewEvent::Send { message, .. } = event {
                let bytes = message.to_bytes();
                assert_eq!(hyparview::Message::from_bytes(&bytes), Ok(message));
            }
        }
        assert!(view.neighbours_count().0 <= ACTIVE_MAX);
        assert!(view.passive_count() <= PASSIVE_MAX);
    }
}

fn tree_message(input: &mut Input<'_>) -> Option<plumtree::Message> {
    use plumtree::Message;
    let id = Hash::of(&[input.byte() % 16]);
    let hops = input.byte();
    Some(match input.below(6) {
        0 => Message::Gossip {
            hops,
            spread: input.number() as u16,
            payload: [input.byte() % 16].into(),
        },
        1 => Message::Beacon {
            root: entry(input.byte() % 4).node,
            sequence: input.number(),
            hops,
        },
        2 => Message::IHave {
            is_old: input.below(2) == 0,
            items: vec![Announced { id, hops }; input.below(4)],
        },
        3 => Message::Graft {
            id: (input.below(2) == 0).then_some(id),
            is_link: input.below(2) == 0,
        },
        4 => Message::Prune,
        _ => Message::from_bytes(&input.changed(&trees())).ok()?,
    })
}

pub(crate) fn payloads_are_delivered_once(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Duration::from_secs(1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let config = plumtree::Config {
        spread_count: 3,
        missing_max: 8,
        events_max: 8,
        ..plumtree::Config::default()
    };
    let mut tree = Plumtree::new(config, entry(2).node, now, &mut rng);
    let mut delivered = Vec::new();
    while !input.is_over() {
        let from = entry(3 + input.byte() % 8).node;
        match input.byte() {
            0..30 => tree.handle_neighbour_up(now, from),
            30..50 => tree.handle_neighbour_down(now, from),
            50..200 => {
                if let Some(message) = tree_message(&mut input) {
                    let _ = tree.on_message(now, from, message);
                }
            }
            200..220 => {
                let payload = vec![200, input.byte()];
                let _ = tree.handle_broadcast(now, payload.into());
            }
            _ => {
                now += Duration::from_millis(input.number() % 60_000);
                tree.handle_timeout(now);
            }
        }
        while let Some(event) = tree.poll_event() {
            match event {
                TreeEvent::Send { to, message } => {
                    assert!(!to.is_empty());
                    let bytes = message.to_bytes();
                    assert_eq!(plumtree::Message::from_bytes(&bytes), Ok(message));
                }
                TreeEvent::Deliver(delivery) => {
                    assert!(!delivered.contains(&delivery.id));
                    delivered.push(delivery.id);
                    if delivery.payload[0] % 2 == 0 {
                        tree.handle_accepted(now, delivery);
                    }
                }
            }
        }
    }
}
