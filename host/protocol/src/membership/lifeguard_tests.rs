//! Lifeguard, one transition per test, and what liars can do to it.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use crate::scores::Excess;

use super::simulation_tests::{config, identity, millis, rumour_by, seconds};
use super::tests::{START, events, hear, id, rng, sent, status, swim};
use super::*;

fn until(swim: &Swim, number: usize) -> Duration {
    swim.suspicions[&id(number)].until - START
}

fn suspect(accusers: &[usize], number: usize) -> Vec<Rumour> {
    vec![rumour_by(accusers, number, 0, Status::Suspect)]
}

/// Lets the first probe begin and its direct time-out pass: gives its target, number and helpers.
fn failing_probe(swim: &mut Swim) -> (Duration, NodeId, u32, Vec<NodeId>) {
    let now = START + seconds(1);
    swim.handle_timeout(now, &mut rng());
    let late = now + swim.config.probe_timeout;
    swim.handle_timeout(late, &mut rng());
    let probe = swim.probing.current.clone().unwrap();
    (late, probe.target, probe.sequence, probe.helpers)
}

#[test]
fn a_suspect_has_long_if_one_accuses_and_less_with_each_that_confirms() {
    let mut swim = swim(config(), 99);
    // α · log₁₀ 100 · T = 4 s at least, six times that at most.
    let mut times = Vec::new();
    for accuser in 1..=5 {
        hear(&mut swim, suspect(&[accuser], 9)).unwrap();
        times.push(until(&swim, 9).as_millis());
    }
    // 24 - 20 · ln(C+1) / ln 4
    assert_eq!(times, [24_000, 14_000, 8_150, 4_000, 4_000]);
    let kept = swim.table.get(id(9)).unwrap().accusations().len();
    assert_eq!(kept, ACCUSATIONS_MAX);
}

#[test]
fn a_suspicion_lasts_as_long_among_few_as_among_a_hundred_and_longer_among_more() {
    let timeout = |count| config().suspicion_timeout(count).as_millis();
    assert_eq!([2, 10, 100].map(timeout), [4_000; 3]);
    assert_eq!(timeout(1_000), 6_000);
}

/// Whether a node among so many, that draws by this seed, probes a suspect next.
fn is_witness(config: Config, count: usize, seed: u64) -> bool {
    let mut swim = swim(config, count);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let gossip = suspect(&[1], 5);
    let message = Message::Gossip { gossip };
    swim.on_message(START, id(1), message, &mut rng).unwrap();
    swim.handle_timeout(START + seconds(1), &mut rng);
    swim.probing.current.unwrap().target == id(5)
}

#[test]
fn of_those_who_hear_of_a_suspicion_nine_probe_the_suspect_next() {
    // Of 89 that hear of it nine, and each whose turn it is by chance.
    let witnesses = (0..89).filter(|seed| is_witness(config(), 89, *seed));
    let count = witnesses.count();
    assert!((5..=16).contains(&count), "{count}");
    assert!(
        (0..8).all(|seed| is_witness(config(), 8, seed)),
        "so few all do"
    );
    let plain = |seed: &u64| is_witness(config().without_lifeguard(), 89, *seed);
    assert!((0..89).filter(plain).count() < 5);
}

#[test]
fn one_accuser_counts_once_however_often_it_is_heard() {
    let mut swim = swim(config(), 99);
    for _ in 0..20 {
        hear(&mut swim, suspect(&[1], 9)).unwrap();
    }
    assert_eq!(until(&swim, 9), seconds(24));
}

#[test]
fn nobody_accuses_in_anothers_name() {
    let mut swim = swim(config(), 99);
    let mut forged = suspect(&[1], 9);
    let signature = forged[0].accusations[0].signature();
    forged[0].accusations = vec![Accusation::from_parts(id(2), signature)];
    let error = MessageError::Signature { node: id(2) };
    assert_eq!(hear(&mut swim, forged), Err(error));
    assert_eq!(status(&swim, 9), Some(Status::Alive));
}

#[test]
fn an_accusation_of_an_earlier_incarnation_is_void() {
    let mut swim = swim(config(), 99);
    let mut old = vec![rumour_by(&[], 9, 1, Status::Alive)];
    hear(&mut swim, old.clone()).unwrap();
    hear(&mut swim, suspect(&[1], 9)).unwrap();
    assert_eq!(status(&swim, 9), Some(Status::Alive));
    old[0].status = Status::Suspect;
    old[0].accusations = suspect(&[1], 9)[0].accusations.clone();
    assert!(
        hear(&mut swim, old).is_err(),
        "signed for another incarnation"
    );
}

#[test]
fn strangers_and_the_accused_itself_accuse_nobody() {
    let mut swim = swim(config(), 20);
    hear(&mut swim, suspect(&[50], 9)).unwrap();
    hear(&mut swim, suspect(&[9], 9)).unwrap();
    assert_eq!(status(&swim, 9), Some(Status::Alive));
    assert_eq!(swim.counts().ignored_accusations_count, 1);
}

/// A storm of suspicion: one member accuses all others, again and again.
#[test]
fn who_accuses_everybody_is_heard_once_a_period() {
    let mut swim = swim(config(), 60);
    let storm: Vec<Rumour> = (2..60).flat_map(|of| suspect(&[1], of)).collect();
    hear(&mut swim, storm.clone()).unwrap();
    assert_eq!(swim.suspicions.len(), 8);
    assert_eq!(swim.counts().ignored_accusations_count, 50);
    let later = START + seconds(3);
    let gossip = storm;
    swim.on_message(later, id(1), Message::Gossip { gossip }, &mut rng())
        .unwrap();
    assert_eq!(swim.suspicions.len(), 11);
    assert_eq!(swim.accusers.len(), 1);
    // Whoever passes it on is not to blame; who says it itself is.
    let ignored_count = swim.counts().ignored_accusations_count - 50;
    let excess = swim.take_offences();
    assert_eq!(
        excess,
        [(
            id(1),
            Excess {
                count: ignored_count
            }
        )]
        .into()
    );
    // An honest member is heard all the same.
    hear(&mut swim, suspect(&[5], 59)).unwrap();
    assert_eq!(status(&swim, 59), Some(Status::Suspect));
    swim.accusers.forget_quiet(START + seconds(60), seconds(1));
    assert_eq!(swim.accusers.len(), 0);
}

#[test]
fn the_word_that_somebody_is_dead_leaves_it_the_least_time_to_refute() {
    let mut swim = swim(config(), 99);
    hear(&mut swim, vec![rumour_by(&[1], 9, 0, Status::Dead)]).unwrap();
    assert_eq!(status(&swim, 9), Some(Status::Suspect));
    assert_eq!(until(&swim, 9), seconds(4));
    hear(&mut swim, vec![rumour_by(&[], 9, 1, Status::Alive)]).unwrap();
    assert_eq!(status(&swim, 9), Some(Status::Alive));
    assert!(swim.suspicions.is_empty());
}

#[test]
fn without_lifeguard_another_s_word_and_a_fixed_time_are_enough() {
    let mut swim = swim(config().without_lifeguard(), 99);
    hear(&mut swim, suspect(&[1], 9)).unwrap();
    hear(&mut swim, suspect(&[2], 9)).unwrap();
    assert_eq!(until(&swim, 9), seconds(4));
    hear(&mut swim, vec![rumour_by(&[1], 9, 0, Status::Dead)]).unwrap();
    assert_eq!(status(&swim, 9), Some(Status::Dead));
}

#[test]
fn who_probes_for_another_says_when_there_is_no_answer() {
    let mut swim = swim(config(), 3);
    let please = |target| Message::IndirectPing {
        sequence: 5,
        target,
        gossip: Vec::new(),
    };
    let rng = &mut rng();
    let nacks = |swim: &mut Swim| {
        let events = events(swim);
        let all = sent(&events).into_iter();
        let nacks = all.filter(|(_, message)| matches!(message, Message::Nack { sequence: 5 }));
        nacks.map(|(to, _)| to).collect::<Vec<NodeId>>()
    };
    swim.on_message(START, id(1), please(id(2)), rng).unwrap();
    assert_eq!(swim.probing.next_nack(), Some(START + millis(225)));
    swim.handle_timeout(START + millis(224), rng);
    assert_eq!(nacks(&mut swim), []);
    swim.handle_timeout(START + millis(225), rng);
    assert_eq!(nacks(&mut swim), [id(1)]);
    swim.handle_timeout(START + millis(300), rng);
    assert_eq!(nacks(&mut swim), [], "once");
    // Of whom it does not know it says so at once.
    swim.on_message(START, id(1), please(id(70)), rng).unwrap();
    assert_eq!(nacks(&mut swim), [id(1)]);
}

#[test]
fn silence_of_helpers_slows_this_nodes_probes_and_their_nacks_do_not() {
    for (nacks, factor) in [(3, 1), (1, 3), (0, 4)] {
        let mut swim = swim(config(), 20);
        let (now, target, sequence, helpers) = failing_probe(&mut swim);
        let stranger = (1..20)
            .map(id)
            .find(|node| !helpers.contains(node))
            .unwrap();
        for from in helpers.iter().take(nacks).chain([&stranger, &target]) {
            let nack = Message::Nack { sequence };
            swim.on_message(now, *from, nack.clone(), &mut rng())
                .unwrap();
            swim.on_message(now, *from, nack, &mut rng()).unwrap();
        }
        let end = START + seconds(2);
        swim.handle_timeout(end, &mut rng());
        assert_eq!(swim.health.factor(), factor, "{nacks} nacks");
        assert_eq!(swim.period_end, end + seconds(1) * factor);
        assert_eq!(swim.suspicions.len(), 1);
    }
}

#[test]
fn having_to_refute_slows_this_nodes_probes_and_answers_make_them_faster_again() {
    let mut swim = swim(config(), 20);
    hear(&mut swim, suspect(&[1], 0)).unwrap();
    assert_eq!(swim.health.factor(), 2);
    let now = START + seconds(1);
    swim.handle_timeout(now, &mut rng());
    let probe = swim.probing.current.clone().unwrap();
    let (sequence, gossip) = (probe.sequence, Vec::new());
    let ack = Message::Ack { sequence, gossip };
    swim.on_message(now, probe.target, ack, &mut rng()).unwrap();
    swim.handle_timeout(now + seconds(2), &mut rng());
    assert_eq!(swim.health.factor(), 1);
}

#[test]
fn a_suspect_is_told_at_once_who_accuses_it() {
    let mut swim = swim(config(), 20);
    let (_, target, ..) = failing_probe(&mut swim);
    events(&mut swim);
    swim.handle_timeout(START + seconds(2), &mut rng());
    let told = events(&mut swim);
    let told = sent(&told);
    let (to, Message::Gossip { gossip }) = told[0] else {
        panic!("{told:?}");
    };
    assert_eq!((to, gossip.len()), (target, 1));
    assert_eq!(gossip[0].accusations[0].accuser(), identity(0).id());
}

#[test]
fn metadata_spreads_as_the_next_incarnation() {
    let mut swim = swim(config(), 2);
    let metadata = Metadata::new(["shop/eu".parse().unwrap()].into(), vec![1]).unwrap();
    swim.handle_metadata(metadata.clone());
    swim.handle_metadata(metadata.clone());
    assert_eq!(swim.own.incarnation, 1);
    let told = swim.gossip_for(id(1));
    assert!(told.iter().any(|of| of.record.metadata == metadata));
    // Refuting does not lose it.
    let accused = Rumour {
        record: swim.own.clone(),
        ..rumour_by(&[1], 0, 1, Status::Suspect)
    };
    hear(&mut swim, vec![accused]).unwrap();
    assert_eq!((swim.own.incarnation, &swim.own.metadata), (2, &metadata));
    // Another node takes it from its record.
    let mut other = super::tests::swim(config(), 2);
    let mut said = super::simulation_tests::said(1, 1);
    said.metadata = metadata.clone();
    let record = Record::sign(&identity(1), said);
    hear(&mut other, vec![Rumour::alive(record)]).unwrap();
    let events = events(&mut other);
    assert!(
        matches!(&events[..], [OutEvent::MemberChanged(member)] if member.metadata == metadata)
    );
}

#[test]
fn who_is_seen_dead_for_an_hour_has_lost_half_its_reliability() {
    let mut swim = swim(config(), 2);
    swim.config.forgives_own_stall = false;
    super::tests::bury(&mut swim, 1, 0);
    for minute in 1..=60 {
        let now = START + seconds(60 * minute);
        swim.handle_timeout(now, &mut rng());
        // The other one answers.
        if let Some(probe) = swim.probing.current.clone() {
            let (sequence, gossip) = (probe.sequence, Vec::new());
            let ack = Message::Ack { sequence, gossip };
            swim.on_message(now, probe.target, ack, &mut rng()).unwrap();
        }
    }
    let members = swim.members();
    let of = |number| {
        let member = members.iter().find(|member| member.node == id(number));
        member.unwrap().reliability
    };
    assert_eq!(of(1).up_ppm(), 0);
    assert_eq!(of(2).up_ppm(), 1_000_000);
    assert!(
        (490_000..510_000).contains(&of(2).score_ppm()),
        "{:?}",
        of(2)
    );
    assert_eq!(of(2).probe_success_ppm(), 1_000_000);
}
