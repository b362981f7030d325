//! One transition per test, and what peers may not do.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::simulation_tests::{config, identity, local, millis, rumour_by, said, seconds};
use super::table::{Table, Verdict};
use super::*;
use crate::identity::Signature;

pub(super) const START: Duration = Duration::from_secs(1_000);

pub(super) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(3)
}

pub(super) fn id(number: usize) -> NodeId {
    identity(number).id()
}

fn goodbye(number: usize, incarnation: u64) -> Rumour {
    let said = Said {
        is_leaving: true,
        ..said(number, incarnation)
    };
    Rumour {
        record: Record::sign(&identity(number), said),
        status: Status::Left,
        accusations: Vec::new(),
    }
}

/// A rumour about a node; if it accuses, another node that is known does.
pub(super) fn rumour(number: usize, incarnation: u64, status: Status) -> Rumour {
    let accuser = if number == 1 { 2 } else { 1 };
    let is_accused = matches!(status, Status::Suspect | Status::Dead);
    let accusers = if is_accused { vec![accuser] } else { vec![] };
    rumour_by(&accusers, number, incarnation, status)
}

/// The same with other words and the old signature.
pub(super) fn forged(rumour: &Rumour, change: impl FnOnce(&mut Said)) -> Rumour {
    let mut said = Said::clone(&rumour.record);
    change(&mut said);
    Rumour {
        record: Record::from_parts(said, rumour.record.signature()),
        ..rumour.clone()
    }
}

/// Makes a member dead, as others see it.
pub(super) fn bury(swim: &mut Swim, number: usize, incarnation: u64) {
    swim.config.trusts_death = true;
    hear(swim, vec![rumour(number, incarnation, Status::Dead)]).unwrap();
    swim.config.trusts_death = false;
}

/// Node 0, which knows `count` others that are alive; nothing waits to be sent.
pub(super) fn swim(config: Config, count: usize) -> Swim {
    let mut swim = Swim::new(config, local(0), START, &mut rng());
    let gossip = (1..=count)
        .map(|number| rumour(number, 0, Status::Alive))
        .collect();
    hear(&mut swim, gossip).unwrap();
    events(&mut swim);
    swim
}

pub(super) fn hear(swim: &mut Swim, gossip: Vec<Rumour>) -> Result<(), MessageError> {
    swim.on_message(START, id(9), Message::Gossip { gossip }, &mut rng())
}

pub(super) fn events(swim: &mut Swim) -> Vec<OutEvent> {
    std::iter::from_fn(|| swim.poll_event()).collect()
}

pub(super) fn sent(events: &[OutEvent]) -> Vec<(NodeId, &Message)> {
    let sent = events.iter().filter_map(|event| match event {
        OutEvent::Send { to, message, .. } => Some((*to, message)),
        _ => None,
    });
    sent.collect()
}

pub(super) fn status(swim: &Swim, number: usize) -> Option<Status> {
    let members = swim.members();
    let member = members.iter().find(|member| member.node == id(number));
    member.map(|member| member.status)
}

/// Lets the first period end, so that a probe is under way, and gives its target and number.
fn probe(swim: &mut Swim) -> (Duration, NodeId, u32) {
    let now = START + swim.config.probe_interval;
    swim.handle_timeout(now, &mut rng());
    let events = events(swim);
    let (to, message) = sent(&events)[0];
    match message {
        Message::Ping { sequence, .. } => (now, to, *sequence),
        other => panic!("not a ping, but {other:?}"),
    }
}

#[test]
fn a_ping_is_answered_with_its_number() {
    let mut swim = swim(config(), 1);
    let gossip = Vec::new();
    let ping = Message::Ping {
        sequence: 77,
        gossip,
    };
    swim.on_message(START, id(1), ping, &mut rng()).unwrap();
    let events = events(&mut swim);
    assert!(matches!(sent(&events)[..], [(to, Message::Ack { sequence: 77, .. })] if to == id(1)));
}

#[test]
fn an_answered_probe_leaves_no_suspicion() {
    let mut swim = swim(config(), 1);
    let (now, target, sequence) = probe(&mut swim);
    let gossip = Vec::new();
    let ack = Message::Ack { sequence, gossip };
    swim.on_message(now, target, ack, &mut rng()).unwrap();
    swim.handle_timeout(now + seconds(1), &mut rng());
    assert_eq!(status(&swim, 1), Some(Status::Alive));
}

#[test]
fn an_unanswered_probe_goes_to_others_then_to_suspicion_then_to_death() {
    let mut swim = swim(config(), 5);
    let (now, target, sequence) = probe(&mut swim);
    swim.handle_timeout(now + millis(300), &mut rng());
    let asked = events(&mut swim);
    let asked = sent(&asked);
    assert_eq!(asked.len(), 3);
    for (to, message) in asked {
        assert_ne!(to, target);
        assert!(
            matches!(message, Message::IndirectPing { sequence: of, target: about, .. }
            if *of == sequence && *about == target)
        );
    }
    swim.handle_timeout(now + seconds(1), &mut rng());
    assert!(events(&mut swim).contains(&OutEvent::MemberSuspect(target)));
    let until = now + seconds(1) + swim.config.suspicion_timeout(6) * 6;
    assert_eq!(swim.suspicions[&target].until, until);
    // In small steps, as timers come; otherwise the node would think that it stalled itself.
    let mut at = now + seconds(1);
    while at < until {
        at += millis(100);
        swim.handle_timeout(at, &mut rng());
    }
    assert!(events(&mut swim).contains(&OutEvent::MemberDown(target)));
    assert!(!swim.suspicions.contains_key(&target));
}

#[test]
fn an_answer_counts_from_the_target_and_those_asked_only() {
    let mut swim = swim(config(), 5);
    let (now, target, sequence) = probe(&mut swim);
    let ack = |sequence| Message::Ack {
        sequence,
        gossip: Vec::new(),
    };
    let stranger = (1..6).map(id).find(|node| *node != target).unwrap();
    swim.on_message(now, stranger, ack(sequence), &mut rng())
        .unwrap();
    assert!(!swim.probing.current.as_ref().unwrap().is_answered);
    swim.on_message(now, target, ack(sequence ^ 1), &mut rng())
        .unwrap();
    assert!(!swim.probing.current.as_ref().unwrap().is_answered);
    swim.handle_timeout(now + millis(300), &mut rng());
    let helper = swim.probing.current.as_ref().unwrap().helpers[0];
    swim.on_message(now, helper, ack(sequence), &mut rng())
        .unwrap();
    assert!(swim.probing.current.as_ref().unwrap().is_answered);
}

#[test]
fn a_probe_for_another_is_run_and_its_answer_passed_on() {
    let mut swim = swim(config(), 3);
    let please = Message::IndirectPing {
        sequence: 5,
        target: id(2),
        gossip: Vec::new(),
    };
    swim.on_message(START, id(1), please, &mut rng()).unwrap();
    let pinged = events(&mut swim);
    let [(to, Message::Ping { sequence, .. })] = sent(&pinged)[..] else {
        panic!("{pinged:?}");
    };
    assert_eq!(to, id(2));
    let ack = |sequence| Message::Ack {
        sequence,
        gossip: Vec::new(),
    };
    swim.on_message(START, id(3), ack(*sequence), &mut rng())
        .unwrap();
    assert_eq!(events(&mut swim), [], "that was not the target");
    swim.on_message(START, id(2), ack(*sequence), &mut rng())
        .unwrap();
    let answered = events(&mut swim);
    assert!(matches!(sent(&answered)[..], [(to, Message::Ack { sequence: 5, .. })] if to == id(1)));
}

#[test]
fn probes_for_others_are_bounded_and_forgotten() {
    let config = Config {
        relays_max: 4,
        ..config()
    };
    let mut swim = swim(config, 3);
    for sequence in 0..10 {
        let please = Message::IndirectPing {
            sequence,
            target: id(2),
            gossip: Vec::new(),
        };
        swim.on_message(START, id(1), please, &mut rng()).unwrap();
    }
    assert_eq!(swim.probing.relays_count(), 4);
    assert_eq!(swim.counts().ignored_requests_count, 6);
    swim.handle_timeout(START + seconds(1), &mut rng());
    swim.handle_timeout(START + seconds(2), &mut rng());
    assert_eq!(swim.probing.relays_count(), 0);
}

#[test]
fn a_session_that_breaks_makes_its_peer_the_next_target() {
    for number in 1..=6 {
        let mut swim = swim(config(), 6);
        swim.handle_session_closed(START, id(number), &mut rng());
        assert_eq!(probe(&mut swim).1, id(number));
    }
}

#[test]
fn everyone_is_probed_once_in_a_round() {
    let mut swim = swim(config(), 7);
    let mut now = START;
    let mut targets = Vec::new();
    while targets.len() < 7 {
        now += seconds(1);
        swim.handle_timeout(now, &mut rng());
        swim.suspicions.clear();
        let events = events(&mut swim);
        targets.extend(
            sent(&events)
                .iter()
                .filter_map(|(to, message)| matches!(message, Message::Ping { .. }).then_some(*to)),
        );
    }
    targets.sort_unstable();
    let mut expected: Vec<NodeId> = (1..=7).map(id).collect();
    expected.sort_unstable();
    assert_eq!(targets, expected);
}

#[test]
fn suspicion_of_oneself_is_refuted_with_the_next_incarnation() {
    let mut swim = swim(config(), 1);
    for status in [Status::Suspect, Status::Dead] {
        let before = swim.own.incarnation;
        hear(&mut swim, vec![rumour(0, before, status)]).unwrap();
        assert_eq!(swim.own.incarnation, before + 1);
        hear(&mut swim, vec![rumour(0, before, status)]).unwrap();
        assert_eq!(
            swim.own.incarnation,
            before + 1,
            "old accusations change nothing"
        );
    }
    assert_eq!(swim.counts().refutations_count, 2);
}

#[test]
fn nobody_else_can_raise_an_incarnation() {
    let mut swim = swim(config(), 1);
    for number in [0, 1, 2] {
        let forged = forged(&rumour(number, 0, Status::Alive), |said| {
            said.incarnation = u64::MAX;
        });
        let error = MessageError::Signature { node: id(number) };
        assert_eq!(hear(&mut swim, vec![forged]), Err(error));
        assert!(error.malicious());
    }
    assert_eq!(swim.own.incarnation, 0);
    assert_eq!(swim.members().len(), 2);
}

#[test]
fn nobody_else_can_say_goodbye_or_move_an_address() {
    let mut swim = swim(config(), 1);
    let own = rumour(1, 0, Status::Alive);
    let leaving = forged(&own, |said| said.is_leaving = true);
    assert!(hear(&mut swim, vec![leaving]).is_err());
    let moved = forged(&own, |said| {
        said.address = "10.66.6.6:666".parse().unwrap();
    });
    assert!(hear(&mut swim, vec![moved]).is_err());
    let renamed = forged(&own, |said| {
        said.metadata = Metadata::new(["a".parse().unwrap()].into(), vec![]).unwrap();
    });
    assert!(hear(&mut swim, vec![renamed]).is_err());
    assert_eq!(status(&swim, 1), Some(Status::Alive));
}

#[test]
fn the_largest_incarnation_of_ones_own_does_no_harm() {
    let mut swim = swim(config(), 2);
    hear(&mut swim, vec![rumour(0, u64::MAX, Status::Dead)]).unwrap();
    assert_eq!(swim.own.incarnation, u64::MAX);
    hear(&mut swim, vec![rumour(1, u64::MAX, Status::Alive)]).unwrap();
    bury(&mut swim, 1, u64::MAX);
    assert_eq!(status(&swim, 1), Some(Status::Dead));
}

#[test]
fn old_gossip_does_not_bring_the_dead_back_but_their_own_word_does() {
    let mut swim = swim(config(), 2);
    bury(&mut swim, 1, 4);
    for incarnation in 0..=4 {
        hear(&mut swim, vec![rumour(1, incarnation, Status::Alive)]).unwrap();
        assert_eq!(status(&swim, 1), Some(Status::Dead));
    }
    events(&mut swim);
    hear(&mut swim, vec![rumour(1, 5, Status::Alive)]).unwrap();
    assert!(matches!(events(&mut swim)[..], [OutEvent::MemberUp(_)]));
}

#[test]
fn who_left_stays_left_whatever_is_said_of_them() {
    let mut swim = swim(config(), 1);
    hear(&mut swim, vec![goodbye(1, 3)]).unwrap();
    assert_eq!(events(&mut swim), [OutEvent::MemberLeft(id(1))]);
    for status in [Status::Alive, Status::Suspect, Status::Dead] {
        hear(&mut swim, vec![rumour(1, 3, status)]).unwrap();
    }
    assert_eq!(status(&swim, 1), Some(Status::Left));
    assert_eq!(events(&mut swim), []);
}

#[test]
fn the_dead_are_forgotten_after_a_while_and_strangers_dead_are_not_remembered() {
    let config = Config {
        dead_retention: seconds(60),
        ..config()
    };
    let mut swim = swim(config, 2);
    bury(&mut swim, 1, 0);
    bury(&mut swim, 7, 0);
    hear(&mut swim, vec![goodbye(8, 1)]).unwrap();
    assert_eq!(swim.members().len(), 3);
    swim.config.forgives_own_stall = false;
    swim.handle_timeout(START + seconds(59), &mut rng());
    assert_eq!(status(&swim, 1), Some(Status::Dead));
    swim.handle_timeout(START + seconds(100), &mut rng());
    assert_eq!(status(&swim, 1), None);
}

#[test]
fn members_are_bounded_and_the_longest_dead_give_way() {
    let config = Config {
        members_max: 4,
        ..config()
    };
    let mut swim = swim(config, 3);
    hear(&mut swim, vec![rumour(4, 0, Status::Alive)]).unwrap();
    assert_eq!(
        (status(&swim, 4), swim.counts().refused_members_count),
        (None, 1)
    );
    bury(&mut swim, 2, 0);
    hear(&mut swim, vec![rumour(4, 0, Status::Alive)]).unwrap();
    assert_eq!(
        (status(&swim, 4), status(&swim, 2)),
        (Some(Status::Alive), None)
    );
    assert_eq!(swim.members().len(), 4);
}

#[test]
fn a_rumour_is_passed_on_a_bounded_number_of_times() {
    let mut swim = swim(config(), 3);
    let max = swim.config.retransmissions(4);
    let mut times = 0;
    while swim
        .gossip_for(id(9))
        .iter()
        .any(|rumour| rumour.record.node == id(2))
    {
        times += 1;
    }
    assert_eq!(times, max);
    while !swim.gossip_for(id(9)).is_empty() {}
    assert_eq!(swim.gossip.len(), 0);
}

#[test]
fn who_is_suspect_hears_of_it_with_the_next_message() {
    let mut swim = swim(config(), 2);
    hear(&mut swim, vec![rumour(1, 0, Status::Suspect)]).unwrap();
    while !swim.gossip_for(id(9)).is_empty() {}
    let told = swim.gossip_for(id(1));
    assert!(matches!(&told[..], [of] if of.record.node == id(1) && of.status == Status::Suspect));
}

#[test]
fn who_leaves_tells_some_and_is_silent_then() {
    let mut swim = swim(config(), 20);
    swim.handle_leave(START, &mut rng());
    let events = events(&mut swim);
    let told = sent(&events);
    assert_eq!(told.len(), 8);
    assert!(told.iter().all(|(_, message)| matches!(message,
        Message::Gossip { gossip } if gossip[0].status() == Status::Left)));
    assert_eq!((swim.next_timeout(), swim.poll_event()), (None, None));
    hear(&mut swim, vec![rumour(0, 9, Status::Dead)]).unwrap();
    assert_eq!(status(&swim, 0), Some(Status::Left));
}

fn any_rumour() -> impl Strategy<Value = (Record, Status)> {
    let status = prop_oneof![
        Just(Status::Alive),
        Just(Status::Suspect),
        Just(Status::Dead),
        Just(Status::Left)
    ];
    (0u64..3, any::<bool>(), 0u16..2, status).prop_map(
        |(incarnation, moved, generation, status)| {
            let said = Said {
                is_leaving: status == Status::Left,
                generation: Generation::new(u64::from(generation)),
                address: ([10, 0, 0, u8::from(moved) + 1], 7_000).into(),
                ..said(1, incarnation)
            };
            let signature = Signature::from_bytes([1; 64]);
            (Record::from_parts(said, signature), status)
        },
    )
}

proptest! {
    #[test]
    fn rumours_lead_to_the_same_in_any_order(
        mut rumours in proptest::collection::vec(any_rumour(), 1..8),
        turn in 0usize..8,
    ) {
        let outcome = |rumours: &[(Record, Status)]| {
            let mut table = Table::default();
            for (record, status) in rumours {
                match table.judge(record) {
                    Verdict::Old => continue,
                    Verdict::Known => {}
                    Verdict::New | Verdict::Newcomer => {
                        table.take_record(START, record.clone());
                    }
                }
                table.worsen(START, record.node, *status);
            }
            let present = table.present().count();
            (table.get(id(1)).map(|entry| entry.member()), present == table.present_count())
        };
        let first = outcome(&rumours);
        prop_assert!(first.1);
        let middle = turn % rumours.len();
        rumours.rotate_left(middle);
        prop_assert_eq!(&outcome(&rumours), &first);
        rumours.reverse();
        prop_assert_eq!(&outcome(&rumours), &first);
        rumours.extend(rumours.clone());
        prop_assert_eq!(&outcome(&rumours), &first);
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_message_with_any_byte_changed_never_panics(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let gossip = vec![rumour(1, 3, Status::Suspect), goodbye(2, 9)];
        let message = Message::IndirectPing { sequence: 900, target: id(2), gossip };
        let mut bytes = message.to_bytes();
        prop_assert_eq!(Message::from_bytes(&bytes), Ok(message));
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(message) = Message::from_bytes(&bytes) {
            let _ = swim(config(), 2).on_message(START, id(9), message, &mut rng());
        }
    }
}
