//! Facts, one transition at a time and between a few nodes.

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::bundle::{Body, BodyObject, BodyOp, Format, SignedBundle};
use crate::clock::Hlc;
use crate::identity::NodeIdentity;
use crate::ids::{ClusterId, Counter, FactKind, Generation, LineageId, SnapshotRef, TopicName};

pub(super) const START: Duration = Duration::from_secs(100);
pub(super) const WALL: u64 = 1_800_000_000_000;
/// From whom broadcasts come.
pub(super) const PEER: NodeId = NodeId::from_bytes([200; 32]);
pub(super) const DAY_MS: u64 = 24 * 3_600 * 1_000;
pub(super) const LIFE_MS: u64 = CERTIFICATE_LIFE_MAX.as_secs() * 1_000;

pub(super) fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(5)
}

pub(super) fn identity(number: u8) -> NodeIdentity {
    NodeIdentity::from_secret(&[number; 32])
}

pub(super) fn kind(name: &str) -> FactKind {
    name.parse().unwrap()
}

pub(super) fn signed(of: u8, kind_name: &str, body: &[u8], at: u64, ttl_ms: u64) -> SignedFact {
    let fact = Fact {
        kind: kind(kind_name),
        body: body.to_vec(),
        issuer: identity(of).id(),
        issued_at_ms: at,
        ttl_ms,
    };
    SignedFact::sign(fact, &identity(of)).unwrap()
}

/// A price, by node `of`, issued `age` milliseconds ago.
pub(super) fn price(of: u8, body: &str, age: u64) -> SignedFact {
    signed(of, "price", body.as_bytes(), WALL - age, DAY_MS)
}

pub(super) fn revocation(of: u8, node: u8) -> SignedFact {
    let body = Statement::revocation_body(identity(node).id(), "stolen").unwrap();
    signed(of, NODE_REVOCATION, &body, WALL, LIFE_MS)
}

/// Everybody may tell prices; node 1 is an authority.
pub(super) fn config() -> Config {
    Config {
        authorities: [identity(1).id()].into(),
        kinds: [(kind("price"), KindRule::default())].into(),
        ..Config::default()
    }
}

pub(super) fn state(config: Config) -> State {
    State::new(config, START, &mut rng())
}

pub(super) fn events(state: &mut State) -> Vec<OutEvent> {
    std::iter::from_fn(|| state.poll_event()).collect()
}

pub(super) fn bundle(of: u8, first: u64, op: &[u8]) -> SignedBundle {
    let topic: TopicName = "shop/eu".parse().unwrap();
    let object = BodyObject {
        type_name: "g-counter".parse().unwrap(),
        id: "visits".parse().unwrap(),
        schema: 0,
    };
    let body = Body {
        format: Format,
        lineage: LineageId::first(&ClusterId::from_bytes([3; 32]), &topic),
        topic,
        author: identity(of).id(),
        generation: Generation::new(0),
        first: Counter::new(first),
        reference: SnapshotRef::START,
        dependencies: Vec::new(),
        previous: if first == 1 {
            Hash::ZERO
        } else {
            Hash::of(b"previous")
        },
        hlc: Hlc::at_millisecond(WALL),
        objects: vec![object],
        ops: vec![BodyOp {
            object_index: 0,
            bytes: op.to_vec(),
        }],
    };
    SignedBundle::sign(&identity(of), body).unwrap()
}

/// A proof by node `by` that node `of` wrote two histories.
pub(super) fn equivocation(by: u8, of: u8, op: &[u8]) -> SignedFact {
    let (one, other) = (bundle(of, 5, b"one"), bundle(of, 5, op));
    let body = Statement::equivocation_body(&one.head(), &other.head()).unwrap();
    signed(by, EQUIVOCATION, &body, WALL, DAY_MS)
}

#[test]
fn a_fact_is_read_back_and_verified() {
    for fact in [
        price(2, "7", 0),
        revocation(1, 3),
        equivocation(2, 3, b"two"),
    ] {
        let read = SignedFact::decode(fact.as_bytes()).unwrap();
        assert_eq!((read.verify(), &read), (Ok(()), &fact));
    }
    assert_eq!(
        revocation(1, 3).statement().subject(),
        Some(identity(3).id())
    );
}

#[test]
fn what_is_published_is_kept_and_told_to_everyone_once() {
    let mut state = state(config());
    let fact = price(2, "7", 0);
    assert_eq!(state.handle_publish(fact.clone(), WALL), Ok(true));
    let told = events(&mut state);
    assert!(
        matches!(&told[..], [OutEvent::Learned(_), OutEvent::Broadcast(bytes)]
            if bytes == fact.as_bytes()),
        "{told:?}"
    );
    assert_eq!(state.handle_publish(fact.clone(), WALL), Ok(false));
    assert_eq!(state.on_broadcast(PEER, fact.as_bytes(), WALL), Ok(false));
    assert!(events(&mut state).is_empty());
    assert!(state.get(&fact.id()).is_some());
    assert_eq!(state.counts().duplicate_count, 1);
}

#[test]
fn a_fact_that_comes_by_broadcast_is_passed_on_once() {
    let mut state = state(config());
    let fact = price(2, "7", 0);
    assert_eq!(state.on_broadcast(PEER, fact.as_bytes(), WALL), Ok(true));
    assert!(matches!(&events(&mut state)[..], [OutEvent::Learned(_)]));
    assert_eq!(state.on_broadcast(PEER, fact.as_bytes(), WALL), Ok(false));
}

#[test]
fn a_fact_expires_at_its_time_and_does_not_come_back() {
    let mut state = state(config());
    let fact = price(2, "7", 0);
    state.on_broadcast(PEER, fact.as_bytes(), WALL).unwrap();
    events(&mut state);
    let mut now = START;
    for (wall, is_there) in [(WALL + DAY_MS - 1, true), (WALL + DAY_MS, false)] {
        now += Duration::from_secs(5);
        assert!(state.next_timeout().is_some_and(|at| at <= now));
        state.handle_timeout(now, wall, &mut rng());
        assert_eq!(state.get(&fact.id()).is_some(), is_there);
    }
    let (id, end) = (fact.id(), End::Expired);
    assert_eq!(events(&mut state), [OutEvent::Forgotten { id, end }]);
    assert_eq!(
        state.on_broadcast(PEER, fact.as_bytes(), WALL + DAY_MS),
        Ok(false)
    );
    assert_eq!(state.counts().refused[&Refusal::Expired], 1);
    assert_eq!(state.next_timeout(), None);
}

#[test]
fn a_clock_that_is_ahead_only_delays() {
    let mut state = state(config());
    let fact = signed(2, "price", b"7", WALL + 60_001, DAY_MS);
    assert_eq!(state.on_broadcast(PEER, fact.as_bytes(), WALL), Ok(false));
    assert_eq!(state.counts().refused[&Refusal::Ahead], 1);
    assert_eq!(
        state.on_broadcast(PEER, fact.as_bytes(), WALL + 1),
        Ok(true)
    );
}

#[test]
fn a_revocation_says_who_is_out_until_the_last_one_expires() {
    let mut state = state(config());
    let node = identity(3).id();
    assert_eq!(
        state.on_broadcast(PEER, revocation(1, 3).as_bytes(), WALL),
        Ok(true)
    );
    assert!(state.is_revoked(&node) && !state.is_revoked(&identity(1).id()));
    assert!(events(&mut state).contains(&OutEvent::Revoked(node)));
    // A second one, of the node itself, for a day longer.
    let body = Statement::revocation_body(node, "").unwrap();
    let second = signed(3, NODE_REVOCATION, &body, WALL, LIFE_MS + DAY_MS);
    assert_eq!(state.on_broadcast(PEER, second.as_bytes(), WALL), Ok(true));
    assert!(!events(&mut state).contains(&OutEvent::Revoked(node)));
    let mut later = START;
    for (wall, is_out) in [(WALL + LIFE_MS, true), (WALL + LIFE_MS + DAY_MS, false)] {
        later += Duration::from_secs(5);
        state.handle_timeout(later, wall, &mut rng());
        assert_eq!(state.is_revoked(&node), is_out);
    }
    assert!(events(&mut state).contains(&OutEvent::Reinstated(node)));
}

#[test]
fn publishers_are_revoked_by_authorities_and_by_themselves() {
    let mut state = state(config());
    let publisher = identity(4).id();
    let body = Statement::revocation_body(publisher, "sold").unwrap();
    let by = |of| signed(of, PUBLISHER_REVOCATION, &body, WALL, LIFE_MS);
    assert_eq!(state.on_broadcast(PEER, by(2).as_bytes(), WALL), Ok(false));
    assert!(!state.is_publisher_revoked(&publisher));
    for of in [1, 4] {
        assert_eq!(state.on_broadcast(PEER, by(of).as_bytes(), WALL), Ok(true));
    }
    assert!(state.is_publisher_revoked(&publisher) && !state.is_revoked(&publisher));
}

#[test]
fn what_is_restored_needs_no_telling_and_what_is_over_is_forgotten() {
    let mut state = state(config());
    let (old, kept) = (price(2, "old", DAY_MS - 5), price(2, "kept", 0));
    let foreign = signed(2, "weather", b"rain", WALL, DAY_MS);
    for fact in [&old, &kept, &foreign, &revocation(1, 3)] {
        state.restore(fact.as_bytes(), WALL + 10).unwrap();
    }
    let forgotten = |fact: &SignedFact, end| {
        let id = fact.id();
        OutEvent::Forgotten { id, end }
    };
    let expected = [
        forgotten(&old, End::Expired),
        forgotten(&foreign, End::Refused),
        OutEvent::Revoked(identity(3).id()),
    ];
    assert_eq!(events(&mut state), expected);
    assert_eq!(state.len(), 2);
    // A clock that was set back does not lose what was accepted before.
    assert!(
        state
            .restore(price(2, "x", 0).as_bytes(), WALL - DAY_MS)
            .is_ok()
    );
    assert_eq!(state.len(), 3);
}

#[test]
fn a_proof_of_two_histories_holds_and_of_one_does_not() {
    let mut state = state(config());
    let proof = equivocation(2, 3, b"two");
    assert_eq!(state.on_broadcast(PEER, proof.as_bytes(), WALL), Ok(true));
    let Statement::Equivocation(found) = proof.statement() else {
        panic!("not a proof");
    };
    assert_eq!(found.place.author, identity(3).id());
    assert_eq!(found.place.first, Counter::new(5));
    // The same bundle, another place, another author: no proof can be made.
    let heads =
        |a: &SignedBundle, b: &SignedBundle| Statement::equivocation_body(&a.head(), &b.head());
    let one = bundle(3, 5, b"one");
    assert_eq!(heads(&one, &one), None);
    assert_eq!(heads(&one, &bundle(3, 6, b"one")), None);
    assert_eq!(heads(&one, &bundle(4, 5, b"two")), None);
    let large = bundle(3, 5, &vec![1; 1 << 20]);
    assert!(heads(&one, &large).is_some_and(|body| body.len() < 4_096));
}

/// Nodes with sessions among all of them; messages arrive at once.
pub(super) struct Mesh {
    pub(super) states: Vec<State>,
    pub(super) now: Duration,
    rng: ChaCha8Rng,
}

impl Mesh {
    pub(super) fn new(count: u8) -> Self {
        let states = (0..count).map(|_| state(config())).collect();
        let (now, rng) = (START, rng());
        Self { states, now, rng }
    }

    fn id(number: usize) -> NodeId {
        identity(number as u8 + 1).id()
    }

    pub(super) fn connect(&mut self) {
        for node in 0..self.states.len() {
            for other in (0..self.states.len()).filter(|other| *other != node) {
                let peer = Self::id(other);
                self.states[node].handle_peer_up(self.now, peer, &mut self.rng);
            }
        }
        self.settle();
    }

    pub(super) fn settle(&mut self) {
        let mut queue = VecDeque::new();
        loop {
            for (node, state) in self.states.iter_mut().enumerate() {
                queue.extend(events(state).into_iter().map(|event| (node, event)));
            }
            let Some((from, event)) = queue.pop_front() else {
                return;
            };
            if let OutEvent::Send { to, message } = event {
                let bytes = message.to_bytes();
                let message = Message::from_bytes(&bytes).unwrap();
                let to = (0..self.states.len())
                    .find(|it| Self::id(*it) == to)
                    .unwrap();
                self.states[to]
                    .on_message(self.now, WALL, Self::id(from), message, &mut self.rng)
                    .unwrap();
            }
        }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            for state in &mut self.states {
                state.handle_timeout(self.now, WALL, &mut self.rng);
            }
            self.settle();
        }
    }
}

#[test]
fn facts_that_no_broadcast_carried_are_found_by_comparing() {
    let mut mesh = Mesh::new(4);
    for node in 0..4_u8 {
        for number in 0..50 {
            let fact = price(node + 1, &format!("{number}"), number);
            mesh.states[usize::from(node)]
                .handle_publish(fact, WALL)
                .unwrap();
        }
    }
    mesh.states.iter_mut().for_each(|state| drop(events(state)));
    mesh.connect();
    mesh.pass(60);
    let roots = mesh.states.iter().map(State::root);
    assert_eq!(std::collections::BTreeSet::from_iter(roots).len(), 1);
    assert!(mesh.states.iter().all(|state| state.len() == 200));
}

/// All of them were sent again at every comparison, and nothing said so.
#[test]
fn what_only_this_node_refuses_comes_once_and_is_said_once() {
    let mut mesh = Mesh::new(2);
    let kinds = std::collections::BTreeMap::new();
    mesh.states[1] = state(Config { kinds, ..config() });
    for number in 0..50 {
        let fact = price(1, &format!("{number}"), number);
        mesh.states[0].handle_publish(fact, WALL).unwrap();
    }
    drop(events(&mut mesh.states[0]));
    mesh.connect();
    mesh.pass(60);
    let [tells, refuses] = &mesh.states[..] else {
        panic!("two nodes");
    };
    let (told, refused) = (tells.counts().reconciliation, refuses.counts());
    assert_eq!(told.pushed_count, 50, "{told:?}");
    assert_eq!(refused.refused, [(Refusal::UnknownKind, 50)].into());
    assert_eq!((refuses.len(), refuses.root()), (0, tells.root()));
    assert!(told.compared_count + refused.reconciliation.compared_count > 5);
    assert_eq!(
        told.unserved_count + refused.reconciliation.unserved_count,
        0
    );
}

#[test]
fn that_a_peer_takes_what_is_refused_here_is_said_once_for_each_kind() {
    let mut state = state(config());
    let of = |name: &str, number: u64| signed(2, name, b"7", WALL - number, DAY_MS);
    for number in 0..3 {
        for name in ["unknown", "strange"] {
            let fact = of(name, number);
            let taken = state.on_broadcast(PEER, fact.as_bytes(), WALL);
            assert_eq!(taken, Ok(false));
        }
    }
    let refused = |name: &str, from| OutEvent::Refused {
        from,
        kind: kind(name),
        refusal: Refusal::UnknownKind,
    };
    let said = [refused("unknown", PEER), refused("strange", PEER)];
    assert_eq!(events(&mut state), said);
    let other = identity(9).id();
    let taken = state.on_broadcast(other, of("unknown", 9).as_bytes(), WALL);
    assert_eq!(taken, Ok(false));
    assert_eq!(events(&mut state), [refused("unknown", other)]);
}

#[test]
fn what_is_remembered_as_refused_is_forgotten_when_it_expires_and_is_no_fact_of_this_node() {
    let mut state = state(config());
    let fact = signed(2, "unknown", b"7", WALL, DAY_MS);
    state.on_broadcast(PEER, fact.as_bytes(), WALL).unwrap();
    drop(events(&mut state));
    let later = START + Duration::from_secs(5);
    assert!(state.next_timeout().is_some_and(|at| at <= later));
    state.handle_timeout(later, WALL + DAY_MS, &mut rng());
    assert!(events(&mut state).is_empty());
    assert_eq!(
        (state.next_timeout(), state.counts().expired_count),
        (None, 0)
    );
}
