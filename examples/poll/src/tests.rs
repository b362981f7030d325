use super::*;

// Replicas converge, in any causal order; refusals leave no trace; compaction is invisible; …
replicant_sdk::laws!(Poll);

/// The `counter`-th op of a replica, made at second `counter`.
fn at(replica: u64, counter: u64) -> Context {
    Context {
        dot: Dot { replica, counter },
        timestamp: counter,
        schema: 1,
    }
}

fn vote(voter: &str, option: &str) -> Op {
    Op::Vote(voter.into(), Some(option.into()))
}

fn poll_after(ops: Vec<(Context, Op)>) -> Poll {
    let mut poll = Poll::default();
    for (context, op) in ops {
        poll.effect(&context, op, &mut Events::ignored());
    }
    poll
}

fn dinner(ops: Vec<(Context, Op)>) -> Poll {
    let mut all = vec![
        (at(1, 1), Op::Propose("pizza".into())),
        (at(1, 2), Op::Propose("pasta".into())),
    ];
    all.extend(ops);
    poll_after(all)
}

#[test]
fn every_voter_has_one_vote_and_the_last_one_counts() {
    let poll = dinner(vec![
        (at(1, 3), vote("ann", "pizza")),
        (at(2, 4), vote("bob", "pizza")),
        (at(1, 5), vote("ann", "pasta")),
    ]);
    let tally = [("pasta".to_owned(), 1), ("pizza".to_owned(), 1)];
    assert_eq!(
        poll.value(),
        Value {
            open: true,
            tally: tally.into()
        }
    );
}

#[test]
fn of_concurrent_votes_the_later_one_counts_wherever_it_comes_first() {
    let later = || (at(2, 9), vote("ann", "pasta"));
    let earlier = || (at(1, 3), vote("ann", "pizza"));
    assert_eq!(
        dinner(vec![later(), earlier()]).vote_of("ann").unwrap(),
        "pasta"
    );
    assert_eq!(
        dinner(vec![earlier(), later()]).vote_of("ann").unwrap(),
        "pasta"
    );
}

#[test]
fn a_vote_for_what_nobody_proposed_is_refused() {
    let command = Command::Vote {
        voter: "ann".into(),
        option: "soup".into(),
    };
    let refusal = dinner(vec![]).prepare(&at(1, 3), command).err().unwrap();
    assert_eq!(refusal.message(), r#""soup" is none of {"pasta", "pizza"}"#);
}

#[test]
fn a_closed_poll_takes_no_commands_but_votes_that_are_on_their_way() {
    let poll = dinner(vec![
        (at(1, 3), Op::Close),
        (at(2, 3), vote("bob", "pizza")),
    ]);
    assert_eq!(
        poll.prepare(&at(1, 4), Command::Retract("ann".into()))
            .err(),
        Some("the poll is closed".into())
    );
    assert_eq!(poll.value().tally["pizza"], 1);
    assert!(!poll.value().open);
}

#[test]
fn a_retracted_vote_is_forgotten_when_everybody_has_seen_it() {
    let retracted = Op::Vote("ann".into(), None);
    let mut poll = dinner(vec![
        (at(1, 3), vote("ann", "pizza")),
        (at(1, 4), retracted),
    ]);
    assert!(poll.compact(&Stable::new(vec![at(1, 3).dot]), 0, 1));
    assert!(!poll.compact(&Stable::new(vec![at(1, 4).dot]), 1, 2));
    assert!(poll.votes.is_empty());
}

#[test]
fn whoever_watches_is_told_of_votes_that_count() {
    let mut poll = dinner(vec![(at(2, 9), vote("ann", "pasta"))]);
    let mut events = Events::collected();
    poll.effect(&at(1, 3), vote("ann", "pizza"), &mut events);
    poll.effect(&at(1, 10), vote("bob", "pizza"), &mut events);
    assert_eq!(events.into_vec(), [vote("bob", "pizza")]);
}
