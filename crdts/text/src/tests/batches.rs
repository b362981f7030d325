//! Ops that arrive together and ops that arrive one by one lead to the same state.

use replicant_sdk::{Context, Dot, Object, Packed, Random, Run, cbor};

use crate::command::Command;
use crate::id::NUMBER_MAX;
use crate::op::INSERTS;
use crate::text::Text;
use crate::varint;

fn context(replica: u64) -> Context {
    Context {
        dot: Dot {
            replica,
            counter: 1,
        },
        timestamp: 1,
        schema: 1,
    }
}

fn packed(items: impl IntoIterator<Item = Vec<u8>>) -> Packed {
    let mut packed = Packed::default();
    for item in items {
        packed.push(&item);
    }
    packed
}

/// Applies ops of a replica in runs of `at_once`.
fn apply(object: &mut Object<Text>, replica: u64, ops: &Packed, at_once: usize) {
    let ops: Vec<&[u8]> = ops.iter().collect();
    for ops in ops.chunks(at_once) {
        let run = Run {
            replica,
            timestamp: 1,
            schema: 1,
            counters: (1..=ops.len() as u64).collect(),
            ops: packed(ops.iter().map(|op| op.to_vec())),
        };
        object.apply(&run, false);
    }
}

/// What somebody types: mostly on, sometimes elsewhere, sometimes a deletion or no ASCII.
fn typed(object: &mut Object<Text>, replica: u64, random: &mut Random, keys: usize) -> Packed {
    let mut at = random.below(object.state().length() as u64 + 1);
    let mut all = Packed::default();
    for _ in 0..keys {
        let length = object.state().length() as u64;
        let command = match random.below(60) {
            0 if at > 0 => {
                at -= 1;
                Command::Delete { at, count: 1 }
            }
            1 => {
                at = random.below(length + 1);
                Command::Insert {
                    at,
                    text: "é".to_owned(),
                }
            }
            _ => Command::Insert {
                at,
                text: "x".to_owned(),
            },
        };
        at += u64::from(matches!(command, Command::Insert { .. }));
        let mut bytes = Vec::new();
        cbor::encode(&command, &mut bytes).unwrap();
        let updated = object.update(&context(replica), &packed([bytes]), false);
        assert!(updated.refusals.is_empty(), "{:?}", updated.refusals);
        updated.ops.iter().for_each(|op| all.push(op));
    }
    all
}

#[test]
fn typing_reaches_the_same_state_in_runs_of_any_length() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut authors = [Object::<Text>::new(), Object::<Text>::new()];
        let mut readers: Vec<_> = [1, 2, 7, 100_000]
            .map(|at_once| (at_once, Object::<Text>::new()))
            .into();
        for _ in 0..4 {
            let sent = [0, 1]
                .map(|author| typed(&mut authors[author], author as u64 + 1, &mut random, 400));
            let [first, second] = &mut authors;
            apply(first, 2, &sent[1], 1);
            apply(second, 1, &sent[0], 100_000);
            for (at_once, reader) in &mut readers {
                apply(reader, 1, &sent[0], *at_once);
                apply(reader, 2, &sent[1], *at_once);
            }
            assert_eq!(first.save(), second.save());
            for (_, reader) in &readers {
                assert_eq!(reader.save(), first.save());
            }
        }
    }
}

#[test]
fn numbers_that_are_skipped_repeated_or_too_high_mean_the_same_in_a_run() {
    let op = |number| {
        let mut op = vec![INSERTS];
        varint::push(&mut op, number);
        op.push(b'x');
        op
    };
    let root = vec![INSERTS | 3 << 2, 5, b'a'];
    for numbers in [
        vec![6, 7, 7, 8],
        vec![6, 7, 9, 10],
        vec![6, 8, 7, 8],
        vec![NUMBER_MAX - 1, NUMBER_MAX, NUMBER_MAX + 1],
        (6..2_000).collect(),
    ] {
        let ops = packed(
            [root.clone()]
                .into_iter()
                .chain(numbers.into_iter().map(op)),
        );
        let states = [1, 100_000].map(|at_once| {
            let mut object = Object::<Text>::new();
            apply(&mut object, 1, &ops, at_once);
            (object.save(), object.state().content())
        });
        assert_eq!(states[0], states[1]);
    }
}
