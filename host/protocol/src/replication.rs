//! Replication of one topic: bundles are verified, ordered causally, handed out for storing, and
//! what was missed is fetched.
//!
//! Guarantee: bundles are handed out ([`State::begin_batch`]) exactly once, each after its
//! predecessor and everything that it depends on; and what two connected nodes have stored becomes
//! equal once no new ops are made.
//!
//! Sources: causal delivery by waiting for dependencies, Birman, Schiper and Stephenson,
//! "Lightweight Causal and Atomic Group Multicast" (ACM TOCS 1991); a log for each writer and
//! repair by comparing version vectors, Petersen et al., "Flexible Update Propagation for Weakly
//! Consistent Replication" (Bayou, SOSP 1997); hash chains that make equivocation provable,
//! Mazières and Shasha, "Building Secure File Systems out of Byzantine Storage" (PODC 2002).
//! Deviations,
//! with reasons: a bundle's dependencies are a difference to its predecessor's, because most of
//! them do not change; and each names the hash of the bundle it depends on, so that a fork of one
//! replica's history shows in what others build on it.
//!
//! # The life of a bundle from a peer
//!
//! ```text
//!            malformed, forged, foreign ──▶ Reject
//!            here already ──▶ counted
//!  peer ──▶ ┤ contradicts the history ──▶ Equivocation (kept as proof, not delivered)
//!            something is missing ──▶ waiting ──(too long, buffer full)──▶ dropped, asked again
//!            too far in the future ──▶ waiting │
//!            nothing is missing ──▶ ready ◀────┘
//!                                     │ begin_batch
//!                                     ▼
//!                                   staged ──(handle_store_failed)──▶ ready
//!                                     │ handle_stored
//!                                     ▼
//!                                  delivered: part of the version, served to peers
//! ```
//!
//! # What can go wrong, and what happens
//!
//! - *A bundle is lost.* The next one of its replica waits, and after `gap_delay` its sender is
//!   asked. If nothing follows, the periodic comparison of versions finds it.
//! - *Bundles are duplicated or reordered.* Duplicates are counted before a signature is paid for;
//!   the buffer puts the others in order.
//! - *The buffer is full.* Out goes what is latest in causal order (largest timestamp): never a
//!   predecessor before its successor, and the same on every run. Its sender is asked later.
//! - *Bundles that wait for ever fill the buffer.* A peer's share is bounded, they expire after
//!   `waiting_max`, and they never push out what was asked for: so synchronising goes on.
//! - *Two histories of one replica.* Whichever becomes deliverable first counts here; the other is
//!   evidence. Nodes may differ until a later layer closes the replica.
//! - *A peer promises more and sends nothing new.* It is left alone for longer and longer, and
//!   others are asked. After a few times it is given up, until there is news of it.
//! - *A peer does not answer.* The request times out, another peer is asked; a late answer is
//!   ignored. Next time it gets longer, unless others are needed meanwhile.
//! - *A peer answers just in time, a little each time.* The others are asked first.
//! - *A peer asks for the same again and again.* It gets it a few times per `repeat_interval`.
//! - *A session is replaced.* Requests in the old one are forgotten on both sides; comparing begins
//!   anew at once. A request that overtakes the news of its session is answered.
//! - *A chunk breaks off.* Every request starts at what is stored: nothing is lost but the chunk.
//! - *The storage refuses a batch.* Everything is as before `begin_batch`; own ops of the batch
//!   never existed.
//! - *The node crashes.* What was not stored was never heard of; `restore` goes on from what was.
//! - *The disk was restored from an old copy.* A peer's bundle of this replica shows it
//!   ([`OutEvent::HistoryAhead`]); no op is made until a new generation begins.
//! - *This node's clock is slow.* Bundles wait until it catches up; they are never refused.
//!
//! # Invariants
//!
//! Delivered sets are causally closed and without gaps (checked by the simulation's checker after
//! every batch); a version never goes back; a dot is used once; `Forward` and `Deliver` happen only
//! after the signature was checked; every buffer is within its bound (asserted by tests at the
//! bound).
//!
//! Not here: which topics differ between two nodes ([`anti_entropy`]); reaching everyone quickly
//! (broadcast); what the ops mean.

mod admission;
pub mod anti_entropy;
mod batch;
mod buffer;
mod config;
mod event;
mod history;
mod local;
mod message;
mod pull;
mod repair;
mod serving;
mod state;
mod stats;

pub use batch::BatchError;
pub use config::Config;
pub use event::{Held, OutEvent, RejectReason};
pub use history::{Boundary, BoundaryLog, ChainHead, LogUnavailable};
pub use local::{GenerationError, OpenError, Opened, SealError};
pub use message::{
    BundleBytes, CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, ChunkBuilder, Message, MessageError, RequestId,
    Served, SyncChunk, SyncRequest,
};
pub use state::{RestoreError, State, Writer};
pub use stats::Stats;
