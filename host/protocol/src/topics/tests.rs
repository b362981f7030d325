//! Audiences, links, publications; a small world of nodes that all know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::identity::NodeIdentity;

pub(super) const NOW: Duration = Duration::from_secs(100);

pub(super) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(super) fn node(number: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    NodeId::from_bytes(bytes)
}

pub(super) fn identity(number: u8) -> NodeIdentity {
    NodeIdentity::from_secret(&[number; 32])
}

pub(super) fn events(state: &mut State) -> Vec<OutEvent> {
    std::iter::from_fn(|| state.poll_event()).collect()
}

/// The state of one node among `count` that all subscribe to `path`.
pub(super) fn among(own: u32, count: u32, path: &str, config: Config) -> State {
    let mut state = State::new(config, node(own), 1);
    for other in 0..count {
        state.handle_member(node(other), &[topic(path)]);
    }
    state.handle_subscribe(&topic(path)).unwrap();
    events(&mut state);
    state
}

/// Opens a topic's overlay for this node itself.
fn open(state: &mut State, own: u32, name: &str) -> Option<TopicName> {
    state.open(NOW, &topic(name), node(own)).ok()
}

fn links(state: &mut State) -> BTreeSet<NodeId> {
    let mut links = BTreeSet::new();
    for event in events(state) {
        match event {
            OutEvent::NeighbourUp { peer, .. } => assert!(links.insert(peer)),
            OutEvent::NeighbourDown { peer, .. } => assert!(links.remove(&peer)),
            OutEvent::Subscribed(_) | OutEvent::Closed(_) => {}
        }
    }
    links
}

#[test]
fn subscribers_of_every_path_above_hear_and_nobody_else() {
    let mut state = State::new(Config::default(), node(0), 1);
    for (other, path) in [
        (1, "shop"),
        (2, "shop/eu"),
        (3, "shop/eu/carts"),
        (4, "shop/us"),
    ] {
        state.handle_member(node(other), &[topic(path)]);
    }
    let audience = |name: &str| state.audience(&topic(name)).into_iter().collect::<Vec<_>>();
    assert_eq!(audience("shop/eu/carts"), [node(1), node(2), node(3)]);
    assert_eq!(audience("shop/eu"), [node(1), node(2)]);
    assert_eq!(audience("shops"), []);
    assert!(!state.hears(&topic("shop/eu")));
}

#[test]
fn a_member_that_is_gone_hears_nothing() {
    let mut state = State::new(Config::default(), node(0), 1);
    state.handle_member(node(1), &[topic("a"), topic("b")]);
    state.handle_member(node(1), &[topic("b")]);
    assert_eq!(state.topics().collect::<Vec<_>>(), [(&topic("b"), 1)]);
    state.handle_member_gone(node(1));
    assert_eq!(state.topics().count(), 0);
}

#[test]
fn a_change_of_subscriptions_is_told_to_the_members() {
    let mut state = State::new(Config::default(), node(0), 1);
    assert_eq!(state.handle_subscribe(&topic("a")), Ok(true));
    assert_eq!(state.handle_subscribe(&topic("a")), Ok(false));
    assert!(state.handle_unsubscribe(&topic("a")));
    assert!(!state.handle_unsubscribe(&topic("a")));
    let told = events(&mut state);
    let expected = [vec![topic("a")], vec![]].map(OutEvent::Subscribed);
    assert_eq!(told, expected);
}

#[test]
fn links_are_the_same_from_both_ends_and_connect_everybody() {
    const COUNT: u32 = 200;
    let path = "shop/eu/carts";
    let mut all = BTreeMap::new();
    for own in 0..COUNT {
        let mut state = among(own, COUNT, "shop", Config::default());
        assert_eq!(open(&mut state, own, path), Some(topic("shop")));
        all.insert(node(own), links(&mut state));
    }
    for (own, peers) in &all {
        assert!(
            peers.len() <= 8 && peers.len() >= 4,
            "{} links",
            peers.len()
        );
        assert!(peers.iter().all(|peer| all[peer].contains(own)));
    }
    let (mut reached, mut edge) = (BTreeSet::from([node(0)]), vec![node(0)]);
    let mut hops_count = 0;
    while reached.len() < COUNT as usize {
        let next = edge.iter().flat_map(|near| all[near].iter().copied());
        edge = next.filter(|peer| reached.insert(*peer)).collect();
        assert!(
            !edge.is_empty(),
            "{} of {COUNT} are connected",
            reached.len()
        );
        hops_count += 1;
    }
    assert!(hops_count <= 5, "{hops_count} hops");
}

#[test]
fn two_in_an_audience_are_linked_once_and_one_alone_is_not_linked() {
    let mut alone = among(0, 1, "a", Config::default());
    open(&mut alone, 0, "a");
    assert!(links(&mut alone).is_empty());
    let mut two = among(0, 2, "a", Config::default());
    open(&mut two, 0, "a");
    assert_eq!(links(&mut two), BTreeSet::from([node(1)]));
}

#[test]
fn open_links_follow_the_audience() {
    let mut state = among(0, 2, "a", Config::default());
    open(&mut state, 0, "a/b");
    events(&mut state);
    state.handle_member(node(7), &[topic("a")]);
    let (topic_a, peer) = (topic("a"), node(7));
    let up = OutEvent::NeighbourUp {
        topic: topic_a.clone(),
        peer,
    };
    assert_eq!(events(&mut state), [up]);
    state.handle_member_gone(node(7));
    let down = OutEvent::NeighbourDown {
        topic: topic_a,
        peer,
    };
    assert_eq!(events(&mut state), [down]);
    state.handle_member(node(8), &[topic("elsewhere")]);
    assert_eq!(events(&mut state), []);
}

#[test]
fn who_does_not_hear_a_topic_has_no_overlay_of_it_and_hands_its_messages_in() {
    let mut state = State::new(Config::default(), node(0), 1);
    for other in 1..6 {
        state.handle_member(node(other), &[topic("a")]);
    }
    assert_eq!(open(&mut state, 0, "a"), None);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let entries: BTreeSet<NodeId> = state
        .entries(&topic("a"), 3, |_| true, &mut rng)
        .into_iter()
        .collect();
    assert_eq!(entries.len(), 3);
    assert!(entries.is_subset(&state.audience(&topic("a"))));
    let reachable = |peer: &NodeId| *peer == node(4);
    let entries = state.entries(&topic("a"), 3, reachable, &mut rng);
    assert_eq!(entries, [node(4)]);
    let nobody = state.entries(&topic("b"), 3, |_| true, &mut rng);
    assert!(nobody.is_empty());
}

#[test]
fn unsubscribing_closes_the_overlays_that_it_was_for() {
    let mut state = among(0, 3, "a", Config::default());
    open(&mut state, 0, "a/b");
    events(&mut state);
    state.handle_unsubscribe(&topic("a"));
    assert!(events(&mut state).contains(&OutEvent::Closed(topic("a"))));
}

#[test]
fn a_topic_travels_in_the_overlay_of_the_nearest_path_that_somebody_subscribes_to() {
    let mut state = among(0, 3, "a", Config::default());
    assert_eq!(open(&mut state, 0, "a/b/c"), Some(topic("a")));
    state.handle_member(node(9), &[topic("a/b")]);
    assert_eq!(open(&mut state, 0, "a/b/c"), Some(topic("a/b")));
    assert_eq!(state.overlay_len(&topic("a/b")), 4);
    assert_eq!(state.overlay_len(&topic("a")), 3);
    events(&mut state);
    state.handle_member(node(9), &[]);
    assert!(events(&mut state).contains(&OutEvent::Closed(topic("a/b"))));
    assert_eq!(open(&mut state, 0, "a/b/c"), Some(topic("a")));
}

#[test]
fn the_overlay_that_was_idle_for_longest_gives_way() {
    let config = Config {
        overlays_max: 2,
        ..Config::default()
    };
    let mut state = among(0, 3, "a", config);
    let paths = ["a/1", "a/2", "a/3"].map(topic);
    state.handle_member(node(1), &paths);
    for name in ["a/1", "a/2", "a/1", "a/3"] {
        assert_eq!(open(&mut state, 0, name), Some(topic(name)));
    }
    let closed = events(&mut state).into_iter();
    let closed: Vec<_> = closed
        .filter(|e| matches!(e, OutEvent::Closed(_)))
        .collect();
    assert_eq!(closed, [OutEvent::Closed(topic("a/2"))]);
    assert_eq!(state.overlays_count(), 2);
}

#[test]
fn subscriptions_are_bounded_for_oneself_and_for_others() {
    let mut state = State::new(Config::default(), node(0), 1);
    let paths: Vec<TopicName> = (0..100).map(|n| topic(&format!("t{n}"))).collect();
    for path in &paths[..SUBSCRIPTIONS_MAX] {
        assert_eq!(state.handle_subscribe(path), Ok(true));
    }
    let long = vec![topic(&"x".repeat(64)); 13];
    assert!(check_subscriptions(long.iter()).is_err());
    let refused = state.handle_subscribe(&paths[SUBSCRIPTIONS_MAX]);
    assert_eq!(refused, Err(TopicsError::TooManySubscriptions));
    state.handle_member(node(1), &paths);
    let heard = paths
        .iter()
        .filter(|path| state.audience(path).contains(&node(1)));
    assert_eq!(heard.count(), SUBSCRIPTIONS_MAX);
}

fn rules(publish: Who, subscribe: Who) -> Config {
    let topics = "guarded/**".parse().unwrap();
    let rule = Rule {
        topics,
        publish,
        subscribe,
    };
    let rules = Rules::new(vec![rule]).unwrap();
    Config {
        rules,
        ..Config::default()
    }
}

#[test]
fn who_may_not_subscribe_is_not_part_of_the_audience() {
    let config = rules(Who::Everyone, Who::Only(BTreeSet::from([node(1)])));
    let mut state = State::new(config, node(0), 1);
    state.handle_member(node(1), &[topic("guarded")]);
    state.handle_member(node(2), &[topic("guarded"), topic("open")]);
    assert_eq!(
        state.audience(&topic("guarded/x")),
        BTreeSet::from([node(1)])
    );
    assert_eq!(state.audience(&topic("open")), BTreeSet::from([node(2)]));
    let refused = state.handle_subscribe(&topic("guarded/x"));
    assert!(matches!(refused, Err(TopicsError::MayNotSubscribe { .. })));
}

#[test]
fn subscribers_are_known_by_how_their_ids_begin() {
    let author = identity(3);
    let mut state = listener("shop", &[&author], Config::default());
    assert!(!state.is_subscriber(author.id().as_bytes().first_chunk().unwrap()));
    state.handle_member(author.id(), &[topic("news")]);
    assert!(state.is_subscriber(author.id().as_bytes().first_chunk().unwrap()));
    assert!(state.is_subscriber(&[0; 8]) && !state.is_subscriber(&[0xff; 8]));
    state.handle_member_gone(author.id());
    assert!(!state.is_subscriber(author.id().as_bytes().first_chunk().unwrap()));
}

#[test]
fn how_long_it_is_to_be_acknowledged_is_signed_and_bounded() {
    let author = identity(3);
    let mut speaker = State::new(Config::default(), author.id(), 1);
    let mut say = |asked| {
        let said = speaker.handle_publish(&topic("a"), vec![1], asked, &author);
        let bytes = said.unwrap().as_bytes().to_vec();
        let decoded = SignedPublication::from_bytes(&bytes).unwrap();
        (decoded.publication().acknowledge, bytes)
    };
    let second = Duration::from_secs(1);
    assert_eq!(say(None).0, None);
    assert_eq!(say(Some(second)).0, Some(second));
    assert_eq!(say(Some(second * 99)).0, Some(ACKNOWLEDGED_MAX));
    // 1,000 ms is written in two bytes; they stand before the payload and the signature.
    let (_, mut bytes) = say(Some(second));
    let at = bytes.len() - 66 - 2 - 2;
    assert_eq!(bytes[at..at + 2], 1_000_u16.to_be_bytes());
    bytes[at + 1] ^= 1;
    let forged = SignedPublication::from_bytes(&bytes);
    assert!(matches!(forged, Err(PublicationError::Signature { .. })));
    bytes[at] = 0x75;
    bytes[at + 1] = 0x31;
    let endless = SignedPublication::from_bytes(&bytes);
    assert!(matches!(endless, Err(PublicationError::Malformed { .. })));
}

/// Something that somebody said.
pub(super) fn said(
    author: &NodeIdentity,
    start: u64,
    number: u64,
    name: &str,
) -> SignedPublication {
    let publication = Publication {
        topic: topic(name),
        author: author.id(),
        start,
        number,
        acknowledge: None,
        payload: b"hello".to_vec(),
    };
    SignedPublication::sign(publication, author).unwrap()
}

/// Node 0, which subscribes to a path, and knows some authors.
pub(super) fn listener(path: &str, authors: &[&NodeIdentity], config: Config) -> State {
    let mut state = State::new(config, node(0), 1);
    for author in authors {
        state.handle_member(author.id(), &[]);
    }
    // The rules may not let it.
    let _ = state.handle_subscribe(&topic(path));
    state
}

pub(super) fn hear(state: &mut State, path: &str, said: &SignedPublication) -> Verdict {
    let path = topic(path);
    state.on_publication(Some(&path), said.as_bytes()).unwrap()
}

#[test]
fn what_one_says_others_hear_once() {
    let (author, where_) = (identity(1), topic("a"));
    let mut speaker = listener("a", &[], Config::default());
    let mut listener = listener("a", &[&author], Config::default());
    let first = said(&author, 5, 1, "a");
    assert_eq!(
        hear(&mut listener, "a", &first),
        Verdict::First(first.clone())
    );
    assert_eq!(hear(&mut listener, "a", &first), Verdict::Again);
    // After a restart the author counts from one again, with a higher start.
    let later = said(&author, 6, 1, "a");
    assert_eq!(hear(&mut listener, "a", &later), Verdict::First(later));
    assert_eq!(hear(&mut listener, "a", &first), Verdict::Again);
    let own = NodeIdentity::from_secret(&[2; 32]);
    let mut speaking = State::new(Config::default(), own.id(), 5);
    speaking.handle_subscribe(&where_).unwrap();
    let own_words = speaking
        .handle_publish(&where_, Vec::new(), None, &own)
        .unwrap();
    assert_eq!(hear(&mut speaking, "a", &own_words), Verdict::Again);
    let refused = speaker.handle_publish(&where_, Vec::new(), None, &own);
    assert!(refused.is_err(), "signed by another");
}

#[test]
fn what_is_handed_in_is_heard_by_who_is_part_of_the_audience() {
    let author = identity(1);
    let said = said(&author, 1, 1, "a/b");
    let mut hearing = listener("a", &[&author], Config::default());
    let mut hand_in = |bytes: &[u8]| hearing.on_publication(None, bytes);
    assert_eq!(hand_in(said.as_bytes()), Ok(Verdict::First(said.clone())));
    assert_eq!(hand_in(said.as_bytes()), Ok(Verdict::Again));
    let mut elsewhere = listener("b", &[&author], Config::default());
    let refused = elsewhere.on_publication(None, said.as_bytes());
    assert_eq!(refused, Ok(Verdict::NotHeard));
    assert!(elsewhere.on_publication(None, b"junk").is_err());
}

#[test]
fn who_may_not_publish_is_not_heard() {
    let author = identity(1);
    let config = rules(Who::Only(BTreeSet::new()), Who::Everyone);
    let mut hearing = listener("guarded", &[&author], config);
    let said = said(&author, 1, 1, "guarded/x");
    let forbidden = Forbidden {
        author: author.id(),
        topic: topic("guarded/x"),
    };
    let heard = hear(&mut hearing, "guarded", &said);
    assert_eq!(heard, Verdict::Forbidden(forbidden));
    let refused = hearing.handle_publish(&topic("guarded/x"), Vec::new(), None, &identity(2));
    assert!(matches!(refused, Err(TopicsError::MayNotPublish { .. })));
}

#[test]
fn a_publication_that_was_touched_or_moved_is_its_senders_fault() {
    let author = identity(1);
    let said = said(&author, 1, 1, "a/b");
    let mut hearing = listener("a", &[&author], Config::default());
    for index in 0..said.as_bytes().len() {
        let mut bytes = said.as_bytes().to_vec();
        bytes[index] ^= 1;
        let taken = hearing.on_publication(Some(&topic("a")), &bytes);
        let is_elsewhere = taken == Ok(Verdict::NotHeard);
        assert!(taken.is_err() || is_elsewhere, "byte {index}: {taken:?}");
    }
    for path in ["b", "a/b/c"] {
        let moved = hearing.on_publication(Some(&topic(path)), said.as_bytes());
        assert!(moved.is_err(), "{path}");
    }
    // Nothing of that counts as heard.
    assert_eq!(hear(&mut hearing, "a", &said), Verdict::First(said.clone()));
}

#[test]
fn what_is_too_large_is_not_said() {
    let author = identity(1);
    let mut speaker = State::new(Config::default(), author.id(), 1);
    let mut say = |length| speaker.handle_publish(&topic("a"), vec![0; length], None, &author);
    let largest = say(PUBLISHED_BYTES_MAX).unwrap();
    assert!(largest.as_bytes().len() <= PUBLICATION_BYTES_MAX);
    assert!(SignedPublication::from_bytes(largest.as_bytes()).is_ok());
    assert!(matches!(
        say(PUBLISHED_BYTES_MAX + 1),
        Err(TopicsError::Publication(_))
    ));
}
