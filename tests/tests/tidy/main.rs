//! Holds the repository to its own rules: sizes, import directions, words, licences.
//!
//! Exceptions stand in `tests/tidy-exceptions.txt`, with a reason each; the list only shrinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod imports;
mod licences;
mod sizes;
mod source;
mod words;
