//! The targets of `tests/fuzz`, for cargo-fuzz.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/fuzz/boundary.rs"]
#[allow(dead_code)]
mod boundary;
#[path = "../../tests/hostile/guest.rs"]
#[allow(dead_code)]
mod guest;

/// See `tests/fuzz/main.rs`.
pub fn fuzz_component(bytes: &[u8]) {
    boundary::component(bytes);
}

/// See `tests/fuzz/main.rs`.
pub fn fuzz_answer(bytes: &[u8]) {
    boundary::answer(bytes);
}
