//! Everything that reads what a peer sent, with inputs that no test thought of.
//!
//! Each target is a function of bytes that must not panic. Here they run with random bytes and with
//! valid ones that were changed: a fixed number of cases, or for as long as told:
//!
//! ```text
//! REPLICANT_FUZZ_SECONDS=180 cargo test --release -p replicant-protocol --test fuzz
//! ```
//!
//! `fuzz/` has the same targets for `cargo fuzz`, which looks for inputs by what code they reach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// The simulation uses more of these two.
mod cases;
#[path = "../replication/checker.rs"]
#[allow(dead_code)]
mod checker;
mod circles;
mod content;
mod decoding;
mod discovery;
#[path = "../replication/disk.rs"]
#[allow(dead_code)]
mod disk;
mod facts;
mod input;
mod membership;
mod mutation;
mod overlay;
mod rapid;
mod replication;
mod seeds;
mod session;

use cases::run;

#[test]
fn any_bytes_are_a_bundle_or_refused() {
    run(20_000, &seeds::bundles(), decoding::bundle);
}

#[test]
fn any_bytes_are_a_message_or_refused() {
    run(20_000, &seeds::messages(), decoding::message);
}

#[test]
fn any_bytes_are_an_announcement_or_refused() {
    run(20_000, &seeds::announcements(), decoding::announcement);
}

#[test]
fn any_bytes_are_a_publication_or_refused() {
    run(20_000, &seeds::publications(), decoding::publication);
}

#[test]
fn nobody_gets_anything_into_a_session_that_its_peer_did_not_send() {
    run(200, &[], session::session);
}

#[test]
fn replication_stays_causal_and_bounded_whatever_peers_and_disks_do() {
    run(500, &[], replication::replication);
}

#[test]
fn comparing_ends_whatever_peers_answer() {
    run(4_000, &[], replication::anti_entropy);
}

#[test]
fn members_are_bounded_and_speak_for_themselves_whatever_is_said() {
    run(300, &[], membership::membership);
}

#[test]
fn modules_have_their_hash_whatever_peers_send() {
    run(300, &[], content::content);
}

#[test]
fn any_bytes_are_a_beacon_or_refused() {
    run(20_000, &discovery::beacons(), discovery::decoding);
}

#[test]
fn discovery_stays_bounded_whatever_is_sent() {
    run(2_000, &[], discovery::stays_bounded);
}

#[test]
fn any_bytes_are_a_fact_or_refused() {
    run(20_000, &facts::facts(), decoding::fact);
}

#[test]
fn facts_are_signed_and_bounded_whatever_peers_send() {
    run(1_000, &[], facts::facts_among_liars);
}

#[test]
fn any_bytes_are_a_message_of_rapid_broadcast_or_refused() {
    run(20_000, &rapid::rapids(), rapid::message);
}

#[test]
fn rapid_broadcast_delivers_once_and_ends_whatever_peers_send() {
    run(400, &[], rapid::rapid_among_liars);
}

#[test]
fn any_bytes_are_a_message_about_a_circle_or_refused() {
    run(20_000, &circles::messages(), circles::decoding);
}

#[test]
fn any_bytes_are_a_call_for_a_circle_or_refused() {
    run(2_000, &circles::calls(), circles::call_decoding);
}

#[test]
fn circles_stay_bounded_whatever_peers_say() {
    run(2_000, &[], circles::circles_among_liars);
}

#[test]
fn any_bytes_are_a_message_of_an_overlay_or_refused() {
    let seeds = [overlay::views(), overlay::trees()].concat();
    run(20_000, &seeds, overlay::decoding);
}

#[test]
fn partial_views_are_bounded_whatever_peers_say() {
    run(2_000, &[], overlay::views_stay_bounded);
}

#[test]
fn a_tree_delivers_once_whatever_neighbours_say() {
    run(2_000, &[], overlay::payloads_are_delivered_once);
}
