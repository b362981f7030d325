//! Peers that lie, and what it costs.

use std::time::Duration;

use super::tests::{NOW, alone, entry, hear, id, sent, small, wish, with_strangers};
use super::*;
use crate::membership::Membership as _;

fn shuffle(origin: u32, entries: Vec<Entry>) -> Message {
    let (origin, steps) = (entry(origin), 0);
    Message::Shuffle {
        origin,
        steps,
        entries,
    }
}

#[test]
fn one_peer_fills_no_more_than_its_share_of_the_passive_view() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    for number in 0..100 {
        let entries = (100 + number * 10..).take(10).map(entry).collect();
        hear(&mut view, NOW, 1, shuffle(1, entries));
    }
    assert!(view.passive_count() <= small().passive_share_max);
}

#[test]
fn hearsay_never_moves_the_address_of_a_known_node() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    let entries = vec![entry(7)];
    hear(&mut view, NOW, 1, shuffle(1, entries));
    let (node, address) = (id(7), entry(66).address);
    hear(&mut view, NOW, 2, shuffle(2, vec![Entry { node, address }]));
    view.handle_session_closed(NOW, id(3), &mut super::tests::rng());
    let known = view.passive.sample(8, &mut super::tests::rng());
    let asked = view.requests.get(&id(7)).map(|request| request.address);
    let stays = known.iter().find(|of| of.node == node).map(|of| of.address);
    assert_eq!(asked.or(stays), Some(entry(7).address));
}

#[test]
fn a_walk_that_claims_many_steps_is_cut_to_ones_own() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    let (joiner, steps) = (entry(9), u8::MAX);
    hear(&mut view, NOW, 1, Message::ForwardJoin { joiner, steps });
    let steps = small().walk_length - 1;
    let cut = Message::ForwardJoin { joiner, steps };
    assert_eq!(sent(&mut view), [(id(2), cut)]);
}

#[test]
fn walks_of_one_neighbour_are_bounded_by_rate_and_counted() {
    let config = Config {
        walks_per_second_max: 10,
        ..small()
    };
    let mut view = HyParView::new(config, entry(0), NOW, &mut super::tests::rng());
    with_strangers(&mut view, 1..=2);
    for number in 0..100 {
        let (joiner, steps) = (entry(100 + number), 4);
        hear(&mut view, NOW, 1, Message::ForwardJoin { joiner, steps });
    }
    assert_eq!(sent(&mut view).len(), 10);
    assert_eq!(view.offences(&id(1)).excess_count, 90);
}

#[test]
fn requests_of_strangers_are_bounded_by_rate() {
    let config = Config {
        requests_per_second_max: 10,
        ..small()
    };
    let mut view = HyParView::new(config, entry(0), NOW, &mut super::tests::rng());
    for number in 1..=100 {
        hear(&mut view, NOW, number, wish(number, false));
    }
    assert_eq!(view.counts().dropped_count, 90);
}

#[test]
fn mass_joins_and_urgent_wishes_leave_the_neighbours_of_own_choice_alone() {
    let mut view = alone();
    let rng = &mut super::tests::rng();
    view.handle_contact(NOW, entry(1), rng);
    let reply = |is_accepted, entries| Message::NeighbourReply {
        is_accepted,
        entries,
    };
    hear(&mut view, NOW, 1, reply(false, vec![entry(2), entry(3)]));
    hear(&mut view, NOW, 2, reply(true, Vec::new()));
    hear(&mut view, NOW, 3, reply(true, Vec::new()));
    assert_eq!(view.neighbours_count(), (2, 2));
    for number in 100..1_000 {
        let now = NOW + Duration::from_secs(u64::from(number));
        let address = entry(number).address;
        hear(&mut view, now, number, Message::Join { address });
        hear(&mut view, now, number, wish(number, true));
    }
    let neighbours: Vec<_> = view.members().iter().map(|member| member.node).collect();
    assert!(neighbours.contains(&id(2)) && neighbours.contains(&id(3)));
    assert!(view.neighbours_count().0 <= small().active_max);
    assert!(view.backoffs.len() <= 1_024 && view.passive_count() <= small().passive_max);
}

#[test]
fn an_urgent_stranger_takes_a_place_once_in_an_interval() {
    let mut view = alone();
    with_strangers(&mut view, 1..=3);
    for number in 10..20 {
        hear(&mut view, NOW, number, wish(number, true));
    }
    assert_eq!(view.counts().evictions_count, 1);
}

#[test]
fn answers_that_nobody_asked_for_change_nothing_and_are_counted() {
    let mut view = alone();
    with_strangers(&mut view, 1..=1);
    let entries = vec![entry(7)];
    hear(&mut view, NOW, 1, Message::ShuffleReply { entries });
    assert_eq!(view.passive_count(), 0);
    assert_eq!(view.offences(&id(1)).unsolicited_count, 1);
}

#[test]
fn walks_of_somebody_who_is_no_neighbour_end_here() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    let (joiner, steps) = (entry(9), 4);
    hear(&mut view, NOW, 50, Message::ForwardJoin { joiner, steps });
    let goodbye = Message::Disconnect { is_leaving: false };
    assert_eq!(sent(&mut view), [(id(50), goodbye)]);
    assert_eq!(view.offences(&id(50)).unsolicited_count, 1);
}

#[test]
fn a_node_takes_no_part_in_its_own_walks() {
    let mut view = alone();
    with_strangers(&mut view, 1..=2);
    hear(
        &mut view,
        NOW,
        1,
        Message::ForwardJoin {
            joiner: entry(0),
            steps: 0,
        },
    );
    hear(&mut view, NOW, 1, shuffle(0, vec![entry(0)]));
    assert_eq!((sent(&mut view).len(), view.passive_count()), (0, 0));
}

#[test]
fn contacts_are_bounded() {
    let mut view = alone();
    for number in 1..100 {
        view.handle_contact(NOW, entry(number), &mut super::tests::rng());
    }
    assert_eq!(view.contacts.len(), small().contacts_max);
}
