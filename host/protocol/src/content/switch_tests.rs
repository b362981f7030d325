//! Switches: which one counts, what is kept, what is refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{WALL_MS, events, id, identity, state};
use super::*;
use crate::clock::Hlc;

fn switch(name: &str, version: &str, issuer: u8, at: u64) -> Switch {
    Switch {
        name: ModuleName {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
        },
        schemas: vec![1, 2],
        issuer: id(issuer),
        hlc: Hlc::from_u64(at),
    }
}

fn signed(name: &str, version: &str, issuer: u8, at: u64) -> SignedSwitch {
    SignedSwitch::sign(switch(name, version, issuer, at), &identity(issuer)).unwrap()
}

fn running(state: &State) -> String {
    let name = "counter".parse().unwrap();
    let latest = state.switches(&name).first().unwrap();
    latest.switch().name.version.to_string()
}

#[test]
fn a_switch_is_read_back_and_any_change_is_noticed() {
    let original = signed("counter", "2.0.0", 1, 7);
    let bytes = original.as_bytes().to_vec();
    assert_eq!(Statement::from_bytes(&bytes), Ok(original.into()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Statement::from_bytes(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn the_largest_switch_fits_and_one_encoding_more_is_refused() {
    let mut largest = switch(
        &"n".repeat(64),
        &format!("1.0.0-{}", "a".repeat(58)),
        1,
        u64::MAX,
    );
    let last = u32::MAX - SWITCH_SCHEMAS_MAX as u32 + 1..=u32::MAX;
    largest.schemas = last.collect();
    let bytes = SignedSwitch::sign(largest.clone(), &identity(1)).unwrap();
    assert!(Statement::from_bytes(bytes.as_bytes()).is_ok());
    largest.schemas.insert(0, 0);
    assert!(SignedSwitch::sign(largest, &identity(1)).is_err());
}

#[test]
fn encodings_out_of_order_and_another_signer_are_refused() {
    let mut wrong = switch("counter", "1.0.0", 1, 7);
    wrong.schemas = vec![2, 1];
    assert!(SignedSwitch::sign(wrong, &identity(1)).is_err());
    assert!(SignedSwitch::sign(switch("counter", "1.0.0", 1, 7), &identity(2)).is_err());
}

#[test]
fn a_switch_to_no_semantic_version_is_refused_when_it_is_made_and_when_it_comes() {
    for version in ["latest", "1", "01.0.0", "1.0"] {
        let wrong = switch("counter", version, 1, 7);
        let made = SignedSwitch::sign(wrong.clone(), &identity(1));
        assert_eq!(made, Err(AnnouncementError::Version));
        let bytes = switch::signed_unchecked(&wrong, &identity(1));
        let taken = Statement::from_bytes(&bytes);
        assert_eq!(taken, Err(AnnouncementError::Version));
    }
}

/// It counted before every other one of its type, for ever.
#[test]
fn a_switch_that_is_dated_far_ahead_waits_until_the_clock_is_there() {
    let mut state = state(Config::default());
    let at = |ms: u64| Hlc::at_millisecond(ms).as_u64();
    let ahead_ms = Config::default().clock_ahead_max.as_millis() as u64;
    let far = signed("counter", "9.0.0", 2, at(WALL_MS + ahead_ms + 1));
    let near = signed("counter", "2.0.0", 1, at(WALL_MS + ahead_ms));
    assert_eq!(state.on_broadcast(WALL_MS, far.as_bytes()), Ok(false));
    let items = vec![far.as_bytes().to_vec()];
    let message = Message::Announcements { items };
    let mut rng = super::tests::rng();
    state
        .on_message(super::tests::START, WALL_MS, id(2), message, &mut rng)
        .unwrap();
    assert_eq!(
        (events(&mut state), state.counts().ahead_count),
        (vec![], 2)
    );
    assert_eq!(state.on_broadcast(WALL_MS, near.as_bytes()), Ok(true));
    assert_eq!(running(&state), "2.0.0");
    // A clock only delays.
    assert_eq!(state.on_broadcast(WALL_MS + 1, far.as_bytes()), Ok(true));
    assert_eq!(running(&state), "9.0.0");
    // An announcement that is dated ahead comes after all others anyhow.
    let late = super::tests::signed("counter", b"m", 2, u64::MAX);
    assert_eq!(state.on_broadcast(WALL_MS, late.as_bytes()), Ok(true));
}

#[test]
fn a_switch_is_stored_told_and_counts_after_a_restart() {
    let mut state = state(Config::default());
    let switch = signed("counter", "2.0.0", 1, 7);
    assert_eq!(state.handle_announce(switch.clone()), Ok(true));
    let expected = [
        OutEvent::Learned(switch.clone().into()),
        OutEvent::Broadcast(switch.as_bytes().clone()),
    ];
    assert_eq!(events(&mut state), expected);
    assert_eq!(state.on_broadcast(WALL_MS, switch.as_bytes()), Ok(false));
    let mut again = super::tests::state(Config::default());
    again.restore(switch.as_bytes()).unwrap();
    assert_eq!(events(&mut again), []);
    assert_eq!(running(&again), "2.0.0");
    assert_eq!(again.digest(), state.digest());
}

#[test]
fn the_latest_are_kept_and_the_rest_is_forgotten() {
    let mut state = state(Config {
        switches_per_type_max: 2,
        ..Config::default()
    });
    let switches = [3, 1, 2].map(|at| signed("counter", "1.0.0", 1, at));
    for switch in &switches {
        state.on_broadcast(WALL_MS, switch.as_bytes()).unwrap();
    }
    let forgotten = OutEvent::Forgotten(switches[1].clone().into());
    assert!(events(&mut state).contains(&forgotten));
    assert_eq!(
        state.on_broadcast(WALL_MS, switches[1].as_bytes()),
        Ok(false)
    );
    let kept = state.switches(&"counter".parse().unwrap());
    let kept: Vec<u64> = kept.iter().map(|of| of.switch().hlc.as_u64()).collect();
    assert_eq!(kept, [3, 2]);
}

#[test]
fn at_the_bound_further_types_are_refused_and_known_ones_still_switch() {
    let mut state = state(Config {
        announcements_per_publisher_max: 2,
        switches_per_type_max: 1,
        ..Config::default()
    });
    for name in ["a", "b", "c"] {
        let taken = state.on_broadcast(WALL_MS, signed(name, "1.0.0", 1, 1).as_bytes());
        assert_eq!(taken, Ok(name != "c"));
    }
    assert_eq!(state.counts().refused_count, 1);
    let later = signed("a", "2.0.0", 1, 2);
    assert_eq!(state.on_broadcast(WALL_MS, later.as_bytes()), Ok(true));
}

proptest! {
    #[test]
    fn nodes_agree_whatever_order_switches_come_in(
        made in proptest::collection::vec((0..4u8, 1..4u8, 0..5u64), 1..12),
        order in any::<prop::sample::Index>(),
    ) {
        let switches: Vec<Arc<SignedSwitch>> = made
            .iter()
            .map(|(version, issuer, at)| {
                Arc::new(signed("counter", &format!("{version}.0.0"), *issuer, *at))
            })
            .collect();
        let config = Config { switches_per_type_max: 3, ..Config::default() };
        let (mut a, mut b) = (state(config.clone()), state(config));
        for switch in &switches {
            a.on_broadcast(WALL_MS, switch.as_bytes()).unwrap();
        }
        let mut rotated = switches.clone();
        rotated.rotate_left(order.index(switches.len()));
        for switch in rotated.iter().rev() {
            b.on_broadcast(WALL_MS, switch.as_bytes()).unwrap();
        }
        prop_assert_eq!(a.digest(), b.digest());
        prop_assert_eq!(running(&a), running(&b));
        let highest = switches.iter().max_by_key(|switch| switch.rank()).unwrap();
        prop_assert_eq!(running(&a), highest.switch().name.version.to_string());
    }
}
