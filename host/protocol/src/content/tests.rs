//! Announcements: what is kept, what is active, what is refused.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::clock::Hlc;
use crate::identity::NodeIdentity;
use crate::ids::Hash;

pub(super) const START: Duration = Duration::from_secs(1_000);
pub(super) const WALL_MS: u64 = 1_700_000_000_000;

pub(super) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(5)
}

pub(super) fn identity(number: u8) -> NodeIdentity {
    NodeIdentity::from_secret(&[number; 32])
}

pub(super) fn id(number: u8) -> NodeId {
    identity(number).id()
}

pub(super) fn state(config: Config) -> State {
    State::new(config, START, &mut rng())
}

pub(super) fn events(state: &mut State) -> Vec<OutEvent> {
    std::iter::from_fn(|| state.poll_event()).collect()
}

fn announcement(name: &str, content: &[u8], publisher: u8, at: u64) -> Announcement {
    Announcement {
        name: ModuleName {
            name: name.parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
        },
        module: ModuleHash::of(content),
        size_bytes: content.len() as u32,
        limits: ModuleLimits {
            fuel_per_call: 1_000_000,
            memory_bytes_max: 64 << 20,
            output_bytes_max: 1 << 20,
        },
        publisher: id(publisher),
        hlc: Hlc::from_u64(at),
    }
}

pub(super) fn signed(name: &str, content: &[u8], publisher: u8, at: u64) -> SignedAnnouncement {
    let announcement = announcement(name, content, publisher, at);
    SignedAnnouncement::sign(announcement, &identity(publisher)).unwrap()
}

#[test]
fn an_announcement_is_read_back_and_any_change_is_noticed() {
    let original = signed("counter", b"module", 1, 7);
    let bytes = original.as_bytes().to_vec();
    assert!(bytes.len() < ANNOUNCEMENT_BYTES_MAX);
    assert_eq!(SignedAnnouncement::from_bytes(&bytes), Ok(original));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(
            SignedAnnouncement::from_bytes(&changed).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn the_longest_names_fit() {
    let mut longest = announcement(&"n".repeat(64), b"module", 1, u64::MAX);
    longest.name.version = "1".repeat(VERSION_BYTES_MAX).parse().unwrap();
    longest.size_bytes = MODULE_BYTES_MAX;
    longest.limits = ModuleLimits {
        fuel_per_call: u64::MAX,
        memory_bytes_max: u64::MAX,
        output_bytes_max: u64::MAX,
    };
    let signed = SignedAnnouncement::sign(longest, &identity(1)).unwrap();
    assert!(SignedAnnouncement::from_bytes(signed.as_bytes()).is_ok());
    assert!(
        "1".repeat(VERSION_BYTES_MAX + 1)
            .parse::<ModuleVersion>()
            .is_err()
    );
    assert!("".parse::<ModuleVersion>().is_err());
    assert!("1.0 beta".parse::<ModuleVersion>().is_err());
}

#[test]
fn nobody_signs_for_another_or_announces_an_impossible_size() {
    let of_one = announcement("counter", b"module", 1, 7);
    assert!(SignedAnnouncement::sign(of_one.clone(), &identity(2)).is_err());
    for size_bytes in [0, MODULE_BYTES_MAX + 1] {
        let impossible = Announcement {
            size_bytes,
            ..of_one.clone()
        };
        assert!(SignedAnnouncement::sign(impossible, &identity(1)).is_err());
    }
}

#[test]
fn a_first_announcement_is_stored_activated_and_told_to_all() {
    let mut state = state(Config::default());
    let announcement = Arc::new(signed("counter", b"module", 1, 7));
    assert_eq!(state.handle_announce((*announcement).clone()), Ok(true));
    let expected = [
        OutEvent::Learned(announcement.clone().into()),
        OutEvent::Activated {
            announcement: announcement.clone(),
            replaced: None,
        },
        OutEvent::Broadcast(announcement.as_bytes().clone()),
    ];
    assert_eq!(events(&mut state), expected);
    assert_eq!(state.handle_announce((*announcement).clone()), Ok(false));
    assert_eq!(
        state.on_broadcast(WALL_MS, announcement.as_bytes()),
        Ok(false)
    );
    assert_eq!(events(&mut state), []);
}

#[test]
fn the_earlier_of_two_modules_is_active_whichever_comes_first_and_both_are_reported() {
    let early = Arc::new(signed("counter", b"one", 1, 7));
    let late = Arc::new(signed("counter", b"two", 2, 8));
    let conflict = OutEvent::Conflict {
        active: early.clone(),
        other: late.clone(),
    };

    let mut state = self::state(Config::default());
    assert_eq!(state.on_broadcast(WALL_MS, early.as_bytes()), Ok(true));
    events(&mut state);
    assert_eq!(state.on_broadcast(WALL_MS, late.as_bytes()), Ok(true));
    assert_eq!(
        events(&mut state),
        [OutEvent::Learned(late.clone().into()), conflict.clone()]
    );

    let mut other = self::state(Config::default());
    other.on_broadcast(WALL_MS, late.as_bytes()).unwrap();
    events(&mut other);
    other.on_broadcast(WALL_MS, early.as_bytes()).unwrap();
    let activated = OutEvent::Activated {
        announcement: early.clone(),
        replaced: Some(late),
    };
    assert_eq!(
        events(&mut other),
        [OutEvent::Learned(early.clone().into()), activated, conflict]
    );
    assert_eq!(state.digest(), other.digest());
    assert_eq!(other.active(&early.announcement().name), Some(&early));
}

#[test]
fn the_same_module_from_two_publishers_is_no_conflict_and_is_kept_once() {
    let mut state = state(Config::default());
    let (early, late) = (
        signed("counter", b"one", 1, 7),
        signed("counter", b"one", 2, 8),
    );
    state.on_broadcast(WALL_MS, late.as_bytes()).unwrap();
    events(&mut state);
    state.on_broadcast(WALL_MS, early.as_bytes()).unwrap();
    let (early, late) = (Arc::new(early), Arc::new(late));
    let expected = [
        OutEvent::Learned(early.into()),
        OutEvent::Forgotten(late.clone().into()),
    ];
    assert_eq!(events(&mut state), expected);
    assert_eq!(state.on_broadcast(WALL_MS, late.as_bytes()), Ok(false));
}

#[test]
fn restored_announcements_are_active_again_and_not_stored_again() {
    let mut state = state(Config::default());
    let announcement = signed("counter", b"one", 1, 7);
    state.restore(announcement.as_bytes()).unwrap();
    assert!(matches!(
        events(&mut state)[..],
        [OutEvent::Activated { .. }]
    ));
    assert!(state.restore(b"damaged").is_err());
}

#[test]
fn announcements_are_bounded_in_all_by_publisher_and_by_name() {
    let config = Config {
        announcements_max: 5,
        announcements_per_publisher_max: 3,
        announcements_per_name_max: 2,
        ..Config::default()
    };
    let mut state = state(config);
    for name in ["a", "b", "c"] {
        assert_eq!(
            state.on_broadcast(WALL_MS, signed(name, b"m", 1, 7).as_bytes()),
            Ok(true)
        );
    }
    assert_eq!(
        state.on_broadcast(WALL_MS, signed("d", b"m", 1, 7).as_bytes()),
        Ok(false)
    );
    assert_eq!(state.counts().refused_count, 1);
    assert_eq!(
        state.on_broadcast(WALL_MS, signed("a", b"x", 2, 8).as_bytes()),
        Ok(true)
    );
    assert_eq!(
        state.on_broadcast(WALL_MS, signed("a", b"y", 2, 9).as_bytes()),
        Ok(false),
        "weaker"
    );
    assert_eq!(
        state.on_broadcast(WALL_MS, signed("a", b"y", 2, 5).as_bytes()),
        Ok(true),
        "stronger"
    );
    assert_eq!(state.announcements().count(), 4);
    assert_eq!(
        state.on_broadcast(WALL_MS, signed("e", b"m", 3, 7).as_bytes()),
        Ok(true)
    );
    let full = state.handle_announce(signed("f", b"m", 3, 7));
    assert_eq!(
        full,
        Err(ContentError::Full {
            what: "announcements"
        })
    );
}

#[test]
fn a_forged_announcement_is_the_senders_fault() {
    let mut state = state(Config::default());
    let mut bytes = signed("counter", b"one", 1, 7).as_bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = state.on_broadcast(WALL_MS, &bytes).unwrap_err();
    assert!(matches!(
        error,
        MessageError::Announcement(AnnouncementError::Signature { .. })
    ));
    assert!(error.malicious());
    let message = Message::Announcements { items: vec![bytes] };
    assert!(
        state
            .on_message(START, WALL_MS, id(2), message, &mut rng())
            .is_err()
    );
    assert_eq!(events(&mut state), []);
}

/// Carries messages between two states until nothing moves; gives how many there were.
fn compare(now: Duration, a: &mut State, b: &mut State) -> usize {
    let mut count = 0;
    loop {
        let (of_a, of_b) = (events(a), events(b));
        let mut moved = false;
        for (events, from, to) in [(of_a, id(1), &mut *b), (of_b, id(2), &mut *a)] {
            for event in events {
                if let OutEvent::Send { message, .. } = event {
                    let message = Message::from_bytes(&message.to_bytes()).unwrap();
                    to.on_message(now, WALL_MS, from, message, &mut rng())
                        .unwrap();
                    (moved, count) = (true, count + 1);
                }
            }
        }
        if !moved {
            return count;
        }
    }
}

fn with_announcements(publisher: u8, count: usize) -> State {
    let mut state = state(Config::default());
    for number in 0..count {
        let name = format!("m{publisher}-{number}");
        state
            .handle_announce(signed(&name, b"module", publisher, 7))
            .unwrap();
    }
    events(&mut state);
    state
}

#[test]
fn two_peers_that_meet_know_the_same_afterwards_also_over_several_pages() {
    for (of_a, of_b) in [(0, 0), (3, 0), (0, 3), (40, 25), (509, 500)] {
        let mut a = with_announcements(1, of_a);
        let mut b = with_announcements(2, of_b);
        // What both know, so that pages overlap.
        for number in 0..of_b / 2 {
            let shared = signed(&format!("m2-{number}"), b"module", 2, 7);
            a.on_broadcast(WALL_MS, shared.as_bytes()).unwrap();
        }
        a.handle_peer_up(START, id(2), &mut rng());
        b.handle_peer_up(START, id(1), &mut rng());
        compare(START, &mut a, &mut b);
        assert_eq!(a.announcements().count(), of_a + of_b);
        assert_eq!(a.digest(), b.digest());
        // And then silence but for one digest.
        let later = a.next_timeout().unwrap();
        a.handle_timeout(later, &mut rng());
        assert_eq!(compare(later, &mut a, &mut b), 1);
    }
}

#[test]
fn a_peer_cannot_make_this_node_repeat_itself() {
    let mut state = with_announcements(1, 100);
    state.handle_peer_up(START, id(2), &mut rng());
    events(&mut state);
    let everything = Message::Ids {
        after: Hash::ZERO,
        to: Hash::from_bytes([0xff; 32]),
        ids: Vec::new(),
    };
    let mut given = |now| {
        for _ in 0..100 {
            let digest = Message::Digest { digest: Hash::ZERO };
            state
                .on_message(now, WALL_MS, id(2), digest, &mut rng())
                .unwrap();
            state
                .on_message(now, WALL_MS, id(2), everything.clone(), &mut rng())
                .unwrap();
        }
        let events = events(&mut state);
        let (mut pages, mut items_count) = (0, 0);
        for event in events {
            match event {
                OutEvent::Send {
                    message: Message::Ids { .. },
                    ..
                } => pages += 1,
                OutEvent::Send {
                    message: Message::Announcements { items },
                    ..
                } => {
                    items_count += items.len();
                }
                other => panic!("{other:?}"),
            }
        }
        (pages, items_count)
    };
    assert_eq!(given(START), (1, 4_096));
    assert_eq!(given(START + Duration::from_millis(999)), (0, 0));
    assert_eq!(given(START + Duration::from_secs(1)), (1, 4_096));
}

#[test]
fn pages_out_of_order_are_refused() {
    let hash = |byte| Hash::from_bytes([byte; 32]);
    let page = |after, to, ids: &[u8]| Message::Ids {
        after: hash(after),
        to: hash(to),
        ids: ids.iter().map(|byte| hash(*byte)).collect(),
    };
    assert!(Message::from_bytes(&page(1, 9, &[2, 3, 9]).to_bytes()).is_ok());
    for bad in [
        page(1, 9, &[3, 2]),
        page(1, 9, &[2, 2]),
        page(1, 9, &[1]),
        page(1, 9, &[10]),
        page(9, 1, &[]),
        page(1, 1, &[]),
    ] {
        assert!(Message::from_bytes(&bad.to_bytes()).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        of in proptest::collection::vec((1u8..4, 0u8..4, 0u64..3), 1..10), turn in 0usize..10,
    ) {
        let config = Config { announcements_per_name_max: 3, ..Config::default() };
        let all: Vec<SignedAnnouncement> = of.iter()
            .map(|(publisher, content, at)| signed("counter", &[*content], *publisher, *at))
            .collect();
        let outcome = |all: &[SignedAnnouncement]| {
            let mut state = state(config.clone());
            for announcement in all {
                state.on_broadcast(WALL_MS, announcement.as_bytes()).unwrap();
            }
            let active = state.active(&all[0].announcement().name).cloned();
            (state.digest(), active)
        };
        let first = outcome(&all);
        let mut turned = all.clone();
        turned.rotate_left(turn % all.len());
        prop_assert_eq!(outcome(&turned), first.clone());
        turned.reverse();
        prop_assert_eq!(outcome(&turned), first);
    }

    #[test]
    fn any_bytes_are_an_announcement_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(SignedAnnouncement::from_bytes(&bytes).is_err());
        prop_assert!(state(Config::default()).on_broadcast(WALL_MS, &bytes).is_err());
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
            let _ = state(Config::default()).on_message(START, WALL_MS, id(2), message, &mut rng());
        }
    }
}
