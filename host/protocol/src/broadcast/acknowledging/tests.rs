//! Acknowledgements over flooding, and what comes from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::message::asking;
use super::*;
use crate::broadcast::acknowledgement::{Acknowledged, Ask, AskError, NAMES_MAX, ShortId, Wanted};
use crate::broadcast::{self, Broadcast as _, Delivery, Flood, OutEvent};
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

fn ask(wanted: Wanted) -> Ask {
    let deadline = Duration::from_secs(2);
    Ask { wanted, deadline }
}

fn say(node: &mut Node, wanted: Wanted) -> Hash {
    let whole = node
        .acknowledging
        .handle_asking(NOW, PAYLOAD, ask(wanted))
        .unwrap();
    node.flood.handle_broadcast(NOW, whole).unwrap()
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
                    assert_eq!(opened(&delivery.payload).unwrap().1, PAYLOAD);
                    self.acknowledging.handle_accepted(now, &delivery);
                    self.flood.handle_accepted(now, delivery);
                }
            }
        }
        self.acknowledging.handle_timeout(now);
        while let Some((to, message)) = self.acknowledging.poll_event() {
            sent.push((to, Said::Acknowledge(message)));
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
    nodes[0]
        .acknowledging
        .handle_members((0..7).map(id).collect());
    let said = say(&mut nodes[0], Wanted::All);
    let (outcomes, sent) = talk(&mut nodes);
    let [(at, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.id, told.count, told.is_enough), (said, 6, true));
    assert_eq!(told.missing, Some(vec![]));
    assert!(at < NOW + Duration::from_secs(1), "before the deadline");
    // The leaves once; 1 and 2 themselves at first, then their children.
    assert_eq!(sent, 8);
}

#[test]
fn without_members_a_quorum_is_told_and_nobody_is_missing() {
    let mut nodes = tree();
    say(&mut nodes[3], Wanted::Quorum(6));
    let (outcomes, _) = talk(&mut nodes);
    let [(_, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.count, told.is_enough, told.missing), (6, true, None));
}

#[test]
fn who_is_cut_off_is_missing_at_the_deadline() {
    let mut nodes = tree();
    nodes[0]
        .acknowledging
        .handle_members((0..7).map(id).collect());
    nodes[1].flood.handle_neighbour_down(NOW, id(4));
    say(&mut nodes[0], Wanted::All);
    let (outcomes, _) = talk(&mut nodes);
    let [(at, told)] = outcomes.try_into().unwrap();
    assert_eq!((told.count, told.is_enough), (5, false));
    assert_eq!(told.missing, Some(vec![id(4)]));
    assert_eq!(at, NOW + Duration::from_secs(2));
}

#[test]
fn a_payload_that_does_not_ask_is_not_acknowledged() {
    let mut nodes = tree();
    nodes[0]
        .flood
        .handle_broadcast(NOW, plain(PAYLOAD))
        .unwrap();
    assert_eq!(talk(&mut nodes), (vec![], 0));
    assert_eq!(nodes[6].flood.counts().delivered_count, 1);
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

#[test]
fn what_waits_is_bounded() {
    let mut acknowledging = node(0, &[]).acknowledging;
    let (max, ask) = (Config::default().asked_max, ask(Wanted::Count));
    for number in 0..max as u32 {
        acknowledging
            .handle_asking(NOW, &number.to_be_bytes(), ask)
            .unwrap();
    }
    let more = acknowledging.handle_asking(NOW, PAYLOAD, ask);
    assert_eq!(more, Err(AskError::Asked { max }));
    // Twice as many that others said: the oldest are forgotten.
    for number in 0..2 * max as u32 {
        let payload = asking(ask.deadline, &(number + 50_000).to_be_bytes());
        let delivery = Delivery {
            id: Hash::of(&payload),
            from: id(1),
            hops: 1,
            payload,
        };
        acknowledging.handle_accepted(NOW, &delivery);
    }
    acknowledging.handle_timeout(NOW + Duration::from_secs(1));
    assert_eq!(acknowledging.counts().sent_count as usize, max);
    acknowledging.handle_timeout(NOW + ask.deadline);
    let told = std::iter::from_fn(|| acknowledging.poll_acknowledged()).count();
    assert_eq!((told, acknowledging.next_timeout()), (max, None));
}

#[test]
fn the_same_again_is_refused_while_it_waits() {
    let mut acknowledging = node(0, &[]).acknowledging;
    acknowledging
        .handle_asking(NOW, PAYLOAD, ask(Wanted::Count))
        .unwrap();
    let again = acknowledging.handle_asking(NOW, PAYLOAD, ask(Wanted::Count));
    assert_eq!(again, Err(AskError::Repeated));
}

#[test]
fn a_payload_with_nothing_right_in_front_of_it_is_nothing() {
    let endless = [&[1], u32::MAX.to_be_bytes().as_slice(), b"x"].concat();
    for bytes in [&[][..], &[0], &[2, 7], &[1, 0, 0, 0, 9], &endless] {
        assert_eq!(opened(bytes), None, "{bytes:?}");
    }
    let deadline = Duration::from_millis(70);
    assert_eq!(
        opened(&asking(deadline, PAYLOAD)),
        Some((Some(deadline), PAYLOAD))
    );
    assert_eq!(opened(&plain(PAYLOAD)), Some((None, PAYLOAD)));
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
        let _ = opened(&bytes);
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
