//! What membership is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::environment::{Environment, SUSPICION_DECADES_MIN, SwimParameters};
use crate::identity::NodeIdentity;
use crate::ids::Generation;

use super::Metadata;
use super::sync::PAGE_BYTES_MAX;

/// More members than this no configuration allows: a full table then takes 3 MB on the wire, or
/// 20 MB if every member has as much metadata as it can.
pub const MEMBERS_MAX: usize = 16_384;

/// Which parts of Lifeguard are on. All off is SWIM as in the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifeguard {
    /// Probes take longer while this node seems to be the slow one, and who probes for another says
    /// so when there is no answer (section IV-A).
    pub local_health: bool,
    /// A suspicion lasts long if one member has it, and the shorter the more confirm it (section
    /// IV-B).
    pub dynamic_suspicion: bool,
    /// A suspect is told that it is one: at once, and with every probe (section IV-C).
    pub buddy: bool,
}

impl Lifeguard {
    /// All of it.
    pub const ON: Self = Self {
        local_health: true,
        dynamic_suspicion: true,
        buddy: true,
    };
    /// None of it.
    pub const OFF: Self = Self {
        local_health: false,
        dynamic_suspicion: false,
        buddy: false,
    };
}

/// The settings of SWIM. Most follow from the environment: [`Config::from`] takes
/// [`SwimParameters`]. [`Config::lan`] is the default, [`Config::local`] is for several nodes on
/// one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The protocol period *T*: how often a member is probed. Must be above
    /// `probe_timeout` + the time of an indirect probe (two round trips). Smaller: faster
    /// detection, 2 messages per period and node more. The first detection of a crash takes
    /// 1/(1 - 1/e) = 1.58 periods on average, whatever the size (paper, section 3.1). Default
    /// 350 ms.
    pub probe_interval: Duration,
    /// How long a direct probe may take before others are asked to try. Well above the round-trip
    /// time and below `probe_interval` / 2. Larger: fewer indirect probes, less time for them. Who
    /// probes for another waits three quarters of it before it says that there is no answer.
    /// Default 133 ms.
    pub probe_timeout: Duration,
    /// How many members are asked to try: *k*. Larger: fewer false suspicions under loss, *k*
    /// times four messages more for each failed probe. With loss ε a round fails wrongly with
    /// probability (1-(1-ε)²)(1-(1-ε)⁴)^k: 2e-5 at 5 % and *k* = 3... if sessions lose at all.
    /// Default 3.
    pub indirect_probes_count: usize,
    /// How long a suspect has at least, in periods per decade of members: a suspicion lasts *α* ·
    /// max(2, log₁₀ n) · *T* or longer. With 1 that is 1.5 times or more what accusation and
    /// refutation take to travel. Larger: fewer false deaths, slower detection. *α* = 1 + 4 (1 -
    /// ρ), ρ the share of time that a node is up; default 1.
    pub suspicion_multiplier: u32,
    /// *β*: how many times longer a suspect has that nobody else accuses. 1 or more. Larger: more
    /// patience with what one slow node says. Default 6 (Lifeguard, section V).
    pub suspicion_max_multiplier: u32,
    /// *K*: how many further accusers bring a suspect's time down to the least. At most 3, since
    /// each is kept and passed on. Larger: slower detection, fewer false deaths. Of those who hear
    /// of a suspicion 3 *K* on average probe the suspect next, so that confirmations come within
    /// two periods. Default 3.
    pub confirmations_max: usize,
    /// Which parts of Lifeguard are on. Default all.
    pub lifeguard: Lifeguard,
    /// Whether another's word is enough to give a member up, as in SWIM. Otherwise it brings the
    /// suspect's time down to the least, so that whoever is alive can always refute. Default no.
    pub trusts_death: bool,
    /// Whether this node judges nobody by a period in which it stalled itself. Default yes.
    pub forgives_own_stall: bool,
    /// How often a rumour is passed on by each node: *λ* · ⌈ln(n + 1)⌉ times. The share of nodes
    /// that never hear of it is n^-(2λ-2) (paper, section 4.1). Larger: surer, more bytes. Default
    /// 3: one in n⁴.
    pub retransmission_multiplier: u32,
    /// How many bytes of rumours go with a probe or an answer; at least one rumour (170 bytes to
    /// 1.6 KB) always fits. Larger: rumours spread in fewer periods when there are many. Default
    /// 1,200: probe and rumours fit one packet.
    pub gossip_bytes_max: usize,
    /// News is also sent at once, without waiting for a probe, but at most this often. Suspicion
    /// and refutation so travel in round trips, not periods. Smaller: more messages while much
    /// happens, none otherwise. Default *T* / 10.
    pub gossip_interval: Duration,
    /// To how many members news is sent at once. With 3 it reaches 94 % (1 - e^-3) of them even if
    /// probes carried nothing. 0: SWIM as in the paper; suspicion should last longer then. Default
    /// 3.
    pub gossip_fanout_count: usize,
    /// How often tables are compared with a random member. It repairs what gossip missed. Costs
    /// half a KB each time, whatever the size, and about 200 bytes for each member in a part that
    /// differs. Default 8 s; varied by a quarter.
    pub sync_interval: Duration,
    /// How often a dead member is tried, a random one. It is what heals partitions, and costs a
    /// dial each time. Default 2 s; varied by a quarter.
    pub reconnect_interval: Duration,
    /// How long the dead and those who left are remembered, so that old gossip does not bring them
    /// back, and so that a partition of this length heals by itself. Takes 300 bytes each.
    /// Default one day.
    pub dead_retention: Duration,
    /// How many members are known at most, dead ones included; 2 to [`MEMBERS_MAX`]. At the bound
    /// the longest dead give way, then newcomers are refused and counted. Default 4,096.
    pub members_max: usize,
    /// How many indirect probes are run for others at once, of which eight for one member. At the
    /// bound more are ignored, and the asker relies on others. Default 256.
    pub relays_max: usize,
    /// After which time what was seen of a member's reliability counts half. Default 1 h.
    pub reliability_half_life: Duration,
    /// How many members a leaving node tells. Default 8: the others hear of it in two periods.
    pub leave_fanout_count: usize,
}

impl From<&SwimParameters> for Config {
    fn from(parameters: &SwimParameters) -> Self {
        Self {
            probe_interval: parameters.probe_interval,
            probe_timeout: parameters.probe_timeout,
            indirect_probes_count: parameters.indirect_probes_count,
            suspicion_multiplier: parameters.suspicion_multiplier,
            suspicion_max_multiplier: parameters.suspicion_max_multiplier,
            confirmations_max: parameters.confirmations_max,
            lifeguard: Lifeguard::ON,
            trusts_death: false,
            forgives_own_stall: true,
            retransmission_multiplier: parameters.retransmission_multiplier,
            gossip_bytes_max: 1_200,
            gossip_interval: parameters.gossip_interval,
            gossip_fanout_count: parameters.gossip_fanout_count,
            sync_interval: parameters.sync_interval,
            reconnect_interval: parameters.reconnect_interval,
            dead_retention: Duration::from_secs(24 * 3600),
            members_max: 4_096,
            relays_max: 256,
            reliability_half_life: Duration::from_secs(3600),
            leave_fanout_count: 8,
        }
    }
}

impl Config {
    /// For a local network: [`Environment::lan`].
    pub fn lan() -> Self {
        Self::from(&Environment::lan().parameters().swim)
    }

    /// For nodes on one machine: [`Environment::local`].
    pub fn local() -> Self {
        Self::from(&Environment::local().parameters().swim)
    }

    /// SWIM as in the paper, with suspicion, to compare with.
    pub fn without_lifeguard(self) -> Self {
        Self {
            lifeguard: Lifeguard::OFF,
            trusts_death: true,
            forgives_own_stall: false,
            ..self
        }
    }

    /// The settings with nonsense taken out: every field within its range.
    pub(crate) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.probe_timeout = self.probe_timeout.max(least);
        self.probe_interval = self.probe_interval.max(self.probe_timeout * 2);
        self.suspicion_multiplier = self.suspicion_multiplier.clamp(1, 1_000);
        self.suspicion_max_multiplier = self.suspicion_max_multiplier.clamp(1, 1_000);
        self.gossip_bytes_max = self.gossip_bytes_max.min(PAGE_BYTES_MAX);
        self.retransmission_multiplier = self.retransmission_multiplier.max(1);
        self.gossip_interval = self.gossip_interval.max(least);
        self.sync_interval = self.sync_interval.max(self.probe_interval);
        self.reconnect_interval = self.reconnect_interval.max(self.probe_interval);
        self.members_max = self.members_max.clamp(2, MEMBERS_MAX);
        self
    }

    /// How long a suspect has to refute at least, among `count` members.
    pub fn suspicion_timeout(&self, count: usize) -> Duration {
        let decades = (count.max(1) as f64).log10().max(SUSPICION_DECADES_MIN);
        let periods = f64::from(self.suspicion_multiplier) * decades;
        // In whole milliseconds, so that no machine rounds differently by a hair.
        let millis = (self.probe_interval.as_millis() as f64 * periods).round();
        Duration::from_millis(millis as u64)
    }

    /// How long a suspect has that so many accuse, among `count` members: from the most, with one
    /// accuser, down to the least with *K* more, by the logarithm of their number (Lifeguard,
    /// section IV-B). Among few members there are fewer that could confirm.
    pub fn suspicion_timeout_with(&self, count: usize, accusers_count: usize) -> Duration {
        let least = self.suspicion_timeout(count);
        let expected = self.confirmations_max.min(count.saturating_sub(2));
        let confirmations = accusers_count.saturating_sub(1);
        if !self.lifeguard.dynamic_suspicion || confirmations >= expected {
            return least;
        }
        let share = (confirmations as f64 + 1.0).ln() / (expected as f64 + 1.0).ln();
        let more = f64::from(self.suspicion_max_multiplier.saturating_sub(1)) * (1.0 - share);
        let more_millis = (least.as_millis() as f64 * more).round();
        least + Duration::from_millis(more_millis as u64)
    }

    /// How often each node passes a rumour on, among `count` members.
    pub fn retransmissions(&self, count: usize) -> u32 {
        let rounds = (count as f64 + 1.0).ln().ceil() as u32;
        self.retransmission_multiplier * rounds.max(1)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::lan()
    }
}

/// This node, as it starts.
#[derive(Debug, Clone)]
pub struct Local {
    /// The key with which it signs what it says of itself.
    pub identity: Arc<NodeIdentity>,
    /// Where others can reach it.
    pub address: SocketAddr,
    /// What it tells of itself at first.
    pub metadata: Metadata,
    /// How often it started over with a fresh replica id.
    pub generation: Generation,
    /// Where its incarnation starts. 0 is always right: a restarted node learns its old
    /// incarnation from the first peer and goes above it. Seconds since 1970 at the start, or the
    /// last incarnation plus one, save that round.
    pub incarnation: u64,
}
