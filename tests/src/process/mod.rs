//! The `replicant` command as a user has it: real processes, real sockets, a folder on disk.
//!
//! Everything here panics when something that a test relies on does not happen: it is part of the
//! test. A process is killed when its handle is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod command;
mod lab;
mod node;
mod patience;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use command::{Ran, Replicant, Running, Unheard};
pub use lab::Lab;
pub use node::{NodeProcess, Start};
pub use patience::until;

/// The `replicant` binary: `REPLICANT_BIN` if that is set, else built now with the settings of
/// this test run.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("REPLICANT_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "build",
        "--quiet",
        "--package",
        "replicant-cli",
        "--message-format",
        "json",
    ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut executables = messages
        .filter_map(|message: serde_json::Value| message["executable"].as_str().map(PathBuf::from));
    executables
        .next_back()
        .expect("cargo says where the binary is")
}
