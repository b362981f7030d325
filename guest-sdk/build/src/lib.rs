//! Builds Rust crates into Replicant components.
