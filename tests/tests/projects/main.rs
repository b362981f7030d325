//! `replicant new` and `replicant build`: from nothing to a component that passes the checker, for
//! each language, as a person with the command would do it; and the examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod c;
mod cbor;
mod dev;
mod javascript;
mod migration;
mod misuse;
mod place;
mod python;
mod rust;
mod tools;
