//! A peer that lies.

use std::time::Duration;

use super::message::Said;
use super::ranges::{Bound, Content, Range};
use super::sum::Short;
use super::tests::{Pair, START, WEIGHT, key, peer};
use super::*;

/// A node with these elements and a session with the liar, peer 1.
fn victim(config: &Config, count: u64) -> Pair {
    let mut pair = Pair::new(config);
    pair.fill(0, 0..count);
    pair.states[0].handle_peer_up(START, peer(1), &mut pair.rng);
    pair
}

fn sent(pair: &mut Pair) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(event) = pair.states[0].poll_event() {
        match event {
            OutEvent::Send { message, .. } => messages.push(message),
            OutEvent::Push { keys, .. } => pair.pushed += keys.len(),
            OutEvent::Unserved { count, .. } => pair.unserved += count,
        }
    }
    messages
}

fn say(pair: &mut Pair, said: Said) -> Vec<Message> {
    let message = Message::from_bytes(&Message(said).to_bytes()).unwrap();
    pair.states[0].on_message(pair.now, peer(1), message, &mut pair.rng);
    sent(pair)
}

fn nonce_of(messages: &[Message]) -> Option<u64> {
    messages.iter().find_map(|message| match &message.0 {
        Said::Open { nonce, .. } => Some(*nonce),
        _ => None,
    })
}

fn all(content: Content) -> Vec<Range> {
    let to = Bound::End;
    vec![Range { to, content }]
}

fn open(nonce: u64, is_deep: bool) -> Said {
    let (from, root) = (Key::START, Hash::of(b"another"));
    Said::Open {
        nonce,
        is_deep,
        from,
        root,
    }
}

fn is_busy(messages: &[Message]) -> bool {
    matches!(messages, [Message(Said::Busy { .. })])
}

#[test]
fn a_comparison_has_an_end_whatever_is_answered() {
    let mut pair = victim(&Config::default(), 5_000);
    let opened = sent(&mut pair);
    let nonce = nonce_of(&opened).unwrap();
    let mut answered = 0;
    for _ in 0..100 {
        let ranges = all(Content::Sum([answered as u8; 6]));
        let messages = say(&mut pair, Said::Ranges { nonce, ranges });
        answered += usize::from(!is_busy(&messages)) * messages.len();
    }
    assert!(
        answered <= usize::from(Config::default().rounds_max),
        "{answered}"
    );
    assert_eq!(pair.states[0].counts().compared_count, 1);
}

#[test]
fn a_liar_who_leads_is_answered_up_to_a_bound_too() {
    let mut pair = victim(&Config::default(), 5_000);
    sent(&mut pair);
    assert_eq!(say(&mut pair, open(u64::MAX, false)).len(), 1);
    let said = |of: u8| Said::Ranges {
        nonce: u64::MAX,
        ranges: all(Content::Sum([of; 6])),
    };
    let answers: Vec<bool> = (0..100)
        .map(|of| is_busy(&say(&mut pair, said(of))))
        .collect();
    let answered = answers.iter().filter(|is_busy| !**is_busy).count();
    assert_eq!(answered, usize::from(Config::default().rounds_max));
}

#[test]
fn whoever_asks_for_everything_again_and_again_gets_the_budget() {
    let config = Config {
        budget_bytes: 500 * WEIGHT as usize,
        ..Config::default()
    };
    let mut pair = victim(&config, 5_000);
    sent(&mut pair);
    let mut refused = 0;
    for nonce in 0..50 {
        refused += usize::from(is_busy(&say(&mut pair, open(u64::MAX - nonce, false))));
        say(
            &mut pair,
            Said::Ranges {
                nonce: u64::MAX - nonce,
                ranges: all(Content::Named(Vec::new())),
            },
        );
    }
    assert!(pair.pushed <= 500, "{}", pair.pushed);
    assert!(pair.pushed > 400 && refused > 0, "{refused}");
}

#[test]
fn elements_that_are_named_and_never_given_are_counted() {
    let mut pair = victim(&Config::default(), 10);
    let nonce = nonce_of(&sent(&mut pair)).unwrap();
    let names: Vec<Short> = (0..30).map(|of| [of; 6]).collect();
    let ranges = all(Content::Named(names));
    let answer = say(&mut pair, Said::Ranges { nonce, ranges });
    assert_eq!(answer.len(), 1);
    let ranges = all(Content::Settled);
    say(&mut pair, Said::Ranges { nonce, ranges });
    let later = START + Duration::from_secs(20);
    pair.states[0].handle_timeout(later, &mut pair.rng);
    sent(&mut pair);
    assert_eq!(pair.unserved, 30);
    assert_eq!(pair.states[0].counts().unserved_count, 30);
}

#[test]
fn every_element_is_hashed_anew_only_now_and_then() {
    let mut pair = victim(&Config::default(), 100);
    sent(&mut pair);
    assert!(!is_busy(&say(&mut pair, open(u64::MAX, true))));
    assert!(is_busy(&say(&mut pair, open(u64::MAX - 1, true))));
    pair.now += Config::default().deep_interval;
    assert!(!is_busy(&say(&mut pair, open(u64::MAX - 2, true))));
}

#[test]
fn more_peers_than_are_served_are_told_to_come_again() {
    let config = Config {
        serves_max: 2,
        comparisons_max: 1,
        ..Config::default()
    };
    let mut pair = victim(&config, 100);
    (2..5).for_each(|of| pair.states[0].handle_peer_up(START, peer(of), &mut pair.rng));
    sent(&mut pair);
    let mut ask = |of| {
        let message = Message(open(u64::MAX, false));
        pair.states[0].on_message(START, peer(of), message, &mut pair.rng);
        is_busy(&sent(&mut pair))
    };
    assert_eq!([2, 3, 4, 3].map(&mut ask), [false, false, true, false]);
}

#[test]
fn what_belongs_to_no_comparison_is_told_so_and_nothing_else() {
    let mut pair = victim(&Config::default(), 100);
    sent(&mut pair);
    for content in [
        Content::Named(Vec::new()),
        Content::Wanted(vec![[1; 6]]),
        Content::Sum([0; 6]),
    ] {
        let ranges = all(content);
        assert!(is_busy(&say(&mut pair, Said::Ranges { nonce: 5, ranges })));
    }
    assert!(say(&mut pair, Said::Busy { nonce: 5 }).is_empty());
    assert_eq!(pair.pushed, 0);
    // Nor does anybody without a session get anything.
    let message = Message(open(1, false));
    pair.states[0].on_message(START, peer(9), message, &mut pair.rng);
    assert!(is_busy(&sent(&mut pair)));
}

#[test]
fn wanting_what_was_not_named_gives_nothing() {
    let mut pair = victim(&Config::default(), 5_000);
    let nonce = nonce_of(&sent(&mut pair)).unwrap();
    let names = (0..5_000).map(|of| super::sum::short_name(nonce, &key(of)));
    let mut names: Vec<Short> = names.collect();
    names.sort_unstable();
    let ranges = all(Content::Wanted(names));
    say(&mut pair, Said::Ranges { nonce, ranges });
    assert_eq!(pair.pushed, 0);
}
