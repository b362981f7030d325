//! Membership: every node knows every other, and notices within seconds when one is gone.
//!
//! Source: Das, Gupta and Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group
//! Membership Protocol" (DSN 2002). From it: randomized round-robin probing (section 4.3), indirect
//! probes (3.1), suspicion (4.2), dissemination piggybacked on probes (4.1). Deviations, with
//! reasons:
//!
//! * *Inside sessions.* Messages travel in authenticated, ordered sessions instead of datagrams. A
//!   session that breaks is a hint: its peer is probed next
//!   ([`Membership::handle_session_closed`]).
//! * *Signed records.* What a node says of itself {address, generation, incarnation, leaving,
//!   metadata} is signed by its key ([`Record`]). So nobody else can raise an incarnation, move an
//!   address, subscribe or say goodbye for another.
//! * *Signed accusations.* Who says that a member does not answer signs it for one incarnation
//!   ([`Accusation`]); the accused refutes with the next. So accusers can be counted wherever their
//!   word comes from, and each is held to what one can honestly find unreachable.
//! * *Nobody's word is enough.* That a member is dead, as others say, leaves it the least time of a
//!   suspect here; the paper's *confirm* is believed at once ([`Config::trusts_death`]).
//! * *Drawn witnesses.* Of those who hear of a suspicion 3 *K* on average probe the suspect next,
//!   so that confirmations, or its answer, do not wait until its turn comes.
//! * *One order.* (incarnation, record, status) is ordered, and a table entry only ever becomes
//!   larger: merging is commutative, associative and idempotent, so the order of gossip does not
//!   matter. In particular *dead* yields to a larger incarnation (the paper's *confirm* does not):
//!   a member that comes back is alive again.
//! * *Push-pull.* Two nodes compare digests of their tables when they first meet and now and then
//!   after, one of them possibly thought dead, and exchange the parts that differ. That is what
//!   joins, and what heals partitions; the paper leaves it open.
//! * *News at once.* What a node hears for the first time it also sends to a few others at once, so
//!   that suspicion and refutation travel in round trips. With probes alone a suspicion would have
//!   to last several log n periods. Source too: Dadgar, Phillips and Currey, "Lifeguard: SWIM-ing
//!   with Situational Awareness" (2018): local health and nacks (section IV-A), suspicion that
//!   shortens with confirmations (IV-B), the suspect hears of it first (IV-C); [`Lifeguard`]
//!   switches each.
//!
//! What a hostile member can do stands in `docs/membership.md`: accuse others, who refute it, once
//! a period; answer for a dead node, or keep silent, when asked to probe it; join with many keys,
//! up to [`Config::members_max`]. What it asks for is bounded each period: parts of the table,
//! answers that carry news, probes run for it. Admission by certificate comes with a later release.
//!
//! [`Membership`] is the face; behind it stand [`Swim`] and, with partial views,
//! [`hyparview::HyParView`]; [`Strategy`] is one of the two. Not here: sockets and sessions, who
//! may be a member, and what subscriptions are for.

mod accusation;
mod accusing;
mod address;
mod config;
mod gossip;
mod health;
mod hearsay;
pub mod hyparview;
mod message;
mod metadata;
mod probes;
mod probing;
mod record;
mod reliability;
mod sessions;
mod strategy;
mod suspicion;
mod swim;
mod sync;
mod table;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod lifeguard_tests;
#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;

use crate::ids::{Generation, NodeId};

pub(crate) use address::parse as parse_address;

pub use accusation::{ACCUSATIONS_MAX, Accusation};
pub use config::{Config, Lifeguard, Local, MEMBERS_MAX};
pub use message::{Digests, MESSAGE_BYTES_MAX, Message, MessageError, Rumour};
pub use metadata::{
    APPLICATION_BYTES_MAX, Metadata, MetadataError, SUBSCRIPTIONS_BYTES_MAX, SUBSCRIPTIONS_MAX,
};
pub use record::{Record, Said};
pub use reliability::Reliability;
pub use strategy::{Strategy, StrategyError, StrategyKind, StrategyKindError, StrategyMessage};
pub use swim::{Counts, Swim};

/// What is thought of a member. Ordered: at equal incarnation the later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It answers, or nobody doubted it yet.
    Alive,
    /// It did not answer somebody. It has some time to refute.
    Suspect,
    /// It did not refute in time. It can come back with a larger incarnation.
    Dead,
    /// It said goodbye.
    Left,
}

/// A member as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// Where it says that it listens. Signed by it, but still a claim.
    pub address: SocketAddr,
    /// How often it started over with a fresh replica id.
    pub generation: Generation,
    /// How often it spoke up for itself. Compared, never interpreted.
    pub incarnation: u64,
    /// What is thought of it.
    pub status: Status,
    /// What it subscribes to, and what its application adds. Its own words, like the address.
    pub metadata: Metadata,
    /// How reliable it was, as this node measured it.
    pub reliability: Reliability,
}

impl Member {
    /// A member by its own words, of which nothing is measured.
    pub fn of(said: &Said, status: Status) -> Self {
        Self {
            node: said.node,
            address: said.address,
            generation: said.generation,
            incarnation: said.incarnation,
            status,
            metadata: said.metadata.clone(),
            reliability: Reliability::default(),
        }
    }
}

/// What the driver has to do, or may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent<M = Message> {
    /// Send a message. If there is no session with `to`, dial `address`, expecting `to`; if that
    /// fails drop the message: the protocol expects losses.
    Send {
        /// To whom.
        to: NodeId,
        /// Where it listens, as far as is known.
        address: SocketAddr,
        /// What.
        message: M,
    },
    /// Somebody joined, or came back from dead or left.
    MemberUp(Member),
    /// A member's address, generation or metadata changed.
    MemberChanged(Member),
    /// A member did not answer. It is still counted as there.
    MemberSuspect(NodeId),
    /// A suspect spoke up for itself.
    MemberRefuted(NodeId),
    /// A member is given up.
    MemberDown(NodeId),
    /// A member said goodbye.
    MemberLeft(NodeId),
}

/// A strategy of membership.
///
/// # Operating it
///
/// *Join.* Make the state, dial a seed; once a session is established call
/// [`handle_session_opened`](Membership::handle_session_opened). The rest follows. Do this for
/// every session, whoever dialed; call
/// [`handle_session_closed`](Membership::handle_session_closed) when the last session with a peer
/// is over.
///
/// *Run.* Give messages of peers to [`on_message`](Membership::on_message), with the node id that
/// the session proved. After every input drain [`poll_event`](Membership::poll_event) and arm one
/// timer for [`next_timeout`](Membership::next_timeout).
///
/// *Leave.* Call [`handle_leave`](Membership::handle_leave), send what comes out, then close the
/// sessions.
///
/// `now` is monotonic. The generator decides whom to probe and ask; it need not be secret, but one
/// that others can guess lets them know whom this node probes next.
pub trait Membership {
    /// What members say to each other.
    type Message;

    /// Why a peer's message was not taken.
    type MessageError: std::error::Error;

    /// A session with `peer` is established; `address` is where it said that it listens.
    fn handle_session_opened(
        &mut self,
        now: Duration,
        peer: NodeId,
        address: SocketAddr,
        rng: &mut impl Rng,
    );

    /// The last session with `peer` is over, for whatever reason.
    fn handle_session_closed(&mut self, now: Duration, peer: NodeId, rng: &mut impl Rng);

    /// Takes a message of `from`.
    ///
    /// # Errors
    /// [`Self::MessageError`]: the peer's fault. What stood before the fault in the message was
    /// taken.
    fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        message: Self::Message,
        rng: &mut impl Rng,
    ) -> Result<(), Self::MessageError>;

    /// Says goodbye to some members, who tell the others. Nothing is sent after that.
    fn handle_leave(&mut self, now: Duration, rng: &mut impl Rng);

    /// Does what is due. May be called at any time.
    fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng);

    /// When [`handle_timeout`](Membership::handle_timeout) is due at the latest.
    fn next_timeout(&self) -> Option<Duration>;

    /// The next thing to do or to know.
    fn poll_event(&mut self) -> Option<OutEvent<Self::Message>>;

    /// All that is known, this node included, in the order of ids.
    fn members(&self) -> Vec<Member>;
}
