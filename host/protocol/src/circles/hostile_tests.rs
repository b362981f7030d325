//! What lying peers can do, and cannot.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::callers::{CALLERS_MAX, Callers, Heed, OF_ALL, OF_ONE};
use super::hand_ins::{HAND_IN_BYTES_MAX, HAND_INS_MAX, HandIns};
use super::known::{Known, Standing};
use super::world::{SETTLING, World, entry, id, path};
use super::*;
use crate::ids::Hash;

const NOW: Duration = Duration::from_secs(100);
const LATER: Duration = Duration::from_secs(1_000);

fn call(by: u32, number: u64, wish: Wish, paths: &[&str]) -> Call {
    Call {
        caller: entry(by),
        start: 1,
        number,
        wish,
        paths: paths.iter().map(|name| path(name)).collect(),
    }
}

#[test]
fn a_storm_of_calls_is_bounded_for_each_caller_and_in_all() {
    let mut callers = Callers::default();
    let mut taken = |by, number| callers.heed(NOW, &call(by, number, Wish::Alone, &["a"]));
    for number in 1..=OF_ONE.0 {
        assert_eq!(taken(1, number.into()), Heed::Taken);
        assert_eq!(taken(1, number.into()), Heed::Again);
    }
    assert_eq!(taken(1, 1_000), Heed::TooMany);
    let others = (2..3 * OF_ALL.0).map(|by| taken(by, 1));
    let others_taken = others.filter(|heed| *heed == Heed::Taken).count();
    assert_eq!(others_taken as u32, OF_ALL.0 - OF_ONE.0);
}

#[test]
fn callers_are_bounded_and_an_old_call_does_not_count_again() {
    let mut callers = Callers::default();
    for by in 0..2 * CALLERS_MAX as u32 {
        callers.heed(NOW, &call(by, 1, Wish::Alone, &["a"]));
    }
    assert_eq!(callers.len(), CALLERS_MAX);
    let mut callers = Callers::default();
    let heeds = [5, 3, 5, 3, 100, 99, 5, 36].map(|number| {
        let call = call(1, number, Wish::Seeks, &["a"]);
        callers.heed(NOW, &call) == Heed::Taken
    });
    assert_eq!(heeds, [true, true, false, false, true, true, false, false]);
}

#[test]
fn paths_without_end_push_out_only_those_that_the_same_caller_named() {
    let mut known = Known::new(1_000);
    known.add(&path("shop"), entry(1), id(1), LATER);
    for number in 0..2_000 {
        known.add(&path(&format!("x{number}")), entry(2), id(2), LATER);
    }
    assert_eq!(known.len(), 1 + PATHS_OF_ONE_MAX);
    for by in 10..2_000 {
        known.add(&path(&format!("y{by}")), entry(by), id(by), LATER);
    }
    assert_eq!(known.len(), 1_000);
}

#[test]
fn who_kept_its_word_is_not_pushed_out_by_very_many_keys() {
    let (mut known, mut rng) = (Known::new(10), ChaCha8Rng::seed_from_u64(1));
    known.add(&path("shop"), entry(1), id(1), LATER);
    known.prove(&path("shop"), &id(1));
    for by in 2..500 {
        known.add(&path("shop"), entry(by), id(by), LATER);
    }
    let Standing::Found(entries) = known.standing(NOW, "shop", 2, &mut rng) else {
        panic!("found");
    };
    assert_eq!((entries.len(), entries[0]), (2, entry(1)));
    assert_eq!(
        known.standing(LATER, "shop", 2, &mut rng),
        Standing::Unknown
    );
}

#[test]
fn what_waits_to_be_taken_is_bounded_in_number_and_bytes() {
    let mut hand_ins = HandIns::default();
    let waits = [(path("shop"), [id(1)].into())];
    let payload: Arc<[u8]> = vec![0; 64 * 1024].into();
    let mut count = 0_u32;
    while hand_ins.has_room(payload.len()) {
        count += 1;
        let key = Hash::of(&count.to_le_bytes());
        hand_ins.add(key, payload.clone(), waits.clone().into(), LATER);
    }
    let most = HAND_INS_MAX.min(HAND_IN_BYTES_MAX / payload.len());
    assert_eq!(count as usize, most);
    assert_eq!(hand_ins.expire(LATER).len(), most);
    assert!(hand_ins.has_room(payload.len()) && hand_ins.next_timeout().is_none());
}

#[test]
fn answers_that_nobody_asked_for_are_ignored_and_counted() {
    let mut world = World::new(1, 3, Config::default());
    let lie = Message::Known {
        is_called: true,
        is_outside: true,
        entries: vec![entry(77)],
    };
    world.with(0, |circles, now| {
        for message in [lie, Message::Taken(Hash::of(b"x"))] {
            circles
                .on_message(now, id(1), &path("shop"), message)
                .unwrap();
        }
        assert_eq!(circles.counts().ignored_count, 1);
    });
    assert!(world.publish(0, "shop", b"x"), "nothing was learned");
}

#[test]
fn a_member_that_lets_what_it_took_drop_is_not_the_only_one_that_is_asked() {
    let mut world = World::new(2, 8, Config::default());
    for number in 0..5 {
        world.subscribe(number, "shop");
    }
    world.run(SETTLING);
    // Says that it listens, and drops everything.
    let false_call = call(500, 1, Wish::Listens, &["shop"]);
    world.with(7, |circles, now| {
        assert!(circles.on_call(now, &false_call));
    });
    for number in 0..50_u8 {
        let said = [number];
        world.publish(7, "shop", &said);
        world.run(SETTLING);
        assert_eq!(world.heard(&said), [0, 1, 2, 3, 4], "{number}");
    }
}

#[test]
fn addresses_where_nobody_is_cost_a_dial_and_the_circle_stays_whole() {
    let mut world = World::new(3, 10, Config::default());
    for number in 0..6 {
        world.subscribe(number, "shop");
    }
    world.run(SETTLING);
    for by in 1_000..1_040 {
        let lie = call(by, 1, Wish::Alone, &["shop"]);
        for number in 0..10 {
            world.with(number, |circles, now| {
                circles.on_call(now, &lie);
            });
        }
    }
    world.run(SETTLING);
    for (number, said) in [(0, b"in"), (9, b"by")] {
        world.publish(number, "shop", said);
        world.run(SETTLING);
        assert_eq!(world.heard(said), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn questions_beyond_the_rate_are_not_answered() {
    let mut world = World::new(4, 2, Config::default());
    world.subscribe(0, "shop");
    world.with(0, |circles, now| {
        for _ in 0..1_000 {
            circles
                .on_message(now, id(1), &path("shop"), Message::Ask)
                .unwrap();
        }
        assert!(circles.counts().ignored_count > 700);
    });
}
