use replicant_sdk::{Dot, Object, Packed, Run};

use super::*;

replicant_sdk::laws!(OrSet);

fn context(replica: u64, counter: u64) -> Context {
    Context {
        dot: Dot { replica, counter },
        timestamp: counter,
        schema: 1,
    }
}

fn apply(set: &mut OrSet, context: &Context, op: Op) -> Vec<Event> {
    let mut events = Events::collected();
    set.effect(context, op, &mut events);
    events.into_vec()
}

fn prepared(set: &OrSet, command: Command) -> Option<Op> {
    set.prepare(&context(9, 9), command).unwrap()
}

#[test]
fn an_addition_wins_over_a_concurrent_removal() {
    let (mut here, mut there) = (OrSet::default(), OrSet::default());
    for set in [&mut here, &mut there] {
        apply(set, &context(1, 1), Op::Add("x".into()));
    }
    let removal = || prepared(&OrSet(here.0.clone()), Command::Remove("x".into())).unwrap();
    let first = removal();
    apply(&mut here, &context(1, 2), first);
    apply(&mut here, &context(2, 1), Op::Add("x".into()));
    apply(&mut there, &context(2, 1), Op::Add("x".into()));
    let seen = Additions::one(Dot {
        replica: 1,
        counter: 1,
    });
    apply(&mut there, &context(1, 2), Op::Remove("x".into(), seen));
    assert_eq!(here.value(), ["x"]);
    assert_eq!(here.save(), there.save());
}

#[test]
fn what_is_not_there_needs_no_removal() {
    let set = OrSet::default();
    assert!(prepared(&set, Command::Remove("x".into())).is_none());
    assert!(prepared(&set, Command::Clear).is_none());
}

#[test]
fn only_elements_that_come_or_go_are_told() {
    let mut set = OrSet::default();
    assert_eq!(
        apply(&mut set, &context(1, 1), Op::Add("x".into())),
        [Event::Added("x".into())]
    );
    assert_eq!(apply(&mut set, &context(2, 1), Op::Add("x".into())), []);
    let clear = prepared(&set, Command::Clear).unwrap();
    assert_eq!(
        apply(&mut set, &context(1, 2), clear),
        [Event::Removed("x".into())]
    );
}

#[test]
fn queries_are_answered_in_plain_cbor() {
    let mut set = Object::<OrSet>::new();
    let mut commands = Packed::default();
    commands.push(b"\xa1\x63add\x61b");
    commands.push(b"\xa1\x63add\x61a");
    set.update(&context(1, 1), &commands, false);
    assert_eq!(set.query(Some(b"\x64size")).unwrap(), b"\x02");
    assert_eq!(set.query(Some(b"\xa1\x68contains\x61a")).unwrap(), b"\xf5");
    assert_eq!(set.query(None).unwrap(), b"\x82\x61a\x61b");
    assert_eq!(set.query(Some(b"\x65value")), set.query(None));
}

#[test]
fn a_borrowed_op_has_the_same_bytes_as_an_owned_one() {
    let mut run = Run {
        replica: 1,
        timestamp: 1,
        schema: 1,
        ..Run::default()
    };
    for (counter, op) in [(1, Op::Add("x".to_owned())), (2, Op::Add("y".to_owned()))] {
        run.counters.push(counter);
        postcard_bytes::append(&op, &mut run.ops.bytes);
        run.ops.ends.push(run.ops.bytes.len() as u32);
    }
    let mut set = Object::<OrSet>::new();
    set.apply(&run, false);
    assert_eq!(set.state().value(), ["x", "y"]);
}

#[test]
fn a_command_that_is_none_is_refused_with_what_would_do() {
    let mut set = Object::<OrSet>::new();
    let mut commands = Packed::default();
    commands.push(b"\xa1\x65added\x61b");
    let refusals = set.update(&context(1, 1), &commands, false).refusals;
    let message = refusals[0].1.message();
    assert!(message.contains("unknown variant `added`"), "{message}");
    assert!(message.contains(OrSet::COMMAND_SCHEMA), "{message}");
}

#[test]
fn a_command_with_a_text_in_pieces_is_as_good_as_another() {
    let mut set = Object::<OrSet>::new();
    let mut commands = Packed::default();
    commands.push(b"\xa1\x63add\x7f\x61a\x61b\xff");
    let updated = set.update(&context(1, 1), &commands, false);
    assert_eq!(updated.refusals, []);
    assert_eq!(updated.ops.bytes, b"\0\x02ab");
    assert_eq!(set.state().value(), ["ab"]);
}

#[test]
fn a_removal_of_what_never_was_has_no_effect() {
    let mut set = OrSet::default();
    apply(&mut set, &context(1, 3), Op::Add("x".into()));
    let before = set.save();
    let unknown = |counter| {
        Additions::one(Dot {
            replica: 7,
            counter,
        })
    };
    for op in [
        Op::Remove("x".into(), unknown(1)),
        Op::Remove("y".into(), unknown(u64::MAX)),
        Op::Clear(unknown(u64::MAX)),
    ] {
        assert_eq!(apply(&mut set, &context(2, 1), op), []);
        assert_eq!(set.save(), before);
    }
}

#[test]
fn bytes_that_are_no_op_have_no_effect() {
    let mut set = Object::<OrSet>::new();
    let mut run = Run {
        replica: 1,
        timestamp: 1,
        schema: 1,
        ..Run::default()
    };
    for (counter, op) in (1..).zip([
        &b""[..],
        b"\x03",
        b"\0\x02a",
        b"\0\x01\xff",
        b"\0\x01a\0",
        b"\0\xff\xff\xff\xff\x0f",
        b"\x01\x01a\0",
        b"\x01\x01a\xff\xff\xff\xff\x0f\x01\x01",
        b"\x02\x02\x02\x01\x01\x01",
    ]) {
        run.counters.push(counter);
        run.ops.push(op);
    }
    let before = set.save();
    assert_eq!(set.apply(&run, true), Packed::default());
    assert_eq!(set.save(), before);
}

#[test]
fn compaction_leaves_one_addition_of_what_all_have_seen() {
    let mut set = OrSet::default();
    apply(&mut set, &context(1, 1), Op::Add("x".into()));
    apply(&mut set, &context(2, 1), Op::Add("x".into()));
    let full = set.save();
    let removal = prepared(&set, Command::Remove("x".into())).unwrap();
    let stable = [1, 2].map(|replica| context(replica, 1).dot);
    assert!(!set.compact(&Stable::new(stable), 0, 1));
    assert!(set.save().len() < full.len());
    apply(&mut set, &context(1, 2), Op::Add("x".into()));
    assert_eq!(apply(&mut set, &context(3, 1), removal), []);
    assert_eq!(set.value(), ["x"]);
}
