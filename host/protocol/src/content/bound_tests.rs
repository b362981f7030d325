//! What is remembered of peers has an end.

use super::fetch::LIARS_MAX;
use super::fetch_tests::{asked, give, module, wanting};
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
