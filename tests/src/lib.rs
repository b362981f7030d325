//! Tests across crates: tidiness, simulation, hostile guests, end to end.
