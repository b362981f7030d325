//! Acknowledgements over flooding, and what comes from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::broadcast::acknowledgement::{Acknowledged, Ask, AskError, NAMES_MAX, ShortId, Wanted};
use crate::broadcast::{self, Broadcast as _, Flood, OutEvent};
use crate::ids::{Hash, NodeId};

const NOW: Duration = Duration::from_secs(5);

/// A node that floods among its neighbours, and acknowledges.
struct Node {
    own: NodeId,
    flood: Flood,
    acknowledging: Acknowledging,
}

enum Said {
    Flood(broadcast::Message),
    Acknowledge(Message),
}

fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn node(own: u8, neighbours: &[u8]) -> Node {
    let mut flood = Flood::new(broadcast::Config::default());
    for peer in neighbours {
        flood.handle_neighbour_up(NOW, id(*peer));
    }
    Node {
        own: id(own),
        flood,
        acknowledging: Acknowledging::new(id(own), Config::default()),
    }
}

/// Node 0 in the middle of 1 and 2, each in the middle of two more; 3 knows 5 too.
fn tree() -> Vec<Node> {
    let links: [&[u8]; 7] = [
        &[1, 2],
        &[0, 3, 4],
        &[0, 5, 6],
        &[1, 5],
        &[1],
        &[2, 3],
        &[2],
    ];
    (0..)
        .zip(links)
        .map(|(own, links)| node(own, links))
        .collect()
}

const PAYLOAD: &[u8] = b"news";
const DEADLINE: Duration = Duration::from_secs(2);

fn ask(wanted: Wanted) -> Ask {
    let deadline = DEADLINE;
    Ask { wanted, deadline }
}

fn everybody() -> Arc<[NodeId]> {
    (0..7).map(id).collect()
}

fn say(node: &mut Node, wanted: Wanted, audience: Option<Arc<[NodeId]>>) -> Hash {
    let id = node.flood.handle_broadcast(NOW, PAYLOAD.into()).unwrap();
    let asking = &mut node.acknowledging;
    asking
        .handle_asking(NOW, id, ask(wanted), audience)
        .unwrap();
    id
}

fn message(id: Hash, names: Vec<ShortId>) -> Message {
    Message { id, names }
}

/// Of what another node said, and this one has from a neighbour.
fn way(from: u8, author: u8) -> Way {
    Way {
        from: id(from),
        author: id(author),
    }
}

impl Node {
    /// Does what is to be done now. Gives what has to be sent.
    fn drain(&mut self, now: Duration) -> Vec<(NodeId, Said)> {
        let mut sent = Vec::new();
        while let Some(event) = self.flood.poll_event() {
            match event {
                OutEvent::Send { to, message } => {
                    sent.extend(to.into_iter().map(|to| (to, Said::Flood(message.clone()))));
                }
                OutEvent::Deliver(delivery) => {
                    let way = Way {
                        from: delivery.from,
                        author: id(0),
                    };
                    let asking = &mut self.acknowledging;
                    asking.handle_taken(now, delivery.id, way, DEADLINE);
                    self.flood.handle_accepted(now, delivery);
                }
            }
        }
        self.acknowledging.handle_timeout(now);
        while let Some((way, message)) = self.acknowledging.poll_event() {
            sent.push((way.from, Said::Acknowledge(message)));
        }
        sent
    }
}

/// Lets nodes talk until nothing is under way, 20 ms a message. Gives what came back, and when,
/// and how many acknowledgements were sent.
fn talk(nodes: &mut [Node]) -> (Vec<(Duration, Acknowledged)>, u64) {
    let mut under_way = BTreeMap::new();
    let (mut now, mut sequence, mut outcomes) = (NOW, 0_u64, Vec::new());
    for _ in 0..10_000 {
        for node in &mut *nodes {
            for (to, said) in node.drain(now) {
                sequence += 1;
                let at = now + Duration::from_millis(20);
                under_way.insert((at, sequence), (node.own, to, said));
            }
            let told = std::iter::from_fn(|| node.acknowledging.poll_acknowledged());
            outcomes.extend(told.map(|outcome| (now, outcome)));
        }
        let arrival = under_way.first_key_value().map(|((at, _), _)| *at);
        let timers = nodes
            .iter()
            .filter_map(|node| node.acknowledging.next_timeout());
        let Some(next) = timers.chain(arrival).min() else {
            let sent = nodes
                .iter()
                .map(|node| node.acknowledging.counts().sent_count);
            return (outcomes, sent.sum());
        };
        now = now.max(next);
        while let Some(entry) = under_way.first_entry().filter(|it| it.key().0 <= now) {
            let (from, to, said) = entry.remove();
            if let Some(node) = nodes.iter_mut().find(|node| node.own == to) {
                match said {
                    Said::Flood(message) => node.flood.on_message(now, from, message).unwrap(),
                    Said::Acknowledge(message) => node.acknowledging.on_message(now, message),
                }
            }
        }
    }
    panic!("it never ends");
}

#[test]
fn every_node_is_counted_on_the_way_back() {
    let mut nodes = tree();
    let said = say(&mut nodes[0], Wanted::All, Some(everybody()));
    let (outcomes, sent) = talk(&mut nodes);
    let [(at, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.id, told.count, told.is_enough), (said, 6, true));
    assert_eq!(told.missing, Some(vec![]));
    assert!(at < NOW + Duration::from_secs(1), "before the deadline");
    // The leaves once; 1 and 2 themselves at first, then their children.
    assert_eq!(sent, 8);
}

#[test]
fn without_an_audience_a_quorum_is_told_and_nobody_is_missing() {
    let mut nodes = tree();
    say(&mut nodes[3], Wanted::Quorum(6), None);
    let (outcomes, _) = talk(&mut nodes);
    let [(_, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.count, told.is_enough, told.missing), (6, true, None));
}

#[test]
fn who_is_cut_off_is_missing_at_the_deadline() {
    let mut nodes = tree();
    nodes[1].flood.handle_neighbour_down(NOW, id(4));
    say(&mut nodes[0], Wanted::All, Some(everybody()));
    let (outcomes, _) = talk(&mut nodes);
    let [(at, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.count, told.is_enough), (5, false));
    assert_eq!(told.missing, Some(vec![id(4)]));
    assert_eq!(at, NOW + Duration::from_secs(2));
}

#[test]
fn if_the_session_it_came_over_ends_everything_is_told_again() {
    let mut asking = node(0, &[]).acknowledging;
    let (of, child) = (Hash::of(b"x"), ShortId::from(&id(9)));
    let mut now = NOW;
    asking.handle_taken(now, of, way(1, 5), DEADLINE);
    asking.on_message(now, message(of, vec![child]));
    for (gone, is_told) in [(2, true), (3, false), (1, true)] {
        asking.handle_neighbour_down(&id(gone));
        now += Config::default().gather_interval;
        asking.handle_timeout(now);
        let all = message(of, vec![ShortId::from(&id(0)), child]);
        let expected = is_told.then_some((way(1, 5), all));
        assert_eq!(asking.poll_event(), expected);
    }
}

#[test]
fn what_does_not_go_out_goes_later_as_long_as_somebody_waits() {
    let mut asking = node(0, &[]).acknowledging;
    let of = Hash::of(b"x");
    asking.handle_taken(NOW, of, way(1, 1), DEADLINE);
    let (mut now, mut tries) = (NOW, 0);
    while let Some(next) = asking.next_timeout() {
        assert!(next > now && tries < 100);
        now = next;
        asking.handle_timeout(now);
        while let Some((_, message)) = asking.poll_event() {
            tries += 1;
            asking.handle_unsent(&message);
        }
    }
    assert_eq!((tries, now), (39, NOW + DEADLINE));
}

#[test]
fn who_is_gone_is_named_and_not_waited_for() {
    let mut asking = node(0, &[]).acknowledging;
    let of = Hash::of(b"x");
    let audience: Arc<[NodeId]> = (0..3).map(id).collect();
    asking
        .handle_asking(NOW, of, ask(Wanted::All), Some(audience))
        .unwrap();
    asking.on_message(NOW, message(of, vec![ShortId::from(&id(1))]));
    assert_eq!(asking.poll_acknowledged(), None);
    asking.handle_gone(NOW, &id(2));
    let told = asking.poll_acknowledged().unwrap();
    assert_eq!((told.count, told.is_enough), (1, false));
    assert_eq!(told.missing, Some(vec![id(2)]));
}

#[test]
fn what_was_not_passed_on_is_not_gathered() {
    let mut acknowledging = node(0, &[]).acknowledging;
    let (id_of, names) = (Hash::of(b"x"), vec![ShortId::from(&id(9))]);
    acknowledging.on_message(NOW, Message { id: id_of, names });
    assert_eq!(acknowledging.counts().ignored_count, 1);
    assert_eq!(
        (acknowledging.poll_event(), acknowledging.next_timeout()),
        (None, None)
    );
}

/// Has many payloads acknowledged through a node. Gives for how many it tells something.
fn told_of(config: Config, ids: impl Iterator<Item = (u32, u8)>, names: usize) -> usize {
    let mut asking = Acknowledging::new(id(0), config.clone());
    for (number, author) in ids {
        let of = Hash::of(&number.to_be_bytes());
        asking.handle_taken(NOW, of, way(1, author), DEADLINE);
        let name = |n: usize| ShortId::from_bytes((n as u64 + 1).to_be_bytes());
        asking.on_message(NOW, message(of, (0..names).map(name).collect()));
    }
    asking.handle_timeout(NOW + config.gather_interval);
    std::iter::from_fn(|| asking.poll_event()).count()
}

#[test]
fn what_is_acknowledged_through_a_node_is_bounded() {
    let config = Config::default();
    let (max, all) = (config.asked_max as u32, config.trails_max as u32);
    let of_one = (0..2 * max).map(|number| (number, 1));
    assert_eq!(told_of(config.clone(), of_one, 0), max as usize);
    let of_eight = (0..2 * all).map(|number| (number, (number % 8) as u8));
    assert_eq!(told_of(config.clone(), of_eight, 0), all as usize);
    let few = Config {
        names_max: 100,
        ..config
    };
    // Nine names and the node itself for each.
    let of_some = (0..20).map(|number| (number, 1));
    assert_eq!(told_of(few, of_some, 9), 10);
}

#[test]
fn what_is_asked_is_bounded() {
    let mut asking = node(0, &[]).acknowledging;
    let (max, ask) = (Config::default().asked_max, ask(Wanted::Count));
    let of = |number: usize| Hash::of(&number.to_be_bytes());
    for number in 0..max {
        asking.handle_asking(NOW, of(number), ask, None).unwrap();
    }
    let more = asking.handle_asking(NOW, of(max), ask, None);
    assert_eq!(more, Err(AskError::Asked { max }));
    asking.handle_timeout(NOW + ask.deadline);
    let told = std::iter::from_fn(|| asking.poll_acknowledged()).count();
    assert_eq!((told, asking.next_timeout()), (max, None));
    assert_eq!(asking.handle_asking(NOW, of(max), ask, None), Ok(()));
}

#[test]
fn the_same_again_is_refused_while_it_waits_and_taken_once() {
    let mut asking = node(0, &[]).acknowledging;
    let (of, ask) = (Hash::of(b"x"), ask(Wanted::Count));
    asking.handle_asking(NOW, of, ask, None).unwrap();
    let again = asking.handle_asking(NOW, of, ask, None);
    assert_eq!(again, Err(AskError::Repeated));
    let other = Hash::of(b"y");
    for _ in 0..2 {
        asking.handle_taken(NOW, other, way(1, 1), DEADLINE);
        asking.handle_timeout(NOW + Config::default().gather_interval);
    }
    assert_eq!(asking.counts().sent_count, 1);
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..90),
        names in proptest::collection::vec(any::<[u8; 8]>(), 0..9),
    ) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes.clone());
        }
        let names = names.into_iter().map(ShortId::from_bytes).collect();
        let message = Message { id: Hash::ZERO, names };
        prop_assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
    }
}

#[test]
fn too_many_names_are_refused() {
    let names = vec![ShortId::from(&id(1)); NAMES_MAX + 1];
    let message = Message {
        id: Hash::ZERO,
        names,
    };
    assert_eq!(Message::from_bytes(&message.to_bytes()), Err(MessageError));
}

/// With partial views a payload travels through nodes that it is not for.
#[test]
fn who_only_passes_something_on_names_others_and_not_itself() {
    let mut acknowledging = Acknowledging::new(id(1), Config::default());
    let payload = Hash::of(PAYLOAD);
    acknowledging.handle_passed(NOW, payload, way(0, 0), DEADLINE);
    let later = NOW + Config::default().gather_interval;
    acknowledging.handle_timeout(later);
    assert_eq!(acknowledging.poll_event(), None);
    let names = vec![ShortId::from(&id(2))];
    acknowledging.on_message(later, message(payload, names.clone()));
    acknowledging.handle_timeout(later + Config::default().gather_interval);
    let told = acknowledging.poll_event();
    assert_eq!(told, Some((way(0, 0), message(payload, names))));
}
