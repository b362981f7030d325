//! Honest replicas come to the same text and the same bytes, and to what the paper says.

use replicant_sdk::Random;

use super::world::World;

/// One random edit, of the kinds that people make.
fn random_edit(world: &mut World, random: &mut Random, author: usize) {
    const WORDS: [&str; 6] = ["a", "b", "hello", "é漢", "😀", "0123456789"];
    let length = world.replicas[author].text.length();
    let at = match random.below(4) {
        0 => 0,
        1 => length,
        _ => random.index(length + 1),
    };
    let insert = match random.below(3) {
        0 => "",
        _ => random.pick(&WORDS).copied().unwrap_or_default(),
    };
    let delete = match random.below(3) {
        0 => random.index((length - at).min(12) + 1),
        _ => 0,
    };
    world.edit(author, at, delete, insert);
}

/// Somebody types or deletes for a while at one place.
fn random_burst(world: &mut World, random: &mut Random, author: usize) {
    let length = world.replicas[author].text.length();
    let mut at = random.index(length + 1);
    let kind = random.below(4);
    for letter in 'a'..='a' {
        for _ in 0..random.below(9) {
            let length = world.replicas[author].text.length();
            match kind {
                0 => {
                    world.edit(author, at, 0, letter.encode_utf8(&mut [0; 4]));
                    at += 1;
                }
                1 => world.edit(author, at, 0, letter.encode_utf8(&mut [0; 4])),
                2 if at > 0 => {
                    at -= 1;
                    world.edit(author, at, 1, "");
                }
                _ if at < length => world.edit(author, at, 1, ""),
                _ => {}
            }
        }
    }
}

fn run(seed: u64, replicas: usize, steps: usize, gossip: usize) {
    let mut random = Random::new(seed);
    let mut world = World::new(replicas);
    for _ in 0..steps {
        let author = random.index(replicas);
        if random.chance(50) {
            random_edit(&mut world, &mut random, author);
        } else {
            random_burst(&mut world, &mut random, author);
        }
        if random.chance(5) {
            world.replicas[author].reload();
        }
        let ops = random.index(gossip + 1);
        world.gossip(&mut random, ops);
        if random.chance(3) {
            world.settle(&mut random);
        }
    }
    world.settle(&mut random);
    world.check();
}

#[test]
fn few_concurrent_edits_converge() {
    for seed in 0..1_500 {
        run(seed, 3, 6, 4);
    }
}

#[test]
fn many_concurrent_edits_converge() {
    for seed in 0..60 {
        run(1_000_000 + seed, 4, 60, 12);
    }
}

#[test]
fn long_histories_over_many_leaves_converge() {
    for seed in 0..4 {
        run(2_000_000 + seed, 3, 250, 40);
    }
}

#[test]
fn text_longer_than_a_leaf_is_cut_and_comes_back() {
    let mut random = Random::new(5);
    let mut world = World::new(2);
    let long: String = (0..9_000)
        .map(|at| if at % 7 == 0 { '漢' } else { 'x' })
        .collect();
    world.edit(0, 0, 0, &long);
    world.settle(&mut random);
    world.edit(0, 4_000, 3_000, "left");
    world.edit(1, 4_500, 0, &long);
    world.edit(1, 100, 1, "right");
    for replica in &mut world.replicas {
        replica.reload();
    }
    world.settle(&mut random);
    let first = &world.replicas[0].text;
    assert_eq!(first.content(), world.replicas[1].text.content());
    assert_eq!(first.to_bytes(), world.replicas[1].text.to_bytes());
    let content = first.content();
    let part: String = content.chars().skip(3_990).take(2_000).collect();
    assert_eq!(first.slice(3_990, 2_000), part);
    assert_eq!(first.slice(content.chars().count(), 5), "");
}
