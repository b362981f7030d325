//! Replicas that lie about what they know: the others still agree, and nothing breaks.

use replicant_sdk::{Crdt, Events, Random};

use super::world::{World, name};
use crate::id::{CharId, NUMBER_MAX};
use crate::op::{Anchor, Insertion, Op, RANGE_CHARS_MAX, Range};

/// Any character: one that is there, was there, will be, or never is.
fn any_name(random: &mut Random) -> CharId {
    let number = match random.below(12) {
        0 => NUMBER_MAX - 1 - random.below(3),
        1 => random.below(1_000),
        _ => random.below(30),
    };
    CharId {
        replica: name(random.index(4)),
        number,
    }
}

fn name_of(index: usize, number: u64) -> CharId {
    CharId {
        replica: name(index),
        number,
    }
}

fn any_range(random: &mut Random) -> Range {
    let first = any_name(random);
    let room = NUMBER_MAX - first.number;
    let len = match random.below(10) {
        0 => RANGE_CHARS_MAX,
        _ => 1 + random.below(5),
    };
    Range {
        first,
        len: len.min(room),
    }
}

fn any_op(random: &mut Random, author: usize) -> Vec<u8> {
    const WORDS: [&str; 3] = ["x", "yz", "long one"];
    let mut op = Op::default();
    if random.chance(70) {
        let number = match random.below(20) {
            0 => NUMBER_MAX - 1 - random.below(9),
            _ => random.below(40),
        };
        let own_is_older = |id: &CharId| id.replica != name(author) || id.number < number;
        let parent = Some(any_name(random)).filter(own_is_older);
        let right = Some(any_name(random)).filter(own_is_older);
        let anchor = match (random.below(4), parent) {
            (0, _) if number > 0 => Anchor::Continues,
            (1, Some(parent)) => Anchor::Before { parent },
            _ => Anchor::After {
                parent: parent.filter(|_| random.chance(80)),
                right: right.filter(|_| random.chance(70)),
            },
        };
        op.insertion = Some(Insertion {
            number,
            anchor,
            text: random.pick(&WORDS).copied().unwrap_or("x"),
        });
    }
    if op.insertion.is_none() || random.chance(30) {
        let mut ranges: Vec<Range> = (0..1 + random.below(3))
            .map(|_| any_range(random))
            .collect();
        ranges.sort_unstable_by_key(|range| range.first);
        let mut ranges = ranges.into_iter();
        op.first_range = ranges.next();
        op.more_ranges = ranges.collect();
    }
    let mut bytes = Vec::new();
    op.encode(name(author), &mut bytes);
    bytes
}

#[test]
fn lies_have_the_same_outcome_in_every_order() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let mut world = World::new(4);
        for _ in 0..12 {
            let author = random.index(4);
            if author < 2 && random.chance(70) {
                let bytes = any_op(&mut random, author);
                world.send(author, bytes);
            } else {
                let length = world.replicas[author].text.length();
                let at = random.index(length + 1);
                let delete = random.index((length - at).min(4) + 1);
                world.edit_among_liars(author, at, delete, "word");
            }
            if random.chance(10) {
                world.replicas[author].reload();
            }
            let ops = random.index(6);
            world.gossip(&mut random, ops);
        }
        world.settle(&mut random);
        world.check();
    }
}

/// The lie that was found: a deletion without the number of what it deletes went the short way,
/// where nobody watched, and deleted the author's first character there.
#[test]
fn bytes_that_are_nearly_an_op_mean_the_same_whether_somebody_watches_or_not() {
    let own = |number| name_of(0, number);
    let delete = |number, len| Op {
        first_range: Some(Range {
            first: own(number),
            len,
        }),
        ..Op::default()
    };
    let typed = |number, text| Op {
        insertion: Some(Insertion {
            number,
            anchor: Anchor::Continues,
            text,
        }),
        ..Op::default()
    };
    let ops = [
        delete(0, 1),
        delete(200, 1),
        delete(1, 2),
        typed(300, "x"),
        typed(300, "é"),
        typed(1, "x"),
    ];
    for op in ops {
        let mut bytes = Vec::new();
        op.encode(name(0), &mut bytes);
        let prefixes = (0..=bytes.len()).map(|end| bytes[..end].to_vec());
        let flips = (0..bytes.len() * 8).map(|bit| {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            other
        });
        for bytes in prefixes.chain(flips) {
            let mut random = Random::new(1);
            let mut world = World::new(2);
            world.edit(0, 0, 0, &"abc".repeat(100));
            world.send(0, bytes);
            world.settle(&mut random);
            world.check();
        }
    }
}

#[test]
fn an_insertion_that_reuses_a_number_is_ignored_wholly() {
    let mut random = Random::new(1);
    let mut world = World::new(2);
    world.edit(0, 0, 0, "abc");
    let op = Op {
        insertion: Some(Insertion {
            number: 2,
            anchor: Anchor::Continues,
            text: "forged",
        }),
        ..Op::default()
    };
    let mut bytes = Vec::new();
    op.encode(name(0), &mut bytes);
    world.send(0, bytes);
    world.settle(&mut random);
    assert_eq!(world.check(), "abc");
    world.edit(0, 3, 0, "d");
    world.settle(&mut random);
    assert_eq!(world.check(), "abcd");
}

#[test]
fn a_replica_whose_next_numbers_were_deleted_skips_them() {
    let mut random = Random::new(1);
    let mut world = World::new(2);
    world.edit(0, 0, 0, "abc");
    world.settle(&mut random);
    let op = Op {
        first_range: Some(Range {
            first: CharId {
                replica: name(0),
                number: 3,
            },
            len: RANGE_CHARS_MAX,
        }),
        ..Op::default()
    };
    let mut bytes = Vec::new();
    op.encode(name(1), &mut bytes);
    world.send(1, bytes);
    world.settle(&mut random);
    world.edit(0, 3, 0, "def");
    world.settle(&mut random);
    assert_eq!(world.check(), "abcdef");
}

/// What was lost: characters between the first number of a range that is missing and one that is
/// in the same leaf as the number before, as long as they were in another leaf.
#[test]
fn a_range_with_missing_numbers_deletes_all_that_is_there_in_whatever_leaf() {
    let mut random = Random::new(1);
    let mut world = World::new(3);
    let after = |parent| Anchor::After {
        parent: Some(name_of(0, parent)),
        right: None,
    };
    let root = Anchor::After {
        parent: None,
        right: None,
    };
    let before = Anchor::Before {
        parent: name_of(0, 0),
    };
    let pieces = [
        (0, root, 'a', 1_000),
        (2_000, after(999), 'b', 1_000),
        (4_000, after(2_999), 'c', 1_000),
        (6_000, before, 'd', 40),
    ];
    for (number, anchor, letter, count) in pieces {
        let text = letter.to_string().repeat(count);
        let op = Op {
            insertion: Some(Insertion {
                number,
                anchor,
                text: &text,
            }),
            ..Op::default()
        };
        let mut bytes = Vec::new();
        op.encode(name(0), &mut bytes);
        world.send(0, bytes);
    }
    world.settle(&mut random);
    world.replicas[1].reload();
    let op = Op {
        first_range: Some(Range {
            first: name_of(0, 3_500),
            len: 3_000,
        }),
        ..Op::default()
    };
    let mut bytes = Vec::new();
    op.encode(name(0), &mut bytes);
    world.send(0, bytes);
    world.settle(&mut random);
    assert_eq!(
        world.check(),
        ["a", "b"].map(|it| it.repeat(1_000)).concat()
    );
}

#[test]
fn text_that_a_liar_hung_on_what_is_not_typed_yet_does_not_appear_when_that_is_typed() {
    let mut random = Random::new(1);
    let mut world = World::new(2);
    world.edit(0, 0, 0, "abc");
    world.settle(&mut random);
    for number in [3, 5] {
        let op = Op {
            insertion: Some(Insertion {
                number,
                anchor: Anchor::Before {
                    parent: name_of(0, number),
                },
                text: "forged",
            }),
            ..Op::default()
        };
        let mut bytes = Vec::new();
        op.encode(name(1), &mut bytes);
        world.send(1, bytes);
    }
    world.settle(&mut random);
    world.edit(0, 3, 0, "d");
    world.edit(0, 4, 0, "ef");
    world.settle(&mut random);
    assert_eq!(world.check(), "abcdef");
}

#[test]
fn damaged_saved_bytes_are_refused_or_load_as_something() {
    let mut random = Random::new(9);
    let mut world = World::new(3);
    for step in 0..40 {
        let author = step % 3;
        let length = world.replicas[author].text.length();
        let at = random.index(length + 1);
        let delete = random.index((length - at).min(4) + 1);
        world.edit(author, at, delete, "ab漢");
        world.gossip(&mut random, 3);
    }
    let bytes = any_op(&mut random, 0);
    world.send(0, bytes);
    world.settle(&mut random);
    let saved = world.replicas[0].text.to_bytes();
    for at in 0..saved.len() {
        assert!(crate::Text::from_bytes(&saved[..at]).is_none());
        for bit in 0..8 {
            let mut damaged = saved.clone();
            damaged[at] ^= 1 << bit;
            let Some(mut text) = crate::Text::from_bytes(&damaged) else {
                continue;
            };
            let _ = (text.content(), text.to_bytes());
            for author in 0..3 {
                let bytes = any_op(&mut random, author);
                if let Ok(op) = Op::decode(&bytes, name(author)) {
                    text.apply(name(author), &op, &mut Events::collected());
                }
            }
        }
    }
}

#[test]
fn an_op_that_is_too_large_to_be_sent_is_refused_and_changes_nothing() {
    let mut text = crate::Text::default();
    let context = replicant_sdk::Context::default();
    let update = |text: &mut crate::Text, command: crate::Command| {
        let mut bytes = Vec::new();
        replicant_sdk::cbor::encode(&command, &mut bytes).unwrap();
        let mut op = vec![7];
        let outcome = text.update_bytes(&context, &bytes, &mut op, &mut Events::ignored());
        assert!(outcome.is_ok() || op == [7]);
        outcome
    };
    let large = "x".repeat(crate::op::OP_BYTES_MAX);
    let refused = update(
        &mut text,
        crate::Command::Insert {
            at: 0,
            text: large.clone(),
        },
    );
    assert!(refused.unwrap_err().message().contains("in several steps"));
    assert_eq!(text.length(), 0);
    let fits = large[..large.len() - 9].to_owned();
    assert_eq!(
        update(&mut text, crate::Command::Insert { at: 0, text: fits }),
        Ok(true)
    );
}

#[test]
fn edits_over_the_end_are_refused_with_the_length() {
    let mut random = Random::new(1);
    let mut world = World::new(1);
    world.edit(0, 0, 0, "abc");
    world.settle(&mut random);
    let text = &world.replicas[0].text;
    let refuse = |at, delete, insert| {
        let edit = crate::edit::Edit { at, delete, insert };
        text.prepare_edit(name(0), edit).unwrap_err().into_message()
    };
    assert_eq!(
        refuse(4, 0, "x"),
        "cannot insert at 4: the text has length 3"
    );
    // A deletion of nothing was told that it cannot insert.
    assert_eq!(
        refuse(4, 0, ""),
        "there is no position 4: the text has length 3"
    );
    assert_eq!(
        refuse(2, 2, ""),
        "cannot delete 2 characters at 2: the text has length 3"
    );
    assert_eq!(
        refuse(u64::MAX, u64::MAX, ""),
        "cannot delete 18446744073709551615 characters at 18446744073709551615: the text has \
         length 3"
    );
}
