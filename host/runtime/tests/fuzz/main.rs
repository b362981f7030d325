//! What reads bytes of a component, or of a guest, with inputs that no test thought of.
//!
//! Each target is a function of bytes that must not panic. Here they run with random bytes and with
//! valid ones that were changed: a fixed number of cases, or for as long as told:
//!
//! ```text
//! REPLICANT_FUZZ_SECONDS=180 cargo test --release -p replicant-runtime --test fuzz
//! ```
//!
//! `fuzz/` has the same targets for `cargo fuzz`, which looks for inputs by what code they reach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boundary;
#[path = "../../../protocol/tests/fuzz/cases.rs"]
mod cases;
// A hostile guest needs more of it.
#[path = "../hostile/guest.rs"]
#[allow(dead_code)]
mod guest;
#[path = "../../../protocol/tests/fuzz/mutation.rs"]
mod mutation;

#[test]
fn any_bytes_are_a_component_or_refused() {
    cases::run(300, &boundary::components(), boundary::component);
}

#[test]
fn whatever_a_guest_answers_is_what_the_interface_promises_or_a_fault() {
    cases::run(4_000, &boundary::answers(), boundary::answer);
}
