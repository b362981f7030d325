//! Counting and gathering, one transition at a time.

use std::sync::Arc;
use std::time::Duration;

use super::*;

const NOW: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(25);

fn id(number: u16) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn name(number: u16) -> ShortId {
    ShortId::from(&id(number))
}

fn view(count: u16) -> Arc<[NodeId]> {
    (0..count).map(id).collect()
}

fn ask(wanted: Wanted) -> Ask {
    let deadline = Duration::from_secs(1);
    Ask { wanted, deadline }
}

/// What node 0 counts among ten.
fn tally(wanted: Wanted) -> Tally {
    Tally::new(NOW, ask(wanted), &id(0), Some(view(10)))
}

#[test]
fn all_is_over_when_every_other_node_was_heard_of() {
    let mut tally = tally(Wanted::All);
    tally.add((1..9).map(name));
    assert!(!tally.is_over(NOW));
    let told = tally.outcome(Hash::ZERO);
    assert_eq!((told.count, told.is_enough), (8, false));
    assert_eq!(told.missing, Some(vec![id(9)]));
    tally.add([name(9)]);
    assert!(tally.is_over(NOW));
    let told = tally.outcome(Hash::ZERO);
    assert_eq!((told.count, told.is_enough), (9, true));
    assert_eq!(told.missing, Some(vec![]));
}

#[test]
fn a_node_counts_once_the_sender_and_strangers_never() {
    let mut tally = tally(Wanted::All);
    tally.add([name(3), name(3), name(0), name(77)]);
    tally.add([name(3)]);
    assert_eq!(tally.count(), 1);
}

#[test]
fn a_quorum_is_over_as_soon_as_it_is_reached() {
    let mut tally = tally(Wanted::Quorum(3));
    tally.add([name(1), name(2)]);
    assert!(!tally.is_over(NOW));
    tally.add([name(4)]);
    assert!(tally.is_over(NOW) && tally.outcome(Hash::ZERO).is_enough);
}

#[test]
fn who_is_gone_is_missing_and_not_waited_for_and_counts_if_it_comes_back() {
    let mut all = tally(Wanted::All);
    all.add((1..8).map(name));
    for node in [0, 3, 8, 8, 77] {
        all.handle_gone(&id(node));
    }
    assert!(!all.is_over(NOW), "9 may still come");
    all.handle_gone(&id(9));
    assert!(all.is_over(NOW));
    let told = all.outcome(Hash::ZERO);
    assert_eq!((told.count, told.is_enough), (7, false));
    assert_eq!(told.missing, Some(vec![id(8), id(9)]));
    all.add([name(8)]);
    assert!(all.is_over(NOW));
    assert_eq!(all.outcome(Hash::ZERO).missing, Some(vec![id(9)]));
}

#[test]
fn what_is_to_be_repeated_is_passed_on_again_if_it_was_gathered() {
    let mut gathering = Gathering::new(NOW, INTERVAL, false);
    gathering.add((1..4).map(name));
    let mut now = NOW + INTERVAL;
    assert_eq!(gathering.poll_batch(now).unwrap().len(), 3);
    gathering.repeat(&[name(2), name(9)]);
    now += INTERVAL;
    assert_eq!(gathering.poll_batch(now), Some(vec![name(2)]));
    assert_eq!(gathering.next_timeout(), None);
    gathering.repeat_all();
    assert_eq!(
        gathering.poll_batch(now),
        None,
        "not sooner than the interval"
    );
    assert_eq!(gathering.poll_batch(now + INTERVAL).unwrap().len(), 3);
}

#[test]
fn at_the_deadline_it_is_over_with_what_was_heard() {
    for (wanted, is_enough) in [
        (Wanted::Count, true),
        (Wanted::Quorum(3), false),
        (Wanted::All, false),
    ] {
        let mut tally = tally(wanted);
        tally.add([name(1), name(2)]);
        let deadline = tally.deadline();
        assert!(!tally.is_over(deadline - Duration::from_nanos(1)));
        assert!(tally.is_over(deadline));
        let told = tally.outcome(Hash::ZERO);
        assert_eq!((told.count, told.is_enough), (2, is_enough));
    }
}

#[test]
fn a_deadline_beyond_the_longest_is_the_longest() {
    let mut ask = ask(Wanted::Count);
    ask.deadline = Duration::MAX;
    let tally = Tally::new(NOW, ask, &id(0), None);
    assert_eq!(tally.deadline(), NOW + DEADLINE_MAX);
}

#[test]
fn without_a_full_view_whoever_is_heard_of_counts_up_to_the_bound() {
    let mut tally = Tally::new(NOW, ask(Wanted::All), &id(0), None);
    tally.add((0..=u16::MAX).map(name));
    assert_eq!(tally.count() as usize, GATHERED_MAX);
    let told = tally.outcome(Hash::ZERO);
    assert_eq!((told.is_enough, told.missing), (false, None));
}

#[test]
fn what_is_gathered_is_passed_on_in_two_batches_and_no_more() {
    let mut gathering = Gathering::new(NOW, INTERVAL, true);
    assert_eq!(gathering.next_timeout(), None);
    gathering.add([name(1)]);
    assert_eq!(gathering.poll_batch(NOW), None, "not before the interval");
    let first = NOW + INTERVAL;
    assert_eq!(gathering.next_timeout(), Some(first));
    assert_eq!(gathering.poll_batch(first), Some(vec![name(1)]));
    gathering.add([name(2), name(1)]);
    let second = first + INTERVAL;
    assert_eq!(gathering.poll_batch(second), Some(vec![name(1), name(2)]));
    let third = second + INTERVAL;
    assert_eq!(gathering.poll_batch(third), Some(vec![name(2)]));
    assert_eq!(gathering.next_timeout(), None);
    assert_eq!(gathering.poll_batch(third + INTERVAL), None);
}

#[test]
fn where_nothing_is_lost_it_is_passed_on_once() {
    let mut gathering = Gathering::new(NOW, INTERVAL, false);
    gathering.add([name(1), name(2)]);
    let next = gathering.next_timeout().unwrap();
    assert_eq!(gathering.poll_batch(next), Some(vec![name(1), name(2)]));
    assert_eq!(gathering.next_timeout(), None);
}

#[test]
fn what_is_gathered_and_what_goes_into_a_batch_is_bounded() {
    let mut gathering = Gathering::new(NOW, INTERVAL, true);
    gathering.add((0..=u16::MAX).map(name));
    assert_eq!(gathering.count(), GATHERED_MAX);
    let (mut now, mut passed_on) = (NOW, 0);
    while let Some(next) = gathering.next_timeout() {
        now = now.max(next);
        let batch = gathering.poll_batch(now).unwrap();
        assert!(batch.len() <= NAMES_MAX);
        passed_on += batch.len();
    }
    assert_eq!(passed_on, 2 * GATHERED_MAX);
}

#[test]
fn what_is_wanted_is_read_from_a_word_or_a_number() {
    assert_eq!("all".parse(), Ok(Wanted::All));
    assert_eq!("count".parse(), Ok(Wanted::Count));
    assert_eq!("12".parse(), Ok(Wanted::Quorum(12)));
    for wrong in ["", "0", "-1", "ALL", "4294967296"] {
        assert_eq!(wrong.parse::<Wanted>(), Err(WantedError), "{wrong}");
    }
}
