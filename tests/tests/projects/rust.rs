//! A new project in Rust.

use std::process::Command;

use crate::place::{build_and_check, place, scaffold, text};

#[test]
fn a_new_project_in_rust_builds_and_converges() {
    let folder = place("rust").join("marble-run");
    scaffold(&folder, "rust");
    build_and_check(&folder, "marble-run", "400");
}

#[test]
fn the_tests_of_a_new_project_in_rust_pass() {
    let folder = place("rust-tests").join("marble-run");
    scaffold(&folder, "rust");
    let ran = Command::new("cargo")
        .args(["test", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .args(["--target-dir", text(&place("native"))])
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(told.contains("ok."), "{told}");
}
