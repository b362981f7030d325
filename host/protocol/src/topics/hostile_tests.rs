//! Members and strangers that make work, and what it costs.

use super::tests::{NOW, among, events, hear, identity, listener, node, said, topic};
use super::*;
use crate::identity::NodeIdentity;

/// A member that invented topics made each of them an overlay, at a hash for every member and
/// cycle, and pushed out the overlays of others.
#[test]
fn invented_topics_open_no_overlay_of_their_own() {
    let mut state = among(0, 300, "a", Config::default());
    for number in 0..1_000 {
        let invented = topic(&format!("a/{number}"));
        assert_eq!(state.open(NOW, &invented, node(1)), Ok(topic("a")));
        let spoken_of = state.open_for(NOW, &invented, node(1));
        assert_eq!(spoken_of, Err(OpenError::NotHeard));
    }
    assert_eq!(state.overlays_count(), 1);
    assert!(events(&mut state).len() <= 8, "links of one overlay");
}

#[test]
fn a_path_opens_only_for_a_member_of_its_audience_and_if_this_node_is_one() {
    let mut state = among(0, 3, "a", Config::default());
    state.handle_member(node(7), &[topic("b")]);
    for (path, peer) in [("a", 7), ("b", 7), ("a", 99)] {
        let refused = state.open_for(NOW, &topic(path), node(peer));
        assert_eq!(refused, Err(OpenError::NotHeard), "{path} for {peer}");
    }
    assert_eq!(state.open_for(NOW, &topic("a"), node(1)), Ok(()));
    assert!(state.is_open(&topic("a")));
}

/// 63 paths below `a` that nodes subscribe to, in an audience of a thousand.
fn crowded(config: Config) -> (State, Vec<TopicName>) {
    let mut state = among(0, 1_000, "a", config);
    let paths: Vec<TopicName> = (0..63).map(|n| topic(&format!("a/{n}"))).collect();
    state.handle_member(node(5_000), &paths);
    (state, paths)
}

#[test]
fn a_peer_has_overlays_opened_at_a_rate_of_its_own() {
    let (mut state, paths) = crowded(Config::default());
    let opened = |state: &mut State, peer: u32, now| {
        let opened = paths.iter().filter(|path| !state.is_open(path));
        let opened: Vec<&TopicName> = opened.collect();
        let count = opened.len();
        let refused = opened.into_iter().filter(|path| {
            let (peer, opened) = (node(peer), state.open(now, path, node(peer)));
            opened == Err(OpenError::TooMany { peer })
        });
        count - refused.count()
    };
    assert_eq!(opened(&mut state, 1, NOW), 16, "of 4,004 hashes each");
    assert_eq!(
        opened(&mut state, 1, NOW + std::time::Duration::from_secs(1)),
        1
    );
    assert_eq!(opened(&mut state, 2, NOW), 16, "others have their own");
    assert_eq!(opened(&mut state, 0, NOW), 30, "this node has none");
}

#[test]
fn whoever_had_most_overlays_opened_pushes_out_their_own() {
    let config = Config {
        overlays_max: 8,
        ..Config::default()
    };
    let (mut state, paths) = crowded(config);
    state.open(NOW, &topic("a"), node(0)).unwrap();
    state.open(NOW, &paths[0], node(2)).unwrap();
    for path in &paths[1..17] {
        state.open(NOW, path, node(1)).unwrap();
    }
    assert_eq!(state.overlays_count(), 8);
    assert!(state.is_open(&topic("a")) && state.is_open(&paths[0]));
}

/// Whoever signed with very many keys pushed out the numbers of honest authors, whose words could
/// then be replayed.
#[test]
fn keys_that_nobody_knows_take_no_memory_and_push_nobody_out() {
    let config = Config {
        authors_max: 4,
        ..Config::default()
    };
    let author = identity(1);
    let mut state = listener("a", &[&author], config);
    let first = said(&author, 1, 1, "a");
    assert_eq!(hear(&mut state, "a", &first), Verdict::First(first.clone()));
    for number in 2..20 {
        let stranger = identity(number);
        let unknown = Verdict::UnknownAuthor(stranger.id());
        assert_eq!(hear(&mut state, "a", &said(&stranger, 1, 1, "a")), unknown);
    }
    assert_eq!(hear(&mut state, "a", &first), Verdict::Again);
}

#[test]
fn who_joined_a_moment_ago_is_heard_once_that_is_known() {
    let author = identity(1);
    let mut state = listener("a", &[], Config::default());
    let first = said(&author, 1, 1, "a");
    let unknown = Verdict::UnknownAuthor(author.id());
    assert_eq!(hear(&mut state, "a", &first), unknown);
    state.handle_member(author.id(), &[]);
    assert_eq!(hear(&mut state, "a", &first), Verdict::First(first.clone()));
}

#[test]
fn who_left_is_heard_until_many_others_have_left() {
    let author = identity(1);
    let mut state = listener("a", &[&author], Config::default());
    state.handle_member_gone(author.id());
    let first = said(&author, 1, 1, "a");
    assert_eq!(hear(&mut state, "a", &first), Verdict::First(first.clone()));
    for number in 0..GONE_MAX as u32 {
        state.handle_member(node(number + 10), &[]);
        state.handle_member_gone(node(number + 10));
    }
    let unknown = Verdict::UnknownAuthor(author.id());
    assert_eq!(hear(&mut state, "a", &said(&author, 1, 2, "a")), unknown);
}

#[test]
fn who_is_revoked_is_not_heard_and_neither_is_one_that_nobody_signed_for() {
    let author = identity(1);
    let mut state = listener("a", &[&author], Config::default());
    state.handle_revoked(author.id(), true);
    let first = said(&author, 1, 1, "a");
    let forbidden = Forbidden {
        author: author.id(),
        topic: topic("a"),
    };
    assert_eq!(hear(&mut state, "a", &first), Verdict::Forbidden(forbidden));
    state.handle_revoked(author.id(), false);
    assert_eq!(hear(&mut state, "a", &first), Verdict::First(first.clone()));
    // Others may go on telling of it as a member.
    let paths = [topic("a")];
    state.handle_member(author.id(), &paths);
    assert_eq!(state.audience(&topic("a")).len(), 2);
    state.handle_revoked(author.id(), true);
    assert_eq!(state.audience(&topic("a")).len(), 1);
    state.handle_member(author.id(), &paths);
    assert_eq!(state.audience(&topic("a")).len(), 1);
    // A stranger's signature is looked at before anything waits for it.
    let stranger: NodeIdentity = identity(2);
    let mut forged = said(&stranger, 1, 1, "a").as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(state.on_publication(Some(&topic("a")), &forged).is_err());
}

#[test]
fn weighing_changes_nothing_and_a_replay_costs_no_signature() {
    let author = identity(1);
    let mut state = listener("a", &[&author], Config::default());
    let first = said(&author, 1, 1, "a");
    for _ in 0..2 {
        let weighed = state.weigh(Some(&topic("a")), first.as_bytes());
        assert_eq!(weighed, Ok(Verdict::First(first.clone())));
    }
    hear(&mut state, "a", &first);
    let mut replay = first.as_bytes().to_vec();
    *replay.last_mut().unwrap() ^= 1;
    let weighed = state.weigh(Some(&topic("a")), &replay);
    assert_eq!(
        weighed,
        Ok(Verdict::Again),
        "the signature is not looked at"
    );
}
