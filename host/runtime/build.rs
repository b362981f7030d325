//! Tells the crate for what it is compiled; only build scripts get to know.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=REPLICANT_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
