#!/bin/sh
# Sees to it that this machine can compile Rust to wasm32-unknown-unknown. Three ways, in order:
#   1. a toolchain that can do it is there (the active one, or the system's in /usr/bin);
#   2. rustup adds the target to the active toolchain;
#   3. on Debian: apt-get installs a compiler with the sources of the standard library.
# Builds only look for a toolchain (guest-sdk/build/src/toolchain.rs); this is what installs one.
set -eu

target=wasm32-unknown-unknown
minor_min=95

say() { printf '%s\n' "$*" >&2; }

# Is this compiler there, and new enough?
is_usable() {
    minor=$("$1" --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ -n "$minor" ] && [ "$minor" -ge "$minor_min" ]
}

has_target() {
    is_usable "$1" && folder=$("$1" --print target-libdir --target "$target" 2>/dev/null) &&
        ls "$folder"/libcore-*.rlib >/dev/null 2>&1
}

has_sources() {
    is_usable "$1" && sysroot=$("$1" --print sysroot) &&
        [ -f "$sysroot/lib/rustlib/src/rust/library/std/Cargo.toml" ] &&
        { ls "$sysroot"/lib/rustlib/*/bin/rust-lld >/dev/null 2>&1 || command -v wasm-ld >/dev/null; }
}

is_ready() {
    if [ -n "${REPLICANT_GUEST_RUSTC:-}" ]; then
        has_target "$REPLICANT_GUEST_RUSTC" || has_sources "$REPLICANT_GUEST_RUSTC"
        return
    fi
    for rustc in "${RUSTC:-rustc}" /usr/bin/rustc; do
        if has_target "$rustc" || has_sources "$rustc"; then return 0; fi
    done
    return 1
}

add_with_rustup() {
    command -v rustup >/dev/null || return 1
    say "Adding $target to the active Rust toolchain with rustup."
    rustup target add "$target" >&2
}

install_with_apt() {
    command -v apt-get >/dev/null || return 1
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "apt-get needs root, and there is no sudo."; return 1; }
        sudo=sudo
    fi
    packages="rustc-web cargo-web rust-web-src lld"
    say "Installing $packages with apt-get."
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $packages >&2 || {
        $sudo apt-get update -q >&2 &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $packages >&2
    }
}

if is_ready; then exit 0; fi
if add_with_rustup && is_ready; then exit 0; fi
if install_with_apt && is_ready; then exit 0; fi

say "
No Rust toolchain on this machine compiles to $target, and none could be installed.
Any one of these three makes one:
  1. with rustup:  rustup target add $target
  2. on Debian:    apt-get install rustc-web cargo-web rust-web-src lld
  3. any other rustc (1.$minor_min or newer) that has the target, or the sources of the standard
     library and wasm-ld: name it in REPLICANT_GUEST_RUSTC, and its cargo in REPLICANT_GUEST_CARGO"
exit 1
