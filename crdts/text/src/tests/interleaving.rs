//! What people type at the same place at the same time stays in one piece (Weidner and Kleppmann,
//! 2023, section on maximal non-interleaving).

use replicant_sdk::Random;

use super::world::World;

fn type_forward(world: &mut World, author: usize, at: usize, word: &str) {
    for (offset, letter) in word.chars().enumerate() {
        world.edit(author, at + offset, 0, letter.encode_utf8(&mut [0; 4]));
    }
}

fn type_backward(world: &mut World, author: usize, at: usize, word: &str) {
    for letter in word.chars().rev() {
        world.edit(author, at, 0, letter.encode_utf8(&mut [0; 4]));
    }
}

#[test]
fn words_typed_at_the_same_place_do_not_interleave() {
    type Typing = fn(&mut World, usize, usize, &str);
    let ways: [Typing; 2] = [type_forward, type_backward];
    for first in ways {
        for second in ways {
            for (base, at) in [("", 0), ("()", 1), ("(", 1), (")", 0)] {
                let mut random = Random::new(1);
                let mut world = World::new(3);
                world.edit(2, 0, 0, base);
                world.settle(&mut random);
                first(&mut world, 0, at, "milk");
                second(&mut world, 1, at, "eggs");
                type_forward(&mut world, 2, at, "bread");
                world.settle(&mut random);
                let content = world.check();
                for word in ["milk", "eggs", "bread"] {
                    assert!(content.contains(word), "{content}");
                }
            }
        }
    }
}

#[test]
fn a_word_typed_into_a_deleted_one_goes_where_the_cursor_was() {
    let mut random = Random::new(1);
    let mut world = World::new(2);
    world.edit(0, 0, 0, "one two three");
    world.settle(&mut random);
    world.edit(0, 4, 3, "2");
    world.edit(1, 5, 0, "!");
    world.settle(&mut random);
    assert_eq!(world.check(), "one 2! three");
}
