//! `replicant new` and `replicant build`: from nothing to a component that passes the checker, for
//! each language, as a person with the command would do it.

mod misuse;
mod place;
mod rust;
