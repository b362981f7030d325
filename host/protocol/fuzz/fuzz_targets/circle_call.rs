//! See `tests/fuzz/main.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| replicant_protocol_fuzz::fuzz_circle_call(bytes));
