//! What a cluster has to come through. `REPLICANT_SEED=n cargo test -p replicant-protocol
//! scenario` runs one seed only.

use super::simulation_tests::{World, config, identity, local, millis, rumour_by, seconds};
use std::time::Duration;

use super::*;

/// Runs a scenario for many seeds, or for the one that the environment names.
fn for_seeds(count: u64, scenario: impl Fn(u64)) {
    let chosen = std::env::var("REPLICANT_SEED").ok();
    if let Some(seed) = chosen.and_then(|text| text.parse().ok()) {
        return scenario(seed);
    }
    for seed in 0..count {
        let run = std::panic::AssertUnwindSafe(|| scenario(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("replay with REPLICANT_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn size(seed: u64) -> usize {
    3 + (seed % 6) as usize
}

#[test]
fn nodes_that_join_through_one_seed_know_each_other_soon() {
    for_seeds(60, |seed| {
        let count = size(seed);
        let mut world = World::new(seed, config());
        for number in 0..count {
            world.start(local(number), number);
            if number > 0 {
                world.join(number, 0);
            }
        }
        world.wait(seconds(10), "all know all", World::is_settled);
    });
}

#[test]
fn a_crash_is_noticed_by_all_in_time_whether_sessions_break_or_not() {
    for_seeds(200, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        assert!(world.is_settled());
        world.crash((seed % count as u64) as usize, seed % 2 == 0);
        // Each member is probed once in two rounds; then suspicion, then rumour or a second
        // suspicion of one's own.
        let periods = 2 * count as u64 + 4 + 6;
        world.wait(seconds(periods), "all noticed", World::is_settled);
        assert_eq!(world.downs(), count - 1, "and nobody else");
    });
}

#[test]
fn nobody_is_declared_dead_without_loss() {
    for_seeds(40, |seed| {
        let mut world = World::settled(seed, size(seed));
        world.run(seconds(300));
        let bad = world.noticed.iter().filter(|(_, event)| {
            matches!(event, OutEvent::MemberDown(_) | OutEvent::MemberSuspect(_))
        });
        assert_eq!(bad.count(), 0);
        assert!(world.is_settled());
    });
}

#[test]
fn lost_messages_cause_suspicion_at_worst_and_all_agree_afterwards() {
    for_seeds(40, |seed| {
        let mut world = World::settled(seed, size(seed));
        world.network.lost_permille = 100;
        world.run(seconds(120));
        world.network.lost_permille = 0;
        world.wait(seconds(30), "all agree again", World::is_settled);
        assert_eq!(world.downs(), 0, "a tenth of the messages is not that much");
    });
}

#[test]
fn a_partition_is_noticed_on_both_sides_and_heals_by_itself() {
    for_seeds(60, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        let numbers: Vec<usize> = (0..count).collect();
        let (left, right) = numbers.split_at(1 + seed as usize % (count - 1));
        world.split(&[left, right]);
        // Who is alone has nobody to confirm, and probes more slowly: it might be at fault itself.
        world.run(seconds(150));
        for (viewer, subject) in left
            .iter()
            .flat_map(|a| right.iter().map(move |b| (*a, *b)))
        {
            assert_eq!(world.status(viewer, subject), Some(Status::Dead));
            assert_eq!(world.status(subject, viewer), Some(Status::Dead));
        }
        world.heal();
        // A dead member is tried within 12.5 s; what it says spreads in some periods.
        world.wait(seconds(40), "all are back", World::is_settled);
    });
}

#[test]
fn the_falsely_accused_refute_before_they_are_given_up() {
    for_seeds(60, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        let gossip = vec![rumour_by(&[2], 1, 0, Status::Suspect)];
        world.inject(2, 0, Message::Gossip { gossip });
        world.run(Duration::ZERO);
        assert_eq!(world.status(0, 1), Some(Status::Suspect));
        world.wait(seconds(20), "the accused is believed", World::is_settled);
        assert_eq!(world.downs(), 0);
        assert_eq!(world.member(0, 1).unwrap().incarnation, 1);
    });
}

#[test]
fn a_false_rumour_of_death_makes_a_suspect_who_refutes_in_time() {
    for_seeds(60, |seed| {
        let mut world = World::settled(seed, size(seed));
        let gossip = vec![rumour_by(&[2], 1, 0, Status::Dead)];
        world.inject(2, 0, Message::Gossip { gossip });
        world.run(Duration::ZERO);
        assert_eq!(world.status(0, 1), Some(Status::Suspect));
        world.wait(seconds(30), "the living is alive", World::is_settled);
        assert_eq!(world.downs(), 0);
    });
}

#[test]
fn who_leaves_is_known_to_have_left_and_not_to_be_dead() {
    for_seeds(60, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        world.leave(count - 1);
        world.wait(seconds(20), "all know", World::is_settled);
        assert_eq!(world.downs(), 0);
        for viewer in 0..count - 1 {
            assert_eq!(world.status(viewer, count - 1), Some(Status::Left));
        }
    });
}

#[test]
fn who_was_dead_or_left_comes_back_also_at_another_address() {
    for_seeds(60, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        if seed % 2 == 0 {
            world.leave(1);
        } else {
            world.crash(1, true);
        }
        world.wait(seconds(30), "gone", World::is_settled);
        let again = Local {
            address: "10.9.9.9:7000".parse().unwrap(),
            ..local(1)
        };
        world.start(again.clone(), 1);
        world.join(1, 0);
        world.wait(seconds(20), "back", World::is_settled);
        for viewer in 0..count {
            assert_eq!(world.member(viewer, 1).unwrap().address, again.address);
        }
    });
}

#[test]
fn a_restart_that_nobody_noticed_shows_by_its_new_record() {
    for_seeds(40, |seed| {
        let count = size(seed);
        let mut world = World::settled(seed, count);
        world.crash(1, false);
        let again = Local {
            generation: Generation::new(1),
            ..local(1)
        };
        world.start(again, 1);
        world.join(1, 0);
        world.run(seconds(20));
        assert!(world.is_settled());
        for viewer in 0..count {
            let member = world.member(viewer, 1).unwrap();
            assert_eq!(member.generation, Generation::new(1));
        }
        let moved = |(_, event): &&(usize, OutEvent)| matches!(event, OutEvent::MemberChanged(_));
        assert_eq!(world.noticed.iter().filter(moved).count(), count - 1);
    });
}

#[test]
fn a_node_that_stalls_does_not_take_the_others_for_dead() {
    for_seeds(40, |seed| {
        let mut world = World::settled(seed, size(seed));
        world.stalled.insert(1);
        world.run(seconds(40));
        let before = world.noticed.len();
        world.stalled.clear();
        world.wait(seconds(40), "it is back", World::is_settled);
        let of_the_stalled = world.noticed[before..]
            .iter()
            .filter(|(who, event)| *who == 1 && matches!(event, OutEvent::MemberDown(_)));
        assert_eq!(of_the_stalled.count(), 0);
    });
}

/// Lost once: what came after a long quiet looked like a stall of this node, and its suspicions
/// were put off by the length of the quiet.
#[test]
fn news_after_a_quiet_time_is_not_taken_for_a_stall() {
    let mut world = World::settled(1, 5);
    world.run(seconds(120));
    world.stalled.insert(1);
    let gossip = vec![rumour_by(&[2], 1, 0, Status::Suspect)];
    world.inject(2, 0, Message::Gossip { gossip });
    world.run(Duration::ZERO);
    let accused = identity(1).id();
    let until = world.nodes[&0].suspicions[&accused].until;
    world.run(seconds(1));
    assert_eq!(world.nodes[&0].suspicions[&accused].until, until);
}

#[test]
fn fifty_nodes_notice_three_crashes_and_nothing_else() {
    for_seeds(3, |seed| {
        let mut world = World::settled(seed, 50);
        assert!(world.is_settled());
        let (before, start) = (world.messages_count, world.now);
        world.run(seconds(30));
        let periods = (world.now - start).as_secs() * 50;
        // A probe and its answer, and now and then an exchange of tables.
        let per_period = (world.messages_count - before) as f64 / periods as f64;
        assert!(
            per_period < 2.2,
            "{per_period} messages per node and period"
        );
        for number in [7, 21, 42] {
            world.crash(number, seed % 2 == 0);
        }
        world.wait(seconds(40), "all noticed", World::is_settled);
        assert_eq!(world.downs(), 3 * 47);
    });
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_gives_another() {
    let run = |seed| {
        let mut world = World::settled(seed, 8);
        world.network.lost_permille = 50;
        world.crash(3, true);
        world.run(seconds(60));
        world.log_hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn messages_keep_their_byte_bound_when_there_is_much_news() {
    let mut world = World::new(5, config());
    for number in 0..40 {
        world.start(local(number), number);
    }
    for number in 1..40 {
        world.join(number, 0);
        world.run(millis(5));
    }
    world.wait(seconds(30), "all know all", World::is_settled);
    // A full table of 40 is the largest; probes stay at 1,200 and what surrounds it.
    assert!(world.largest_message_bytes < 40 * 200);
    let swim = world.nodes.get_mut(&3).unwrap();
    for number in 100..140 {
        swim.gossip.add(identity(number % 40).id());
    }
    let gossip = swim.gossip_for(identity(0).id());
    let bytes = Message::Gossip { gossip }.to_bytes().len();
    assert!(bytes > 600 && bytes < 1_200 + 16, "{bytes}");
}
