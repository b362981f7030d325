//! Inputs out of seeds: random bytes, or valid ones that were changed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The longest input of random bytes.
const RANDOM_MAX: usize = 600;

/// Bytes that mean something in CBOR, in lengths and in counters.
const TELLING: [u8; 16] = [
    0x00, 0x01, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x40, 0x58, 0x80, 0x9f, 0xa1, 0xbf, 0xf6, 0xfe, 0xff,
];

pub(crate) fn input_of(seed: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    if seeds.is_empty() || rng.random_range(0..4) == 0 {
        let length = rng.random_range(0..RANDOM_MAX);
        return (0..length).map(|_| rng.random()).collect();
    }
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(0..6) {
        change(&mut bytes, seeds, &mut rng);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=bytes.len());
    let length = rng.random_range(0..9);
    let end = (at + length).min(bytes.len());
    match rng.random_range(0..8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend((0..length).map(|_| rng.random::<u8>())),
        3 => bytes.insert(at, TELLING[rng.random_range(0..TELLING.len())]),
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        5 => {
            let other = &seeds[rng.random_range(0..seeds.len())];
            let from = rng.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        kind => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = match kind {
                    6 => *byte ^ 1 << rng.random_range(0..8),
                    _ => TELLING[rng.random_range(0..TELLING.len())],
                };
            }
        }
    }
}
