use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

const NOW: Duration = Duration::ZERO;

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn topic(number: usize) -> TopicName {
    format!("t/{number:06}").parse().unwrap()
}

fn state(topics: impl IntoIterator<Item = (usize, &'static str)>) -> State {
    let mut state = State::new(NOW, Config::default());
    for (number, version) in topics {
        state.handle_version(topic(number), Hash::of(version.as_bytes()));
    }
    state
}

/// Connects two nodes and carries messages until there are none; what each found to differ, and
/// how many messages it took.
fn compare(a: &mut State, b: &mut State) -> (Vec<TopicName>, Vec<TopicName>, usize) {
    a.handle_peer_up(NOW, node(2));
    b.handle_peer_up(NOW, node(1));
    let (mut of_a, mut of_b, mut messages_count) = (Vec::new(), Vec::new(), 0);
    loop {
        let (from_a, from_b) = (a.poll(), b.poll());
        if from_a.is_none() && from_b.is_none() {
            return (of_a, of_b, messages_count);
        }
        for (event, found, to, from) in [
            (from_a, &mut of_a, &mut *b, 1),
            (from_b, &mut of_b, &mut *a, 2),
        ] {
            match event {
                Some(OutEvent::Send { message, .. }) => {
                    messages_count += 1;
                    let message = Message::from_bytes(&message.to_bytes()).unwrap();
                    to.on_message(NOW, node(from), message);
                }
                Some(OutEvent::Differs { topic, .. }) => found.push(topic),
                Some(OutEvent::Reject { reason, .. }) => panic!("{reason}"),
                None => {}
            }
        }
    }
}

fn page(after: Option<usize>, topics: &[usize], is_last: bool) -> Message {
    let digest = |number: &usize| TopicDigest {
        topic: topic(*number),
        version: Hash::ZERO,
    };
    let (after, topics) = (after.map(topic), topics.iter().map(digest).collect());
    Message::DigestPage(DigestPage {
        after,
        topics,
        is_last,
    })
}

fn asked() -> State {
    let mut state = state([]);
    state.handle_peer_up(NOW, node(2));
    assert!(matches!(state.poll(), Some(OutEvent::Send { .. })));
    state
}

#[test]
fn equal_nodes_exchange_one_page_each_and_find_nothing() {
    let topics = || (0..2_000).map(|n| (n, "same"));
    let (a, b, messages_count) = compare(&mut state(topics()), &mut state(topics()));
    assert_eq!((a, b, messages_count), (vec![], vec![], 4));
}

#[test]
fn each_finds_what_it_lacks_or_has_otherwise() {
    let mut a = state([(1, "same"), (2, "old"), (3, "only here")]);
    let mut b = state([(1, "same"), (2, "new"), (4, "only there")]);
    let (of_a, of_b, _) = compare(&mut a, &mut b);
    assert_eq!(of_a, [topic(2), topic(4)]);
    assert_eq!(of_b, [topic(2), topic(3)]);
}

#[test]
fn many_topics_come_page_by_page() {
    for count in [
        PAGE_COUNT_MAX - 1,
        PAGE_COUNT_MAX,
        PAGE_COUNT_MAX + 1,
        3 * PAGE_COUNT_MAX,
    ] {
        let (found, _, _) = compare(&mut state([]), &mut state((0..count).map(|n| (n, "there"))));
        assert_eq!(found.len(), count);
    }
}

#[test]
fn pages_that_break_the_rules_are_malice_and_end_the_comparison() {
    let cases = [
        (page(None, &[2, 1], true), PageError::Order),
        (page(None, &[1, 1], true), PageError::Order),
        (page(None, &[], false), PageError::Empty),
    ];
    for (page, reason) in cases {
        let mut state = asked();
        state.on_message(NOW, node(2), page);
        assert_eq!(
            state.poll(),
            Some(OutEvent::Reject {
                peer: node(2),
                reason
            })
        );
        assert_eq!(state.poll(), None);
    }
    let mut state = asked();
    state.on_message(NOW, node(2), page(None, &[5], false));
    let events: Vec<_> = std::iter::from_fn(|| state.poll()).collect();
    assert_eq!(
        events.len(),
        2,
        "one topic differs, the next page is asked for"
    );
    state.on_message(NOW, node(2), page(Some(5), &[5], true));
    let reason = PageError::Order;
    assert_eq!(
        state.poll(),
        Some(OutEvent::Reject {
            peer: node(2),
            reason
        })
    );
}

#[test]
fn more_topics_than_a_node_can_have_end_the_comparison() {
    let config = Config {
        topics_max: 2,
        ..Config::default()
    };
    let mut state = State::new(NOW, config);
    state.handle_peer_up(NOW, node(2));
    state.poll();
    state.on_message(NOW, node(2), page(None, &[1, 2, 3], true));
    let reason = PageError::TooMany;
    assert_eq!(
        state.poll(),
        Some(OutEvent::Reject {
            peer: node(2),
            reason
        })
    );
}

#[test]
fn a_page_that_nobody_asked_for_changes_nothing() {
    let mut state = asked();
    state.on_message(NOW, node(2), page(Some(7), &[8], true));
    state.on_message(NOW, node(9), page(None, &[1], true));
    assert_eq!((state.unsolicited_count(), state.poll()), (1, None));
    // The page that was asked for is still taken.
    state.on_message(NOW, node(2), page(None, &[1], true));
    assert!(matches!(state.poll(), Some(OutEvent::Differs { .. })));
}

#[test]
fn a_lost_page_ends_its_comparison_and_the_next_round_begins_anew() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut state = asked();
    assert_eq!(state.next_timeout(), Duration::from_secs(10));
    state.handle_timeout(Duration::from_secs(10), &mut rng);
    assert!(matches!(state.poll(), Some(OutEvent::Send { .. })));
    state.handle_peer_down(node(2));
    state.handle_timeout(Duration::from_secs(20), &mut rng);
    assert_eq!(
        (state.poll(), state.next_timeout()),
        (None, Duration::from_secs(30))
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
