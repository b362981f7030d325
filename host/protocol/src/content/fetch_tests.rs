//! Fetching, with peers that have it, lack it, stall, or lie.

use std::time::Duration;

use super::tests::{START, WALL_MS, events, id, rng, state};
use super::*;

const PART_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn module(chunks: usize) -> Vec<u8> {
    let length = chunks * CHUNK_BYTES - 1_000;
    (0..length).map(|at| (at / 7 % 251) as u8).collect()
}

/// A state that wants `module` and has sessions with peers 1 to `peers`.
pub(super) fn wanting(module: &[u8], peers: u8, config: Config) -> State {
    let mut state = state(config);
    (1..=peers).for_each(|peer| state.handle_peer_up(START, id(peer), &mut rng()));
    events(&mut state);
    let size = module.len() as u32;
    state
        .handle_want(START, ModuleHash::of(module), size, &mut rng())
        .unwrap();
    state
}

/// The parts that are asked for now, and of whom.
pub(super) fn asked(state: &mut State) -> Vec<(NodeId, Part)> {
    let asked = events(state).into_iter().filter_map(|event| match event {
        OutEvent::Send {
            to,
            message: Message::Fetch { part, .. },
        } => Some((to, part)),
        _ => None,
    });
    asked.collect()
}

/// What an honest peer answers.
fn answer(module: &[u8], part: Part) -> Message {
    let hash = ModuleHash::of(module);
    match part {
        Part::Manifest => Message::Manifest {
            module: hash,
            manifest: Manifest::of(module).unwrap(),
        },
        Part::Chunk(index) => Message::Chunk {
            module: hash,
            index,
            bytes: module
                .chunks(CHUNK_BYTES)
                .nth(index as usize)
                .unwrap()
                .to_vec(),
        },
    }
}

pub(super) fn give(state: &mut State, now: Duration, from: NodeId, message: Message) {
    state
        .on_message(now, WALL_MS, from, message, &mut rng())
        .unwrap();
}

/// Answers everything honestly but to `silent`, until nothing is asked; gives the module if it
/// came.
pub(super) fn serve_all(
    state: &mut State,
    now: Duration,
    module: &[u8],
    silent: &[NodeId],
) -> Option<Vec<u8>> {
    let mut fetched = None;
    loop {
        let events = events(state);
        if events.is_empty() {
            return fetched;
        }
        for event in events {
            match event {
                OutEvent::Send {
                    to,
                    message: Message::Fetch { part, .. },
                } if !silent.contains(&to) => {
                    give(state, now, to, answer(module, part));
                }
                OutEvent::Fetched { bytes, .. } => fetched = Some(bytes),
                _ => {}
            }
        }
    }
}

fn misbehaved(state: &mut State) -> Vec<NodeId> {
    let events = events(state).into_iter().filter_map(|event| match event {
        OutEvent::Misbehaved { peer, .. } => Some(peer),
        _ => None,
    });
    events.collect()
}

#[test]
fn modules_of_every_count_of_chunks_arrive() {
    for chunks in [1, 2, 3, 9] {
        let module = module(chunks);
        let mut state = wanting(&module, 1, Config::default());
        assert!(
            serve_all(&mut state, START, &module, &[]) == Some(module),
            "{chunks}"
        );
        assert_eq!(state.counts().fetched_count, 1);
    }
}

#[test]
fn a_window_of_chunks_is_asked_for_and_each_that_comes_makes_room_for_one() {
    let module = module(9);
    let mut state = wanting(&module, 1, Config::default());
    assert_eq!(asked(&mut state), [(id(1), Part::Manifest)]);
    give(&mut state, START, id(1), answer(&module, Part::Manifest));
    let window: Vec<(NodeId, Part)> = (0..4).map(|index| (id(1), Part::Chunk(index))).collect();
    assert_eq!(asked(&mut state), window);
    give(&mut state, START, id(1), answer(&module, Part::Chunk(2)));
    assert_eq!(asked(&mut state), [(id(1), Part::Chunk(4))]);
}

#[test]
fn wanting_twice_is_wanting_once_and_wants_are_bounded() {
    let config = Config {
        wants_max: 2,
        ..Config::default()
    };
    let mut state = state(config);
    let mut want = |byte: u8, size| {
        state.handle_want(START, ModuleHash::from_bytes([byte; 32]), size, &mut rng())
    };
    assert_eq!(
        (want(1, 10), want(1, 10), want(2, 10)),
        (Ok(()), Ok(()), Ok(()))
    );
    assert_eq!(want(3, 10), Err(ContentError::Full { what: "wants" }));
    for size_bytes in [0, MODULE_BYTES_MAX + 1] {
        assert_eq!(want(4, size_bytes), Err(ContentError::Size { size_bytes }));
    }
}

#[test]
fn a_peer_that_stops_answering_loses_its_turn_and_what_came_is_kept() {
    let module = module(6);
    let mut state = wanting(&module, 2, Config::default());
    let (first, _) = asked(&mut state)[0];
    give(&mut state, START, first, answer(&module, Part::Manifest));
    give(&mut state, START, first, answer(&module, Part::Chunk(0)));
    give(&mut state, START, first, answer(&module, Part::Chunk(1)));
    asked(&mut state);
    let late = START + PART_TIMEOUT;
    assert_eq!(state.next_timeout(), Some(late));
    state.handle_timeout(late, &mut rng());
    let (second, part) = asked(&mut state)[0];
    assert_ne!(first, second);
    assert_eq!(part, Part::Manifest, "every peer gives its own word");
    give(&mut state, late, second, answer(&module, Part::Manifest));
    let parts: Vec<Part> = asked(&mut state)
        .into_iter()
        .map(|(_, part)| part)
        .collect();
    assert_eq!(parts, (2..6).map(Part::Chunk).collect::<Vec<_>>());
    // The first one's answers come after all; they are not asked for any more.
    give(&mut state, late, first, answer(&module, Part::Chunk(2)));
    assert_eq!(misbehaved(&mut state), []);
    assert_eq!(state.counts().timeout_count, 1);
}

#[test]
fn a_peer_that_answers_just_in_time_for_ever_loses_its_turn_too() {
    let module = module(64);
    let mut state = wanting(&module, 2, Config::default());
    let (slow, _) = asked(&mut state)[0];
    give(&mut state, START, slow, answer(&module, Part::Manifest));
    let mut now = START;
    for index in 0..64 {
        now += PART_TIMEOUT - Duration::from_millis(1);
        state.handle_timeout(now, &mut rng());
        if asked(&mut state).iter().any(|(to, _)| *to != slow) {
            assert!((8..16).contains(&index), "{index}");
            return;
        }
        give(&mut state, now, slow, answer(&module, Part::Chunk(index)));
    }
    panic!("the slow peer kept its turn");
}

#[test]
fn a_liar_is_named_never_asked_again_and_the_others_are_not_blamed() {
    let module = module(3);
    let mut state = wanting(&module, 2, Config::default());
    let (liar, _) = asked(&mut state)[0];
    give(&mut state, START, liar, answer(&module, Part::Manifest));
    asked(&mut state);
    let mut wrong = answer(&module, Part::Chunk(1));
    if let Message::Chunk { bytes, .. } = &mut wrong {
        bytes[5] ^= 1;
    }
    give(&mut state, START, liar, wrong);
    let mut named = Vec::new();
    let mut next = Vec::new();
    for event in events(&mut state) {
        match event {
            OutEvent::Misbehaved {
                peer,
                what: Misbehaviour::WrongContent,
                ..
            } => named.push(peer),
            OutEvent::Send {
                to,
                message: Message::Fetch { part, .. },
            } => next.push((to, part)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(named, [liar]);
    let (honest, _) = next[0];
    assert_ne!(honest, liar);
    give(&mut state, START, honest, answer(&module, Part::Manifest));
    assert!(serve_all(&mut state, START, &module, &[]) == Some(module));
    assert_eq!(state.counts().wrong_content_count, 1);
}

#[test]
fn a_forged_manifest_names_its_sender() {
    let module = module(3);
    let mut other = module.clone();
    other[0] ^= 1;
    let mut state = wanting(&module, 1, Config::default());
    asked(&mut state);
    let forged = Message::Manifest {
        module: ModuleHash::of(&module),
        manifest: Manifest::of(&other).unwrap(),
    };
    give(&mut state, START, id(1), forged);
    assert_eq!(misbehaved(&mut state), [id(1)]);
    state.handle_timeout(START + Duration::from_secs(100), &mut rng());
    assert_eq!(asked(&mut state), [], "it is not asked again");
}

#[test]
fn a_size_that_differs_from_the_announced_blames_nobody() {
    let module = module(3);
    let mut state = state(Config::default());
    (1..=2).for_each(|peer| state.handle_peer_up(START, id(peer), &mut rng()));
    let wrong_size = module.len() as u32 - 1;
    state
        .handle_want(START, ModuleHash::of(&module), wrong_size, &mut rng())
        .unwrap();
    let mut stalled = false;
    for _ in 0..4 {
        for event in events(&mut state) {
            match event {
                OutEvent::Send {
                    to,
                    message: Message::Fetch { part, .. },
                } => {
                    give(&mut state, START, to, answer(&module, part));
                }
                OutEvent::FetchStalled { .. } => stalled = true,
                OutEvent::Misbehaved { .. } | OutEvent::Fetched { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
    }
    assert!(stalled);
}

#[test]
fn a_fetch_that_nobody_can_serve_rests_longer_each_time_and_wakes_for_newcomers() {
    let module = module(2);
    let mut state = wanting(&module, 1, Config::default());
    let mut rests = Vec::new();
    let mut now = START;
    for _ in 0..7 {
        assert_eq!(asked(&mut state), [(id(1), Part::Manifest)]);
        let refused = Message::Refused {
            module: ModuleHash::of(&module),
            part: Part::Manifest,
            refusal: Refusal::NotHere,
        };
        give(&mut state, now, id(1), refused);
        let stalled = events(&mut state);
        assert!(
            matches!(stalled[..], [OutEvent::FetchStalled { .. }]),
            "{stalled:?}"
        );
        // The comparison of announcements comes in between.
        let start = now;
        while asked_again(&mut state, &mut now) {}
        rests.push((now - start).as_secs());
    }
    assert_eq!(rests, [2, 4, 8, 16, 32, 32, 32]);
    asked(&mut state);
    state.handle_peer_down(now, id(1), &mut rng());
    events(&mut state);
    state.handle_peer_up(now, id(2), &mut rng());
    assert_eq!(asked(&mut state), [(id(2), Part::Manifest)]);
}

/// Moves on to the next timer. Gives whether the fetch still rests.
fn asked_again(state: &mut State, now: &mut Duration) -> bool {
    *now = state.next_timeout().unwrap();
    state.handle_timeout(*now, &mut rng());
    let is_fetch = |event: &OutEvent| {
        matches!(
            event,
            OutEvent::Send {
                message: Message::Fetch { .. },
                ..
            }
        )
    };
    let events = events(state);
    let is_asked = events.iter().any(is_fetch);
    // Put back what the caller looks for.
    state.requeue(events.into_iter().filter(is_fetch));
    !is_asked
}

#[test]
fn only_so_many_are_fetched_at_once_and_the_rest_follow() {
    let config = Config {
        fetches_max: 2,
        ..Config::default()
    };
    let modules: Vec<Vec<u8>> = (0..5).map(|byte| vec![byte; 100]).collect();
    let mut state = state(config);
    state.handle_peer_up(START, id(1), &mut rng());
    events(&mut state);
    for module in &modules {
        let hash = ModuleHash::of(module);
        state.handle_want(START, hash, 100, &mut rng()).unwrap();
    }
    let mut fetched = 0;
    let mut open = 0;
    loop {
        let events = events(&mut state);
        if events.is_empty() {
            break;
        }
        for event in events {
            match event {
                OutEvent::Send {
                    message: Message::Fetch { module: hash, part },
                    ..
                } => {
                    open += usize::from(part == Part::Manifest);
                    assert!(open <= 2);
                    let of = modules.iter().find(|module| ModuleHash::of(module) == hash);
                    give(&mut state, START, id(1), answer(of.unwrap(), part));
                }
                OutEvent::Fetched { .. } => (fetched, open) = (fetched + 1, open - 1),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(fetched, 5);
}

/// Lost once: a fetch whose rest was over, with no turn free, had a timer in the past for ever.
#[test]
fn a_rest_that_ends_while_others_are_running_leaves_no_timer_behind() {
    let config = Config {
        fetches_max: 1,
        ..Config::default()
    };
    let (rare, large) = (module(1), module(9));
    let mut state = wanting(&rare, 1, config);
    asked(&mut state);
    let refused = Message::Refused {
        module: ModuleHash::of(&rare),
        part: Part::Manifest,
        refusal: Refusal::NotHere,
    };
    give(&mut state, START, id(1), refused);
    let size = large.len() as u32;
    state
        .handle_want(START, ModuleHash::of(&large), size, &mut rng())
        .unwrap();
    for half_seconds in 1..=9 {
        let now = START + Duration::from_millis(500 * half_seconds);
        state.handle_timeout(now, &mut rng());
        assert!(state.next_timeout().unwrap() > now);
    }
}

#[test]
fn what_is_unwanted_is_not_asked_for() {
    let module = module(3);
    let mut state = wanting(&module, 1, Config::default());
    asked(&mut state);
    state.handle_unwant(START, ModuleHash::of(&module), &mut rng());
    give(&mut state, START, id(1), answer(&module, Part::Manifest));
    assert_eq!(asked(&mut state), []);
}

#[test]
fn the_publisher_is_asked_first() {
    let module = module(2);
    for publisher in 1..=4 {
        let mut state = state(Config::default());
        let announcement = super::tests::signed("counter", &module, publisher, 7);
        state
            .on_broadcast(WALL_MS, announcement.as_bytes())
            .unwrap();
        (1..=4).for_each(|peer| state.handle_peer_up(START, id(peer), &mut rng()));
        let size = module.len() as u32;
        state
            .handle_want(START, ModuleHash::of(&module), size, &mut rng())
            .unwrap();
        assert_eq!(asked(&mut state), [(id(publisher), Part::Manifest)]);
    }
}

#[test]
fn serving_is_bounded_by_peer_and_in_all_and_peers_are_told() {
    let config = Config {
        serves_per_peer_max: 2,
        serves_max: 3,
        ..Config::default()
    };
    let mut state = state(config);
    let hash = ModuleHash::from_bytes([9; 32]);
    let mut ask = |peer, index| {
        let part = Part::Chunk(index);
        let fetch = Message::Fetch { module: hash, part };
        state
            .on_message(START, WALL_MS, id(peer), fetch, &mut rng())
            .unwrap();
        let events = events(&mut state);
        match &events[..] {
            [OutEvent::Serve { .. }] => "read",
            [
                OutEvent::Send {
                    message:
                        Message::Refused {
                            refusal: Refusal::Busy,
                            ..
                        },
                    ..
                },
            ] => "busy",
            [] => "nothing",
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        (ask(1, 0), ask(1, 0), ask(1, 1), ask(1, 2)),
        ("read", "nothing", "read", "busy")
    );
    assert_eq!((ask(2, 0), ask(2, 1), ask(3, 0)), ("read", "busy", "busy"));
    state.handle_served_chunk(id(1), hash, 0, Some(vec![1]));
    state.handle_served_chunk(id(1), hash, 7, Some(vec![1]));
    let sent = events(&mut state);
    assert!(matches!(
        sent[..],
        [OutEvent::Send {
            message: Message::Chunk { index: 0, .. },
            ..
        }]
    ));
    state.handle_served_chunk(id(1), hash, 1, None);
    let sent = events(&mut state);
    let is_refused = |event: &OutEvent| {
        matches!(
            event,
            OutEvent::Send {
                message: Message::Refused {
                    refusal: Refusal::NotHere,
                    ..
                },
                ..
            }
        )
    };
    assert!(sent.len() == 1 && is_refused(&sent[0]));
    state.handle_peer_down(START, id(2), &mut rng());
    state.handle_served_chunk(id(2), hash, 0, Some(vec![1]));
    assert_eq!(events(&mut state), [], "nobody waits for it");
}
