//! Floods, forgeries and liars.

use std::collections::BTreeSet;
use std::time::Duration;

use super::tests::{
    DAY_MS, LIFE_MS, Mesh, PEER, START, WALL, bundle, config, equivocation, events, identity, kind,
    price, revocation, rng, signed, state,
};
use super::*;
use crate::identity::Signature;
use crate::scores::Excess;

fn refused(state: &State, why: Refusal) -> u64 {
    state.counts().refused.get(&why).copied().unwrap_or(0)
}

#[test]
fn forged_damaged_and_endless_facts_are_the_fault_of_who_sent_them() {
    let mut state = state(config());
    let fact = price(2, "7", 0);
    let mut forged = fact.as_bytes().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let issuer = identity(2).id();
    let error = state.on_broadcast(PEER, &forged, WALL).unwrap_err();
    assert_eq!(error, FactError::Signature { issuer });
    for bytes in [&b""[..], b"nonsense", &vec![0; SIGNED_BYTES_MAX + 1]] {
        let error = state.on_broadcast(PEER, bytes, WALL).unwrap_err();
        assert!(matches!(error, FactError::Malformed { .. }), "{error}");
    }
    let mut trailing = fact.as_bytes().to_vec();
    trailing.push(0);
    assert!(state.on_broadcast(PEER, &trailing, WALL).is_err());
    let mut another = price(2, "8", 0).as_bytes().to_vec();
    another[last] ^= 1;
    let items = vec![fact.as_bytes().to_vec(), another];
    let message = Message::Facts { items };
    let sent = state.on_message(START, WALL, identity(9).id(), message, &mut rng());
    assert!(matches!(sent, Err(MessageError::Fact(_))));
    assert_eq!(state.len(), 1, "what stood before the fault was taken");
}

#[test]
fn nobody_signs_for_another() {
    let fact = price(2, "7", 0).fact().clone();
    assert!(SignedFact::sign(fact, &identity(3)).is_err());
}

#[test]
fn times_and_bodies_out_of_range_are_refused_when_signing_and_when_reading() {
    let good = price(2, "7", 0).fact().clone();
    let with = |change: fn(&mut Fact)| {
        let mut fact = good.clone();
        change(&mut fact);
        SignedFact::sign(fact, &identity(2))
    };
    assert!(with(|_| {}).is_ok());
    assert!(with(|fact| fact.ttl_ms = 0).is_err());
    assert!(with(|fact| fact.ttl_ms = u64::MAX).is_err());
    assert!(with(|fact| fact.issued_at_ms = 1 << 48).is_err());
    assert!(with(|fact| fact.body = vec![0; BODY_BYTES_MAX]).is_ok());
    assert!(with(|fact| fact.body = vec![0; BODY_BYTES_MAX + 1]).is_err());
    // A kind whose name is kept for later versions.
    assert!(with(|fact| fact.kind = kind("key-revocation")).is_err());
}

#[test]
fn a_revocation_that_expires_too_early_is_not_one() {
    let body = Statement::revocation_body(identity(3).id(), "").unwrap();
    let fact = Fact {
        kind: kind(NODE_REVOCATION),
        body,
        issuer: identity(1).id(),
        issued_at_ms: WALL,
        ttl_ms: LIFE_MS - 1,
    };
    assert!(SignedFact::sign(fact, &identity(1)).is_err());
    assert!(Statement::revocation_body(identity(3).id(), &"x".repeat(257)).is_err());
    assert!(Statement::revocation_body(identity(3).id(), "a\u{7}").is_err());
}

#[test]
fn unauthorised_facts_are_neither_kept_nor_passed_on_nor_held_against_who_passes_them_on() {
    let mut config = config();
    let listed = KindRule {
        issuers: Issuers::Listed([identity(2).id()].into()),
        body_bytes_max: 3,
        ttl_max: Duration::from_millis(DAY_MS),
    };
    config.kinds.insert(kind("notice"), listed);
    let mut state = state(config);
    let fact = |of, kind, body: &[u8], ttl| signed(of, kind, body, WALL, ttl);
    for (fact, expected) in [
        (revocation(2, 3), Refusal::Unauthorised),
        (fact(3, "notice", b"abc", DAY_MS), Refusal::Unauthorised),
        (fact(2, "notice", b"abcd", DAY_MS), Refusal::BodyLength),
        (fact(2, "notice", b"abc", DAY_MS + 1), Refusal::Ttl),
        (fact(2, "weather", b"abc", DAY_MS), Refusal::UnknownKind),
    ] {
        let before = refused(&state, expected);
        assert_eq!(state.on_broadcast(PEER, fact.as_bytes(), WALL), Ok(false));
        assert_eq!(refused(&state, expected), before + 1);
        assert_eq!(state.handle_publish(fact, WALL), Err(expected));
    }
    let is_refusal = |event: &OutEvent| matches!(event, OutEvent::Refused { .. });
    assert!(state.is_empty() && events(&mut state).iter().all(is_refusal));
    assert!(state.take_offences().is_empty());
    // Their issuer needs nobody to pass them on.
    let (own, issuer) = (fact(3, "weather", b"abc", DAY_MS), identity(3).id());
    assert_eq!(state.on_broadcast(issuer, own.as_bytes(), WALL), Ok(false));
    assert_eq!(
        state.take_offences(),
        [(issuer, Excess { count: 1 })].into()
    );
    let notice = fact(2, "notice", b"abc", DAY_MS);
    assert_eq!(state.on_broadcast(PEER, notice.as_bytes(), WALL), Ok(true));
}

#[test]
fn a_flood_drowns_the_one_who_makes_it() {
    let config = Config {
        facts_max: 100,
        ..config()
    };
    let mut state = state(config);
    for number in 0..10 {
        state
            .on_broadcast(PEER, price(3, &number.to_string(), number).as_bytes(), WALL)
            .unwrap();
    }
    let issuer = identity(2).id();
    for number in 0..500 {
        let flood = price(2, &format!("{number:03}"), 500 - number);
        state.on_broadcast(issuer, flood.as_bytes(), WALL).unwrap();
    }
    let excess = Excess { count: 410 };
    assert_eq!(state.take_offences(), [(issuer, excess)].into());
    assert_eq!(state.len(), 100);
    let of = |number| {
        state
            .facts()
            .filter(move |it| it.fact().issuer == identity(number).id())
    };
    assert_eq!((of(3).count(), of(2).count()), (10, 90));
    let oldest = of(2).map(|it| it.fact().issued_at_ms).min();
    assert_eq!(oldest, Some(WALL - 90), "the newest stay");
    assert_eq!(state.counts().displaced_count, 410);
    // What would have to go at once is refused.
    assert_eq!(
        state.on_broadcast(PEER, price(2, "old", 1_000).as_bytes(), WALL),
        Ok(false)
    );
    assert_eq!(refused(&state, Refusal::Full), 1);
    assert_eq!(state.len(), 100);
}

#[test]
fn what_is_kept_of_a_flood_does_not_depend_on_the_order() {
    let config = Config {
        facts_max: 66,
        per_issuer_max: 30,
        ..config()
    };
    let facts: Vec<SignedFact> = (0..120)
        .map(|number| price(2 + (number % 3) as u8, &number.to_string(), number))
        .collect();
    let kept = |order: &mut dyn Iterator<Item = &SignedFact>| {
        let mut state = state(config.clone());
        for fact in order {
            state.on_broadcast(PEER, fact.as_bytes(), WALL).unwrap();
        }
        state.facts().map(|fact| fact.id()).collect::<BTreeSet<_>>()
    };
    let forwards = kept(&mut facts.iter());
    assert_eq!(forwards.len(), 66);
    assert_eq!(kept(&mut facts.iter().rev()), forwards);
}

#[test]
fn bytes_and_facts_of_one_issuer_have_bounds_of_their_own() {
    let bytes_max = 20_000;
    let mut few = state(Config {
        per_issuer_max: 5,
        ..config()
    });
    let mut small = state(Config {
        bytes_max,
        ..config()
    });
    for number in 0..40 {
        let fact = price(2, &format!("{number} {}", "x".repeat(1_000)), number);
        few.on_broadcast(PEER, fact.as_bytes(), WALL).unwrap();
        small.on_broadcast(PEER, fact.as_bytes(), WALL).unwrap();
    }
    assert_eq!(few.len(), 5);
    assert!(small.len() > 5 && small.len() < 40);
    let bytes: usize = small.facts().map(|fact| fact.as_bytes().len()).sum();
    assert!(bytes <= bytes_max, "{bytes}");
}

#[test]
fn revocations_by_an_authority_are_never_pushed_out() {
    let mut state = state(Config {
        revocations_max: 3,
        others_max: 5,
        ..config()
    });
    for node in 10..13 {
        assert_eq!(
            state.on_broadcast(PEER, revocation(1, node).as_bytes(), WALL),
            Ok(true)
        );
    }
    // Anybody can make keys and have them revoke themselves.
    for node in 100..130 {
        state
            .on_broadcast(PEER, revocation(node, node).as_bytes(), WALL)
            .unwrap();
    }
    assert_eq!(state.len(), 3 + 5);
    assert!((10..13).all(|node| state.is_revoked(&identity(node).id())));
    assert_eq!(
        state.handle_publish(revocation(1, 13), WALL),
        Err(Refusal::Full)
    );
}

#[test]
fn proofs_are_the_load_of_whom_they_are_about() {
    let mut state = state(config());
    for number in 0..20_u8 {
        let proof = equivocation(2 + number % 4, 9, &[number; 9]);
        state.on_broadcast(PEER, proof.as_bytes(), WALL).unwrap();
    }
    assert_eq!(state.len(), 4);
}

#[test]
fn a_proof_with_a_forged_bundle_closes_the_session() {
    let mut state = state(config());
    let body = equivocation(2, 3, b"two").fact().body.clone();
    // The signature of the second bundle stands at the end.
    let mut forged = body.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let with = |body: &[u8]| {
        let fact = Fact {
            kind: kind(EQUIVOCATION),
            body: body.to_vec(),
            issuer: identity(2).id(),
            issued_at_ms: WALL,
            ttl_ms: DAY_MS,
        };
        SignedFact::sign(fact, &identity(2))
    };
    assert!(with(&body).is_ok());
    assert!(matches!(with(&forged), Err(FactError::Proof { .. })));
    assert!(with(b"no proof").is_err());
    // Made by somebody who does not check.
    let sound = with(&body).unwrap();
    let raw = sound.as_bytes();
    let at = raw
        .windows(body.len())
        .position(|part| part == &body[..])
        .unwrap();
    let signed_body_end = raw.len() - 66;
    let mut bytes = raw[..signed_body_end].to_vec();
    bytes[at..at + body.len()].copy_from_slice(&forged);
    // Behind the header of the array and that of the body.
    let start = 4;
    let signature = identity(2).sign("replicant 2026-11 fact", &bytes[start..]);
    bytes.extend([0x58, 64]);
    bytes.extend(Signature::as_bytes(&signature));
    let error = state.on_broadcast(PEER, &bytes, WALL).unwrap_err();
    assert!(matches!(error, FactError::Proof { .. }), "{error}");
    let two_places = bundle(3, 6, b"x").head();
    assert!(Statement::equivocation_body(&two_places, &bundle(3, 5, b"x").head()).is_none());
}

#[test]
fn nodes_that_declare_kinds_differently_compare_within_bounds() {
    let mut mesh = Mesh::new(2);
    mesh.states[1] = state(Config {
        kinds: Default::default(),
        ..config()
    });
    for number in 0..3_000 {
        let fact = price(1, &number.to_string(), number);
        mesh.states[0].handle_publish(fact, WALL).unwrap();
    }
    mesh.states[1]
        .handle_publish(revocation(2, 2), WALL)
        .unwrap();
    mesh.states.iter_mut().for_each(|state| drop(events(state)));
    mesh.connect();
    mesh.pass(30);
    assert_eq!(mesh.states[1].len(), 1);
    assert_eq!(mesh.states[0].len(), 3_001, "the other direction goes on");
    let pushed = mesh.states[0].counts().reconciliation.pushed_count;
    assert!(pushed <= 3_000 * 8, "{pushed}: once for each comparison");
}
