//! Write a CRDT for Replicant: one trait, one macro.
