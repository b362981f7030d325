//! The CRDT types that ship with Replicant, as components.
//!
//! They are built by this crate's build script, for which the machine needs a Rust toolchain that
//! compiles to WebAssembly. The script looks for one and installs nothing (`make toolchain`
//! does): at `REPLICANT_GUEST_RUSTC` with `REPLICANT_GUEST_CARGO`, if these are set; else at the
//! toolchain that builds this crate; else at `/usr/bin/rustc`. What it builds is kept in
//! `REPLICANT_GUEST_TARGET_DIR`, by default the folder `guests` in Cargo's target folder.

/// A type that ships with Replicant.
#[derive(Clone, Copy)]
pub struct BuiltIn {
    /// The name of the type.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

/// Returns all types that ship with Replicant, by name.
pub fn all() -> &'static [BuiltIn] {
    include!(concat!(env!("OUT_DIR"), "/all.rs"))
}

/// Returns the type of this name, if it ships with Replicant.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    all().iter().find(|built_in| built_in.name == name)
}

impl std::fmt::Debug for BuiltIn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_a_component() {
        for built_in in all() {
            assert_eq!(&built_in.bytes[..8], b"\0asm\x0d\0\x01\0", "{built_in:?}");
        }
    }

    #[test]
    fn types_are_found_by_name() {
        assert_eq!(find("or-set").unwrap().name, "or-set");
        assert!(find("no-such-type").is_none());
    }
}
