//! Runs CRDT components in a WebAssembly sandbox.
