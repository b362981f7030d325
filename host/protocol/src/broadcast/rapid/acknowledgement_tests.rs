//! Acknowledgements on their way, and a few nodes together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tests::*;
use super::*;
use crate::broadcast::acknowledgement::{Acknowledged, Ask, AskError, Wanted};
use crate::ids::{Hash, NodeId};

#[test]
fn a_node_tells_its_collector_at_once_and_later_whom_it_saw() {
    let config = Config {
        report_share: 1.0,
        ..Config::default()
    };
    let mut rapid = Rapid::new(id(0), config.clone());
    rapid.handle_view((), view(1_000));
    let payload = body(10);
    let by = |collector| {
        let collector = Some(name(collector));
        Some(Way {
            collector,
            ..way(9)
        })
    };
    give(&mut rapid, NOW, 1, push(5, by(20), &payload));
    let held = delivery(&mut rapid).unwrap();
    rapid.handle_accepted(NOW, &(), held, &mut rng());
    let out = sent(&mut rapid);
    let told = |out: &[(NodeId, Message)]| {
        let each = out.iter().filter_map(|(to, message)| match message {
            Message::Acknowledge { names, .. } => Some((*to, names.clone())),
            _ => None,
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(told(&out), [(id(20), vec![name(0), name(1)])]);
    assert!(
        out.contains(&(out[0].0, push(6, by(20), &payload))),
        "the collector goes on"
    );
    give(&mut rapid, NOW, 2, push(4, by(21), &payload));
    let again = rapid.next_timeout().unwrap();
    assert_eq!(again, NOW + config.report_delay);
    rapid.handle_timeout(again, &mut rng());
    let names = vec![name(0), name(1), name(2)];
    assert_eq!(told(&sent(&mut rapid)), [(id(21), names)]);
}

#[test]
fn a_collector_passes_on_to_the_sender_what_it_gathers() {
    let mut rapid = node(0, 1_000);
    let payload = body(10);
    give(&mut rapid, NOW, 1, push(2, Some(way(9)), &payload));
    let held = delivery(&mut rapid).unwrap();
    rapid.handle_accepted(NOW, &(), held, &mut rng());
    let out = sent(&mut rapid);
    assert!(
        out.iter()
            .all(|(_, it)| *it == push(3, Some(way(9)), &payload))
    );
    let id_of = Hash::of(&payload);
    // A name that nobody has does not go on.
    let names = vec![name(44), name(45), name(7_777)];
    give(
        &mut rapid,
        NOW,
        3,
        Message::Acknowledge { id: id_of, names },
    );
    let batch = rapid.next_timeout().unwrap();
    assert_eq!(batch, NOW + Config::default().gather_interval);
    rapid.handle_timeout(batch, &mut rng());
    let names = vec![name(0), name(1), name(44), name(45)];
    assert_eq!(
        sent(&mut rapid),
        [(id(9), Message::Acknowledge { id: id_of, names })]
    );
}

/// Lets nodes talk until nothing is under way. Each message takes 20 ms.
fn talk(nodes: &mut [Rapid], start: Duration) -> Vec<Acknowledged> {
    let mut rng = rng();
    let mut under_way: BTreeMap<(Duration, usize), (NodeId, NodeId, Message)> = BTreeMap::new();
    let (mut now, mut sequence, mut outcomes) = (start, 0, Vec::new());
    for _ in 0..200_000 {
        for (own, rapid) in (0..).zip(&mut *nodes) {
            rapid.handle_timeout(now, &mut rng);
            while let Some(event) = rapid.poll_event() {
                match event {
                    OutEvent::Send { to, message, .. } => {
                        for to in to {
                            sequence += 1;
                            let what = (id(own), to, message.clone());
                            under_way.insert((now + ms(20), sequence), what);
                        }
                    }
                    OutEvent::Deliver((), delivery) => {
                        rapid.handle_accepted(now, &(), delivery, &mut rng);
                    }
                    OutEvent::Acknowledged(outcome) => outcomes.push(outcome),
                }
            }
        }
        let arrival = under_way.first_key_value().map(|((at, _), _)| *at);
        let timers = nodes.iter().filter_map(Rapid::next_timeout);
        let Some(next) = timers.chain(arrival).min() else {
            return outcomes;
        };
        now = now.max(next);
        while let Some(entry) = under_way.first_entry().filter(|it| it.key().0 <= now) {
            let (from, to, message) = entry.remove();
            let at = nodes.iter().position(|it| it.own() == to).unwrap();
            nodes[at]
                .on_message(now, from, &(), message, &mut rng)
                .unwrap();
        }
    }
    panic!("it never ends");
}

#[test]
fn among_neighbours_only_acknowledgements_go_back_the_way_the_message_came() {
    // A chain, each knows two.
    let mut nodes: Vec<Rapid> = (0..8)
        .map(|own| Rapid::new(id(own), Config::default()))
        .collect();
    for (own, rapid) in (0..8).zip(&mut nodes) {
        if own > 0 {
            rapid.handle_neighbour_up(NOW, id(own - 1));
        }
        if own < 7 {
            rapid.handle_neighbour_up(NOW, id(own + 1));
        }
    }
    let ask = Ask {
        wanted: Wanted::Quorum(7),
        deadline: Duration::from_secs(3),
    };
    let said = nodes[0]
        .handle_broadcast_asking(NOW, &(), body(10), ask, &mut rng())
        .unwrap();
    let outcomes = talk(&mut nodes, NOW);
    let expected = Acknowledged {
        id: said,
        count: 7,
        is_enough: true,
        missing: None,
    };
    assert_eq!(outcomes, [expected]);
}

#[test]
fn in_a_full_view_all_is_told_as_soon_as_all_have_it() {
    let mut nodes: Vec<Rapid> = (0..60).map(|own| node(own, 60)).collect();
    let ask = Ask {
        wanted: Wanted::All,
        deadline: Duration::from_secs(3),
    };
    for length in [100, 9_000] {
        let said = nodes[4].handle_broadcast_asking(NOW, &(), body(length), ask, &mut rng());
        let [told] = talk(&mut nodes, NOW).try_into().unwrap();
        assert_eq!(
            (told.id, told.count, told.is_enough),
            (said.unwrap(), 59, true)
        );
    }
}

#[test]
fn an_outcome_comes_at_the_deadline_when_nobody_answers() {
    let mut rapid = node(0, 4);
    let ask = Ask {
        wanted: Wanted::All,
        deadline: ms(300),
    };
    let said = rapid
        .handle_broadcast_asking(NOW, &(), body(10), ask, &mut rng())
        .unwrap();
    assert_eq!(rapid.acknowledged_count(&said), Some(0));
    let again = rapid.handle_broadcast_asking(NOW, &(), body(10), ask, &mut rng());
    assert_eq!(again, Err(AskError::Repeated));
    events(&mut rapid);
    assert_eq!(rapid.next_timeout(), Some(NOW + ms(300)));
    rapid.handle_timeout(NOW + ms(300), &mut rng());
    let missing = Some(vec![id(1), id(2), id(3)]);
    let (count, is_enough) = (0, false);
    let outcome = Acknowledged {
        id: said,
        count,
        is_enough,
        missing,
    };
    assert_eq!(events(&mut rapid), [OutEvent::Acknowledged(outcome)]);
    assert_eq!(rapid.next_timeout(), None);
}
