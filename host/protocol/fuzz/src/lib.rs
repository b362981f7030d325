//! The targets of `tests/fuzz`, for cargo-fuzz.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/replication/checker.rs"]
#[allow(dead_code)]
mod checker;
#[path = "../../tests/fuzz/circles.rs"]
mod circles;
#[path = "../../tests/fuzz/content.rs"]
mod content;
#[path = "../../tests/fuzz/decoding.rs"]
mod decoding;
#[path = "../../tests/fuzz/discovery.rs"]
#[allow(dead_code)]
mod discovery;
#[path = "../../tests/replication/disk.rs"]
#[allow(dead_code)]
mod disk;
#[path = "../../tests/fuzz/facts.rs"]
mod facts;
#[path = "../../tests/fuzz/input.rs"]
mod input;
#[path = "../../tests/fuzz/membership.rs"]
mod membership;
#[path = "../../tests/fuzz/rapid.rs"]
#[allow(dead_code)]
mod rapid;
#[path = "../../tests/fuzz/overlay.rs"]
mod overlay;
#[path = "../../tests/fuzz/replication.rs"]
mod replication;
#[path = "../../tests/fuzz/seeds.rs"]
#[allow(dead_code)]
mod seeds;
#[path = "../../tests/fuzz/session.rs"]
mod session;

macro_rules! targets {
    ($($name:ident = $module:ident::$target:ident;)*) => {
        $(
            /// See `tests/fuzz/main.rs`.
            pub fn $name(bytes: &[u8]) {
                $module::$target(bytes);
            }
        )*
    };
}

targets! {
    fuzz_bundle = decoding::bundle;
    fuzz_message = decoding::message;
    fuzz_announcement = decoding::announcement;
    fuzz_publication = decoding::publication;
    fuzz_session = session::session;
    fuzz_replication = replication::replication;
    fuzz_anti_entropy = replication::anti_entropy;
    fuzz_membership = membership::membership;
    fuzz_content = content::content;
    fuzz_overlay_message = overlay::decoding;
    fuzz_overlay_views = overlay::views_stay_bounded;
    fuzz_overlay_tree = overlay::payloads_are_delivered_once;
    fuzz_circle_message = circles::decoding;
    fuzz_circle_call = circles::call_decoding;
    fuzz_circles = circles::circles_among_liars;
    fuzz_beacon = discovery::decoding;
    fuzz_discovery = discovery::stays_bounded;
    fuzz_fact = decoding::fact;
    fuzz_facts = facts::facts_among_liars;
    fuzz_rapid = rapid::rapid_among_liars;
    fuzz_rapid_message = rapid::message;
}
