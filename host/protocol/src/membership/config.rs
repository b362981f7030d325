//! What membership is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::NodeIdentity;
use crate::ids::Generation;

/// More members than this no configuration allows: a full table then takes 3 MB on the wire.
pub const MEMBERS_MAX: usize = 16_384;

/// The settings of SWIM. [`Config::lan`] is the default, [`Config::local`] is for several nodes on
/// one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The protocol period *T*: how often a member is probed. Must be above
    /// `probe_timeout` + the time of an indirect probe (two round trips). Smaller: faster
    /// detection, 2 messages per period and node more. The first detection of a crash takes
    /// 1/(1 - 1/e) = 1.58 periods on average, whatever the size (paper, section 3.1). Default 1 s.
    pub probe_interval: Duration,
    /// How long a direct probe may take before others are asked to try. Well above the round-trip
    /// time and below `probe_interval` / 2. Larger: fewer indirect probes, less time for them.
    /// Default 300 ms.
    pub probe_timeout: Duration,
    /// How many members are asked to try: *k*. Larger: fewer false suspicions under loss, *k*
    /// times four messages more for each failed probe. With loss ε a round fails wrongly with
    /// probability (1-(1-ε)²)(1-(1-ε)⁴)^k: 2e-5 at 5 % and *k* = 3... if sessions lose at all.
    /// Default 3.
    pub indirect_probes_count: usize,
    /// How long a suspect has, in periods per decade of members: a suspicion lasts
    /// *α* · max(1, log₁₀ n) · *T*. At least 2, so that rumour and refutation can travel. Larger:
    /// fewer false deaths, slower detection. *α* = 2 + 4 (1 - ρ), ρ the share of time that a node
    /// is up; default 4, for nodes that stall.
    pub suspicion_multiplier: u32,
    /// How often a rumour is passed on by each node: *λ* · ⌈ln(n + 1)⌉ times. The share of nodes
    /// that never hear of it is n^-(2λ-2) (paper, section 4.1). Larger: surer, more bytes. Default
    /// 3: one in n⁴.
    pub retransmission_multiplier: u32,
    /// How many bytes of rumours go with a probe or an answer; at least one rumour (about 200
    /// bytes) always fits. Larger: rumours spread in fewer periods when there are many. Default
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
    /// How often the full table is exchanged with a random member. It repairs what gossip missed.
    /// Costs 170 bytes per member each time. Default 30 s; varied by a quarter.
    pub sync_interval: Duration,
    /// How often a dead member is tried, a random one. It is what heals partitions, and costs a
    /// dial each time. Default 10 s; varied by a quarter.
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
    /// How many members a leaving node tells. Default 8: the others hear of it in two periods.
    pub leave_fanout_count: usize,
}

impl Config {
    /// For a local network: a crash is noticed in about 6 s.
    pub fn lan() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(300),
            indirect_probes_count: 3,
            suspicion_multiplier: 4,
            retransmission_multiplier: 3,
            gossip_bytes_max: 1_200,
            gossip_interval: Duration::from_millis(100),
            gossip_fanout_count: 3,
            sync_interval: Duration::from_secs(30),
            reconnect_interval: Duration::from_secs(10),
            dead_retention: Duration::from_secs(24 * 3600),
            members_max: 4_096,
            relays_max: 256,
            leave_fanout_count: 8,
        }
    }

    /// For nodes on one machine: a crash is noticed in about 2 s, a healed partition in 2 s.
    pub fn local() -> Self {
        Self {
            probe_interval: Duration::from_millis(300),
            probe_timeout: Duration::from_millis(100),
            gossip_interval: Duration::from_millis(30),
            sync_interval: Duration::from_secs(5),
            reconnect_interval: Duration::from_secs(1),
            ..Self::lan()
        }
    }

    /// The settings with nonsense taken out: every field within its range.
    pub(super) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(1);
        self.probe_timeout = self.probe_timeout.max(least);
        self.probe_interval = self.probe_interval.max(self.probe_timeout * 2);
        self.suspicion_multiplier = self.suspicion_multiplier.max(2);
        self.retransmission_multiplier = self.retransmission_multiplier.max(1);
        self.gossip_interval = self.gossip_interval.max(least);
        self.sync_interval = self.sync_interval.max(self.probe_interval);
        self.reconnect_interval = self.reconnect_interval.max(self.probe_interval);
        self.members_max = self.members_max.clamp(2, MEMBERS_MAX);
        self
    }

    /// How long a suspect has to refute, among `count` members.
    pub fn suspicion_timeout(&self, count: usize) -> Duration {
        let decades = (count.max(1) as f64).log10().max(1.0);
        let periods = f64::from(self.suspicion_multiplier) * decades;
        // In whole milliseconds, so that no machine rounds differently by a hair.
        let millis = (self.probe_interval.as_millis() as f64 * periods).round();
        Duration::from_millis(millis as u64)
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
    /// How often it started over with a fresh replica id.
    pub generation: Generation,
    /// Where its incarnation starts. 0 is always right: a restarted node learns its old
    /// incarnation from the first peer and goes above it. Seconds since 1970 at the start, or the
    /// last incarnation plus one, save that round.
    pub incarnation: u64,
}
