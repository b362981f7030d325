//! Comparing tables.

use super::simulation_tests::{config, identity, local, millis, said, seconds};
use super::sync::PAGE_BYTES_MAX;
use super::tests::{START, events, hear, id, rng, rumour, sent, swim};
use super::*;

fn ask(swim: &mut Swim, now: Duration, digests: Digests) -> Option<(u64, Vec<Rumour>)> {
    swim.on_message(
        now,
        id(1),
        Message::Sync {
            digests: Box::new(digests),
        },
        &mut rng(),
    )
    .unwrap();
    let events = events(swim);
    let answer = sent(&events).into_iter().next();
    answer.map(|(_, message)| match message {
        Message::SyncReply { wanted, members } => (*wanted, members.clone()),
        other => panic!("not an answer, but {other:?}"),
    })
}

#[test]
fn who_has_nothing_gets_the_whole_table_once_a_period_and_session() {
    let mut swim = swim(config(), 30);
    assert_eq!(ask(&mut swim, START, [0; 64]), None, "without a session");
    swim.handle_session_opened(START, id(1), local(1).address, &mut rng());
    let (wanted, members) = ask(&mut swim, START, [0; 64]).unwrap();
    assert_eq!(members.len(), 31);
    assert!(wanted.count_ones() > 15);
    assert_eq!(ask(&mut swim, START + millis(999), [0; 64]), None);
    assert!(ask(&mut swim, START + seconds(1), [0; 64]).is_some());
}

#[test]
fn equal_tables_are_left_alone_and_of_others_only_the_part_that_differs_travels() {
    let (mut one, mut other) = (swim(config(), 30), swim(config(), 30));
    one.handle_session_opened(START, id(1), local(1).address, &mut rng());
    assert_eq!(ask(&mut one, START, other.digests()), None);
    hear(&mut other, vec![rumour(5, 1, Status::Alive)]).unwrap();
    let later = START + seconds(1);
    let (wanted, members) = ask(&mut one, later, other.digests()).unwrap();
    assert_eq!(wanted.count_ones(), 1);
    assert!(members.iter().any(|of| of.record.node == id(5)));
    assert!(members.len() < 6, "{}", members.len());
}

#[test]
fn the_dead_do_not_make_tables_differ_but_who_thinks_them_alive_hears_of_it() {
    let (mut one, mut other) = (swim(config(), 30), swim(config(), 29));
    one.handle_session_opened(START, id(1), local(1).address, &mut rng());
    super::tests::bury(&mut one, 30, 0);
    assert_eq!(one.digests(), other.digests());
    hear(&mut other, vec![rumour(30, 0, Status::Alive)]).unwrap();
    let (_, members) = ask(&mut one, START, other.digests()).unwrap();
    let told = members.iter().find(|of| of.record.node == id(30)).unwrap();
    assert_eq!(told.status, Status::Dead);
}

#[test]
fn only_who_was_asked_may_ask_back_and_once() {
    let mut swim = swim(config(), 30);
    let reply = || Message::SyncReply {
        wanted: u64::MAX,
        members: Vec::new(),
    };
    let count = |swim: &mut Swim| {
        swim.on_message(START, id(1), reply(), &mut rng()).unwrap();
        let events = events(swim);
        sent(&events).len()
    };
    swim.handle_session_opened(START, id(1), local(1).address, &mut rng());
    assert_eq!(count(&mut swim), 0);
    swim.send_sync(id(1), local(1).address);
    events(&mut swim);
    assert_eq!((count(&mut swim), count(&mut swim)), (1, 0));
}

#[test]
fn a_table_that_does_not_fit_comes_in_pages_a_period_apart() {
    let application = vec![7; APPLICATION_BYTES_MAX];
    let long = |number| Said {
        metadata: Metadata::new([].into(), application.clone()).unwrap(),
        ..said(number, 0)
    };
    let count = 1_200;
    let known = (1..=count).map(|number| {
        let signature = crate::identity::Signature::from_bytes([0; 64]);
        Record::from_parts(long(number), signature)
    });
    let mut full = swim(config(), 0);
    for record in known {
        full.table.take_record(START, record);
    }
    full.handle_session_opened(START, id(1), local(1).address, &mut rng());
    events(&mut full);
    let (wanted, members) = ask(&mut full, START, [0; 64]).unwrap();
    assert!((200..count).contains(&members.len()), "{}", members.len());
    let message = Message::SyncReply { wanted, members };
    let bytes = message.to_bytes().len();
    assert!((PAGE_BYTES_MAX..PAGE_BYTES_MAX + 2_048).contains(&bytes));
    assert!(bytes < MESSAGE_BYTES_MAX);
}

#[test]
fn after_a_full_page_the_rest_is_asked_for() {
    let rumours: Vec<Rumour> = (2..1_000)
        .map(|number| {
            let said = Said {
                metadata: Metadata::new([].into(), vec![7; APPLICATION_BYTES_MAX]).unwrap(),
                ..said(number, 0)
            };
            Rumour::alive(Record::sign(&identity(number), said))
        })
        .collect();
    let mut swim = swim(config(), 1);
    let reply = |members: &[Rumour]| Message::SyncReply {
        wanted: 0,
        members: members.to_vec(),
    };
    let now = START;
    swim.on_message(now, id(1), reply(&rumours[..20]), &mut rng())
        .unwrap();
    assert!(swim.continuation.is_none());
    swim.on_message(now, id(1), reply(&rumours), &mut rng())
        .unwrap();
    events(&mut swim);
    swim.continue_sync(now + seconds(1));
    let asked = events(&mut swim);
    assert!(matches!(sent(&asked)[..], [(to, Message::Sync { .. })] if to == id(1)));
    // What brought nothing new is not asked for again.
    swim.on_message(now, id(1), reply(&rumours), &mut rng())
        .unwrap();
    assert!(swim.continuation.is_none());
}

#[test]
fn a_node_that_starts_with_what_it_knew_tells_nobody_of_it() {
    let before = swim(config(), 5);
    let mut after = Swim::new(config(), local(9), START, &mut rng());
    after.handle_known(START, before.records(), &mut rng());
    assert_eq!(after.members().len(), 7);
    assert_eq!(after.gossip.len(), 1, "itself");
    let forged = super::tests::forged(&rumour(8, 0, Status::Alive), |said| said.incarnation = 3);
    after.handle_known(START, [forged.record], &mut rng());
    assert_eq!(after.members().len(), 7);
}
