//! From a description of the environment to the parameters of every protocol.
//!
//! Guarantee: [`Environment::parameters`] is a pure function, total over whatever is described, and
//! every parameter stays within the range that its protocol can run with.
//!
//! One description decides: how reliable nodes are, how long messages take, how many are lost, how
//! many nodes there are, and what has to be survived. The profiles [`local`](Environment::local),
//! [`lan`](Environment::lan), [`wan`](Environment::wan) and [`edge`](Environment::edge) are points
//! in that space. Every parameter can be overridden afterwards: they are plain numbers, and
//! [`Parameters::set`] takes them by name.
//! [`Expected`] says what follows from them in theory, and the simulator measures what does in
//! fact; `docs/membership.md` has both.
//!
//! Sources: Das, Gupta and Motivala, "SWIM" (DSN 2002); Dadgar, Phillips and Currey, "Lifeguard"
//! (2018); Leitão, Pereira and Rodrigues, "HyParView" (DSN 2007) and "Epidemic Broadcast Trees"
//! (SRDS 2007); Kermarrec, Massoulié and Ganesh, "Probabilistic Reliable Dissemination in
//! Large-Scale Systems" (2003), after Erdős and Rényi, for the fan-out.
//!
//! Not here: the protocols, which take these numbers into their configurations.

mod contradictions;
mod expected;
mod overrides;
mod profile;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::time::Duration;

pub use expected::Expected;
pub use overrides::ParameterError;
pub use profile::{Profile, ProfileError};

/// β: what a broadcast along a tree may cost beside the tree.
const TREE_REDUNDANCY: f64 = 0.08;

/// To more others no node passes on a rapid broadcast.
pub(crate) const RAPID_FANOUT_MAX: usize = 64;

/// Where nodes run. Written ρ, ε, n, φ and δ in the documentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Environment {
    /// ρ: the share of time in which a node is up; [`RELIABILITY`](Self::RELIABILITY). The main
    /// axis.
    pub reliability: f64,
    /// How long a message and its answer take together, in 99 of 100 cases, the time that a busy
    /// machine takes to get to it included.
    pub round_trip: Duration,
    /// ε: the share of messages that are lost or much too late; [`LOSS`](Self::LOSS).
    pub loss: f64,
    /// n: how many nodes are expected. Wrong by a factor of ten costs a little, not correctness.
    pub expected_size: u32,
    /// φ: the largest share of nodes that may fail at once without cutting off the others;
    /// [`WORST_LOSS`](Self::WORST_LOSS).
    pub worst_loss: f64,
    /// δ: how likely a node may miss something that is sent once; [`MISS`](Self::MISS).
    pub miss: f64,
}

/// A suspicion lasts as long in small clusters as among so many powers of ten: there, too, a
/// machine may be busy for a moment.
pub(crate) const SUSPICION_DECADES_MIN: f64 = 2.0;

/// What follows from an [`Environment`], for each protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Full view.
    pub swim: SwimParameters,
    /// Partial views.
    pub hyparview: HyParViewParameters,
    /// Broadcast along trees.
    pub plumtree: PlumtreeParameters,
    /// Broadcast by flooding.
    pub rapid: RapidParameters,
}

/// Parameters of SWIM with Lifeguard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwimParameters {
    /// *T* = 7/2 round trips: a direct probe, after its time-out an indirect one with its nack, and
    /// a sixth of a round trip to spare.
    pub probe_interval: Duration,
    /// 4/3 round trips.
    pub probe_timeout: Duration,
    /// *K*: the least with q(1-m²)(1-q·m⁴)^K · e^q/(e^q-1) ≤ 10⁻⁵ for q = ρ, m = 1-ε; 3 to 8
    /// (SWIM, section 3.1).
    pub indirect_probes_count: usize,
    /// α = 1 + 4(1-ρ), rounded: a suspicion lasts α · max(2, log₁₀ n) · *T* at least (Lifeguard,
    /// section IV-B; the more often nodes are away, the longer they get).
    pub suspicion_multiplier: u32,
    /// β: without confirmation it lasts so many times longer; 6 (Lifeguard, section V).
    pub suspicion_max_multiplier: u32,
    /// How many confirmations bring it down to the least; 3 (Lifeguard, section V).
    pub confirmations_max: usize,
    /// λ = 1 + ln(1/δ) / (2 · ln n · ρ(1-ε)), rounded up, 2 to 6: of n nodes n^-(2λ-2) miss a
    /// rumour (SWIM, section 4.1), and of its transmissions ρ(1-ε) arrive.
    pub retransmission_multiplier: u32,
    /// Half a round trip.
    pub gossip_interval: Duration,
    /// To how many others news goes at once; 3.
    pub gossip_fanout_count: usize,
    /// 20 *T*, 5 s to 2 min, no less than *T*: how often tables are compared.
    pub sync_interval: Duration,
    /// 5 *T*, 1 s to 1 min, no less than *T*: how often a dead member is tried.
    pub reconnect_interval: Duration,
}

/// Parameters of HyParView.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HyParViewParameters {
    /// ⌈ln n⌉ + 3, at least 4: with ln n links a random graph is connected (Erdős and Rényi), and
    /// three more make its paths a hop shorter at 10,000.
    pub active_view_target: usize,
    /// Two more: the room in which newcomers find places without anybody being sent away.
    pub active_view_max: usize,
    /// A third of the target, rounded up: neighbours of the node's own choice (GossipSub v1.1's
    /// outbound quota).
    pub own_view_min: usize,
    /// ⌈ln δ / ln φ⌉, at least two active views and at most 1,024: with probability 1-δ one of so
    /// many is left after a share φ is gone.
    pub passive_view_max: usize,
    /// How far a newcomer is sent on: the depth of the graph, which is the logarithm of n to the
    /// base active view - 1, rounded up, and one; 2 to 10.
    pub active_walk_length: u8,
    /// With how many steps left it enters passive views: half of the depth, rounded up.
    pub passive_walk_length: u8,
    /// 200 round trips, 2 s to 2 min.
    pub shuffle_interval: Duration,
    /// How often views are mixed with a contact or a lost neighbour, which is what finds parts that
    /// know nothing of each other; 3,000 round trips, 1 to 5 min.
    pub contact_interval: Duration,
    /// How many of the active view a shuffle carries; 3 (section 5.1).
    pub shuffle_active_count: usize,
    /// How many of the passive view a shuffle carries; a tenth, 4 to 12 (section 5.1).
    pub shuffle_passive_count: usize,
    /// How long an answer may take; 10 round trips, since there may be a dial before, 100 ms to
    /// 1 min.
    pub request_timeout: Duration,
}

/// Parameters of Plumtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlumtreeParameters {
    /// How many copies beside the tree a broadcast makes: β n / 2 for a relative redundancy β of
    /// 0.08, at most 4,096.
    pub spread_count: u16,
    /// How long announcements of payloads wait for further ones; half a round trip.
    pub i_have_interval: Duration,
    /// How long a payload may come after its announcement: the depth of the tree, ⌈log₁₀ n⌉ + 2
    /// hops of half a round trip (Epidemic Broadcast Trees, section 3.4, has a constant).
    pub graft_timeout: Duration,
    /// How long until the next announcer is asked; 2.5 round trips.
    pub graft_retry_timeout: Duration,
}

/// Parameters of the rapid broadcast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RapidParameters {
    /// ⌈(ln(nρ) + c) / (ρ(1-ε))⌉ with c = ln(1/δ), at most n - 1 and 64: then all live nodes are
    /// reached with probability e^(-e^-c) = 1-δ. Where there are more or fewer nodes than expected
    /// it is what follows for them, unless this was set to something else.
    pub fanout_count: usize,
    /// How long a body may take after it is asked for, until another is asked; 1.2 round trips.
    /// The other times are in proportion to it.
    pub pull_timeout: Duration,
    /// ρ, of which the fan-out follows.
    pub reliability: f64,
    /// ε, likewise.
    pub loss: f64,
    /// δ, likewise.
    pub miss: f64,
    /// What followed.
    derived_fanout_count: usize,
}

impl RapidParameters {
    /// The fan-out, if it was set to something else than what follows from the environment.
    pub fn overridden_fanout(&self) -> Option<usize> {
        (self.fanout_count != self.derived_fanout_count).then_some(self.fanout_count)
    }
}

/// How many copies beside the tree a broadcast makes among so many nodes: β n / 2 for a relative
/// redundancy β of 0.08, at most 4,096.
pub fn tree_spread(nodes_count: u32) -> u16 {
    (TREE_REDUNDANCY * f64::from(nodes_count) / 2.0).min(4_096.0) as u16
}

impl Environment {
    /// What [`reliability`](Self::reliability) can be: a node that is never up does nothing.
    pub const RELIABILITY: RangeInclusive<f64> = 0.01..=1.0;
    /// What [`loss`](Self::loss) can be: where hardly anything arrives no parameter helps.
    pub const LOSS: RangeInclusive<f64> = 0.0..=0.9;
    /// What [`worst_loss`](Self::worst_loss) can be: somebody has to be left.
    pub const WORST_LOSS: RangeInclusive<f64> = 0.0..=0.99;
    /// What [`miss`](Self::miss) can be: never cannot be promised.
    pub const MISS: RangeInclusive<f64> = 1e-12..=0.5;

    /// What follows. Values outside their range count as the nearest within.
    pub fn parameters(&self) -> Parameters {
        let env = self.within_range();
        let derived = Parameters {
            swim: env.swim(),
            hyparview: env.hyparview(),
            plumtree: env.plumtree(),
            rapid: env.rapid(),
        };
        derived.within_range()
    }

    /// What is to be expected, in theory, of these parameters here.
    pub fn expected(&self, parameters: &Parameters) -> Expected {
        Expected::of(&self.within_range(), parameters)
    }

    fn swim(&self) -> SwimParameters {
        let interval = rounded(self.round_trip * 7 / 2);
        let timeout = rounded(self.round_trip * 4 / 3);
        let transmissions = self.arrives() * 2.0 * self.size().ln();
        let multiplier = 1.0 + (1.0 / self.miss).ln() / transmissions;
        let seconds = |least, most| (Duration::from_secs(least), Duration::from_secs(most));
        let (sync_least, sync_most) = seconds(5, 120);
        let (reconnect_least, reconnect_most) = seconds(1, 60);
        SwimParameters {
            probe_interval: interval,
            probe_timeout: timeout,
            indirect_probes_count: self.indirect_probes(),
            suspicion_multiplier: (1.0 + 4.0 * (1.0 - self.reliability)).round() as u32,
            suspicion_max_multiplier: 6,
            confirmations_max: 3,
            retransmission_multiplier: multiplier.ceil().clamp(2.0, 6.0) as u32,
            gossip_interval: rounded(self.round_trip / 2),
            gossip_fanout_count: 3,
            sync_interval: (interval * 20).clamp(sync_least, sync_most).max(interval),
            reconnect_interval: (interval * 5)
                .clamp(reconnect_least, reconnect_most)
                .max(interval),
        }
    }

    fn hyparview(&self) -> HyParViewParameters {
        let size = self.size();
        let active = (size.ln().ceil() as usize + 3).max(4);
        let left = (self.miss.ln() / self.worst_loss.max(1e-6).ln()).ceil() as usize;
        let passive = left.max(2 * active).min(1_024);
        let depth = (size.ln() / ((active - 1) as f64).ln()).ceil();
        let (least, most) = (Duration::from_secs(2), Duration::from_secs(120));
        let (soonest, latest) = (Duration::from_millis(100), Duration::from_secs(60));
        let (least_contact, most_contact) = (Duration::from_secs(60), Duration::from_secs(300));
        HyParViewParameters {
            active_view_target: active,
            active_view_max: active + 2,
            own_view_min: active.div_ceil(3),
            passive_view_max: passive,
            active_walk_length: (depth + 1.0).clamp(2.0, 10.0) as u8,
            passive_walk_length: (depth as u8).div_ceil(2).clamp(1, 5),
            shuffle_interval: (self.round_trip * 200).clamp(least, most),
            contact_interval: (self.round_trip * 3_000).clamp(least_contact, most_contact),
            shuffle_active_count: 3,
            shuffle_passive_count: (passive / 10).clamp(4, 12),
            request_timeout: (self.round_trip * 10).clamp(soonest, latest),
        }
    }

    fn plumtree(&self) -> PlumtreeParameters {
        let one_way = self.round_trip / 2;
        let depth = self.size().log10().ceil() as u32 + 2;
        PlumtreeParameters {
            spread_count: tree_spread(self.expected_size),
            i_have_interval: rounded(one_way),
            graft_timeout: rounded(one_way * depth),
            graft_retry_timeout: rounded(one_way * 5),
        }
    }

    fn rapid(&self) -> RapidParameters {
        let fanout_count = self.fanout();
        RapidParameters {
            fanout_count,
            pull_timeout: rounded(self.round_trip * 6 / 5),
            reliability: self.reliability,
            loss: self.loss,
            miss: self.miss,
            derived_fanout_count: fanout_count,
        }
    }

    fn fanout(&self) -> usize {
        let reached = (self.size() * self.reliability).max(1.0).ln() + (1.0 / self.miss).ln();
        let fanout = (reached / self.arrives()).ceil() as usize;
        let others = self.expected_size.saturating_sub(1).max(1) as usize;
        fanout.min(others).min(RAPID_FANOUT_MAX)
    }

    /// The share of transmissions that find a live node.
    fn arrives(&self) -> f64 {
        self.reliability * (1.0 - self.loss)
    }

    fn size(&self) -> f64 {
        f64::from(self.expected_size)
    }

    fn indirect_probes(&self) -> usize {
        (3..8)
            .find(|count| expected::false_suspicion(self, *count) <= 1e-5)
            .unwrap_or(8)
    }

    /// The description with nonsense taken out.
    fn within_range(&self) -> Self {
        let within = |value: f64, range: RangeInclusive<f64>| match value.is_nan() {
            true => *range.start(),
            false => value.clamp(*range.start(), *range.end()),
        };
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(60));
        Self {
            reliability: within(self.reliability, Self::RELIABILITY),
            round_trip: self.round_trip.clamp(least, most),
            loss: within(self.loss, Self::LOSS),
            expected_size: self.expected_size.clamp(2, 10_000_000),
            worst_loss: within(self.worst_loss, Self::WORST_LOSS),
            miss: within(self.miss, Self::MISS),
        }
    }
}

/// In whole milliseconds, at least one, so that what is printed is what is used.
fn rounded(time: Duration) -> Duration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.max(1))
}
