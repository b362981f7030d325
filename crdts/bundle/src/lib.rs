//! The CRDT types that ship with Replicant, as components.
