//! Partial views, one transition at a time.

use std::net::SocketAddr;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::environment::Environment;
use crate::ids::{Hash, NodeId};
use crate::membership::{Membership as _, OutEvent};

pub(in crate::membership) const NOW: Duration = Duration::from_secs(10);

pub(in crate::membership) fn id(number: u32) -> NodeId {
    NodeId::from_bytes(*Hash::of(&number.to_be_bytes()).as_bytes())
}

pub(in crate::membership) fn entry(number: u32) -> Entry {
    let [a, b, c, d] = number.to_be_bytes();
    Entry {
        node: id(number),
        address: SocketAddr::from(([10 + a, b, c, d], 7_000)),
    }
}

pub(in crate::membership) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// Three neighbours wanted, five taken, two of own choice.
pub(in crate::membership) fn small() -> Config {
    Config {
        active_target: 3,
        active_max: 5,
        own_min: 2,
        passive_max: 8,
        passive_share_max: 4,
        walk_length: 4,
        passive_walk_length: 2,
        join_walks_count: 2,
        ..Config::default()
    }
}

/// Node 0, alone.
pub(in crate::membership) fn alone() -> HyParView {
    HyParView::new(small(), entry(0), NOW, &mut rng())
}

pub(in crate::membership) fn hear(
    view: &mut HyParView,
    now: Duration,
    from: u32,
    message: Message,
) {
    view.on_message(now, id(from), message, &mut rng()).unwrap();
}

pub(in crate::membership) fn wish(number: u32, is_urgent: bool) -> Message {
    let address = entry(number).address;
    Message::Neighbour { address, is_urgent }
}

/// What was sent: to whom, and what.
pub(in crate::membership) fn sent(view: &mut HyParView) -> Vec<(NodeId, Message)> {
    let mut sent = Vec::new();
    while let Some(event) = view.poll_event() {
        if let OutEvent::Send { to, message, .. } = event {
            sent.push((to, message));
        }
    }
    sent
}

/// Takes strangers in as neighbours until no more are taken.
pub(in crate::membership) fn with_strangers(
    view: &mut HyParView,
    numbers: impl Iterator<Item = u32>,
) {
    for number in numbers {
        hear(view, NOW, number, wish(number, false));
    }
    sent(view);
}

fn is_accepted(sent: &[(NodeId, Message)], number: u32) -> Option<bool> {
    sent.iter().find_map(|(to, message)| match message {
        Message::NeighbourReply { is_accepted, .. } if *to == id(number) => Some(*is_accepted),
        _ => None,
    })
}

#[test]
fn a_node_that_is_alone_joins_through_its_contact() {
    let mut view = alone();
    view.handle_contact(NOW, entry(1), &mut rng());
    let address = entry(0).address;
    assert_eq!(sent(&mut view), [(id(1), Message::Join { address })]);
    let (is_accepted, entries) = (true, vec![entry(2)]);
    let reply = Message::NeighbourReply {
        is_accepted,
        entries,
    };
    hear(&mut view, NOW, 1, reply);
    assert!(matches!(view.poll_event(), Some(OutEvent::MemberUp(member)) if member.node == id(1)));
    // Who was named is asked next.
    assert_eq!(sent(&mut view), [(id(2), wish(0, true))]);
}

#[test]
fn joining_is_tried_again_until_somebody_answers() {
    let mut view = alone();
    view.handle_contact(NOW, entry(1), &mut rng());
    let mut joins = sent(&mut view).len();
    let mut now = NOW;
    while now < NOW + Duration::from_secs(60) {
        now = view.next_timeout().unwrap().max(now);
        view.handle_timeout(now, &mut rng());
        joins += sent(&mut view).len();
    }
    assert!(joins > 3, "{joins} attempts");
}

#[test]
fn a_contact_takes_a_newcomer_and_starts_walks_for_it() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    let address = entry(9).address;
    hear(&mut view, NOW, 9, Message::Join { address });
    let sent = sent(&mut view);
    assert_eq!(is_accepted(&sent, 9), Some(true));
    let walks = sent.iter().filter(|(_, message)| {
        matches!(message, Message::ForwardJoin { joiner, steps: 4 } if *joiner == entry(9))
    });
    assert_eq!(walks.count(), 2);
}

#[test]
fn a_walk_is_passed_on_and_ends_where_there_is_room() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    let joiner = entry(9);
    hear(&mut view, NOW, 1, Message::ForwardJoin { joiner, steps: 4 });
    let on = Message::ForwardJoin { joiner, steps: 3 };
    assert_eq!(sent(&mut view), [(id(2), on)]);
    hear(&mut view, NOW, 1, Message::ForwardJoin { joiner, steps: 2 });
    assert_eq!(sent(&mut view), [(id(9), wish(0, false))]);
}

#[test]
fn strangers_never_take_the_places_of_own_choice() {
    let mut view = alone();
    with_strangers(&mut view, 1..=20);
    assert_eq!(
        view.neighbours_count(),
        (3, 0),
        "five places, two of them kept"
    );
    hear(&mut view, NOW, 21, wish(21, true));
    let sent = sent(&mut view);
    assert_eq!(
        is_accepted(&sent, 21),
        Some(true),
        "urgent: takes another's place"
    );
    assert_eq!(view.neighbours_count(), (3, 0));
}

#[test]
fn who_was_let_go_is_not_taken_again_before_the_back_off_ends() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    hear(&mut view, NOW, 4, wish(4, true));
    let goodbye = Message::Disconnect { is_leaving: false };
    let sent_now = sent(&mut view);
    let (victim, _) = sent_now.iter().find(|(_, it)| *it == goodbye).unwrap();
    let victim = (1..=3).find(|number| id(*number) == *victim).unwrap();
    hear(
        &mut view,
        NOW + Duration::from_secs(5),
        victim,
        wish(victim, true),
    );
    assert_eq!(is_accepted(&sent(&mut view), victim), Some(false));
    assert_eq!(view.offences(&id(victim)).backoff_count, 1);
    let later = NOW + small().backoff + Duration::from_secs(1);
    view.handle_timeout(later, &mut rng());
    sent(&mut view);
    hear(&mut view, later, victim, wish(victim, true));
    assert_eq!(is_accepted(&sent(&mut view), victim), Some(true));
}

/// A node that was stopped in order and started again found nobody for a minute.
#[test]
fn who_left_and_comes_back_is_taken_at_once() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    hear(&mut view, NOW, 1, Message::Disconnect { is_leaving: true });
    sent(&mut view);
    hear(&mut view, NOW, 1, wish(1, true));
    assert_eq!(is_accepted(&sent(&mut view), 1), Some(true));
    let let_go = Message::Disconnect { is_leaving: false };
    hear(&mut view, NOW, 2, let_go);
    sent(&mut view);
    hear(&mut view, NOW, 2, wish(2, true));
    assert_eq!(is_accepted(&sent(&mut view), 2), Some(false));
}

#[test]
fn a_lost_neighbour_is_replaced_out_of_the_passive_view() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    let (is_accepted, entries) = (false, vec![entry(7)]);
    hear(&mut view, NOW, 1, Message::Disconnect { is_leaving: true });
    assert!(view.members().iter().all(|member| member.node != id(1)));
    let origin = entry(2);
    let shuffle = Message::Shuffle {
        origin,
        steps: 0,
        entries,
    };
    hear(&mut view, NOW, 2, shuffle);
    view.handle_session_closed(NOW, id(2), &mut rng());
    let asked = sent(&mut view);
    assert!(
        asked
            .iter()
            .any(|(to, it)| *to == id(7) && *it == wish(0, true))
    );
    let entries = Vec::new();
    let reply = Message::NeighbourReply {
        is_accepted,
        entries,
    };
    hear(&mut view, NOW, 7, reply);
    assert_eq!(view.neighbours_count().0, 1);
}

#[test]
fn a_node_that_cannot_be_reached_is_forgotten_and_counted_against_who_named_it() {
    let mut view = alone();
    with_strangers(&mut view, 1..=1);
    let shuffle = Message::Shuffle {
        origin: entry(1),
        steps: 0,
        entries: vec![entry(7)],
    };
    hear(&mut view, NOW, 1, shuffle);
    assert!(sent(&mut view).iter().any(|(to, _)| *to == id(7)));
    view.handle_session_closed(NOW, id(7), &mut rng());
    assert_eq!(view.passive_count(), 0);
    assert_eq!(view.offences(&id(1)).unreachable_count, 1);
}

#[test]
fn two_that_ask_each_other_become_neighbours_once() {
    let mut view = alone();
    view.handle_contact(NOW, entry(1), &mut rng());
    let address = entry(1).address;
    hear(&mut view, NOW, 1, Message::Join { address });
    let ups = std::iter::from_fn(|| view.poll_event())
        .filter(|event| matches!(event, OutEvent::MemberUp(_)));
    assert_eq!(ups.count(), 1);
}

#[test]
fn an_answer_that_comes_too_late_ends_the_link_of_the_other_side() {
    let mut view = alone();
    let (is_accepted, entries) = (true, Vec::new());
    let reply = Message::NeighbourReply {
        is_accepted,
        entries,
    };
    hear(&mut view, NOW, 5, reply);
    let goodbye = Message::Disconnect { is_leaving: false };
    assert_eq!(sent(&mut view), [(id(5), goodbye)]);
}

#[test]
fn a_neighbour_of_own_choice_is_exchanged_now_and_then_and_preferred_ones_stay() {
    let mut view = alone();
    let chosen = (1..=3).map(entry).collect();
    view.handle_contact(NOW, entry(9), &mut rng());
    let reply = |is_accepted, entries| Message::NeighbourReply {
        is_accepted,
        entries,
    };
    hear(&mut view, NOW, 9, reply(false, chosen));
    (1..=3).for_each(|number| hear(&mut view, NOW, number, reply(true, Vec::new())));
    assert_eq!(view.neighbours_count(), (3, 3));
    for number in [1, 3] {
        view.handle_preference(&id(number), true);
    }
    sent(&mut view);
    let later = NOW + small().rotation_interval * 2;
    view.handle_timeout(later, &mut rng());
    assert!(sent(&mut view).contains(&(id(9), wish(0, false))));
    hear(&mut view, later, 9, reply(true, Vec::new()));
    let goodbye = Message::Disconnect { is_leaving: false };
    assert_eq!(sent(&mut view), [(id(2), goodbye)]);
}

#[test]
fn who_leaves_says_so_to_all_and_nothing_after() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    view.handle_leave(NOW, &mut rng());
    assert_eq!(sent(&mut view).len(), 3);
    hear(&mut view, NOW, 5, wish(5, true));
    assert_eq!((view.poll_event(), view.next_timeout()), (None, None));
}

#[test]
fn the_defaults_are_those_of_the_largest_environment() {
    let env = Environment {
        round_trip: Duration::from_millis(100),
        ..Environment::edge()
    };
    assert_eq!(Config::from(&env.parameters().hyparview), Config::default());
    let smaller = Environment {
        expected_size: 100,
        worst_loss: 0.5,
        ..env
    };
    let smaller = Config::from(&smaller.parameters().hyparview);
    assert!(smaller.passive_max == 20 && smaller.active_target < Config::default().active_target);
}

#[test]
fn messages_are_read_back_and_are_as_the_document_has_them() {
    let entries = vec![entry(1), entry(2)];
    let (address, joiner, origin) = (entry(3).address, entry(3), entry(4));
    let messages = [
        Message::Join { address },
        Message::ForwardJoin { joiner, steps: 4 },
        wish(3, true),
        Message::NeighbourReply {
            is_accepted: true,
            entries: entries.clone(),
        },
        Message::Disconnect { is_leaving: true },
        Message::Shuffle {
            origin,
            steps: 2,
            entries: entries.clone(),
        },
        Message::ShuffleReply { entries },
    ];
    for message in messages {
        assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
    }
    let goodbye = Message::Disconnect { is_leaving: true };
    assert_eq!(goodbye.to_bytes(), [0x82, 4, 0x81, 0xf5]);
    let lie = [0x82, 6, 0x81, 0x9a, 0xff, 0xff, 0xff, 0xff];
    assert!(Message::from_bytes(&lie).is_err());
    assert!(Message::from_bytes(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
}

#[test]
fn the_largest_message_fits() {
    let address = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
        .parse()
        .unwrap();
    let node = id(1);
    let entries = vec![Entry { node, address }; ENTRIES_MAX];
    let reply = Message::ShuffleReply { entries };
    assert_eq!(Message::from_bytes(&reply.to_bytes()), Ok(reply));
}
