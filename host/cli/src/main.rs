//! The `replicant` command.

fn main() {}
