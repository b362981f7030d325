//! What is remembered of peers has an end.

use super::fetch::LIARS_MAX;
use super::fetch_tests::{asked, give, module, serve_all, wanting};
use super::tests::{START, rng};
use super::*;
use crate::ids::Hash;

#[test]
fn liars_are_remembered_up_to_a_bound() {
    let module = module(2);
    let mut state = wanting(&module, 0, Config::default());
    let forged = Message::Manifest {
        module: ModuleHash::of(&module),
        manifest: Manifest::of(&vec![1; module.len()]).unwrap(),
    };
    let liar = |number: usize| NodeId::from_bytes(*Hash::of(&number.to_le_bytes()).as_bytes());
    let mut lies = |number| {
        state.handle_peer_up(START, liar(number), &mut rng());
        let is_asked = !asked(&mut state).is_empty();
        give(&mut state, START, liar(number), forged.clone());
        state.handle_peer_down(START, liar(number), &mut rng());
        asked(&mut state);
        is_asked
    };
    assert!(lies(0) && !lies(0));
    assert!((1..=LIARS_MAX).all(&mut lies));
    let asked_again = (0..=LIARS_MAX).filter(|number| lies(*number)).count();
    assert!(asked_again > 0 && asked_again <= LIARS_MAX);
}

#[test]
fn modules_beyond_the_bytes_that_are_kept_are_not_fetched() {
    let first = module(2);
    let size = first.len() as u32;
    let config = Config {
        fetched_bytes_max: u64::from(size) + 10,
        ..Config::default()
    };
    let mut state = wanting(&first, 1, config);
    let want = |state: &mut State, n: u8, size| {
        let module = ModuleHash::from_bytes([n; 32]);
        state.handle_want(START, module, size, &mut rng())
    };
    let refused = want(&mut state, 1, 11);
    assert!(
        matches!(refused, Err(ContentError::Full { .. })),
        "{refused:?}"
    );
    assert_eq!(
        serve_all(&mut state, START, &first, &[]),
        Some(first.clone())
    );
    // What has come stays counted, once.
    state
        .handle_want(START, ModuleHash::of(&first), size, &mut rng())
        .unwrap();
    assert!(want(&mut state, 1, 11).is_err());
    want(&mut state, 1, 10).unwrap();
    assert!(want(&mut state, 2, 1).is_err());
    // What is wanted no more gives its room back.
    state.handle_unwant(START, ModuleHash::from_bytes([1; 32]), &mut rng());
    want(&mut state, 2, 1).unwrap();
}
