//! Several scopes in one state, and nodes that reach their neighbours only.

use std::collections::BTreeSet;

use super::tests::*;
use super::*;
use crate::broadcast::acknowledgement::{Ask, Wanted};
use crate::environment::Environment;
use crate::ids::{Hash, NodeId};

/// A node that reaches its neighbours only.
fn linked<S: Clone + Ord>(neighbours: impl Iterator<Item = u16>) -> Rapid<S> {
    let config = Config {
        is_dialing: false,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), config);
    neighbours.for_each(|peer| rapid.handle_neighbour_up(NOW, id(peer)));
    rapid
}

#[test]
fn of_all_members_those_are_drawn_to_whom_there_is_a_session() {
    let fanout = Config::default().fanout(100);
    for (count, expected) in [(60, fanout), (5, 5), (0, 0)] {
        // Some that are no members, too.
        let mut rapid = linked(1..=count);
        rapid.handle_view((), view(100));
        (200..210).for_each(|peer| rapid.handle_neighbour_up(NOW, id(peer)));
        assert_eq!(rapid.leads_anywhere(&()), count > 0);
        rapid
            .handle_broadcast(NOW, &(), body(20), &mut rng())
            .unwrap();
        let to: Vec<NodeId> = sent(&mut rapid).into_iter().map(|(to, _)| to).collect();
        let different: BTreeSet<&NodeId> = to.iter().collect();
        assert_eq!((to.len(), different.len()), (expected, expected));
        assert!(to.iter().all(|to| (1..=count).any(|peer| *to == id(peer))));
    }
}

/// Where everybody has sessions with most, the even half is as even as the sessions are.
#[test]
fn every_node_is_drawn_although_a_third_of_the_sessions_is_missing() {
    let payload = body(20);
    let mut drawn = BTreeSet::new();
    for own in 0..300_u16 {
        let config = Config {
            is_dialing: false,
            ..Config::default()
        };
        let mut rapid = Rapid::new(id(own), config);
        rapid.handle_view((), view(300));
        let has_session = |peer: &u16| (u32::from(own) + u32::from(*peer)) * 7 % 3 > 0;
        let neighbours = (0..300).filter(|peer| *peer != own).filter(has_session);
        neighbours.for_each(|peer| rapid.handle_neighbour_up(NOW, id(peer)));
        rapid
            .handle_broadcast(NOW, &(), payload.clone(), &mut rng())
            .unwrap();
        drawn.extend(sent(&mut rapid).into_iter().map(|(to, _)| to));
    }
    assert_eq!(drawn.len(), 300);
}

#[test]
fn a_payload_goes_to_its_scope_and_what_is_asked_for_it_says_so() {
    let mut rapid: Rapid<u8> = Rapid::new(id(0), Config::default());
    rapid.handle_view(1, (0..50).map(id).collect());
    rapid.handle_view(2, (100..150).map(id).collect());
    let large = body(5_000);
    let announced = announce(2, &large);
    rapid
        .on_message(NOW, id(101), &2, announced, &mut rng())
        .unwrap();
    let [OutEvent::Send { scope: 2, to, .. }] = &events_of(&mut rapid)[..] else {
        panic!("no request");
    };
    assert_eq!(to, &[id(101)]);
    // It comes in whatever scope: it is of the one that it was announced in.
    rapid
        .on_message(NOW, id(101), &1, chunk(&large, 0), &mut rng())
        .unwrap();
    let [OutEvent::Deliver(2, delivery)] = &events_of(&mut rapid)[..] else {
        panic!("not delivered");
    };
    rapid.handle_accepted(NOW, &2, delivery.clone(), &mut rng());
    for event in events_of(&mut rapid) {
        let OutEvent::Send { scope, to, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!(scope, 2);
        assert!(to.iter().all(|to| *to >= id(100)));
    }
    rapid.handle_view_gone(&2);
    assert!(!rapid.leads_anywhere(&2) && rapid.leads_anywhere(&1));
}

fn events_of(rapid: &mut Rapid<u8>) -> Vec<OutEvent<u8>> {
    std::iter::from_fn(|| rapid.poll_event()).collect()
}

#[test]
fn a_collector_that_cannot_be_reached_is_told_by_whoever_passed_the_message_on() {
    let mut rapid = linked([1, 2].into_iter());
    rapid.handle_view((), view(1_000));
    let collector = Some(name(20));
    let way = Some(Way {
        collector,
        ..way(9)
    });
    let payload = body(10);
    give(&mut rapid, NOW, 1, push(5, way, &payload));
    let held = delivery(&mut rapid).unwrap();
    rapid.handle_accepted(NOW, &(), held, &mut rng());
    let told = sent(&mut rapid);
    let mut told = told
        .iter()
        .filter(|(_, message)| matches!(message, Message::Acknowledge { .. }));
    assert_eq!(told.next().unwrap().0, id(1));
}

#[test]
fn what_nobody_asked_is_not_acknowledged() {
    let mut rapid = node(0, 100);
    let payload = body(10);
    give(&mut rapid, NOW, 1, push(2, Some(way(9)), &payload));
    let held = delivery(&mut rapid).unwrap();
    rapid.handle_unasked(&held.id);
    rapid.handle_accepted(NOW, &(), held, &mut rng());
    let sent = sent(&mut rapid);
    assert!(!sent.is_empty());
    let is_plain = |message: &Message| matches!(message, Message::Push { way: None, .. });
    assert!(sent.iter().all(|(_, message)| is_plain(message)));
    assert_eq!(rapid.next_timeout(), None);
}

#[test]
fn nobody_waits_for_who_is_gone() {
    let mut rapid = node(0, 3);
    let ask = Ask {
        wanted: Wanted::All,
        deadline: ms(1_000),
    };
    let said = rapid
        .handle_broadcast_asking(NOW, &(), body(10), ask, &mut rng())
        .unwrap();
    assert!(rapid.gathers(&said));
    events(&mut rapid);
    give(&mut rapid, NOW, 1, push(2, None, &body(10)));
    assert_eq!(rapid.acknowledged_count(&said), Some(1));
    rapid.handle_gone(NOW, &id(2));
    let outcome = events(&mut rapid)
        .into_iter()
        .find_map(|event| match event {
            OutEvent::Acknowledged(outcome) => Some(outcome),
            _ => None,
        });
    let outcome = outcome.unwrap();
    assert_eq!(outcome.missing, Some(vec![id(2)]));
    assert!(!outcome.is_enough && !rapid.gathers(&said));
}

#[test]
fn what_came_another_way_is_neither_fetched_nor_delivered() {
    let large = body(5_000);
    let mut rapid = node(0, 100);
    give(&mut rapid, NOW, 1, announce(2, &large));
    assert!(rapid.is_fetching());
    events(&mut rapid);
    rapid.handle_known(&Hash::of(&large));
    assert!(!rapid.is_fetching());
    give(&mut rapid, NOW, 1, chunk(&large, 0));
    give(&mut rapid, NOW, 2, announce(2, &large));
    assert_eq!(events(&mut rapid), []);
}

#[test]
fn the_fanout_of_an_environment_fits_any_size_unless_it_was_set() {
    let environment = Environment::lan();
    let mut parameters = environment.parameters();
    let derived = parameters.rapid.fanout_count;
    let config = Config::from(&parameters.rapid);
    assert_eq!(config.fanout(environment.expected_size as usize), derived);
    assert!(config.fanout(30) < derived && config.fanout(30_000) > derived);
    parameters.set("rapid.fanout", 3).unwrap();
    parameters.set("rapid.pull_timeout_ms", 240).unwrap();
    let config = Config::from(&parameters.rapid);
    assert_eq!([30, 30_000].map(|count| config.fanout(count)), [3, 3]);
    assert_eq!(
        (config.pull_timeout, config.gather_interval),
        (ms(240), ms(50))
    );
}
