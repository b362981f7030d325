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

fn request(after: Option<usize>) -> Message {
    Message::DigestRequest(DigestRequest {
        after: after.map(topic),
        root: Hash::of(b"another root"),
    })
}

fn pages_sent(state: &mut State) -> usize {
    let events = std::iter::from_fn(|| state.poll());
    let is_page = |event: &OutEvent| {
        matches!(
            event,
            OutEvent::Send {
                message: Message::DigestPage(_),
                ..
            }
        )
    };
    events.filter(is_page).count()
}

/// Lost once: the first message of a peer can overtake the news of its session. Its request was
/// dropped, and the peer waited for `page_timeout`.
#[test]
fn a_request_that_overtakes_the_news_of_its_session_is_answered() {
    let mut state = state([(1, "here")]);
    state.on_message(NOW, node(2), request(None));
    assert_eq!(pages_sent(&mut state), 1);
}

#[test]
fn a_session_that_is_replaced_costs_no_timeout() {
    let mut state = asked();
    state.handle_peer_down(node(2));
    state.handle_peer_up(NOW, node(2));
    assert!(matches!(state.poll(), Some(OutEvent::Send { .. })));
    state.on_message(NOW, node(2), page(None, &[1], true));
    assert!(matches!(state.poll(), Some(OutEvent::Differs { .. })));
}

#[test]
fn a_peer_gets_so_many_pages_in_an_interval_and_then_no_more() {
    let topics_count = 2 * PAGE_COUNT_MAX;
    let mut state = state((0..topics_count).map(|n| (n, "here")));
    state.handle_peer_up(NOW, node(2));
    state.poll();
    let allowed = Config::default().comparisons_max * 3;
    let ask = |state: &mut State| {
        for n in 0..2 * allowed {
            state.on_message(NOW, node(2), request(n.checked_sub(1)));
        }
        pages_sent(state)
    };
    assert_eq!(ask(&mut state), allowed);
    assert_eq!(state.refused_count(), allowed as u64);
    state.handle_timeout(Duration::from_secs(10), &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(ask(&mut state), allowed);
}

#[test]
fn a_comparison_costs_one_root_however_many_pages_it_has() {
    let mut state = state([(1, "here")]);
    state.handle_peer_up(NOW, node(2));
    let Some(OutEvent::Send {
        message: Message::DigestRequest(first),
        ..
    }) = state.poll()
    else {
        panic!("the peer is asked")
    };
    state.handle_version(topic(1), Hash::of(b"changed"));
    state.on_message(NOW, node(2), page(None, &[5], false));
    let events: Vec<_> = std::iter::from_fn(|| state.poll()).collect();
    let next = events.iter().find_map(|event| match event {
        OutEvent::Send {
            message: Message::DigestRequest(next),
            ..
        } => Some(next),
        _ => None,
    });
    assert_eq!(next.unwrap().root, first.root);
    // And only the first page of an answer depends on it.
    let root = state.root();
    let after = Some(topic(0));
    state.on_message(
        NOW,
        node(2),
        Message::DigestRequest(DigestRequest { after, root }),
    );
    let Some(OutEvent::Send {
        message: Message::DigestPage(page),
        ..
    }) = state.poll()
    else {
        panic!("the peer is answered")
    };
    assert_eq!(page.topics.len(), 1);
}

#[test]
fn times_of_zero_leave_time_between_two_rounds() {
    let config = Config {
        interval: Duration::ZERO,
        page_timeout: Duration::ZERO,
        ..Config::default()
    };
    let mut state = State::new(NOW, config);
    state.handle_peer_up(NOW, node(2));
    state.handle_timeout(NOW, &mut ChaCha8Rng::seed_from_u64(1));
    assert!(state.next_timeout() > NOW);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
